"""Taking back that a session was voided."""

from datetime import datetime

from django.utils import timezone

from apps.bookings.lifecycle import allowed_actions, require
from apps.bookings.models import Booking, Status
from apps.bookings.services.claims import lock_booking
from apps.bookings.services.fees import take_price_back
from apps.core.db import joined
from apps.core.errors import InvalidTransition
from apps.core.events import emit
from apps.orders.services import derive_status, lock_order


@joined
def reinstate_session(booking: Booking, *, reason: str = "", at: datetime | None = None) -> Booking:
    """A session that was taken off its order as a draft is a draft again, and its price is back on the order.

    Raises InvalidTransition for one that had a time when it was cancelled.
    """
    at = at or timezone.now()
    order = lock_order(booking.order_id)
    booking = lock_booking(booking.pk, order)
    require("reinstate", booking.status)
    if booking.start_time is not None:
        raise InvalidTransition(allowed_actions=allowed_actions(booking.status))
    price_cents = booking.consequence.get("price_back_cents", 0)
    tax_cents = booking.consequence.get("tax_back_cents", booking.tax_cents)
    before, booking.status = booking.status, Status.DRAFT
    booking.status_changed_at, booking.consequence = at, {}
    booking.cancelled_at, booking.cancelled_side, booking.cancel_reason = None, "", ""
    booking.cancelled_by, booking.cancelled_late = None, False
    booking.version += 1
    booking.save(
        update_fields=[
            "status",
            "status_changed_at",
            "consequence",
            "cancelled_at",
            "cancelled_side",
            "cancel_reason",
            "cancelled_by",
            "cancelled_late",
            "version",
            "updated_at",
        ]
    )
    if price_cents:
        name = f"Reinstated session {booking.position}"
        take_price_back(booking, order, price_cents=-price_cents, tax_cents=-tax_cents, description=name)
    emit("booking.reinstated", booking, changes={"status": [before, booking.status], "reason": ["", reason]})
    derive_status(order, at)
    return booking
