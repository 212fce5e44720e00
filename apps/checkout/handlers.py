"""What follows for those who wait when the time of a session changes hands. Handlers run at least once."""

from datetime import datetime

from django.utils import timezone

from apps.bookings.models import Booking, WaitlistOffer
from apps.checkout.waitlist import offer_freed_time, settle_offers_at
from apps.core.events import on
from apps.core.models import Event


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
