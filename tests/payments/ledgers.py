"""What the books say, and that they say the same as the documents."""

from collections import defaultdict
from typing import Any

from django.db.models import Q

from apps.bookings.models import Booking
from apps.core.doctor import invariants
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import Order, OrderLine
from apps.payments.models import LedgerEntry, LedgerTransaction
from tests.studio import Studio

BOOK_CODES = ("I11.waiting", "I12", "I13", "I13.amounts", "I13.refunds", "I14", "I14.receivable", "I14.tax", "I14.net", "I14.sessions",
              "I15", "I15.books", "I16", "I60", "I60.lines", "I61")  # fmt: skip
MONEY_CODES = ("I06", "I06.lines", "I06.tax", "I07", "I08", "I08.orders", "I09", "I10", *BOOK_CODES)


def sheet(studio: Studio, *orders: Order) -> dict[str, int]:
    """{book: signed cents} of these orders (of the whole account without any), without books at zero."""
    sums: dict[str, int] = defaultdict(int)
    with account_scope(studio.account):
        entries = LedgerEntry.objects.filter(order__in=orders) if orders else LedgerEntry.objects.all()
        for book, cents in entries.values_list("book", "amount_cents"):
            sums[book] += cents
    return {book: cents for book, cents in sorted(sums.items()) if cents}


def shares(studio: Studio, order: Order) -> list[tuple[str, dict[str, int]]]:
    """(status, {book: cents}) of every session of an order and of those its sessions were given to, oldest first."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    with account_scope(studio.account):
        sessions = list(Booking.objects.filter(Q(order=order) | Q(order__parent=order)).order_by("pk").values_list("pk", "status"))
        for booking, book, cents in LedgerEntry.objects.filter(booking__isnull=False).values_list("booking_id", "book", "amount_cents"):
            found[booking][book] += cents
    return [(status, {book: cents for book, cents in sorted(found[pk].items()) if cents}) for pk, status in sessions]


def transactions(studio: Studio) -> int:
    with account_scope(studio.account):
        return LedgerTransaction.objects.count()


def agree(studio: Studio, order: Order) -> None:
    """The books of an order say what its documents say, worked out here anew; they balance; no invariant of money is broken."""
    with account_scope(studio.account):
        tree = list(Order.objects.filter(Q(pk=order.pk) | Q(parent_id=order.pk)))
        fees = sum(line.amount_cents - line.tax_cents for line in OrderLine.objects.filter(order__in=tree, kind="fee"))
    books = sheet(studio, *tree)
    assert books.get("receivable", 0) == sum(one.total_amount_cents - one.paid_cents + one.refunded_cents for one in tree)
    assert -books.get("tax", 0) == sum(one.tax_cents for one in tree)
    assert -books.get("fees", 0) == fees
    assert sum(books.values()) == 0
    assert found_wrong(*MONEY_CODES) == {}


def found_wrong(*codes: str) -> dict[str, list[Any]]:
    """{code: rows} of these invariants that do not hold."""
    with platform_scope("doctor"):
        return {one.code: found for one in invariants() if one.code in codes and (found := one.find())}
