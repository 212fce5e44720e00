"""How an account is known at its payment providers. Secrets go in and are never given out again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.core.db import joined, outside_transactions
from apps.core.errors import InUse, Invalid, NotFound
from apps.core.events import emit
from apps.core.tenancy import account_scope, current_account_id
from apps.core.vault import VaultClosed, lock_away, take_out
from apps.payments.adapters import CREDENTIALS
from apps.payments.adapters.base import ProviderRefused, ProviderUnavailable
from apps.payments.errors import CredentialsRefused, ProviderDown
from apps.payments.models import OPEN, Payment, ProviderAccount, Refund
from apps.payments.services.providers import connection_of

LONG_ENOUGH = 12
"""Of shorter secrets not even the end is shown."""
ON_THEIR_WAY = (Refund.Status.REQUESTED, Refund.Status.PENDING, Refund.Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Kept:
    """What may be said about a secret: whether there is one, and how it ends."""

    name: str
    is_set: bool
    last4: str


def kept_secrets(provider: str, secrets: str) -> list[Kept]:
    """Every secret of a provider's account, as far as it may be shown; what cannot be decrypted counts as not set."""
    try:
        known = take_out(secrets)
    except VaultClosed:
        known = {}
    values = [(name, known.get(name, "")) for name in CREDENTIALS[provider][1]]
    return [Kept(name, bool(value), value[-4:] if len(value) >= LONG_ENOUGH else "") for name, value in values]


@joined
def set_up_provider(*, provider: str, credentials: Mapping[str, str], is_active: bool = True) -> ProviderAccount:
    """Set up a provider with the account's own credentials, in the current scope. Raises Invalid; IntegrityError for a second one."""
    public, secret = _sorted(provider, credentials)
    found = ProviderAccount.objects.create(
        account_id=current_account_id(),
        provider=provider,
        public={name: value for name, value in public.items() if value},
        secrets=lock_away({name: value for name, value in secret.items() if value}),
        is_active=is_active,
    )
    emit("provider_account.created", found, changes={"provider": [None, provider], "credentials": [[], sorted(credentials)]})
    return found


@joined
def change_provider(
    provider_account: ProviderAccount, *, credentials: Mapping[str, str] | None = None, is_active: bool | None = None
) -> ProviderAccount:
    """Replace the credentials that are named (an empty one is forgotten), or switch the provider on or off.

    Other credentials have to be checked again. The log says which were changed, not to what. Raises Invalid.
    """
    found = ProviderAccount.objects.select_for_update(no_key=True).get(pk=provider_account.pk)
    changes: dict[str, Any] = {}
    if credentials:
        public, secret = _sorted(found.provider, credentials)
        found.public = {name: value for name, value in {**found.public, **public}.items() if value}
        found.secrets = lock_away({name: value for name, value in {**_readable(found), **secret}.items() if value})
        found.payee, found.checked_at = "", None
        changes["credentials"] = [None, sorted(credentials)]
    if is_active is not None and is_active != found.is_active:
        changes["is_active"] = [found.is_active, is_active]
        found.is_active = is_active
    if changes:
        found.save(update_fields=["public", "secrets", "payee", "checked_at", "is_active", "updated_at"])
        emit("provider_account.changed", found, changes=changes)
    return found


@joined
def remove_provider(provider_account: ProviderAccount) -> None:
    """Forget a provider. Raises InUse while money is on its way there, because nobody could ask about it any more."""
    found = ProviderAccount.objects.select_for_update(no_key=True).get(pk=provider_account.pk)
    waiting = Payment.objects.filter(method=found.provider, status__in=OPEN).exists()
    if waiting or Refund.objects.filter(method=found.provider, status__in=ON_THEIR_WAY).exists():
        raise InUse("Payments or refunds are on their way there; switch it off instead.")
    emit("provider_account.removed", found, changes={"provider": [found.provider, None]})
    found.delete()


def refuse_without_secrets(provider_account: ProviderAccount) -> None:
    """Raise CredentialsRefused where there is nothing to ask the provider with."""
    if not any(one.is_set for one in kept_secrets(provider_account.provider, provider_account.secrets)):
        raise CredentialsRefused("There are no credentials to check.", failure="no_secret_key")


def check_provider(account_id: int, provider_account_id: int, *, at: datetime | None = None) -> str:
    """Ask the provider whether it knows the credentials, and keep who gets the money; returns that. Call outside transactions.

    Raises NotFound, CredentialsRefused, ProviderDown, VaultClosed.
    """
    with outside_transactions():
        at = at or timezone.now()
        with account_scope(account_id):
            found = ProviderAccount.objects.filter(pk=provider_account_id).first()
        if found is None:
            raise NotFound
        try:
            payee = connection_of(account_id, found.provider, even_inactive=True).adapter.check()
        except ProviderRefused as refusal:
            raise CredentialsRefused(failure=refusal.code) from refusal
        except ProviderUnavailable as error:
            raise ProviderDown from error
        with account_scope(account_id):
            ProviderAccount.objects.filter(pk=found.pk, secrets=found.secrets).update(payee=payee[:255], checked_at=at)
        return payee


def _readable(found: ProviderAccount) -> dict[str, str]:
    """The secrets at hand; those that cannot be read any more are replaced by what comes now."""
    try:
        return take_out(found.secrets)
    except VaultClosed:
        return {}


def _sorted(provider: str, credentials: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(what may be shown, what is secret); raises Invalid for a word that the provider does not know, or that cannot be one."""
    public, secret = CREDENTIALS[provider]
    problems = [f"{provider} has no {name}." for name in credentials if name not in (*public, *secret)]
    problems += [f"{name} is not a credential." for name, value in credentials.items() if not all("!" <= letter <= "~" for letter in value)]
    if problems:
        raise Invalid(fields={"credentials": problems})
    return {name: credentials[name] for name in public if name in credentials}, {
        name: credentials[name] for name in secret if name in credentials
    }
