"""What follows when the time of a session changes hands: for those who wait, and for the money that waits with it. And of a paid site.

Handlers run at least once.
"""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.bookings.models import Booking, Side, Status, WaitlistOffer
from apps.bookings.services.scheduling import confirm_booking, extend_hold
from apps.checkout.sites import due_sales, grant_site, note_kept_site
from apps.checkout.waitlist import offer_freed_time, settle_offers_at
from apps.core.errors import DomainError
from apps.core.events import on, within
from apps.core.models import Event
from apps.orders.models import ONLINE, Order
from apps.payments.models import OPEN, Payment

logger = logging.getLogger(__name__)


@on("booking.cancelled", "booking.rescheduled", "booking.hold_released", "booking.declined")
def offer_what_a_session_gave_up(event: Event) -> None:
    """The start that the event took from the session; whose offer it was is settled first."""
    booking = Booking.objects.select_related("account").filter(pk=event.subject_id).first()
    if booking is None:
        return
    # A session that went back to draft has lost its times, one that ended has kept them.
    start = event.changes.get("start_time", [None])[0]
    start_time = datetime.fromisoformat(start) if start else booking.start_time
    practitioner_id = event.changes.get("practitioner", [None])[0] or booking.practitioner_id
    at = timezone.now()
    if start_time is None or practitioner_id is None or start_time <= at:  # it had no time, or nobody can come any more
        return
    settle_offers_at(practitioner_id, start_time, at=at)
    offer_freed_time(account=booking.account, service_id=booking.service_id, practitioner_id=practitioner_id, start_time=start_time, at=at)


@on("booking.confirmed", "booking.requested")
def close_an_offer_confirmed_by_hand(event: Event) -> None:
    """Staff may confirm a held session without answering the offer that holds it."""
    booking = Booking.objects.filter(pk=event.subject_id, offer__status=WaitlistOffer.Status.OPEN).select_related("offer").first()
    if booking is not None and booking.offer is not None:
        settle_offers_at(booking.offer.practitioner_id, booking.offer.start_time)


@on("waitlist.declined", "waitlist.lapsed")
def pass_an_offer_on(event: Event) -> None:
    """A broadcast holds nothing, so no session tells that it has ended without a yes."""
    offers = WaitlistOffer.objects.select_related("account", "entry")
    offer = offers.filter(pk=event.subject_id, mode=WaitlistOffer.Mode.BROADCAST, start_time__gt=timezone.now()).first()
    if offer is not None:
        offer_freed_time(
            account=offer.account,
            service_id=offer.entry.service_id,
            practitioner_id=offer.practitioner_id,
            start_time=offer.start_time,
        )


NOT_BY_PEOPLE = ("lapsed", "unpaid")
"""Why a hold ends by itself: its start is claimed again when the money comes after all."""


@within("booking.hold_released", "booking.cancelled", "booking.declined")
def forget_the_start_of_a_payment(booking: Booking, event: Event) -> None:
    """Somebody has given up the start that an open payment waits with: when the money comes, it is the order's and books nothing.

    In the same transaction, because the money may come the moment after.
    """
    if event.changes.get("why", [None, None])[1] in NOT_BY_PEOPLE:  # a lapsed hold is freed without its order's lock
        return
    for payment in Payment.objects.filter(booking=booking, status__in=OPEN).order_by("pk").select_for_update(no_key=True):
        payment.booking = payment.practitioner = payment.start_time = None
        payment.save(update_fields=["booking", "practitioner", "start_time", "updated_at"])


# A payment waits with one session; of a waiting party everybody's place is held for it.


def _party_of(booking: Booking) -> QuerySet:
    """The other places that are held with a session for the same offer and the same money."""
    same = Booking.objects.filter(order=booking.order_id, offer=booking.offer_id, status=Status.HELD)
    return same.filter(start_time=booking.start_time, practitioner=booking.practitioner_id).exclude(pk=booking.pk).order_by("pk")


@within("payment.succeeded")
def book_the_party_that_was_paid(payment: Payment, event: Event) -> None:
    """The money of a waiting party has come: every place that is still held for it is theirs."""
    booking = Booking.objects.filter(pk=payment.booking_id, offer__isnull=False).first() if payment.booking_id else None
    if booking is None:
        return
    for other in _party_of(booking):
        try:
            with transaction.atomic():
                confirm_booking(other, by=Side.SYSTEM if payment.order.source in ONLINE else Side.PROVIDER, at=payment.received_at)
        except DomainError as refusal:  # its hold has lapsed: it is a session of the client's that is paid and has no time
            logger.info("booking %s of a party is not booked: %s", other.pk, refusal.code)


@within("booking.hold_extended")
def hold_the_party_as_long(booking: Booking, event: Event) -> None:
    """The start is held longer for its money, and so are the places of those who come along."""
    if booking.offer_id is not None and booking.hold_expires_at is not None:
        for other in _party_of(booking):
            extend_hold(other, until=booking.hold_expires_at)


# -- sites


@on("order.paid", "order.overpaid", "order.thawed")
def hand_over_what_was_paid(event: Event) -> None:
    """The site of a paid order becomes its client's. Run again, it finds the order completed."""
    order = Order.objects.select_related("client").filter(pk=event.subject_id, order_type=Order.Type.SITE).first()
    if order is not None:
        grant_site(order)


@on("client.linked", "client.updated")
def hand_over_what_waited_for_a_login(event: Event) -> None:
    """A client has a login now, or another address: what they have paid for can be theirs."""
    if event.type == "client.linked" or {"customer", "email"} & event.changes.keys():
        for order in due_sales().filter(client=event.subject_id).select_related("client").order_by("pk"):
            grant_site(order)


@on("order.refunded")
def tell_of_a_site_that_stays(event: Event) -> None:
    """The money went back; whether the site does is for staff to decide."""
    order = Order.objects.filter(pk=event.subject_id, order_type=Order.Type.SITE).first()
    if order is not None:
        note_kept_site(order)
