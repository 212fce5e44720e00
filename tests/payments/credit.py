"""Credit of a studio's client, and what the books say about it."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.clients.models import Client
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Book, Payment, WalletBalance, WalletLot, WalletTransaction
from apps.payments.services.ledger import balances
from apps.payments.services.wallet import give_credit, spend_credit
from factories.orders import OrderFactory
from tests.portal import become
from tests.studio import NOW, Studio


def rich(studio: Studio, *lots: dict[str, Any] | int) -> list[WalletLot]:
    """The studio's client has a login and this credit: each lot in cents, or as options of ``give_credit``."""
    if studio.client.customer is None:
        become(studio)
    options = [{"amount_cents": lot} if isinstance(lot, int) else lot for lot in lots]
    return [give(studio, **one) for one in options]


def give(studio: Studio, amount_cents: int, client: Client | None = None, **options: Any) -> WalletLot:
    defaults: dict[str, Any] = {
        "currency": studio.account.currency, "source": WalletLot.Source.GOODWILL, "from_book": Book.GOODWILL, "at": NOW
    }  # fmt: skip
    with account_scope(studio.account), transaction.atomic():
        return give_credit(client=client or studio.client, amount_cents=amount_cents, **{**defaults, **options})


def order_of(studio: Studio, cents: int = 5000, **fields: Any) -> Order:
    """An unpaid order of the studio's client without sessions."""
    return OrderFactory(
        **{
            "account": studio.account,
            "client": studio.client,
            "service": studio.service,
            "subtotal_cents": cents,
            "total_amount_cents": cents,
            **fields,
        }
    )


def spend(studio: Studio, cents: int, *, order: Order | None = None, reserve: bool = False, at: datetime = NOW) -> Payment:
    order = order or order_of(studio, cents)
    with account_scope(studio.account), transaction.atomic():
        return spend_credit(order=order, amount_cents=cents, reserve=reserve, at=at)


def call(studio: Studio, service: Any, *args: Any, **options: Any) -> Any:
    """A service in the account's scope, in a transaction that a refusal leaves alone."""
    with account_scope(studio.account), transaction.atomic():
        return service(*args, **options)


def left(studio: Studio, *lots: WalletLot) -> list[int]:
    """What remains of the lots."""
    with account_scope(studio.account):
        remaining = dict(WalletLot.objects.values_list("pk", "remaining_cents"))
    return [remaining[lot.pk] for lot in lots]


def lines(studio: Studio) -> list[tuple[str, int, int]]:
    """The statement: (kind, signed cents, balance after)."""
    with account_scope(studio.account):
        return list(WalletTransaction.objects.order_by("pk").values_list("kind", "amount_cents", "balance_after_cents"))


def books(studio: Studio) -> dict[str, int]:
    """The account's balances that are not zero."""
    with account_scope(studio.account):
        return {book: cents for (book, _), cents in balances().items() if cents}


def held(studio: Studio) -> int:
    """The stored balance, which must be the sum of what remains of the lots and of the statement."""
    with account_scope(studio.account):
        stored = sum(WalletBalance.objects.values_list("balance_cents", flat=True))
        assert stored == sum(WalletLot.objects.values_list("remaining_cents", flat=True))
        assert stored == sum(WalletTransaction.objects.values_list("amount_cents", flat=True))
    return stored
