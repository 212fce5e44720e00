"""In whose name an account writes. Credentials go in and are never given out again."""

from collections.abc import Mapping
from typing import Any

from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.core.tenancy import current_account_id
from apps.core.vault import lock_away
from apps.notifications.adapters.sms import CREDENTIALS
from apps.notifications.models import SenderIdentity


def identity() -> SenderIdentity:
    """The identity of the account in scope; an unsaved, empty one when it has chosen nothing yet."""
    return SenderIdentity.objects.first() or SenderIdentity(account_id=_here())


@joined
def change_identity(*, credentials: Mapping[str, str] | None = None, **values: Any) -> SenderIdentity:
    """Change what is named; ``credentials`` replace those of the SMS provider, and changing the provider forgets them.

    The log says what was changed, and of credentials not to what. Raises Invalid for credentials that the provider does not know, or
    that are missing.
    """
    found = _lock()
    provider = values.get("sms_provider", found.sms_provider)
    changes: dict[str, Any] = {name: [getattr(found, name), value] for name, value in values.items() if getattr(found, name) != value}
    if "sms_provider" in changes:
        found.sms_credentials = ""
    if credentials is not None:
        _refuse_strange(provider, credentials)
        found.sms_credentials = lock_away(credentials) if credentials else ""
        changes["sms_credentials"] = [[], sorted(credentials)]
    for name, value in values.items():
        setattr(found, name, value)
    if CREDENTIALS.get(provider) and not found.sms_credentials:
        raise Invalid(fields={"sms_credentials": [f"{provider} needs: {', '.join(CREDENTIALS[provider])}."]})
    if provider and not found.sms_sender:
        raise Invalid(fields={"sms_sender": ["Say which number or name short messages come from."]})
    found.save()
    if changes:
        emit("sender_identity.changed", found, changes=changes)
    return found


def _lock() -> SenderIdentity:
    """The account's only row, locked; made when there is none (by two at once, too)."""
    SenderIdentity.objects.bulk_create([SenderIdentity(account_id=_here())], ignore_conflicts=True)
    return SenderIdentity.objects.select_for_update(no_key=True).get()


def _here() -> int:
    account_id = current_account_id()
    assert account_id is not None  # noqa: S101  the scoped manager has refused before
    return account_id


def _refuse_strange(provider: str, credentials: Mapping[str, str]) -> None:
    known = CREDENTIALS.get(provider, ())
    wrong = [name for name in credentials if name not in known] or [name for name in known if credentials and not credentials.get(name)]
    if wrong:
        raise Invalid(fields={"sms_credentials": [f"{provider or 'No provider'} takes: {', '.join(known) or 'nothing'}."]})


__all__ = ["change_identity", "identity"]
