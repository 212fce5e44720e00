"""Writing the books (docs/adr/0010-ledger.md).

What came in and went back is posted by whoever settles it. What an order is worth, and how much of it is earned, is not posted event
by event but follows the documents: ``sync_order`` compares what the books should say with what they say and posts the difference. So
no change of an order can be forgotten, and none is counted twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, Sum

from apps.bookings.models import Booking, Status
from apps.core.db import rows
from apps.core.money import half_up
from apps.core.tenancy import current_account_id
from apps.orders.models import Order, OrderLine
from apps.payments.models import Book, LedgerEntry, LedgerTransaction, Payment, Refund

Kind = LedgerTransaction.Kind

# One statement for a transaction and all its legs: at its end the database says whether it balances.
POST = """
WITH written AS (
  INSERT INTO payments_ledgertransaction
    (account_id, kind, order_id, client_id, payment_id, refund_id, reverses_id, memo, created_at, updated_at)
  VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now(), now()) RETURNING id
)
INSERT INTO payments_ledgerentry
  (account_id, transaction_id, currency, book, amount_cents, order_id, booking_id, client_id, created_at, updated_at)
SELECT %s, written.id, %s, leg.book, leg.amount, leg.for_order, leg.for_booking, leg.for_client, now(), now()
FROM written, unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
  AS leg (book, amount, for_order, for_booking, for_client)
