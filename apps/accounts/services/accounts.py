"""Making, changing and deleting accounts."""

import logging
import re
import secrets
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from apps.accounts.deletion import delete_rows, is_in_use
from apps.accounts.errors import AccountInUse
from apps.accounts.models import Account, Membership, Role
from apps.accounts.settings_keys import KEYS
from apps.core.db import constraint_error
from apps.core.errors import Invalid, UnknownField
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.location.models import Country
from apps.users.models import User

logger = logging.getLogger(__name__)

SLUG_LENGTH = 63


class SlugTaken(Invalid):
    """Another account has this slug."""


@transaction.atomic
def create_account(*, owner: User, name: str, timezone: str, currency: str, country: Country, slug: str | None = None) -> Account:
    """A new business whose owner is ``owner``. Without a slug one is made from the name.

    Raises Invalid for a currency that no country uses, SlugTaken for a slug that exists.
    """
    if not Country.objects.filter(currency=currency).exists():
        raise Invalid(fields={"currency": ["This is not an ISO 4217 currency code, for example EUR."]})
    fields = {"name": name, "timezone": timezone, "currency": currency, "country": country}
    account = _insert(slug=slug, **fields) if slug else _insert_with_free_slug(**fields)
    with account_scope(account):
        membership = Membership.objects.create(account=account, user=owner, role=Role.OWNER)
        emit("account.created", account, account_id=account.pk, changes={"name": [None, name], "owner": [None, membership.pk]})
    return account


def _insert(**fields: Any) -> Account:
    with constraint_error({"accounts_account_slug_key": lambda: SlugTaken(fields={"slug": ["An account with this slug exists already."]})}):
        return Account.objects.create(**fields)


def _insert_with_free_slug(**fields: Any) -> Account:
    """Try the plain slug, then the plain slug with a number, and something random when others are as fast as we are."""
    base = slugify(fields["name"])[: SLUG_LENGTH - 9].strip("-_") or "account"
    taken = set(Account.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    numbered = (f"{base}-{n}" for n in range(2, len(taken) + 3))
    first = base if base not in taken else next(slug for slug in numbered if slug not in taken)
    try:
        return _insert(slug=first, **fields)
    except SlugTaken:
        return _insert(slug=f"{base}-{secrets.token_hex(4)}", **fields)


@transaction.atomic
def update_account(account: Account, **fields: Any) -> Account:
    """Change name, slug, time zone or country; only what is given. Raises SlugTaken."""
    changes = _changes(account, fields)
    if not changes:
        return account
    for name, value in fields.items():
        setattr(account, name, value)
    with constraint_error({"accounts_account_slug_key": lambda: SlugTaken(fields={"slug": ["An account with this slug exists already."]})}):
        account.save(update_fields=[*fields, "updated_at"])
    emit("account.changed", account, account_id=account.pk, changes=changes)
    return account


def _changes(account: Account, fields: dict[str, Any]) -> dict[str, list[Any]]:
    pairs = {name: [getattr(account, name), value] for name, value in fields.items()}
    return {name: [getattr(old, "pk", old), getattr(new, "pk", new)] for name, (old, new) in pairs.items() if old != new}


@transaction.atomic
def change_settings(*, account_id: int, values: dict[str, Any]) -> Account:
    """Set some settings and keep the others. Raises UnknownField for keys that are not in the list, Invalid for wrong values."""
    unknown = [key for key in values if key not in KEYS]
    if unknown:
        raise UnknownField(fields={key: ["There is no such setting."] for key in unknown})
    wrong = {key: problem for key, value in values.items() if (problem := _problem(key, value))}
    if wrong:
        raise Invalid(fields={key: [problem] for key, problem in wrong.items()})
    account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
    before = {key: account.settings.get(key, KEYS[key].default) for key in values}
    changes = {f"settings.{key}": [before[key], value] for key, value in values.items() if value != before[key]}
    if changes:
        account.settings = {**account.settings, **values}
        account.save(update_fields=["settings", "updated_at"])
        emit("account.changed", account, account_id=account.pk, changes=changes)
    return account


def _problem(key: str, value: Any) -> str:
    declared = KEYS[key]
    if type(value) is not type(declared.default):
        return {bool: "Must be a valid boolean.", int: "A valid integer is required.", str: "Not a valid string."}[type(declared.default)]
    if isinstance(value, int) and not isinstance(value, bool) and not declared.minimum <= value <= declared.maximum:
        return f"Send a number from {declared.minimum} to {declared.maximum}."
    if declared.choices:
        return "" if value in declared.choices else f"Send one of: {', '.join(declared.choices)}."
    if isinstance(value, str):
        if len(value) > declared.max_length:
            return f"Ensure this field has no more than {declared.max_length} characters."
        if declared.pattern and not re.fullmatch(declared.pattern, value):
            return "This value has characters that are not allowed here."
    return ""


@transaction.atomic
def delete_account(*, account_id: int) -> None:
    """Delete an account with its packages, catalogue and members (source 000). Nothing of it stays but the log line.

    Raises AccountInUse when there are records of money. Call inside the account's scope.
    """
    account = Account.objects.select_for_update().get(pk=account_id)
    if is_in_use():
        raise AccountInUse
    delete_rows(account_id)
    account.delete()
    logger.info("account %s was deleted", account_id)
