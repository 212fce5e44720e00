"""Reading money: what happened on an order or with a client, line by line, how much of a sale is earned, and the trial balance.

Statements are told from the documents (lines, payments, refunds, disputes), which know what a person wants to read; the books say the
same in sum (docs/adr/0010-ledger.md, invariant I14). What is deferred and earned is told from the books.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from apps.bookings.models import Booking
from apps.clients.models import Client
from apps.core.errors import Invalid
from apps.orders.models import Order, OrderLine
from apps.payments.models import Book, Dispute, LedgerEntry, Payment, Refund

MOST_LINES = 5_000
"""Of one statement; a longer one is asked for in parts."""
SOLD = (OrderLine.Kind.ITEM, OrderLine.Kind.DISCOUNT)
EARNED = (Book.REVENUE, Book.FORFEITED, Book.FEES)
# Which total a line belongs to, and with which sign it is added there.
TOTAL_OF = {
    **dict.fromkeys(OrderLine.Kind.values, ("charged_cents", 1)),
    "payment": ("paid_cents", -1),
    **dict.fromkeys(("refund", "refund_returned", "dispute_lost"), ("refunded_cents", 1)),
}
LINE_KINDS = [*TOTAL_OF, "dispute_opened", "dispute_won"]
WORDS = {
    "payment": "Paid",
    "refund": "Refunded",
    "refund_returned": "Refund came back",
    "dispute_opened": "Disputed",
    "dispute_won": "Dispute won",
    "dispute_lost": "Dispute lost",
}

Line = dict[str, Any]


# -- statements


def order_lines(order: Order) -> dict[str, Any]:
    """{lines, totals} of an order, oldest first; each line with the balance after it. Below zero the business owes the client."""
    lines = _lines(Order.objects.filter(pk=order.pk), None, None)
    return {"lines": lines, "totals": _closed(lines, 0)}


def client_statement(
    client: Client, *, currency: str, since: datetime | None = None, until: datetime | None = None
) -> list[dict[str, Any]]:
    """Per currency {currency, opening_cents, lines, totals} of all orders that a client pays, in [since, until).

    At least ``currency``. Raises Invalid for a period with more than MOST_LINES lines.
    """
    orders = Order.objects.filter(Q(payer=client) | Q(payer=None, client=client))
    opening = _balances_before(orders, since) if since else {}
    by_currency: dict[str, list[Line]] = {code: [] for code in (currency, *opening)}
    for line in _lines(orders, since, until, opening):
        by_currency.setdefault(line["currency"], []).append(line)
    found = [(code, opening.get(code, 0), lines) for code, lines in sorted(by_currency.items())]
    return [{"currency": code, "opening_cents": cents, "lines": lines, "totals": _closed(lines, cents)} for code, cents, lines in found]


def _charges(orders: QuerySet[Order]) -> QuerySet:
    """Lines of orders; what was sold, at the time of the sale."""
    sold = When(kind__in=SOLD, then=F("order__created_at"))
    return OrderLine.objects.filter(order__in=orders).annotate(at=Case(sold, default=F("created_at")), cents=F("amount_cents"))


def _payments(orders: QuerySet[Order]) -> QuerySet:
    received = Payment.objects.filter(order__in=orders, captured_cents__gt=0)
    return received.annotate(at=F("received_at"), cents=-F("captured_cents"))


def _refunds(orders: QuerySet[Order]) -> QuerySet:
    """Money that went back, also when it returned from the client's bank later."""
    return Refund.objects.filter(order__in=orders, completed_at__isnull=False).annotate(at=F("completed_at"), cents=F("amount_cents"))


def _returned(orders: QuerySet[Order]) -> QuerySet:
    """Refunds that did not reach the client after all, at the time when the books took them back."""
    failed = Refund.objects.filter(order__in=orders, completed_at__isnull=False, status=Refund.Status.FAILED)
    reversed_at = Coalesce(F("ledger_transactions__reversed_by__created_at"), F("updated_at"))
    return failed.annotate(at=reversed_at, cents=-F("amount_cents"))


SOURCES = (_charges, _payments, _refunds, _returned)


def _balances_before(orders: QuerySet[Order], moment: datetime) -> dict[str, int]:
    """{currency: cents} that were due when the period began."""
    found: dict[str, int] = defaultdict(int)
    for source in SOURCES:
        before = source(orders).filter(at__lt=moment).order_by().values_list("order__currency")
        for currency, cents in before.annotate(total=Sum("cents")):
            found[currency] += cents
    return found


def _lines(orders: QuerySet[Order], since: datetime | None, until: datetime | None, opening: dict[str, int] | None = None) -> list[Line]:
    """What happened in [since, until), in order. The balance runs on per currency."""
    inside = (Q(at__gte=since) if since else Q()) & (Q(at__lt=until) if until else Q())
    rows = [list(source(orders).filter(inside).order_by("at", "pk").select_related("order")[: MOST_LINES + 1]) for source in SOURCES]
    disputes = Dispute.objects.filter(order__in=orders).select_related("order", "payment").order_by("created_at", "pk")
    charges, payments, refunds, returned = rows
    lines = [
        *(_line(one, one.kind, one.description) for one in sorted(charges, key=lambda one: (one.at, one.order_id, one.position))),
        *(_line(one, "payment", "", method=one.method, payment=one.pk) for one in payments),
        *(_refund_line(one) for one in refunds),
        *(_line(one, "refund_returned", "", method=one.method, payment=one.payment_id, refund=one.pk) for one in returned),
        *_held(disputes[: MOST_LINES + 1], since, until),
    ]
    if len(lines) > MOST_LINES:
        raise Invalid(fields={"from": [f"A statement has at most {MOST_LINES:,} lines. Ask for a shorter period."]})
    lines.sort(key=itemgetter("at"))  # stable: what happened at the same moment stays in the order of above
    balances = defaultdict(int, opening or {})
    for line in lines:
        balances[line["currency"]] += line["amount_cents"]
        line["balance_cents"] = balances[line["currency"]]
    return lines


