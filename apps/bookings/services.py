"""Giving a session its time. One function per change of state; API, admin, commands and handlers call the same one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from django.utils import timezone

from apps.bookings.errors import (
    AlreadyScheduled,
    BeyondHorizon,
    LimitReached,
    NoticeTooShort,
    OutsideHours,
    PackageExpired,
    PackagePaused,
    SlotTaken,
)
from apps.bookings.models import ACTIVE, ONE_SEAT, ONE_SERVICE, ONE_START, Booking, Status
from apps.bookings.slots import Diary, Offer, Terms, nearest_starts, offers_of, open_diary
from apps.catalog.models import Practitioner, Service
from apps.core.db import constraint_error, joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import emit
from apps.orders.models import Order
from apps.scheduling.hours import from_epoch, to_epoch

ALTERNATIVES_WITHIN = timedelta(days=7)
CLAIM_FIELDS = (
    "practitioner",
    "status",
    "start_time",
    "end_time",
    "timezone",
    "local_start",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "busy_from",
    "busy_until",
    "seat",
    "capacity",
    "overlap_allowed",
    "override_reason",
    "version",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class Override:
    """A staff decision to bend notice, horizon, hours and overlap; ``reason`` is kept on the booking and in the log."""

    reason: str


@joined
def schedule_booking(
    booking: Booking,
    *,
    practitioner: Practitioner,
    start_time: datetime,
    override: Override | None = None,
    at: datetime | None = None,
) -> Booking:
    """Give a draft session its practitioner and start (aware); it becomes ``confirmed`` and claims its time.

    Locks the practitioner, then the booking, so that of many at once one wins and the rest are told cleanly; the exclusion
    constraints are the last word. Raises AlreadyScheduled, InvalidTransition, PackageExpired, PackagePaused, Invalid (the
    practitioner does not offer the service), NoticeTooShort, BeyondHorizon, OutsideHours, LimitReached, SlotTaken (the last three with alternatives).
    """
    at = at or timezone.now()
    _lock_diary(practitioner)
    booking = Booking.objects.select_for_update(of=("self",), no_key=True).select_related("order", "account", "service").get(pk=booking.pk)
    if booking.service.limits:  # a limit counts over all practitioners, so their locks are not enough
        Service.objects.select_for_update(no_key=True).only("id").get(pk=booking.service_id)
    _refuse_unless_draft(booking)
    _refuse_outside_validity(booking.order, start_time, at)
    terms, offers = offers_of(booking.account_id, booking.service_id, practitioner.pk)
    if terms is None or not offers:
        raise Invalid(fields={"practitioner": ["This practitioner does not offer this service."]})
    offer = offers[0]
    if override is None:
        _refuse_unless_offered(booking, terms, offer, start_time, at)
    _claim(booking, terms, offer, start_time, override)
    emit(
        "booking.scheduled",
        booking,
        changes={
            "status": [Status.DRAFT.value, booking.status],
            "start_time": [None, start_time.isoformat()],
            "practitioner": [None, practitioner.pk],
            **({"override_reason": ["", override.reason]} if override else {}),
        },
    )
    return booking


def _lock_diary(practitioner: Practitioner) -> None:
    """Let bookings of one practitioner queue up, so that losers read the winner's claim instead of breaking on it."""
    Practitioner.objects.select_for_update(no_key=True).only("id").get(pk=practitioner.pk)


def _refuse_unless_draft(booking: Booking) -> None:
    if booking.status in ACTIVE:
        raise AlreadyScheduled
    if booking.status != Status.DRAFT:
        raise InvalidTransition(allowed_actions=allowed_actions(booking.status))


def _refuse_outside_validity(order: Order, start_time: datetime, at: datetime) -> None:
    """A session must start before its order expires (rules.md §2)."""
    if order.status == Order.Status.PAUSED:
        raise PackagePaused
    if order.status == Order.Status.EXPIRED or (order.expires_at is not None and max(start_time, at) >= order.expires_at):
        raise PackageExpired
    if order.status != Order.Status.ACTIVE:
        raise InvalidTransition("The order of this session is closed.", allowed_actions=[])


