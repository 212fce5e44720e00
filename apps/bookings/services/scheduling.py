"""Giving a session its time, holding it, confirming it and moving it.

One function per change of state; API, admin, commands and handlers call the same one. Locks are taken in one order: practitioners
by id, client, order, booking; so of many at once one wins and the rest are told cleanly. The constraints are the last word.
"""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.selectors import setting
from apps.bookings import cancellation
from apps.bookings.allocation import allocate
from apps.bookings.errors import HoldExpired, LimitReached, SlotTaken, TooLate
from apps.bookings.lifecycle import allowed_actions, require
from apps.bookings.models import Booking, Side, Status
from apps.bookings.services.claims import (
    CLAIM_FIELDS,
    Override,
    Wish,
    alternatives,
    check_version,
    free_lapsed_holds,
    lock_booking,
    lock_limits,
    lock_practitioners,
    place,
    refuse_frozen,
    refuse_outside_validity,
    refuse_unless_offered,
    refuse_unpaid,
    return_to_draft,
    write_claim,
)
from apps.bookings.services.fees import charge_fee
from apps.bookings.slots import Offer, Terms, find_slots, offers_of
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.clients.services.blocking import refuse_blocked
from apps.core import quotes
from apps.core.db import joined
from apps.core.errors import Invalid, InvalidTransition, StaleVersion
from apps.core.events import emit
from apps.orders.services import activate_on, lock_order

MAX_OPEN_HOLDS = 5
MOVE_FIELDS = (*CLAIM_FIELDS, "moves", "late_seconds", "free_cancellation", "fee_cents", "is_detached")