def _line(row: Any, kind: str, description: str, **about: Any) -> Line:
    method = about.get("method")
    by = f" ({Payment.Method(method).label.lower()})" if method else ""
    return {
        "at": row.at,
        "kind": kind,
        "description": description or WORDS[kind] + by,
        "amount_cents": row.cents,
        "held_cents": 0,
        "currency": row.order.currency,
        "order": row.order_id,
        "order_number": row.order.number,
        "method": None,
        "payment": None,
        "refund": None,
        **about,
    }


def _refund_line(refund: Any) -> Line:
    about = {"method": refund.method, "payment": refund.payment_id, "refund": refund.pk}
    if refund.dispute_id is None:
        return _line(refund, "refund", "", **about)
    return _line(refund, "dispute_lost", "", **about, held_cents=-refund.amount_cents)


def _held(disputes: Iterable[Any], since: datetime | None, until: datetime | None) -> Iterator[Line]:
    """Disputes as they began and as they were won: nobody owes more or less. A lost one is a refund."""
    for dispute in disputes:
        won = [("dispute_won", dispute.closed_at, -1)] if dispute.status == Dispute.Status.WON else []
        for kind, at, sign in [("dispute_opened", dispute.created_at, 1), *won]:
            if (since is None or at >= since) and (until is None or at < until):
                dispute.at, dispute.cents = at, 0
                about = {"method": dispute.payment.method, "payment": dispute.payment_id}
                yield _line(dispute, kind, "", **about, held_cents=sign * dispute.amount_cents)


def _closed(lines: Iterable[Line], opening: int) -> dict[str, int]:
    totals = {"charged_cents": 0, "paid_cents": 0, "refunded_cents": 0, "disputed_cents": 0, "balance_cents": opening}
    for line in lines:
        name, sign = TOTAL_OF.get(line["kind"], (None, 0))
        if name is not None:
            totals[name] += sign * line["amount_cents"]
        totals["disputed_cents"] += line["held_cents"]
        totals["balance_cents"] += line["amount_cents"]
    return totals


# -- deferred and earned


def earnings(order: Order) -> dict[str, Any]:
    """{earnings, sessions}: where the worth of an order lies by now, and of each session, in net cents.

    The order that was paid tells of the sessions that were given away, too; the order they went to only of those it has.
    """
    root_id = order.parent_id or order.pk
    tree = Order.objects.filter(Q(pk=root_id) | Q(parent_id=root_id))
    own = tree if order.pk == root_id else tree.filter(pk=order.pk)
    sessions = list(Booking.objects.filter(order__in=own).select_related("service").order_by("order_id", "position", "pk"))
    ids = {session.pk for session in sessions}
    of_session: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    of_all: dict[str, int] = defaultdict(int)
    entries = LedgerEntry.objects.filter(order__in=tree).order_by().values_list("book", "order_id", "booking_id")
    for book, order_id, booking_id, cents in entries.annotate(cents=Sum("amount_cents")):
        if booking_id is not None:
            of_session[booking_id][book] -= cents
        if booking_id in ids or (booking_id is None and order.pk in (root_id, order_id)):
            of_all[book] -= cents
    return {
        "earnings": {
            "deferred_cents": of_all[Book.DEFERRED],
            "earned_cents": sum(of_all[book] for book in EARNED),
            **{f"{book}_cents": of_all[book] for book in (*EARNED, Book.TAX, Book.GIFT)},
        },
        "sessions": [
            {
                "id": session.pk,
                "order": session.order_id,
                "position": session.position,
                "service_name": session.service.name,
                "status": session.status,
                "start_time": session.start_time,
                "net_cents": session.price_cents - session.tax_cents,
                "deferred_cents": of_session[session.pk][Book.DEFERRED],
                "earned_cents": sum(of_session[session.pk][book] for book in EARNED),
            }
            for session in sessions
        ],
    }


# -- the whole business


def trial_balance(*, currency: str, since: datetime | None = None, until: datetime | None = None) -> list[dict[str, Any]]:
    """Per currency what lies in each book: all that was posted before ``until``, or what moved in [since, until).

    At least ``currency``. ``sum_cents`` is zero, or the books are broken.
    """
    inside = (Q(created_at__gte=since) if since else Q()) & (Q(created_at__lt=until) if until else Q())
    sums: dict[str, dict[str, tuple[int, int]]] = {currency: {}}
    entries = LedgerEntry.objects.filter(inside).order_by().values_list("currency", "book")
    debit, credit = Sum("amount_cents", filter=Q(amount_cents__gt=0)), Sum("amount_cents", filter=Q(amount_cents__lt=0))
    for code, book, debits, credits in entries.annotate(debits=debit, credits=credit):
        sums.setdefault(code, {})[book] = (debits or 0, -(credits or 0))
    return [_sheet(code, books) for code, books in sorted(sums.items())]


def _sheet(currency: str, books: dict[str, tuple[int, int]]) -> dict[str, Any]:
    moved = {book: books.get(book, (0, 0)) for book in Book.values}
    amounts = {book: debits - credits for book, (debits, credits) in moved.items()}
    return {
        "currency": currency,
        "books": [
            {"book": book, "debit_cents": debits, "credit_cents": credits, "amount_cents": debits - credits}
            for book, (debits, credits) in moved.items()
        ],
        "sum_cents": sum(amounts.values()),
        "deferred_cents": -amounts[Book.DEFERRED],
        "earned_cents": -sum(amounts[book] for book in EARNED),
    }
