"""What was sold online and never paid: the sale is given up, and taken up again when the money comes after all (rules.md §4)."""

from datetime import datetime

from django.utils import timezone

from apps.bookings.models import Booking, Side, Status
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.reinstating import reinstate_session
from apps.bookings.services.scheduling import release_hold
from apps.core.db import joined
from apps.core.events import emit
from apps.orders.models import ONLINE, Order, OrderLine
from apps.orders.services import add_line, lock_order
from apps.orders.site_sales import is_for_sale
from apps.payments.models import OPEN, Payment
from apps.payments.services.coupons import retake_coupon, return_coupon
from apps.sites.services import lock_site

UNPAID, PAID_LATE = "Not paid in time.", "Paid late."
RUNNING = (Order.Status.ACTIVE, Order.Status.PAUSED)


@joined
def give_up_sale(order: Order, *, at: datetime | None = None) -> bool:
    """Void an order that its client has placed and nobody waits for the money of, so that nothing is owed; says whether it did.

    The use of its coupon is free again. It leaves alone what has got any money, what staff have sold, and what has a session that is more
    than held. May be repeated.
    """
    at = at or timezone.now()
    order = lock_order(order.pk)
    if order.source not in ONLINE or order.parent_id is not None or order.status not in RUNNING:
        return False
    if order.paid_cents or order.payment_status != Order.PaymentStatus.UNPAID:
        return False
    if Payment.objects.filter(order=order, status__in=OPEN).exists():
        return False
    sessions = list(Booking.objects.filter(order=order).order_by("pk"))
    if {session.status for session in sessions} - {Status.DRAFT, Status.HELD, Status.CANCELLED}:
        return False
    for session in sessions:
        if session.status == Status.HELD:
            session = release_hold(session, at=at, why="unpaid")
        if session.status == Status.DRAFT:
            cancel_booking(session, by=Side.SYSTEM, reason=UNPAID, void=True, at=at)
    if not sessions:
        void_sale(order, because=UNPAID)
    return_coupon(order)
    return True


@joined
def void_sale(order: Order, *, because: str) -> None:
    """Take everything off a locked order that has no sessions (a gift code, a site that was not handed over), and end it."""
    _turn_lines(list(order.lines.order_by("position")), order, because)  # type: ignore[attr-defined]
    _become(order, Order.Status.CANCELLED)


@joined
def take_up_sale(order: Order, *, at: datetime | None = None) -> bool:
    """The money of a sale that was given up has come: its sessions are its client's again; says whether there were any.

    It keeps the price it was sold for; its coupon is used again as far as it can be (see ``retake_coupon``). A site that was sold again
    in the meantime stays with its new sale: the money is left over.
    """
    at = at or timezone.now()
    order = lock_order(order.pk)
    if order.status != Order.Status.CANCELLED:
        return False
    given_up = Booking.objects.filter(order=order, status=Status.CANCELLED, cancelled_side=Side.SYSTEM, cancel_reason=UNPAID)
    sessions = list(given_up.order_by("pk"))
    for session in sessions:
        reinstate_session(session, reason=PAID_LATE, at=at)
    if sessions:
        retake_coupon(order)
        return True
    if Booking.objects.filter(order=order).exists() or not order.lines.filter(description=UNPAID).exists():  # type: ignore[attr-defined]
        return False
    if order.site is not None and not is_for_sale(lock_site(order.site), client_id=order.client_id):
        return False
    _turn_lines(list(order.lines.filter(description=UNPAID).order_by("position")), order, PAID_LATE)  # type: ignore[attr-defined]
    _become(order, Order.Status.ACTIVE)
    retake_coupon(order)
    return True


# What has no sessions is voided by its lines.


def _turn_lines(turned: list[OrderLine], order: Order, description: str) -> None:
    """Write the opposite of these lines of a locked order, each with its own tax."""
    for line in turned:
        add_line(
            order,
            kind=OrderLine.Kind.ADJUSTMENT,
            description=description,
            amount_cents=-line.amount_cents,
            tax_cents=-line.tax_cents,
            tax_rate=line.tax_rate,
        )


def _become(order: Order, status: str) -> None:
    before, order.status = order.status, status
    order.save(update_fields=["status", "updated_at"])
    emit("order.cancelled" if status == Order.Status.CANCELLED else "order.reopened", order, changes={"status": [before, status]})
