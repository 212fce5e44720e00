"""Moving, cancelling and deciding about whole occurrences: all of their bookings in one transaction, or none (rules.md §9)."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.errors import SlotTaken
from apps.bookings.lifecycle import require
from apps.bookings.models import ACTIVE, Booking, Side, Status
from apps.bookings.occurrences import A_MOMENT, BELOW_MINIMUM, Occurrence, attendees, occurrences, was_asked_about
from apps.bookings.services.claims import (
    Override,
    Wish,
    free_lapsed_holds,
    lock_limits,
    lock_practitioners,
    overlaps,
    refuse_outside_validity,
    refuse_unless_offered,
    return_to_draft,
    set_times,
    taken_seats,
    write_claim,
)
from apps.bookings.services.endings import cancel_booking, quote_cancellation
from apps.bookings.services.scheduling import MOVE_FIELDS
from apps.bookings.slots import offers_of
from apps.catalog.models import Practitioner, Service
from apps.core import quotes
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.orders.services import lock_orders

NO_GROUP = "No group of this service and practitioner starts then."
# A row without these claims no time; every other column stays as it is until the row takes its new time.
_LIFTED: dict[str, Any] = dict.fromkeys(("start_time", "end_time", "busy_from", "busy_until", "practitioner"))


def _lock(service: Service, practitioner: Practitioner, start_time: datetime, locked: dict[int, bool], at: datetime) -> list[Booking]:
    """The bookings that claim time in an occurrence of locked practitioners, with their orders, locked in order of id.

    Nobody can join meanwhile; whoever leaves does so before or after us. Raises Invalid when there is no such occurrence.
    """
    members = attendees().filter(service_id=service.pk, practitioner_id=practitioner.pk, start_time=start_time, status__in=ACTIVE)
    pairs = members.values_list("order_id", "order__parent_id")
    orders = lock_orders(pk for pair in pairs for pk in pair if pk is not None)
    free_lapsed_holds(locked, at)
    live = members.exclude(status=Status.HELD, hold_expires_at__lte=at)
    rows = live.select_for_update(of=("self",), no_key=True).select_related("account", "service", "client").order_by("pk")
    bookings = list(rows)
    if not bookings:
        raise Invalid(fields={"start_time": [NO_GROUP]})
    for booking in bookings:
        booking.order = orders[booking.order_id]
    return bookings


# -- moving


@joined
def move_occurrence(
    *,
    service: Service,
    practitioner: Practitioner,
    start_time: datetime,
    new_start_time: datetime,
    new_practitioner: Practitioner | None = None,
    reason: str,
    override: bool = False,
    at: datetime | None = None,
) -> list[Booking]:
    """Move everybody to another start (aware), and perhaps practitioner; by the business, so it costs nobody anything.

    A move by more than the account's ``free_cancellation_after_move_minutes`` opens free cancellation. Everybody keeps their seat; where
    others sit at the new start already, the smallest free ones are taken. A hold that was offered to the waitlist is given back: it was
    for the old start. ``override`` bends notice, horizon, hours, limits and overlap.

    The attendees must not be in one another's way (a class of 60 minutes moved by 30), so first one UPDATE takes the time off all rows
    and then each is written once, with its new time: one version, one line of history and one event each, and nobody outside ever
    sees the state between.

    Raises Invalid, InvalidTransition (somebody has checked in), NoticeTooShort, BeyondHorizon, OutsideHours, LimitReached, SlotTaken,
    AlreadyBooked, PackageExpired, PackagePaused.
    """
    at = at or timezone.now()
    target = new_practitioner or practitioner
    terms, offers = offers_of(service.account_id, service.pk, target.pk)
    locked = lock_practitioners({practitioner.pk, target.pk}, at)
    if terms is None or not offers:
        field = "new_practitioner" if new_practitioner else "practitioner"
        raise Invalid(fields={field: ["This practitioner does not offer this service."]})
    offer, bookings = offers[0], _lock(service, practitioner, start_time, locked, at)
    if (start_time, practitioner.pk) == (new_start_time, target.pk):
        return bookings
    lock_limits(bookings[0].service)
    for booking in [one for one in bookings if one.offer_id is not None and one.status == Status.HELD]:
        return_to_draft(booking, "booking.hold_released", at=at, why="moved")
        bookings.remove(booking)
    if not bookings:
        raise Invalid(fields={"start_time": [NO_GROUP]})
    for booking in bookings:
        require("reschedule", booking.status)
        refuse_outside_validity(booking.order, start_time=new_start_time, at=at)
    wish = Wish(new_start_time, at, Side.PROVIDER, Override(reason) if override else None)
    Booking.objects.filter(pk__in=[booking.pk for booking in bookings]).update(status=Status.DRAFT, **_LIFTED)
    if not override:
        # Asked once for nobody in particular: the limits of a client bind the client, not the business.
        refuse_unless_offered(Booking(account=bookings[0].account), terms=terms, offer=offer, wish=wish)
    for booking in bookings:
        set_times(booking, terms=terms, offer=offer, start_time=new_start_time)
    _seat(bookings, terms.capacity, wish)
    opens = abs(new_start_time - start_time) > timedelta(minutes=setting(service.account, "free_cancellation_after_move_minutes"))
    for booking in bookings:
        booking.free_cancellation = booking.free_cancellation or opens
        booking.is_detached = booking.is_detached or booking.series_id is not None
        booking.version += 1
        write_claim(booking, MOVE_FIELDS)
        emit(
            "booking.rescheduled",
            booking,
            changes={
                "start_time": [start_time.isoformat(), new_start_time.isoformat()],
                "practitioner": [practitioner.pk, target.pk],
                "reason": [None, reason],
                **({"override_reason": ["", reason]} if override else {}),
            },
        )
    return bookings


def _seat(bookings: list[Booking], capacity: int, wish: Wish) -> None:
    """Seats at the new start: everybody's own, also beyond a capacity that was lowered; or the smallest that others have left free.

    Whoever sat beyond the seats by an earlier override goes on doing so. Raises SlotTaken when there are too few.
    """
    beyond = wish.override is not None and overlaps(bookings[0])
    for booking in bookings:
        booking.overlap_allowed = booking.overlap_allowed or beyond
        booking.override_reason = wish.override.reason if wish.override else booking.override_reason
    seated = [booking for booking in bookings if not booking.overlap_allowed]
    taken = taken_seats(seated[0]) if seated else set()
    if taken:
        free = [seat for seat in range(1, capacity + 1) if seat not in taken]
        if len(free) < len(seated) and wish.override is None:
            raise SlotTaken(alternatives=[])
        for booking in seated[len(free) :]:
            booking.overlap_allowed = True
        for booking, seat in zip(seated, free, strict=False):
            booking.seat = seat
    for booking in bookings:
        booking.seat = 1 if booking.overlap_allowed else booking.seat
        booking.capacity = max(capacity, booking.seat or 1)


# -- cancelling


@joined
def quote_cancel_occurrence(
    *, service: Service, practitioner: Practitioner, start_time: datetime, by: str = Side.PROVIDER, at: datetime | None = None
) -> dict[str, Any]:
    """What ``cancel_occurrence`` would do and cost, with a token; found out by doing it and taking it back."""
    at = at or timezone.now()
    with transaction.atomic():
        about = _cancel(service, practitioner, start_time, by=by, reason="", at=at)
        transaction.set_rollback(True)
    return quotes.offer("occurrence.cancel", **about)


@joined
def cancel_occurrence(
    *,
    service: Service,
    practitioner: Practitioner,
    start_time: datetime,
    reason: str,
    by: str = Side.PROVIDER,
    quote: str | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """Cancel every booking of an occurrence, by the business or the system: all returned free (rules.md §3).

    Returns {fee_cents, refund_cents, currency, per_tender, sessions}, summed up over all. Raises Invalid, InvalidTransition (somebody
    has checked in), QuoteStale.
    """
    at = at or timezone.now()
    about = _cancel(service, practitioner, start_time, by=by, reason=reason, at=at)
    quotes.uphold(quote, "occurrence.cancel", **about)
    result: dict[str, Any] = about["result"]
    return result


def _cancel(service: Service, practitioner: Practitioner, start_time: datetime, *, by: str, reason: str, at: datetime) -> dict[str, Any]:
    """Cancel one after the other, as two seats may be of one order; returns what a quote is made from."""
    locked = lock_practitioners([practitioner.pk], at)
    bookings = _lock(service, practitioner, start_time, locked, at)
    inputs = {
        "service": service.pk,
        "practitioner": practitioner.pk,
        "start_time": start_time,
        "by": by,
        "bookings": [[booking.pk, booking.version] for booking in bookings],
    }
    refunds: dict[tuple[int, str], int] = defaultdict(int)
    result: dict[str, Any] = {"fee_cents": 0, "refund_cents": 0, "currency": bookings[0].currency, "per_tender": [], "sessions": []}
    for booking in bookings:
        said = quote_cancellation(booking, by=by, at=at)
        cancel_booking(booking, by=by, reason=reason, at=at)
        result["fee_cents"] += said["fee_cents"]
        result["refund_cents"] += said["refund_cents"]
        result["sessions"] += said["sessions"]
        for part in said["per_tender"]:
            refunds[part["payment"], part["method"]] += part["amount_cents"]
    result["per_tender"] = [{"payment": pk, "method": method, "amount_cents": cents} for (pk, method), cents in sorted(refunds.items())]
    return {"account_id": service.account_id, "inputs": inputs, "result": result, "at": at}


# -- the minimum


@joined
def decide_minimum(account: Account, occurrence: Occurrence, *, at: datetime | None = None) -> str:
    """Propose to cancel an occurrence that is below its minimum, or cancel it, as the account has chosen.

    Looks again under the practitioner's lock; staff are asked once per occurrence (``occurrence.below_minimum`` of the service), and
    also where somebody has checked in already. Returns "proposed", "cancelled" or "" when there is nothing to do any more.
    """
    at = at or timezone.now()
    service = Service.objects.select_related("account").get(pk=occurrence.service)
    practitioner = Practitioner.objects.get(pk=occurrence.practitioner)
    lock_practitioners([practitioner.pk], at)
    start = occurrence.start_time
    found = occurrences(account, start, start + A_MOMENT, service=service, practitioner=practitioner, at=at)
    if not found or not found[0].below_minimum or not found[0].decided_at <= at < start or was_asked_about(found[0]):
        return ""
    now = found[0]
    begun = any(one.status not in (Status.HELD, Status.PENDING, Status.CONFIRMED) for one in now.bookings)
    if setting(account, "below_minimum") == "cancel" and not begun:
        reason = f"Fewer than {now.minimum} attendees."
        cancel_occurrence(service=service, practitioner=practitioner, start_time=start, reason=reason, by=Side.SYSTEM, at=at)
        return "cancelled"
    changes = {
        "practitioner": [None, practitioner.pk],
        "start_time": [None, start.isoformat()],
        "attendees": [None, now.taken],
        "minimum": [None, now.minimum],
    }
    emit(BELOW_MINIMUM, service, changes=changes)
    return "proposed"


__all__ = ["cancel_occurrence", "decide_minimum", "move_occurrence", "quote_cancel_occurrence"]
