"""Opening the books of orders and payments that were made before there were books (an upgrade)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from apps.core.db import joined
from apps.orders.models import Order
from apps.payments.models import LedgerTransaction, Payment, Refund
from apps.payments.services.ledger import post_payment, post_refund, sync_order

Kind = LedgerTransaction.Kind
BATCH = 200


@dataclass(frozen=True, slots=True)
class Opening:
    """One batch: what kind of rows, how many were looked at and how many of them had something to post, and where to go on."""

    what: str
    seen: int
    posted: int
    last: int | None


def unopened_orders() -> QuerySet:
    """Orders whose sale is not in the books: those that were paid, not those that sessions of theirs were given away to."""
    known = LedgerTransaction.objects.filter(order_id=OuterRef("pk"), kind=Kind.SALE)
    return Order.objects.filter(~Exists(known), parent=None)


def unopened_payments() -> QuerySet:
    """Payments whose money is not in the books."""
    known = LedgerTransaction.objects.filter(payment_id=OuterRef("pk"), kind=Kind.PAYMENT)
    return Payment.objects.filter(~Exists(known), captured_cents__gt=0)


def unopened_refunds() -> QuerySet:
    """Refunds that have gone back and are not in the books."""
    known = LedgerTransaction.objects.filter(refund_id=OuterRef("pk"), kind=Kind.REFUND)
    return Refund.objects.filter(~Exists(known), status=Refund.Status.SUCCEEDED)


def batches(open_next: Callable[[str, int], Opening]) -> Iterator[Opening]:
    """Every batch of orders, payments and refunds; ``open_next`` opens the scope and the transaction of each."""
    for what in ("orders", "payments", "refunds"):
        last: int | None = 0
        while last is not None:
            opening = open_next(what, last)
            yield opening
            last = opening.last


@joined
def open_batch(what: str, *, after: int = 0, limit: int = BATCH) -> Opening:
    """Post what is missing of the next rows behind the id ``after``. What is in the books already is left alone: run it again at will.

    A row that is being changed by somebody else at this moment is waited for; whoever was first has posted it.
    """
    unopened = {"orders": unopened_orders, "payments": unopened_payments, "refunds": unopened_refunds}[what]
    ids = list(unopened().filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:limit])
    last = ids[-1] if len(ids) == limit else None
    if what == "orders":
        return Opening(what, len(ids), sum(sync_order(pk) for pk in ids), last)
    model: type[Payment] | type[Refund] = Payment if what == "payments" else Refund
    list(model.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk"))  # then ask again, with what others have committed
    missing = list(unopened().filter(pk__in=ids).order_by("pk"))
    for row in missing:
        if isinstance(row, Payment):
            post_payment(row)
        else:
            post_refund(row)
    return Opening(what, len(ids), len(missing), last)
