"""What can happen to a session and what belongs to it. Every row of ``lifecycle.TRANSITIONS`` says one of the first group."""

from apps.core.events import ANY, declare

GIVEN = ("status", "start_time", "practitioner", "override_reason", "hold_expires_at")
BACK = ("status", "start_time", "end_time", "practitioner")
ENDED = (*BACK, "by", "reason", "why", "late", "fee_cents", "fee_waived", "override_reason")

declare(
    "bookings.booking",
    {
        "booking.held": ("It has a time for some minutes, until it is confirmed or paid.", GIVEN),
        "booking.hold_extended": ("The hold lasts longer.", ("hold_expires_at",)),
        "booking.hold_released": ("The hold is over; the session is without a time again.", (*BACK, "why", "reason")),
        "booking.requested": ("It has a time that the business has to approve.", GIVEN),
        "booking.scheduled": ("It has its time for sure.", GIVEN),
        "booking.confirmed": ("A hold or request became sure.", ("status",)),
        "booking.declined": ("The business refused the request.", ENDED),
        "booking.rescheduled": (
            "Moved to another time or practitioner: one event with both.",
            ("status", "start_time", "practitioner", "reason", "by", "fee_cents", "fee_waived", "override_reason"),
        ),
        "booking.checked_in": ("The client is here.", ENDED),
        "booking.completed": ("It took place.", ENDED),
        "booking.cancelled": ("Cancelled, or returned to the package without its time (`status` becomes draft).", ENDED),
        "booking.no_show": ("The client did not come.", ENDED),
        "booking.no_show_undone": ("They did come.", ENDED),
        "booking.forfeited": ("Lost, because its package expired.", ("status",)),
        "booking.unforfeited": ("Its package was extended: it can be used again.", ("status",)),
        "booking.reinstated": ("Cancelled by mistake: it can be used again.", ("status", "reason")),
        "booking.granted": ("Given by the business on top of what was bought.", ("status", "order", "reason")),
        "booking.transferred": ("It belongs to another client's order now.", ("order", "client", "position")),
        "document.added": ("A document was put to the session.", ("document", "is_shared")),
        "document.updated": ("It was renamed, shared or put into another kind.", ("document", "renamed", "kind", "is_shared")),
        "document.deleted": ("It was deleted.", ("document",)),
    },
)
declare(
    "bookings.bookingseries",
    {
        "series.created": ("A recurring booking was made, or split off another.", ("occurrences", "left_out", "previous")),
        "series.changed": ("One, following or all of its sessions changed.", ("scope", "action", "booking", "occurrences")),
    },
)
declare(
    "bookings.waitlistentry",
    {
        "waitlist.joined": ("Somebody waits for a time.", ("status", "service")),
        "waitlist.changed": ("What they wait for changed.", (ANY,)),
        "waitlist.left": ("They do not wait any more.", ("status",)),
        "waitlist.slept": ("They pause waiting.", ("status",)),
        "waitlist.woken": ("They wait again.", ("status",)),
        "waitlist.booked": ("They got a time.", ("status",)),
        "waitlist.expired": ("Their last day has passed.", ("status",)),
    },
)
OFFER = ("status", "entry", "start_time", "expires_at", "mode", "order")
declare(
    "bookings.waitlistoffer",
    {
        "waitlist.offered": ("Somebody who waits is offered a time.", OFFER),
        "waitlist.accepted": ("They take it.", OFFER),
        "waitlist.declined": ("They do not want it.", OFFER),
        "waitlist.lapsed": ("They did not answer in time.", OFFER),
        "waitlist.withdrawn": ("The business took the offer back.", OFFER),
    },
)
declare(
    "bookings.review",
    {
        "review.created": ("A client wrote about a completed session.", ("booking", "rating")),
        "review.published": ("It can be read by everybody.", ("status", "rating")),
        "review.hidden": ("It cannot be read any more.", ("status", "rating")),
        "review.replied": ("The business answered.", ("reply",)),
    },
)
declare(
    "catalog.service",
    {"occurrence.below_minimum": ("Too few take part; staff decide.", ("practitioner", "start_time", "attendees", "minimum"))},
)