RETURNING transaction_id
"""
# Two services may change different sessions of one tree, each with another of its orders locked. The books of the tree have a lock of
# their own, taken last: it cannot be part of a circle with the rows' locks, which the root's row could (a job that forfeits the sessions
# of a child holds the child). Keyed by the root; whoever waited here reads what the other one has committed.
LOCK_BOOKS = """
SELECT coalesce(parent_id, id), pg_advisory_xact_lock(hashtextextended('payments.books.' || coalesce(parent_id, id), 0))
FROM orders_order WHERE id = %s
"""


@dataclass(frozen=True, slots=True)
class Leg:
    """Signed cents of one book: a debit is positive, a credit negative."""

    book: str
    amount_cents: int
    order_id: int | None = None
    booking_id: int | None = None
    client_id: int | None = None


def post(
    *,
    account_id: int,
    kind: str,
    currency: str,
    legs: Iterable[Leg],
    order_id: int | None = None,
    client_id: int | None = None,
    payment_id: int | None = None,
    refund_id: int | None = None,
    reverses_id: int | None = None,
    memo: str = "",
) -> int | None:
    """Write one balanced transaction; returns its id, or None when every leg is zero.

    The database refuses one that does not balance here and now, not only at COMMIT.
    """
    kept = [leg for leg in legs if leg.amount_cents]
    if not kept:
        return None
    columns = [
        [str(leg.book) for leg in kept],
        [leg.amount_cents for leg in kept],
        [leg.order_id for leg in kept],
        [leg.booking_id for leg in kept],
        [leg.client_id or client_id for leg in kept],
    ]
    about = [account_id, str(kind), order_id, client_id, payment_id, refund_id, reverses_id, memo[:255]]
    return rows(POST, [*about, account_id, currency, *columns])[0][0]


def post_payment(payment: Payment) -> None:
    """Money that came in: the client owes less. Once per payment, says the database."""
    about: Any = {"order_id": payment.order_id, "client_id": payment.client_id}
    post(
        account_id=payment.account_id,
        kind=Kind.PAYMENT,
        currency=payment.currency,
        payment_id=payment.pk,
        legs=[
            Leg(book_of(payment.method), payment.captured_cents, payment.order_id),
            Leg(Book.RECEIVABLE, -payment.captured_cents, payment.order_id),
        ],
        **about,
    )


def post_refund(refund: Refund) -> None:
    """Money that went back, out of the book it went from. Once per refund, says the database."""
    post(
        account_id=refund.account_id,
        kind=Kind.REFUND,
        currency=refund.currency,
        order_id=refund.order_id,
        client_id=refund.client_id,
        payment_id=refund.payment_id,
        refund_id=refund.pk,
        memo=refund.reason,
        legs=[
            Leg(Book.RECEIVABLE, refund.amount_cents, refund.order_id),
            Leg(Book.DISPUTED if refund.dispute_id else book_of(refund.method), -refund.amount_cents, refund.order_id),
        ],
    )


def reverse(posted: LedgerTransaction, *, memo: str = "") -> None:
    """Take a transaction back: the same legs with the other sign. Once, says the database."""
    entries = LedgerEntry.objects.filter(transaction_id=posted.pk).order_by("pk")
    legs = [Leg(one.book, -one.amount_cents, one.order_id, one.booking_id, one.client_id) for one in entries]
    post(
        account_id=posted.account_id,
        kind=posted.kind,
        currency=entries[0].currency,
        order_id=posted.order_id,
        client_id=posted.client_id,
        reverses_id=posted.pk,
        memo=memo,
        legs=legs,
    )


def book_of(method: str) -> str:
    """Where money of this method lies."""
    return {"bank_transfer": Book.BANK}.get(method, method)


# -- what an order is worth


def post_sale(order: Order, *, lines: Sequence[OrderLine], sessions: Sequence[Booking]) -> None:
    """The books of an order that was just written, from the very rows, without reading them back."""
    _post_difference(order, [order], _wanted(order, lines, sessions))


def sync_order(order_id: int) -> bool:
    """Make the books say what an order (with the orders its sessions were given away to) is worth now, and how much is earned.

    Sale prices lie on the order that was paid; so do the sessions' shares, whoever has them now. Run twice, it posts nothing the
    second time. Returns whether it posted anything. Call it last in a transaction: it locks the books of the order.
    """
    found = rows(LOCK_BOOKS, [order_id])
    if not found:  # its sale was rolled back
        return False
    root_id = found[0][0]
    tree = list(Order.objects.filter(Q(pk=root_id) | Q(parent_id=root_id)).order_by("pk"))
    root = next(order for order in tree if order.pk == root_id)
    ids = [order.pk for order in tree]
    lines = list(OrderLine.objects.filter(order_id__in=ids))
    sessions = list(
        Booking.objects.filter(order_id__in=ids).only(
            "id", "account_id", "order_id", "client_id", "status", "price_cents", "tax_cents", "consequence"
        )
    )
    wanted = _wanted(root, lines, sessions)
    posted = LedgerEntry.objects.filter(order_id__in=ids, transaction__kind=Kind.SALE).values_list("book", "order_id", "booking_id")
    for book, order, booking, cents in posted.annotate(cents=Sum("amount_cents")):
        wanted[(book, order, booking)] -= cents
    return _post_difference(root, tree, wanted)


Wanted = dict[tuple[str, int | None, int | None], int]


def _wanted(root: Order, lines: Sequence[OrderLine], sessions: Sequence[Booking]) -> Wanted:
    """What the books should hold: {(book, order, session): signed cents}. Zero in sum, by construction."""
    wanted: Wanted = defaultdict(int)
    for line in lines:
        net = line.amount_cents - line.tax_cents
        wanted[(Book.RECEIVABLE, line.order_id, None)] += line.amount_cents
        wanted[(Book.TAX, line.order_id, None)] -= line.tax_cents
        if line.kind == OrderLine.Kind.FEE:
            wanted[(Book.FEES, line.order_id, None)] -= net
    for session in sessions:
        book, net = _share(session)
        wanted[(book, root.pk, session.pk)] -= net
    wanted[(_rest(root), root.pk, None)] -= sum(wanted.values())  # price changes that belong to no session
    return wanted


def _rest(root: Order) -> str:
    """Where the money of what has no sessions lies: a site is earned once it is handed over."""
    if root.order_type == Order.Type.GIFT:
        return Book.GIFT
    return Book.DEFERRED if root.order_type == Order.Type.SITE and root.status == Order.Status.ACTIVE else Book.REVENUE


def _share(session: Booking) -> tuple[str, int]:
    """(the book in which a session's share lies, its net cents)."""
    net = session.price_cents - session.tax_cents
    if session.status == Status.FORFEITED:
        return Book.FORFEITED, net
    if session.status in (Status.COMPLETED, Status.NO_SHOW, Status.CANCELLED):
        back = session.consequence.get("price_back_cents", 0)
        return Book.REVENUE, net if not back else half_up(net * (session.price_cents - back), session.price_cents or 1)
    return Book.DEFERRED, net


def _post_difference(root: Order, tree: Sequence[Order], difference: Wanted) -> bool:
    """Whoever pays an order is whom its entries are about, as in its payments."""
    payers = {order.pk: order.payer_id or order.client_id for order in tree}
    legs = [Leg(book, cents, order, booking, payers[order] if order else None) for (book, order, booking), cents in difference.items()]
    about: Any = {"account_id": root.account_id, "currency": root.currency, "order_id": root.pk, "client_id": payers[root.pk]}
    return post(kind=Kind.SALE, legs=legs, **about) is not None


# -- balances


def balances(*, order_id: int | None = None, client_id: int | None = None) -> dict[tuple[str, str], int]:
    """{(book, currency): signed cents} of the account, or of one order or client in it."""
    entries = LedgerEntry.objects.filter(account_id=current_account_id())
    if order_id is not None:
        entries = entries.filter(order_id=order_id)
    if client_id is not None:
        entries = entries.filter(Q(client=client_id) | Q(client__merged_into=client_id))
    found = entries.values_list("book", "currency").annotate(cents=Sum("amount_cents")).order_by("book", "currency")
    return {(book, currency): cents for book, currency, cents in found}
