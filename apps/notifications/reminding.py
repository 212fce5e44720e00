"""Whether a session is one to be reminded of: asked when reminders are planned, when they are due, and before each attempt to send one."""

from datetime import datetime

from apps.bookings.models import Booking, Status
from apps.notifications.models import Delivery, Reminder

REMINDED = (Status.CONFIRMED, Status.CHECKED_IN)
KEY = "reminder"
"""What messages are called that are reminders: reminder:<id>."""

Reason = Reminder.Reason


def why_not(booking: Booking, at: datetime) -> str:
    """Why nobody is reminded of this session now; '' when they are."""
    if booking.start_time is not None and booking.start_time <= at:
        return Reason.STARTED
    return Reason.NONE if booking.status in REMINDED else Reason.CANCELLED


def still_reminds(delivery: Delivery, *, at: datetime) -> bool:
    """Whether a reminder that waited for a mail server still speaks of a session to come at that time; true for all other messages."""
    kind, _, pk = delivery.key.partition(":")
    if kind != KEY:
        return True
    reminder = Reminder.objects.select_related("booking").filter(pk=int(pk)).first()
    return reminder is not None and not why_not(reminder.booking, at) and reminder.booking.start_time == reminder.start_time
