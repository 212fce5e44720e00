"""Which event speaks, to whom, and which of several speaks when one change says many things.

A change of the business is a transaction, and most write several events: a sale places an order, gives a session its time and may take
money. Of all the events of one transaction, each reader hears the one with the lowest ``rank`` (then the oldest); what the others
add is a sentence of that message (``services.speaking``). So one change is one message per reader.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.core.models import Event
from apps.notifications.facts import before_and_after

CLIENT, PRACTITIONER, MANAGERS = "client", "practitioner", "managers"

When = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Voice:
    """``to`` one audience with one message. ``when`` is decided by the event alone; ``of`` says which practitioner of the event."""

    to: str
    message: str
    rank: int
    when: When = lambda event: True
    of: str = "after"


def _after(name: str, *values: Any) -> When:
    return lambda event: before_and_after(event, name)[1] in values


def _before(name: str, *values: Any) -> When:
    return lambda event: before_and_after(event, name)[0] in values


def _same_practitioner(event: Event) -> bool:
    before, after = before_and_after(event, "practitioner")
    return before == after


def _both(*conditions: When) -> When:
    return lambda event: all(one(event) for one in conditions)


def _not(condition: When) -> When:
    return lambda event: not condition(event)


def _by_somebody(event: Event) -> bool:
    """Asked for by a person; documents that follow from a payment are part of it, and are not announced a second time."""
    return event.actor_id is not None


_HAD_TIME = _not(_before("status", "draft"))
_BY_US, _BY_THEM = _after("by", "provider"), _after("by", "client")
_SURE = _before("status", "confirmed", "checked_in", "pending")

VOICES: dict[str, tuple[Voice, ...]] = {
    # Time
    "booking.scheduled": (Voice(CLIENT, "booking_confirmed", 30), Voice(PRACTITIONER, "staff_booking_confirmed", 30)),
    "booking.confirmed": (Voice(CLIENT, "booking_confirmed", 30), Voice(PRACTITIONER, "staff_booking_confirmed", 30, of="row")),
    "booking.requested": (Voice(CLIENT, "booking_requested", 30), Voice(PRACTITIONER, "staff_booking_requested", 30, of="row")),
    "booking.declined": (Voice(CLIENT, "booking_declined", 20),),
    "booking.rescheduled": (
        Voice(CLIENT, "booking_rescheduled", 20),
        Voice(PRACTITIONER, "staff_booking_rescheduled", 20, _same_practitioner),
        Voice(PRACTITIONER, "staff_booking_confirmed", 20, _not(_same_practitioner)),
        Voice(PRACTITIONER, "staff_booking_moved_away", 20, _not(_same_practitioner), of="before"),
    ),
    "booking.cancelled": (
        Voice(CLIENT, "booking_cancelled", 20, _HAD_TIME),
        Voice(CLIENT, "session_voided", 60, _both(_not(_HAD_TIME), _not(_after("by", "client", "system")))),
        Voice(PRACTITIONER, "staff_booking_cancelled", 20, _SURE, of="before"),
    ),
    "booking.hold_released": (Voice(CLIENT, "booking_hold_lapsed", 15, _after("why", "unpaid")),),
    "booking.reinstated": (Voice(CLIENT, "booking_reinstated", 50),),
    "booking.no_show": (Voice(CLIENT, "booking_no_show", 20),),
    "booking.no_show_undone": (Voice(CLIENT, "booking_no_show_undone", 20),),
    "booking.completed": (Voice(CLIENT, "review_requested", 80),),
    "booking.granted": (Voice(CLIENT, "sessions_granted", 45),),
    "occurrence.below_minimum": (Voice(PRACTITIONER, "staff_below_minimum", 20), Voice(MANAGERS, "staff_below_minimum", 20)),
    "waitlist.offered": (Voice(CLIENT, "waitlist_offer", 10),),
    # Orders
    "order.placed": (Voice(CLIENT, "order_placed", 40),),
    "order.cancelled": (Voice(CLIENT, "order_cancelled", 70),),
    "order.expiring": (Voice(CLIENT, "package_expiring", 50),),
    "order.expired": (Voice(CLIENT, "package_expired", 50),),
    "order.pause_added": (Voice(CLIENT, "package_paused", 10),),
    "order.pause_ended": (Voice(CLIENT, "package_resumed", 10),),
    "order.pause_removed": (Voice(CLIENT, "package_resumed", 10),),
    "order.extended": (Voice(CLIENT, "package_extended", 10),),
    "order.transferred": (
        Voice(CLIENT, "package_given", 10, lambda event: "to_order" in event.changes),
        Voice(CLIENT, "package_got", 10, lambda event: "from_order" in event.changes),
    ),
    # Money
    "payment.succeeded": (Voice(CLIENT, "payment_received", 45),),
    "payment.failed": (Voice(CLIENT, "payment_failed", 25, _after("status", "failed")),),
    "payment.overdue": (Voice(CLIENT, "payment_overdue", 50),),
    "payment.left_over": (
        Voice(CLIENT, "payment_late", 35, _after("is_late", True)),
        Voice(MANAGERS, "staff_payment_late", 30),
    ),
    "payment.quarantined": (Voice(MANAGERS, "staff_payment_review", 20),),
    "payment.unanswered": (Voice(MANAGERS, "staff_payment_review", 20),),
    # A refund speaks once: when it sets off, or, where it is sent by hand or is done at once, when it is done.
    "refund.pending": (Voice(CLIENT, "refund_on_its_way", 55, _before("status", "requested")),),
    "refund.succeeded": (Voice(CLIENT, "refund_sent", 55, _before("status", "requested", "pending")),),
    "refund.failed": (
        Voice(CLIENT, "refund_failed", 30),
        Voice(MANAGERS, "staff_refund_failed", 30),
    ),
    "refund.requested": (Voice(MANAGERS, "staff_refund_requested", 40),),
    "refund.quarantined": (Voice(MANAGERS, "staff_refund_failed", 30),),
    "refund.unknown": (Voice(MANAGERS, "staff_refund_failed", 30, _after("gave_up", True)),),
    "dispute.opened": (Voice(MANAGERS, "staff_dispute_opened", 10),),
    "dispute.won": (Voice(MANAGERS, "staff_dispute_won", 10),),
    "dispute.lost": (Voice(MANAGERS, "staff_dispute_lost", 10),),
    "invoice.issued": (Voice(CLIENT, "invoice_issued", 90, _by_somebody),),
    "credit_note.issued": (Voice(CLIENT, "credit_note_issued", 90, _by_somebody),),
    "gift_code.active": (Voice(CLIENT, "gift_code_ready", 35),),
    # The rest
    "review.created": (Voice(PRACTITIONER, "staff_review_received", 50, of="row"),),
    "comment.created": (
        Voice(MANAGERS, "staff_comment_waiting", 50, _after("status", "pending")),
        Voice(MANAGERS, "staff_comment_received", 50, _after("status", "approved")),
    ),
    "review.replied": (Voice(CLIENT, "review_replied", 50),),
    "review.hidden": (Voice(CLIENT, "review_hidden", 50),),
    "site.owner_added": (Voice(CLIENT, "site_added", 38),),
    "site.owner_removed": (Voice(CLIENT, "site_removed", 38),),
    "site.transfer_offered": (Voice(CLIENT, "site_offered", 30),),
    "order.site_waiting": (Voice(MANAGERS, "staff_site_waiting", 30),),
    "order.site_kept": (Voice(MANAGERS, "staff_site_kept", 30),),
    "document.added": (
        Voice(CLIENT, "document_shared", 70, _after("is_shared", True)),
        Voice(PRACTITIONER, "staff_document_added", 70, of="row"),
    ),
    "document.updated": (Voice(CLIENT, "document_shared", 70, _both(_after("is_shared", True), _before("is_shared", False))),),
    "client_import.finished": (Voice(MANAGERS, "staff_import_finished", 30, _not(_by_somebody)),),
    "task.due": (Voice(MANAGERS, "staff_task_due", 20),),
    "client.list_exported": (Voice(MANAGERS, "staff_list_exported", 30),),
    "client.archive_requested": (Voice(MANAGERS, "staff_archive_requested", 30),),
    # Support
    "ticket.opened": (
        Voice(CLIENT, "ticket_opened", 20, _BY_US),
        Voice(MANAGERS, "staff_ticket_opened", 20, _BY_THEM),
        Voice(MANAGERS, "staff_ticket_assigned", 30, _both(_BY_US, _not(_after("assignee", None)))),
    ),
    "ticket.assigned": (Voice(MANAGERS, "staff_ticket_assigned", 30, _not(_after("assignee", None))),),
    "ticket.replied": (Voice(CLIENT, "ticket_replied", 20, _BY_US), Voice(MANAGERS, "staff_ticket_replied", 20, _BY_THEM)),
    "ticket.attachment_added": (Voice(CLIENT, "ticket_file", 60, _BY_US), Voice(MANAGERS, "staff_ticket_file", 60, _BY_THEM)),
    "ticket.status_changed": (
        Voice(CLIENT, "ticket_started", 40, _both(_BY_US, _after("action", "start"))),
        Voice(CLIENT, "ticket_waiting", 40, _both(_BY_US, _after("action", "wait"))),
        Voice(CLIENT, "ticket_resolved", 40, _both(_BY_US, _after("action", "resolve"))),
        Voice(CLIENT, "ticket_closed", 40, _both(_BY_US, _after("action", "close"))),
        Voice(CLIENT, "ticket_reopened", 40, _both(_BY_US, _after("action", "reopen"))),
        Voice(MANAGERS, "staff_ticket_closed", 40, _both(_BY_THEM, _after("action", "close"))),
        Voice(MANAGERS, "staff_ticket_reopened", 40, _both(_BY_THEM, _after("action", "reopen"))),
    ),
    # Work that was done is no new appointment: it speaks instead of the session that it used up.
    "ticket.time_logged": (Voice(CLIENT, "ticket_time", 10), Voice(PRACTITIONER, "staff_ticket_time", 10)),
    "ticket.overdue": (
        Voice(MANAGERS, "staff_ticket_unanswered", 10, _after("what", "first_answer")),
        Voice(MANAGERS, "staff_ticket_unsolved", 5, _after("what", "solution")),
    ),
    "webhook_endpoint.paused": (Voice(MANAGERS, "staff_webhook_paused", 10, _not(_by_somebody)),),
    "webhook_endpoint.disabled": (Voice(MANAGERS, "staff_webhook_paused", 10, _not(_by_somebody)),),
}


def voices_of(event: Event, to: str) -> list[Voice]:
    """What an event could say to an audience, by itself."""
    return [voice for voice in VOICES.get(event.type, ()) if voice.to == to and voice.when(event)]
