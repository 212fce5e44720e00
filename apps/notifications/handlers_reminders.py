"""What changes of sessions mean for their reminders."""

from apps.core.events import on
from apps.core.models import Event
from apps.notifications.services.reminders import plan_reminders

CHANGES_OF_TIME = (
    "booking.held",
    "booking.hold_extended",
    "booking.hold_released",
    "booking.requested",
    "booking.scheduled",
    "booking.confirmed",
    "booking.declined",
    "booking.rescheduled",
    "booking.checked_in",
    "booking.completed",
    "booking.cancelled",
    "booking.no_show",
    "booking.no_show_undone",
    "booking.transferred",
)
"""Every event that may make a new version of a session, or end it. What follows is read from the session, not from the event."""


@on(*CHANGES_OF_TIME)
def plan_again(event: Event) -> None:
    """Plan the session's reminders as it is now. Run late, twice or out of order it comes to the same."""
    plan_reminders(event.subject_id)
