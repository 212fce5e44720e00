"""When the books follow an order: at the end of every service that changed what it is worth, or what of it is earned.

And its sessions, which are paid from the moment it is. Followers, not handlers: the entries are in the transaction of the change, so that the two never disagree.
"""

from functools import partial

from apps.bookings.models import Booking
from apps.core.db import at_end
from apps.core.events import within
from apps.core.models import Event
from apps.orders.models import Order
from apps.payments.services.collecting import mark_sessions_paid
from apps.payments.services.ledger import sync_order


@within("order.changed", "order.transferred")
def follow_order(order: Order, event: Event) -> None:
    """A line came to the order, or sessions of it went to somebody else."""
    _at_end(order.parent_id or order.pk)


@within(
    "booking.completed",
    "booking.cancelled",
    "booking.declined",
    "booking.no_show",
    "booking.no_show_undone",
    "booking.forfeited",
    "booking.unforfeited",
    "booking.reinstated",
)
def follow_session(booking: Booking, event: Event) -> None:
    """A session ended, or its end was taken back."""
    _at_end(booking.order_id)


@within("order.completed")
def follow_site(order: Order, event: Event) -> None:
    """A site was handed over, so its price is earned; of sessions each one's end says so."""
    if order.order_type == Order.Type.SITE:
        _at_end(order.pk)


@within("order.paid", "order.overpaid")
def follow_payment(order: Order, event: Event) -> None:
    """Its sessions are paid, too (rules.md §0)."""
    mark_sessions_paid(order)


def _at_end(order_id: int) -> None:
    at_end(("books", order_id), partial(sync_order, order_id))
