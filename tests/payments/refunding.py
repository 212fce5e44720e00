"""Paid orders to refund, and everything that must agree about money that went back."""

from typing import Any

from django.db import transaction

from apps.core.doctor import findings
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import Order
from apps.payments.models import Payment, Refund
from apps.payments.services import create_payment, mark_received
from apps.payments.services.ledger import balances
from tests.studio import NOW, Studio

MONEY_CODES = (
    "I06",
    "I06.lines",
    "I07",
    "I08",
    "I08.orders",
    "I09",
    "I10",
    "I13",
    "I13.amounts",
    "I13.refunds",
    "I14",
    "I14.receivable",
    "I14.tax",
    "I15",
    "I16",
    "I18.refunds",
)


def paid(studio: Studio, method: str = "cash", **options: Any) -> Payment:
    """The studio's package (10000 cents), sold and paid this way at NOW."""
    sale = studio.sell(method=method, **options)
    with account_scope(studio.account):
        return mark_received(sale.payment, at=NOW)


def paid_twice(studio: Studio, *tenders: tuple[str, int], **options: Any) -> tuple[Order, list[Payment]]:
    """The studio's package, paid by several tenders (method, cents)."""
    order = studio.sell(collect=False, **options).order
    with account_scope(studio.account):
        return order, [mark_received(create_payment(order=order, method=how, amount_cents=cents), at=NOW) for how, cents in tenders]


def do(studio: Studio, use_case: Any, /, *args: Any, **options: Any) -> Any:
    """Call a service in the account's scope, in a savepoint, at NOW unless ``at`` says otherwise."""
    with account_scope(studio.account), transaction.atomic():
        return use_case(*args, **{"at": NOW, **options})


def stored(studio: Studio, row: Any) -> Any:
    """The row as the database has it."""
    with account_scope(studio.account):
        return type(row).objects.get(pk=row.pk)


def sums(studio: Studio, payment: Payment) -> tuple[int, int, int, int]:
    """(captured, refunded, on its way back, disputed) of a payment."""
    row = stored(studio, payment)
    return row.captured_cents, row.refunded_cents, row.refunding_cents, row.disputed_cents


def order_of(studio: Studio, payment: Payment) -> tuple[int, int, int, str]:
    """(total, paid, refunded, payment_status) of a payment's order."""
    with account_scope(studio.account):
        order = Order.objects.get(pk=payment.order_id)
        return order.total_amount_cents, order.paid_cents, order.refunded_cents, order.payment_status


def refunds(studio: Studio) -> list[tuple[str, int, str]]:
    """(method, cents, status) of all refunds, oldest first."""
    with account_scope(studio.account):
        return list(Refund.objects.order_by("pk").values_list("method", "amount_cents", "status"))


def told(studio: Studio, *prefixes: str) -> list[str]:
    """The types of all events that begin like this, oldest first."""
    with account_scope(studio.account):
        types = Event.objects.order_by("pk").values_list("type", flat=True)
        return [one for one in types if one.startswith(prefixes)]


def books(studio: Studio, *names: str) -> dict[str, int]:
    """What lies in these books, zero included."""
    with account_scope(studio.account):
        found = {book: cents for (book, _), cents in balances().items()}
    return {name: found.get(name, 0) for name in names}


def unsound() -> list[str]:
    """Invariants of money that do not hold."""
    with platform_scope("test"):
        return [one.code for one, rows in findings() if rows and one.code in MONEY_CODES]