def _refuse_unless_offered(booking: Booking, terms: Terms, offer: Offer, start_time: datetime, at: datetime) -> None:
    """Ask the slots about exactly this start, and say why when it is not among them."""
    if start_time < terms.earliest(at):
        raise NoticeTooShort(bookable_from=terms.earliest(at).isoformat())
    latest = terms.latest(at)
    if latest is not None and start_time >= latest:
        raise BeyondHorizon(bookable_before=latest.isoformat())
    until = start_time + timedelta(seconds=1)
    diary = open_diary(booking.account, terms, [offer], start_time, until, except_booking=booking.pk)
    start = to_epoch(start_time)
    if start_time.microsecond or not any(slot.start == start for slot in diary.slots(offer, at)):
        _explain_refusal(diary, offer, start_time, _alternatives(booking, terms, offer, start_time, at))


def _explain_refusal(diary: Diary, offer: Offer, start_time: datetime, alternatives: list[dict[str, Any]]) -> NoReturn:
    """An occupied start inside working hours is always ``slot_taken``; then the grid, then the limits."""
    start, length = to_epoch(start_time), offer.duration_minutes * 60
    _, working = diary.openings(offer)
    if not any(since <= start and start + length <= until for since, until in working):
        raise OutsideHours(rule="working_hours", alternatives=alternatives)
    if not diary.seats_free(offer, [start]):
        raise SlotTaken(alternatives=alternatives)
    if start_time.microsecond or start not in diary.candidates(offer):
        raise OutsideHours("Sessions do not start at this minute.", rule="slot_step", alternatives=alternatives)
    raise LimitReached(rule=diary.refusing_limit(offer, start), alternatives=alternatives)


def _alternatives(booking: Booking, terms: Terms, offer: Offer, start_time: datetime, at: datetime) -> list[dict[str, Any]]:
    """The nearest bookable starts of the same practitioner within a week, RFC 3339 in the practitioner's zone."""
    since = max(start_time - ALTERNATIVES_WITHIN, at)
    diary = open_diary(booking.account, terms, [offer], since, start_time + ALTERNATIVES_WITHIN, except_booking=booking.pk)
    return [
        {
            "start": from_epoch(slot.start).astimezone(offer.zone).isoformat(),
            "end": from_epoch(slot.end).astimezone(offer.zone).isoformat(),
            "practitioner": slot.practitioner_id,
        }
        for slot in nearest_starts(diary.slots(offer, at), start_time)
    ]


def _claim(booking: Booking, terms: Terms, offer: Offer, start_time: datetime, override: Override | None) -> None:
    """Write the times; the row itself is the claim. Seats of a group are tried from the smallest free number."""
    booking.practitioner_id = offer.practitioner_id
    booking.status = Status.CONFIRMED
    booking.start_time = start_time
    booking.end_time = start_time + timedelta(minutes=offer.duration_minutes)
    booking.timezone = offer.zone.key
    booking.local_start = start_time.astimezone(offer.zone).strftime("%Y-%m-%dT%H:%M:%S")
    booking.buffer_before_minutes, booking.buffer_after_minutes = terms.before_minutes, terms.after_minutes
    booking.busy_from = start_time - timedelta(minutes=terms.before_minutes)
    booking.busy_until = booking.end_time + timedelta(minutes=terms.after_minutes)
    booking.capacity = terms.capacity
    booking.version += 1
    if override is not None:
        booking.overlap_allowed = _overlaps(booking)
        booking.override_reason = override.reason
    taken = set() if terms.capacity == 1 or booking.overlap_allowed else _taken_seats(booking)
    seats = [seat for seat in range(1, terms.capacity + 1) if seat not in taken]
    if not seats:
        raise SlotTaken(alternatives=[])
    booking.seat = seats[0]
    with constraint_error(dict.fromkeys((ONE_SERVICE, ONE_START, ONE_SEAT), lambda: SlotTaken(alternatives=[])), savepoint=False):
        booking.save(update_fields=CLAIM_FIELDS)


def _overlaps(booking: Booking) -> bool:
    """Whether the wanted time collides with another claim; only then a staff override leaves the constraints."""
    colliding = Booking.objects.active().filter(
        practitioner_id=booking.practitioner_id, busy_from__lt=booking.busy_until, busy_until__gt=booking.busy_from
    )
    others = colliding.exclude(pk=booking.pk).exclude(service_id=booking.service_id, start_time=booking.start_time)
    return others.exists() or len(_taken_seats(booking)) >= booking.capacity


def _taken_seats(booking: Booking) -> set[int]:
    same = Booking.objects.active().filter(
        practitioner_id=booking.practitioner_id, service_id=booking.service_id, start_time=booking.start_time, overlap_allowed=False
    )
    return set(same.values_list("seat", flat=True))


def allowed_actions(status: str) -> list[str]:
    """What may be done with a booking in this state."""
    return ["schedule"] if status == Status.DRAFT else []