@joined
def schedule_booking(
    booking: Booking,
    *,
    practitioner: Practitioner | None,
    start_time: datetime,
    override: Override | None = None,
    by: str = Side.PROVIDER,
    attendee_name: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> Booking:
    """Give a draft session its practitioner and start (aware); it claims its time and becomes ``confirmed``.

    A service that requires approval makes it ``pending`` first, unless staff override. Without a practitioner one is allocated.
    Raises AlreadyScheduled, InvalidTransition, StaleVersion, OrderFrozen, PackageExpired, PackagePaused, Invalid (the practitioner does
    not offer the service), NoticeTooShort, BeyondHorizon, OutsideHours, LimitReached, SlotTaken (the last three with alternatives),
    AlreadyBooked, and of clients PaymentRequired, NotAccepted.
    """
    wish = Wish(start_time, at or timezone.now(), by, override)
    return _take(booking, "schedule", wish, practitioner=practitioner, attendee_name=attendee_name, version=version)


@joined
def hold_booking(
    booking: Booking,
    *,
    practitioner: Practitioner | None,
    start_time: datetime,
    expires_at: datetime | None = None,
    override: Override | None = None,
    by: str = Side.PROVIDER,
    attendee_name: str = "",
    version: int | None = None,
    at: datetime | None = None,
) -> Booking:
    """Claim time for a draft session until ``expires_at`` (default: the account's hold_minutes from now).

    A client has at most five open holds (LimitReached, rule ``open_holds``). Raises what ``schedule_booking`` raises.
    """
    at = at or timezone.now()
    expires_at = expires_at or at + timedelta(minutes=setting(booking.account, "hold_minutes"))
    wish = Wish(start_time, at, by, override)
    return _take(booking, "hold", wish, practitioner=practitioner, attendee_name=attendee_name, version=version, until=expires_at)


def _take(
    booking: Booking,
    action: str,
    wish: Wish,
    *,
    practitioner: Practitioner | None,
    attendee_name: str,
    version: int | None,
    until: datetime | None = None,
) -> Booking:
    """The common way of scheduling and holding; ``until`` makes it a hold."""
    at = wish.at
    terms, offers = offers_of(booking.account_id, booking.service_id, practitioner.pk if practitioner else None)
    asked = [practitioner.pk] if practitioner else []
    locked = lock_practitioners([offer.practitioner_id for offer in offers] or asked, at)
    if terms is None or not offers:
        whom = "This practitioner does not offer" if practitioner else "Nobody offers"
        raise Invalid(fields={"practitioner": [f"{whom} this service."]})
    if until is not None:
        _refuse_too_many_holds(booking.client_id, at)
    booking = lock_booking(booking.pk, lock_order(booking.order_id))
    lock_limits(booking.service)
    check_version(booking, version)
    if booking.status == Status.HELD and booking.hold_expires_at is not None and booking.hold_expires_at <= at:
        return_to_draft(booking, "booking.hold_released", at=at, why="lapsed")  # its own hold, not yet swept up
    require(action, booking.status)
    refuse_frozen(booking.order)
    if wish.by == Side.CLIENT:
        refuse_blocked(booking.client_id)
        refuse_unpaid(booking.order)
    refuse_outside_validity(booking.order, start_time=wish.start_time, at=at)
    free_lapsed_holds(locked, at)
    offer, why = _choose(booking, terms, offers, wish, chosen=practitioner is not None)
    if wish.override is None:
        refuse_unless_offered(booking, terms=terms, offer=offer, wish=wish)
    place(booking, terms=terms, offer=offer, wish=wish)
    approval = booking.service.requires_approval and wish.override is None
    before, booking.status = booking.status, Status.HELD if until else Status.PENDING if approval else Status.CONFIRMED
    booking.attendee_name, booking.allocation = attendee_name, why
    booking.hold_expires_at, booking.booked_at, booking.status_changed_at = until, at, at
    booking.policy = booking.policy or {"rules": booking.service.cancellation_policy, "agreed_at": at.isoformat()}
    booking.version += 1
    write_claim(booking, CLAIM_FIELDS)
    activate_on(booking.order, rule="first_scheduled", at=at)
    changes: dict[str, Any] = {
        "status": [before, booking.status],
        "start_time": [None, wish.start_time.isoformat()],
        "practitioner": [None, booking.practitioner_id],
        **({"override_reason": ["", wish.override.reason]} if wish.override else {}),
        **({"hold_expires_at": [None, until.isoformat()]} if until else {}),
    }
    emit({"held": "booking.held", "pending": "booking.requested"}.get(booking.status, "booking.scheduled"), booking, changes=changes)
    return booking


def _choose(booking: Booking, terms: Terms, offers: list[Offer], wish: Wish, *, chosen: bool, keep: int | None = None) -> tuple[Offer, str]:
    """The offer to book and why: the one that was asked for, or the allocation among those who are free (rules.md §1, step 9)."""
    if chosen:
        return offers[0], "chosen"
    by_id = {offer.practitioner_id: offer for offer in offers}
    start = wish.start_time
    free = find_slots(
        account=booking.account,
        terms=terms,
        offers=offers,
        since=start,
        until=start + timedelta(seconds=1),
        at=wish.at,
        except_booking=booking.pk,
        client_id=booking.client_id,
        online=wish.by == Side.CLIENT,
    )
    if not free:
        if len(offers) == 1:
            return offers[0], "chosen"
        refuse_unless_offered(booking, terms=terms, offer=offers[0], wish=wish)
        raise SlotTaken(alternatives=alternatives(booking, terms=terms, offer=offers[0], wish=wish))
    practitioner_id, why = allocate(
        booking.account_id,
        service_id=booking.service_id,
        client_id=booking.client_id,
        candidates=[slot.practitioner_id for slot in free],
        start=start,
        keep=keep,
        at=wish.at,
    )
    return by_id[practitioner_id], why


def _refuse_too_many_holds(client_id: int, at: datetime) -> None:
    """The client's row is locked, so that two holds at once are counted one after the other."""
    Client.objects.select_for_update(no_key=True).only("id").get(pk=client_id)
    held = Booking.objects.filter(client_id=client_id, status=Status.HELD, hold_expires_at__gt=at).count()
    if held >= MAX_OPEN_HOLDS:
        raise LimitReached("This client has as many open holds as one may have.", rule="open_holds")


# -- holds and requests


@joined
def confirm_booking(booking: Booking, *, by: str = Side.PROVIDER, version: int | None = None, at: datetime | None = None) -> Booking:
    """Confirm a held or pending session. Where the service requires approval it becomes a request instead, unless the business confirms.

    Clients cannot confirm what waits for their money. Raises InvalidTransition, StaleVersion, HoldExpired, PaymentRequired.
    """
    at = at or timezone.now()
    booking = lock_booking(booking.pk, lock_order(booking.order_id))
    check_version(booking, version)
    require("confirm", booking.status)
    _refuse_lapsed(booking, at)
    if by == Side.CLIENT:
        refuse_unpaid(booking.order, held=booking)
    before = booking.status
    wants_approval = by != Side.PROVIDER and booking.service.requires_approval
    if before == Status.PENDING and wants_approval:
        raise InvalidTransition("This request waits for the business to approve it.", allowed_actions=allowed_actions(before))
    booking.status = Status.PENDING if wants_approval else Status.CONFIRMED
    booking.hold_expires_at, booking.status_changed_at = None, at
    booking.version += 1
    booking.save(update_fields=["status", "hold_expires_at", "status_changed_at", "version", "updated_at"])
    event = "booking.requested" if booking.status == Status.PENDING else "booking.confirmed"
    emit(event, booking, changes={"status": [before, booking.status]})
    return booking


@joined
def release_hold(booking: Booking, *, version: int | None = None, at: datetime | None = None, why: str = "released") -> Booking:
    """Give a held session's time back; it is a draft again. Raises InvalidTransition, StaleVersion."""
    at = at or timezone.now()
    booking = lock_booking(booking.pk, lock_order(booking.order_id))
    check_version(booking, version)
    require("release", booking.status)
    return_to_draft(booking, "booking.hold_released", at=at, why=why)
    return booking


@joined
def extend_hold(booking: Booking, *, until: datetime, at: datetime | None = None) -> Booking:
    """Keep a held session's time until a later moment, even if it has lapsed and nobody has freed it. Raises InvalidTransition."""
    at = at or timezone.now()
    booking = lock_booking(booking.pk, lock_order(booking.order_id))
    require("release", booking.status)
    before = booking.hold_expires_at
    if before is not None and before < until:
        booking.hold_expires_at = until
        booking.version += 1
        booking.save(update_fields=["hold_expires_at", "version", "updated_at"])
        emit("booking.hold_extended", booking, changes={"hold_expires_at": [before.isoformat(), until.isoformat()]})
    return booking


def _refuse_lapsed(booking: Booking, at: datetime) -> None:
    if booking.status == Status.HELD and booking.hold_expires_at is not None and booking.hold_expires_at <= at:
        raise HoldExpired(expired_at=booking.hold_expires_at.isoformat())


# -- moving


@joined
def quote_reschedule(booking: Booking, **wanted: Any) -> dict[str, Any]:
    """What ``reschedule_booking`` with the same arguments would do and cost, with a token; raises what it would raise."""
    return _reschedule(booking, commit=False, **wanted)[1]


@joined
def reschedule_booking(booking: Booking, **wanted: Any) -> Booking:
    """Move a session to another start (aware), and perhaps practitioner: the same row, order, money and history, a new version.

    ``start_time``; ``practitioner`` (None: the same) or ``anybody``; ``by`` whose wish it is: only a client's move is bound to the
    policy of moves and charged when it is late; ``waive`` leaves the fee out, with a ``reason``; ``quote``, ``version``, ``override``.
    Raises what ``schedule_booking`` raises, HoldExpired, TooLate (late moves are refused here), LimitReached (rule ``free_moves``),
    QuoteStale.
    """
    return _reschedule(booking, commit=True, **wanted)[0]


def _reschedule(
    booking: Booking,
    *,
    commit: bool,
    start_time: datetime,
    practitioner: Practitioner | None = None,
    anybody: bool = False,
    override: Override | None = None,
    by: str = Side.PROVIDER,
    waive: bool = False,
    reason: str = "",
    quote: str | None = None,
    version: int | None = None,
    in_series: bool = False,
    at: datetime | None = None,
) -> tuple[Booking, dict[str, Any]]:
    at = at or timezone.now()
    wish = Wish(start_time, at, by, override)
    start_time = wish.start_time
    kept = booking.practitioner_id
    target = None if anybody else (practitioner.pk if practitioner else kept)
    terms, offers = offers_of(booking.account_id, booking.service_id, target)
    locked = lock_practitioners({offer.practitioner_id for offer in offers} | {pk for pk in (kept, target) if pk}, at)
    booking = lock_booking(booking.pk, lock_order(booking.order_id))
    lock_limits(booking.service)
    check_version(booking, version)
    require("reschedule", booking.status)
    _refuse_lapsed(booking, at)
    if booking.practitioner_id != kept:  # moved between reading and locking
        raise StaleVersion(version=booking.version)
    if terms is None or not offers:
        raise Invalid(fields={"practitioner": ["This practitioner does not offer this service."]})
    refuse_frozen(booking.order)
    refuse_outside_validity(booking.order, start_time=start_time, at=at)
    free_lapsed_holds(locked, at)
    offer, why = _choose(booking, terms, offers, wish, chosen=not anybody, keep=kept)
    same = (booking.start_time, booking.practitioner_id) == (start_time, offer.practitioner_id)
    fee_cents, late_seconds = (0, None) if same else _price_of_moving(booking, wish, waive=waive)
    if override is None and not same:
        refuse_unless_offered(booking, terms=terms, offer=offer, wish=wish)
    result = {
        "start_time": start_time,
        "end_time": start_time + timedelta(minutes=offer.duration_minutes),
        "practitioner": offer.practitioner_id,
        "late": late_seconds is not None,
        "fee_cents": fee_cents,
        "refund_cents": 0,
        "currency": booking.currency,
        "sessions": [{"id": booking.pk, "outcome": "moved", "price_cents": booking.price_cents}],
    }
    inputs = {"booking": booking.pk, "version": booking.version, "by": by, "waive": waive}
    about: Any = {"account_id": booking.account_id, "inputs": inputs, "result": result, "at": at}
    if not commit:
        return booking, quotes.offer("booking.reschedule", **about)
    quotes.uphold(quote, "booking.reschedule", **about)
    if not same:
        _move(booking, terms, offer, wish, fee_cents, late_seconds, why, in_series=in_series, waived=reason if waive else "")
    return booking, result


def _price_of_moving(booking: Booking, wish: Wish, *, waive: bool) -> tuple[int, int | None]:
    """(fee in cents, seconds left when the start is given up late, or None). Held and pending sessions move freely."""
    if wish.by != Side.CLIENT or booking.status != Status.CONFIRMED:
        return 0, None
    rules, at = booking.policy.get("rules", {}), wish.at
    assert booking.start_time is not None  # noqa: S101  a confirmed session has its time
    if booking.free_cancellation and at <= booking.start_time:
        return 0, None
    about: Any = {"start": booking.start_time, "booked_at": booking.booked_at, "at": at, "late_seconds": booking.late_seconds}
    consequence = cancellation.of_cancelling(rules, **about)
    if not consequence.late:
        free_moves = rules.get("free_moves")
        if free_moves is not None and booking.moves >= free_moves:
            raise LimitReached("This session cannot be moved again.", rule="free_moves")
        return 0, None
    if setting(booking.account, "late_move") == "refuse":
        until = cancellation.free_until(rules, start=booking.start_time, booked_at=booking.booked_at, late_seconds=booking.late_seconds)
        raise TooLate("It is too late to move this session.", rule="late_move", possible_until=until.isoformat() if until else None)
    left = int((booking.start_time - at).total_seconds() // 1)
    late = left if booking.late_seconds is None else min(left, booking.late_seconds)
    fee = 0 if waive else max(0, consequence.price_of_moving(booking.price_cents) - booking.fee_cents)
    return fee, late


def _move(
    booking: Booking,
    terms: Terms,
    offer: Offer,
    wish: Wish,
    fee_cents: int,
    late_seconds: int | None,
    why: str,
    *,
    in_series: bool,
    waived: str,
) -> None:
    before_start, before_practitioner = booking.start_time, booking.practitioner_id
    assert before_start is not None  # noqa: S101  it has its time
    place(booking, terms=terms, offer=offer, wish=wish)
    booking.allocation = why
    booking.version += 1
    if wish.by == Side.CLIENT:
        booking.moves += booking.status == Status.CONFIRMED  # held and pending sessions move freely
        booking.fee_cents += fee_cents
        booking.late_seconds = late_seconds if late_seconds is not None else booking.late_seconds
        if booking.service.requires_approval and booking.status == Status.CONFIRMED:
            booking.status, booking.status_changed_at = Status.PENDING, wish.at
    else:
        moved_by = abs(wish.start_time - before_start)
        allowed = timedelta(minutes=setting(booking.account, "free_cancellation_after_move_minutes"))
        booking.free_cancellation = booking.free_cancellation or moved_by > allowed
    booking.is_detached = booking.is_detached or (booking.series_id is not None and not in_series)
    write_claim(booking, MOVE_FIELDS)
    if fee_cents:
        name = f"Late move of session {booking.position}"
        charge_fee(booking, booking.order, fee_cents=fee_cents, charged_cents=booking.fee_cents - fee_cents, description=name)
    emit(
        "booking.rescheduled",
        booking,
        changes={
            "start_time": [before_start.isoformat(), wish.start_time.isoformat()],
            "practitioner": [before_practitioner, booking.practitioner_id],
            **({"fee_cents": [0, fee_cents]} if fee_cents else {}),
            **({"fee_waived": ["", waived]} if waived else {}),
            **({"override_reason": ["", wish.override.reason]} if wish.override else {}),
        },
    )


__all__ = [
    "Override",
    "confirm_booking",
    "extend_hold",
    "hold_booking",
    "quote_reschedule",
    "release_hold",
    "reschedule_booking",
    "schedule_booking",
]
