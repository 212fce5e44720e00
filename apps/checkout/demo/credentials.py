"""credentials.json: how to get into the demo. Tokens are stored as digests, so the file is their only copy."""

import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone
from knox.crypto import hash_token

from apps.accounts.models import ApiToken, Membership, Role
from apps.accounts.services.tokens import issue_token
from apps.checkout.demo.businesses import ADMIN, BUSINESSES, Business
from apps.core.tenancy import user_scope
from apps.users.models import User

LABEL = "demo"


class CredentialsFile:
    """``credentials.json`` in the demo's folder. It is there while the server listens; otherwise its content lies aside."""

    def __init__(self, folder: Path) -> None:
        self.path, self.aside = folder / "credentials.json", folder / "credentials.last.json"

    def lay_aside(self) -> None:
        """The server listens no more, or not yet."""
        if self.path.exists():
            self.path.replace(self.aside)

    def last(self) -> dict[str, Any]:
        """What the last run wrote; {} when it is gone."""
        try:
            content: dict[str, Any] = json.loads(self.aside.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return content

    def write(self, content: dict[str, Any]) -> None:
        """Appear whole, for the owner's eyes only."""
        part = self.path.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(self.path)

    def forget(self) -> None:
        """Remove it, so that the next run gives out new tokens and passwords."""
        self.path.unlink(missing_ok=True)
        self.aside.unlink(missing_ok=True)


@transaction.atomic
def credentials(base_url: str, last: dict[str, Any]) -> dict[str, Any]:
    """The content of the file. Tokens and password of the last run stay as long as they work; others replace them.

    Raises CommandError when one of the demo's logins was deleted.
    """
    emails = {ADMIN, *(email for plan in BUSINESSES for email in (*plan.staff_emails().values(), *plan.customer_emails()))}
    users = {user.email: user for user in User.objects.filter(email__in=emails)}
    if missing := sorted(emails - set(users)):
        raise CommandError(f"The demo lacks {', '.join(missing)}. Start over with RESET=1.")
    password = last.get("admin", {}).get("password", "")
    if not (password and users[ADMIN].check_password(password)):
        password = secrets.token_urlsafe(12)
        User.objects.filter(email__in=emails).update(password=make_password(password))
    known = _tokens_in(last)
    tokens = {email: _working_token(user, known.get(email, "")) for email, user in users.items() if email != ADMIN}
    return {
        "base_url": base_url,
        "accounts": [_entry(plan, users[plan.staff_emails()[Role.OWNER]], tokens) for plan in BUSINESSES],
        "admin": {"url": f"{base_url}/admin/", "email": ADMIN, "password": password},
    }


def _entry(plan: Business, owner: User, tokens: dict[str, str]) -> dict[str, Any]:
    with user_scope(owner.pk):
        account = Membership._base_manager.select_related("account").get(user=owner).account
    return {
        "slug": account.slug,
        "name": account.name,
        "timezone": account.timezone,
        "currency": account.currency,
        "tokens": {role: tokens[email] for role, email in plan.staff_emails().items()},
        "customers": [{"email": email, "token": tokens[email]} for email in plan.customer_emails()],
    }


def _tokens_in(last: dict[str, Any]) -> dict[str, str]:
    """The tokens of an earlier file by e-mail."""
    found: dict[str, str] = {}
    for plan, account in zip(BUSINESSES, last.get("accounts", []), strict=False):
        emails = plan.staff_emails()
        found |= {emails[role]: token for role, token in account.get("tokens", {}).items() if role in emails}
        found |= {customer["email"]: customer["token"] for customer in account.get("customers", [])}
    return found


def _working_token(user: User, token: str) -> str:
    """The token itself while it is good for another day, else a new one in place of the demo's old ones."""
    lasting = ApiToken.objects.filter(user=user, expiry__gt=timezone.now() + timedelta(days=1))
    if token and lasting.filter(digest=hash_token(token)).exists():
        return token
    ApiToken.objects.filter(user=user, label=LABEL).delete()
    return issue_token(user=user, label=LABEL)[1]
