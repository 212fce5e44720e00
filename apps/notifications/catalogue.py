"""What can be said: one entry per message, in words that are translated (locale/), with named placeholders.

Which event says which of them to whom is in ``voices``.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.notifications import support
from apps.notifications.message import Message
from apps.notifications.models import Kind

MY_BOOKING, MY_ORDER, MY_DOCUMENTS = "/my/bookings/%(booking_id)d", "/my/orders/%(order_id)d", "/my/bookings/%(booking_id)d/documents"
BOOKING, ORDER, PAYMENT, REFUND = "/bookings/%(booking_id)d", "/orders/%(order_id)d", "/payments/%(payment_id)d", "/refunds/%(refund_id)d"
COMMENT = "/comments/%(comment_id)d"

TO_CLIENTS: dict[str, Message] = {
    "booking_confirmed": Message(
        Kind.BOOKING_CONFIRMED,
        _("Your session is confirmed: %(service)s"),
        _("%(service)s with %(practitioner)s is confirmed for %(when)s."),
        MY_BOOKING,
        "PUBLISH",
    ),
    "booking_requested": Message(
        Kind.BOOKING_REQUESTED,
        _("We received your request: %(service)s"),
        _("You asked for %(service)s with %(practitioner)s on %(when)s. %(account)s will confirm or decline it."),
        MY_BOOKING,
    ),
    "booking_declined": Message(
        Kind.BOOKING_DECLINED,
        _("Your request was declined: %(service)s"),
        _("%(account)s cannot offer %(service)s on %(when)s."),
        MY_BOOKING,
    ),
    "booking_rescheduled": Message(
        Kind.BOOKING_RESCHEDULED,
        _("Your session was moved: %(service)s"),
        _("%(service)s with %(practitioner)s was moved from %(before)s to %(when)s."),
        MY_BOOKING,
        "PUBLISH",
    ),
    "booking_cancelled": Message(
        Kind.BOOKING_CANCELLED,
        _("Your session was cancelled: %(service)s"),
        _("%(service)s on %(when)s was cancelled."),
        MY_BOOKING,
        "CANCEL",
    ),
    "session_voided": Message(
        Kind.BOOKING_CANCELLED,
        _("Sessions were taken off your order %(order)s"),
        _("%(service)s was taken off order %(order)s and cannot be used any more."),
        MY_ORDER,
    ),
    "booking_hold_lapsed": Message(
        Kind.BOOKING_HOLD_LAPSED,
        _("Your time is not kept any longer: %(service)s"),
        _("No payment has arrived for %(service)s on %(when)s, so this time is free again."),
        MY_ORDER,
    ),
    "booking_reinstated": Message(
        Kind.BOOKING_REINSTATED,
        _("You can use your session again: %(service)s"),
        _("%(service)s had been cancelled. It is yours again; please choose a time for it."),
        MY_BOOKING,
    ),
    "booking_no_show": Message(
        Kind.BOOKING_NO_SHOW,
        _("We missed you: %(service)s"),
        _("%(service)s on %(when)s took place without you and was marked as missed."),
        MY_BOOKING,
    ),
    "booking_no_show_undone": Message(
        Kind.BOOKING_REINSTATED,
        _("Your session is not marked as missed any more: %(service)s"),
        _("%(service)s on %(when)s was marked as missed by mistake. That has been taken back."),
        MY_BOOKING,
    ),
    "booking_reminder": Message(
        Kind.BOOKING_REMINDER,
        _("Reminder: %(service)s"),
        _("%(service)s with %(practitioner)s takes place on %(when)s."),
        MY_BOOKING,
        "PUBLISH",
    ),
    "waitlist_offer": Message(
        Kind.WAITLIST_OFFER,
        _("A time is free for you: %(service)s"),
        _("You can have %(service)s with %(practitioner)s on %(when)s. Please answer before %(until)s."),
        "/waitlist/%(token)s",
    ),
    "order_placed": Message(
        Kind.ORDER_PLACED,
        _("Your order %(order)s"),
        _("Thank you. You bought %(what)s for %(total)s."),
        MY_ORDER,
    ),
    "payment_instructions": Message(
        Kind.PAYMENT_INSTRUCTIONS,
        _("Please pay for order %(order)s"),
        _("Please transfer %(amount)s for %(what)s and give %(reference)s as the reference."),
        MY_ORDER,
    ),
    "order_cancelled": Message(
        Kind.ORDER_CANCELLED,
        _("Your order %(order)s was cancelled"),
        _("Order %(order)s (%(what)s) was cancelled."),
        MY_ORDER,
    ),
    "sessions_granted": Message(
        Kind.PACKAGE_EXTENDED,
        _("You were given sessions: %(service)s"),
        _("%(account)s has added %(service)s to your order %(order)s."),
        MY_ORDER,
    ),
    "package_expiring": Message(
        Kind.PACKAGE_EXPIRING,
        _("Your package ends soon: %(what)s"),
        _("%(what)s can be used until %(until)s. Sessions that are left: %(sessions)s."),
        MY_ORDER,
    ),
    "package_expired": Message(
        Kind.PACKAGE_EXPIRED,
        _("Your package has ended: %(what)s"),
        _("%(what)s has ended. Its remaining sessions cannot be used any more."),
        MY_ORDER,
    ),
    "package_paused": Message(
        Kind.PACKAGE_PAUSED,
        _("Your package pauses: %(what)s"),
        _("%(what)s pauses from %(first_day)s to %(last_day)s."),
        MY_ORDER,
    ),
    "package_paused_openly": Message(
        Kind.PACKAGE_PAUSED,
        _("Your package pauses: %(what)s"),
        _("%(what)s pauses from %(first_day)s until you resume it."),
        MY_ORDER,
    ),
    "package_resumed": Message(
        Kind.PACKAGE_PAUSED,
        _("Your package does not pause any more: %(what)s"),
        _("You can use %(what)s again."),
        MY_ORDER,
    ),
    "package_extended": Message(
        Kind.PACKAGE_EXTENDED,
        _("Your package is valid for longer: %(what)s"),
        _("You can use %(what)s until %(until)s."),
        MY_ORDER,
    ),
    "package_given": Message(
        Kind.PACKAGE_TRANSFERRED,
        _("You gave sessions away: %(what)s"),
        _("Sessions of %(what)s that were given to somebody else: %(sessions)s."),
        MY_ORDER,
    ),
    "package_got": Message(
        Kind.PACKAGE_TRANSFERRED,
        _("You were given sessions: %(what)s"),
        _("Sessions of %(what)s that are yours now: %(sessions)s."),
        MY_ORDER,
    ),
    "payment_received": Message(
        Kind.PAYMENT_RECEIVED,
        _("Receipt: %(amount)s for order %(order)s"),
        _("Thank you. We received %(amount)s for %(what)s."),
        MY_ORDER,
    ),
    "payment_failed": Message(
        Kind.PAYMENT_FAILED,
        _("Your payment for order %(order)s failed"),
        _("The payment of %(amount)s for %(what)s failed. Please try again or choose another way to pay."),
        MY_ORDER,
    ),
    "payment_overdue": Message(
        Kind.PAYMENT_OVERDUE,
        _("Your payment for order %(order)s has not arrived"),
        _("The payment of %(amount)s for %(what)s has not arrived in time."),
        MY_ORDER,
    ),
    "payment_late": Message(
        Kind.PAYMENT_LEFT_OVER,
        _("Your payment for order %(order)s came late"),
        _("We received %(amount)s for %(what)s when nobody waited for it any more. %(account)s will tell you what happens with it."),
        MY_ORDER,
    ),
    "refund_on_its_way": Message(
        Kind.REFUND_SENT,
        _("Refund for order %(order)s"),
        _("%(amount)s for %(what)s is on its way back to you. It can take some days to arrive."),
        MY_ORDER,
    ),
    "refund_sent": Message(
        Kind.REFUND_SENT,
        _("Refund for order %(order)s"),
        _("%(amount)s for %(what)s went back to you."),
        MY_ORDER,
    ),
    "refund_failed": Message(
        Kind.REFUND_FAILED,
        _("Your refund for order %(order)s did not arrive"),
        _("%(amount)s for %(what)s could not be sent back. %(account)s takes care of it."),
        MY_ORDER,
    ),
    "invoice_issued": Message(
        Kind.INVOICE_ISSUED,
        _("Invoice %(number)s"),
        _("Invoice %(number)s over %(total)s is ready."),
        "/my/invoices/%(invoice_id)d",
    ),
    "credit_note_issued": Message(
        Kind.CREDIT_NOTE_ISSUED,
        _("Credit note %(number)s"),
        _("Credit note %(number)s over %(total)s is ready."),
        "/my/invoices/%(invoice_id)d",
    ),
    "gift_code_ready": Message(
        Kind.GIFT_CODE_READY,
        _("Your gift code is ready"),
        _("The gift code that ends with %(last4)s is worth %(amount)s and can be redeemed now."),
        MY_ORDER,
    ),
    "review_requested": Message(
        Kind.REVIEW_REQUESTED,
        _("How was %(service)s?"),
        _("%(service)s with %(practitioner)s took place on %(when)s. %(account)s would like to know how it was."),
        "/my/bookings/%(booking_id)d/review",
    ),
    "review_replied": Message(
        Kind.REVIEW_REPLIED,
        _("%(account)s has answered your review"),
        _("About %(service)s they write: %(reply)s"),
        MY_BOOKING,
    ),
    "review_hidden": Message(
        Kind.REVIEW_HIDDEN,
        _("Your review is not shown any more"),
        _("%(account)s has hidden your review of %(service)s."),
        MY_BOOKING,
    ),
    "site_added": Message(
        Kind.SITE_OWNERSHIP,
        _("A website is yours now: %(site)s"),
        _("%(account)s has put %(site)s into your hands."),
        "/my/sites",
    ),
    "site_removed": Message(
        Kind.SITE_OWNERSHIP,
        _("A website is no longer yours: %(site)s"),
        _("%(site)s does not belong to you any more. Please ask %(account)s if you did not expect this."),
        "/my/sites",
    ),
    "site_offered": Message(
        Kind.SITE_TRANSFER,
        _("You are offered a website: %(site)s"),
        _("%(account)s offers you %(site)s. Please accept or decline before %(until)s."),
        "/my/sites",
    ),
    "document_shared": Message(
        Kind.DOCUMENT_SHARED,
        _("A document was shared with you"),
        _("%(account)s has put a document to %(service)s for you."),
        MY_DOCUMENTS,
    ),
}

TO_STAFF: dict[str, Message] = {
    "staff_booking_confirmed": Message(
        Kind.BOOKING_CONFIRMED,
        _("New session: %(service)s for %(client)s"),
        _("%(client)s has %(service)s on %(when)s."),
        BOOKING,
        "PUBLISH",
    ),
    "staff_booking_requested": Message(
        Kind.BOOKING_REQUESTED,
        _("Request: %(service)s for %(client)s"),
        _("%(client)s asks for %(service)s on %(when)s. Please confirm or decline."),
        BOOKING,
    ),
    "staff_booking_rescheduled": Message(
        Kind.BOOKING_RESCHEDULED,
        _("Session moved: %(service)s for %(client)s"),
        _("%(service)s for %(client)s was moved from %(before)s to %(when)s."),
        BOOKING,
        "PUBLISH",
    ),
    "staff_booking_moved_away": Message(
        Kind.BOOKING_CANCELLED,
        _("Session given to somebody else: %(service)s for %(client)s"),
        _("%(service)s for %(client)s on %(before)s is not yours any more."),
        BOOKING,
        "CANCEL",
    ),
    "staff_booking_cancelled": Message(
        Kind.BOOKING_CANCELLED,
        _("Session cancelled: %(service)s for %(client)s"),
        _("%(service)s for %(client)s on %(when)s was cancelled."),
        BOOKING,
        "CANCEL",
    ),
    "staff_document_added": Message(
        Kind.DOCUMENT_SHARED,
        _("New document of %(client)s"),
        _("%(client)s has put a document to %(service)s."),
        "/bookings/%(booking_id)d/documents",
    ),
    "staff_review_received": Message(
        Kind.REVIEW_RECEIVED,
        _("New review by %(client)s"),
        _("%(client)s gave %(service)s %(rating)s of 5 stars."),
        "/reviews/%(review_id)d",
    ),
    "staff_below_minimum": Message(
        Kind.OCCURRENCE_BELOW_MINIMUM,
        _("Too few take part: %(service)s"),
        _("%(service)s on %(when)s has %(attendees)s of at least %(minimum)s who take part. Please decide whether it takes place."),
        "/occurrences?service=%(service_id)d",
    ),
    "staff_payment_review": Message(
        Kind.PAYMENT_REVIEW,
        _("Please look at a payment for order %(order)s"),
        _("The payment of %(amount)s by %(client)s needs a decision: %(why)s."),
        PAYMENT,
    ),
    "staff_payment_late": Message(
        Kind.PAYMENT_LEFT_OVER,
        _("Money is left over at order %(order)s"),
        _("%(client)s paid %(amount)s that order %(order)s does not need (any more)."),
        PAYMENT,
    ),
    "staff_refund_failed": Message(
        Kind.REFUND_FAILED,
        _("A refund for order %(order)s failed"),
        _("The refund of %(amount)s to %(client)s did not go through: %(why)s."),
        REFUND,
    ),
    "staff_refund_requested": Message(
        Kind.PAYMENT_REVIEW,
        _("A refund for order %(order)s waits for approval"),
        _("The refund of %(amount)s to %(client)s needs a second person."),
        REFUND,
    ),
    "staff_dispute_opened": Message(
        Kind.DISPUTE_OPENED,
        _("A payment for order %(order)s is disputed"),
        _("The bank of %(client)s wants %(amount)s back. The unused sessions of order %(order)s are frozen."),
        "/disputes/%(dispute_id)d",
    ),
    "staff_dispute_won": Message(
        Kind.DISPUTE_CLOSED,
        _("The dispute about order %(order)s was won"),
        _("%(amount)s of %(client)s stay with you."),
        "/disputes/%(dispute_id)d",
    ),
    "staff_dispute_lost": Message(
        Kind.DISPUTE_CLOSED,
        _("The dispute about order %(order)s was lost"),
        _("%(amount)s went back to %(client)s."),
        "/disputes/%(dispute_id)d",
    ),
    "staff_task_due": Message(
        Kind.TASK_DUE,
        _("Due now: %(task)s"),
        _("There is something to do for %(client)s: %(task)s."),
        "/clients/%(client_id)d/tasks",
    ),
    "staff_import_finished": Message(
        Kind.IMPORT_FINISHED,
        _("Import of clients: %(name)s"),
        _("New: %(created)s. Updated: %(updated)s. Left as they are: %(skipped)s. Rows that could not be used: %(bad)s."),
        "/client-imports/%(import_id)d",
    ),
    "staff_list_exported": Message(
        Kind.EXPORT_READY,
        _("A list of your clients was exported"),
        _("%(who)s has asked for a list of your clients as a file."),
        "/client-exports/%(export_id)d",
    ),
    "staff_archive_requested": Message(
        Kind.EXPORT_READY,
        _("Everything about %(client)s was exported"),
        _("%(who)s has asked for a file with everything that is kept about %(client)s."),
        "/clients/%(client_id)d",
    ),
    "staff_site_waiting": Message(
        Kind.SITE_OWNERSHIP,
        _("A paid website cannot be handed over: order %(order)s"),
        _("%(what)s is paid, but its buyer cannot own it yet: %(why)s."),
        ORDER,
    ),
    "staff_site_kept": Message(
        Kind.SITE_OWNERSHIP,
        _("A refunded website still has its owner: order %(order)s"),
        _("All that was paid for %(what)s went back. Please end the ownership if the site is to go back, too."),
        ORDER,
    ),
    "staff_comment_waiting": Message(
        Kind.COMMENT_RECEIVED,
        _("A comment waits for you: %(post)s"),
        _("%(author)s has commented on “%(post)s”. It is shown once somebody has approved it."),
        COMMENT,
    ),
    "staff_comment_received": Message(
        Kind.COMMENT_RECEIVED,
        _("New comment: %(post)s"),
        _("%(author)s has commented on “%(post)s”."),
        COMMENT,
    ),
    "staff_webhook_paused": Message(
        Kind.WEBHOOK_PAUSED,
        _("A webhook was stopped"),
        _("Nothing is sent to one of your webhooks any more: %(why)s. Resume it once its receiver works again."),
        "/settings/webhooks",
    ),
}

TO_CLIENTS |= support.TO_CLIENTS
TO_STAFF |= support.TO_STAFF
MESSAGES: dict[str, Message] = {**TO_CLIENTS, **TO_STAFF}

# Further sentences of a message, each with placeholders of its own.
EXTRAS: dict[str, Any] = {
    "also": _("Sessions that this is about in all: %(count)s. The others: %(others)s"),
    "balance": _("Still to be paid: %(amount)s."),
    "fee": _("A fee of %(amount)s is charged."),
    "held": _("%(service)s on %(when)s is kept for you until %(until)s."),
    "instructions": _("How to pay: %(text)s"),
    "paid": _("We received %(amount)s. Thank you."),
    "refund": _("%(amount)s is on its way back to you. It can take some days to arrive."),
    "returned": _("Sessions in this time that were cancelled: %(count)s. They can be booked again."),
    "start_lost": _("The time that you had chosen was given to somebody else in the meantime."),
}
