"""A counter to pay at: a studio whose provider is a fake, and sales that its clients make themselves."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.bookings.models import Booking, Side
from apps.checkout.services import Sale
from apps.core.events import acting
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.core.vault import lock_away
from apps.orders.models import Order
from apps.payments.models import LedgerTransaction, Payment, ProviderAccount
from tests.studio import MONDAY_TEN, Studio

PUBLIC = ("publishable_key", "client_id", "merchant_id", "webhook_id")


def set_up(account: Any, provider: str, credentials: dict[str, str], **fields: Any) -> ProviderAccount:
    """The account's way to a provider."""
    with account_scope(account):
        return ProviderAccount.objects.create(
            account=account,
            provider=provider,
            public={name: value for name, value in credentials.items() if name in PUBLIC},
            secrets=lock_away({name: value for name, value in credentials.items() if name not in PUBLIC}),
            **fields,
        )


@dataclass
class Counter:
    """``studio`` with ``fake`` as the provider of ``method``."""

    studio: Studio
    fake: Any
    method: str

    @property
    def account_id(self) -> int:
        return self.studio.account.pk

    def sell(self, *, start_time: datetime | None = MONDAY_TEN, source: str = "public", **options: Any) -> Sale:
        """What a client buys at the public door: the single service at a start, paid at the provider."""
        what = {} if "package" in options else {"service": self.studio.service}
        if start_time is not None:
            what |= {"practitioner": self.studio.practitioner, "start_time": start_time}
        with acting(None, source):
            return self.studio.sell(**{"method": self.method, "by": Side.CLIENT, "at": timezone.now(), **what, **options})

    def payment(self, of: Payment | Sale) -> Payment:
        payment = of.payment if isinstance(of, Sale) else of
        assert payment is not None
        with account_scope(self.account_id):
            return Payment.objects.get(pk=payment.pk)

    def order(self, sale: Sale) -> Order:
        with account_scope(self.account_id):
            return Order.objects.get(pk=sale.order.pk)

    def session(self, sale: Sale) -> Booking:
        with account_scope(self.account_id):
            return Booking.objects.get(pk=sale.bookings[0].pk)

    def events(self, *types: str) -> list[str]:
        """The types of what has happened, of those that are asked for."""
        with account_scope(self.account_id):
            found = Event.objects.filter(type__in=types) if types else Event.objects.all()
            return list(found.order_by("id").values_list("type", flat=True))

    def entries(self) -> int:
        """How many payments are in the books."""
        with account_scope(self.account_id):
            return LedgerTransaction.objects.filter(kind="payment").count()

    def state(self, sale: Sale) -> tuple[Any, ...]:
        """(payment, order, what it has got, session) in words."""
        payment, order, session = self.payment(sale), self.order(sale), self.session(sale)
        return payment.status, order.payment_status, order.paid_cents, session.status


def amounts(charges: Iterable[dict[str, Any]]) -> list[int]:
    """What was taken at a fake Stripe."""
    return [charge["amount_captured"] for charge in charges]
