"""The way to a provider with an account's own credentials. Everything here that calls one runs outside transactions."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.tenancy import account_scope
from apps.core.vault import take_out
from apps.payments.adapters import connect
from apps.payments.adapters.base import Provider as Adapter
from apps.payments.errors import ProviderOff
from apps.payments.models import PROVIDERS, ProviderAccount


@dataclass(frozen=True, slots=True)
class Connection:
    """An adapter, and who the money is for as far as we know."""

    adapter: Adapter
    payee: str
    public: Mapping[str, str]


def connection_of(account_id: int, provider: str, *, even_inactive: bool = False) -> Connection:
    """The account's connection to a provider, read in a short transaction of its own. Raises ProviderOff.

    ``even_inactive``: a provider that was switched off is still asked about payments that were begun with it.
    """
    with account_scope(account_id):
        found = ProviderAccount.objects.filter(provider=provider).first()
    if found is None or not (found.is_active or even_inactive):
        raise ProviderOff
    return Connection(connect(provider, {**found.public, **take_out(found.secrets)}), found.payee, found.public)


def refuse_unless_on(method: str) -> None:
    """Inside a scope: raise ProviderOff for a provider's method that this account has not set up."""
    if method in PROVIDERS and not ProviderAccount.objects.filter(provider=method, is_active=True).exists():
        raise ProviderOff


def methods_on() -> list[str]:
    """The providers that are switched on in the current scope."""
    return sorted(ProviderAccount.objects.filter(is_active=True).values_list("provider", flat=True))
