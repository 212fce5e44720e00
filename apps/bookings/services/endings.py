"""How a session ends, and what that means in money: cancelled, completed, missed (rules.md §3).

The money of an order changes by lines only: an adjustment takes a session's price back, a fee adds. What the order is then overpaid
by is to be refunded; what is missing is a balance due.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.accounts.selectors import setting
from apps.bookings import cancellation
from apps.bookings.cancellation import CONSUMED, RETURNED, Consequence
from apps.bookings.errors import SlotTaken, TooEarly, TooLate
from apps.bookings.lifecycle import allowed_actions, require
from apps.bookings.models import ONE_PLACE, ONE_SEAT, ONE_SERVICE, ONE_START, Booking, Side, Status
from apps.bookings.services.claims import (
    Override,
    check_version,
    free_lapsed_holds,
    lock_booking,
    lock_practitioners,
    return_to_draft,
    take_seat_again,
)
from apps.bookings.services.fees import charge_fee, price_left, take_price_back
from apps.core import quotes
from apps.core.db import constraint_error, joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import current_actor, emit
from apps.core.money import split
from apps.orders.models import Order
from apps.orders.services import activate_on, derive_status, lock_orders

UNDO_NO_SHOW_WITHIN = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a session: its state, the fee (cents) and the price taken off its order (cents, and the tax in them)."""

    status: str
    consequence: Consequence
    fee_cents: int = 0
    price_back_cents: int = 0
    tax_back_cents: int = 0

    @property
    def outcome(self) -> str:
        if self.status == Status.DRAFT:
            return RETURNED
        return CONSUMED if self.consequence.session == CONSUMED else "cancelled"


# -- cancelling


@joined
def quote_cancellation(
    booking: Booking,
    *,
    by: str = Side.CLIENT,
    waive: bool = False,
    version: int | None = None,
    may_void: bool = True,
    void: bool = False,
    at: datetime | None = None,
) -> dict[str, Any]:
    """What ``cancel_booking`` with the same arguments would do and cost, with a token; raises what it would raise."""
    return _cancel(booking, by=by, waive=waive, version=version, may_void=may_void, void=void, at=at)[1]


@joined
def cancel_booking(
    booking: Booking,
    *,
    by: str = Side.CLIENT,
    reason: str = "",
    waive: bool = False,
    quote: str | None = None,
    version: int | None = None,
    may_void: bool = True,
    void: bool = False,
    at: datetime | None = None,
) -> Booking:
    """Cancel a session. A returned one is a draft again; a consumed one, and a single service's, ends as cancelled.

    ``by`` decides: a client is bound to the policy's tiers, the business and the system give everything back. ``waive`` drops a
    client's fee and needs a ``reason``. A draft that is cancelled is void: its price is taken off the order. A package's is only when
    ``void`` says so, so that asking twice for a cancellation does not take away the session that the first one returned; who may
    not refund at all (``may_void``) can void nothing.
    Raises InvalidTransition, StaleVersion, Invalid, QuoteStale.
    """
    if waive and not reason:
        raise Invalid(fields={"reason": ["Waiving a fee needs a reason."]})
    asked: Any = {"by": by, "waive": waive, "version": version, "may_void": may_void, "void": void, "at": at}
    return _cancel(booking, commit=True, quote=quote, reason=reason, **asked)[0]


def _cancel(
    booking: Booking,
    *,
    by: str,
    waive: bool,
    version: int | None,
    may_void: bool,
    void: bool,
    at: datetime | None,
    commit: bool = False,
    quote: str | None = None,
    reason: str = "",
) -> tuple[Booking, dict[str, Any]]:
    at = at or timezone.now()
    payer, order = _lock(booking)
    booking = lock_booking(booking.pk, order)
    check_version(booking, version)
    require("cancel", booking.status)
    if booking.status == Status.DRAFT and not may_void:
        raise InvalidTransition(allowed_actions=allowed_actions(booking.status))
    if booking.status == Status.DRAFT and order.order_type == Order.Type.PACKAGE and not void:
        raise InvalidTransition(
            "This session has no time to give up. Send void to take it off its order.", allowed_actions=allowed_actions(booking.status)
        )
    ending = _ending_of(booking, order, payer, _why_cancelled(booking, by=by, waive=waive, at=at))
    result = _result(booking, order, payer, ending)
    inputs = {"booking": booking.pk, "version": booking.version, "by": by, "waive": waive}
    about: Any = {"account_id": booking.account_id, "inputs": inputs, "result": result, "at": at}
    if not commit:
        return booking, quotes.offer("booking.cancel", **about)
    quotes.uphold(quote, "booking.cancel", **about)
    _charge(booking, order, payer, ending, "Cancellation of")
    details = {"by": by, "reason": reason, "late": ending.consequence.late, "why": ending.consequence.why, "fee_cents": ending.fee_cents}
    if ending.status == Status.DRAFT:
        return_to_draft(booking, "booking.cancelled", at=at, **details)
    else:
        before, booking.status = booking.status, ending.status
        booking.cancelled_at, booking.cancelled_side, booking.cancel_reason = at, by, reason
        booking.cancelled_by_id = current_actor().actor_id
        booking.cancelled_late = ending.consequence.late
        booking.hold_expires_at = None
        _end(booking, "booking.cancelled", before, at, ending, **details)
    derive_status(order, at)
    return booking, result


def _why_cancelled(booking: Booking, *, by: str, waive: bool, at: datetime) -> Consequence:
    if by != Side.CLIENT:
        return cancellation.BY_PROVIDER
    if waive:
        return cancellation.WAIVED
    unbound = booking.status != Status.CONFIRMED and booking.late_seconds is None  # a late move may wait for approval
    if unbound or booking.start_time is None or (booking.free_cancellation and at <= booking.start_time):
        return cancellation.FREE  # not confirmed yet, or moved by the business
    rules = booking.policy.get("rules", {})
    return cancellation.of_cancelling(
        rules, start=booking.start_time, booked_at=booking.booked_at, at=at, late_seconds=booking.late_seconds
    )


@joined
def decline_booking(booking: Booking, *, reason: str = "", version: int | None = None, at: datetime | None = None) -> Booking:
    """Refuse a request: the session goes back to its package, or the single service's order is cancelled, for nothing."""
    at = at or timezone.now()
    payer, order = _lock(booking)
    booking = lock_booking(booking.pk, order)
    check_version(booking, version)
    require("decline", booking.status)
    ending = _ending_of(booking, order, payer, cancellation.BY_PROVIDER)
    _charge(booking, order, payer, ending, "Declined request of")
    if ending.status == Status.DRAFT:
        return_to_draft(booking, "booking.declined", at=at, reason=reason)
    else:
        before, booking.status = booking.status, ending.status
        booking.cancelled_at, booking.cancelled_side, booking.cancel_reason = at, Side.PROVIDER, reason
        booking.cancelled_by_id = current_actor().actor_id
        _end(booking, "booking.declined", before, at, ending, reason=reason)
    derive_status(order, at)
    return booking


# -- taking place


@joined
def check_in(booking: Booking, *, override: Override | None = None, version: int | None = None, at: datetime | None = None) -> Booking:
    """The client is here: possible from the beginning of the session's local day. Raises TooEarly, InvalidTransition, StaleVersion."""
    at = at or timezone.now()
    _, order = _lock(booking)
    booking = lock_booking(booking.pk, order)
    check_version(booking, version)
    require("check-in", booking.status)
    assert booking.start_time is not None  # noqa: S101  a confirmed session has its time
    zone = ZoneInfo(booking.timezone)
    if at.astimezone(zone).date() < booking.start_time.astimezone(zone).date() and override is None:
        raise TooEarly("A client checks in on the day of the session.")
    before, booking.status = booking.status, Status.CHECKED_IN
    _end(booking, "booking.checked_in", before, at, None, **_because(override))
    return booking


@joined
def complete_booking(
    booking: Booking, *, override: Override | None = None, version: int | None = None, at: datetime | None = None
) -> Booking:
    """The session took place and is consumed. Before its start only by override. Raises TooEarly, InvalidTransition, StaleVersion."""
    at = at or timezone.now()
    _, order = _lock(booking)
    booking = lock_booking(booking.pk, order)
    check_version(booking, version)
    require("complete", booking.status)
    assert booking.start_time is not None  # noqa: S101  a confirmed session has its time
    if at < booking.start_time and override is None:
        raise TooEarly(possible_from=booking.start_time.isoformat())
    before, booking.status = booking.status, Status.COMPLETED
    _end(booking, "booking.completed", before, at, None, **_because(override))
    activate_on(order, rule="first_completed", at=at)
    derive_status(order, at)
    return booking


@joined
def quote_no_show(booking: Booking, *, waive: bool = False, version: int | None = None, at: datetime | None = None) -> dict[str, Any]:
    """What ``mark_no_show`` with the same arguments would do and cost, with a token."""
    return _no_show(booking, waive=waive, version=version, at=at)[1]


@joined
def mark_no_show(
    booking: Booking,
    *,
    reason: str = "",
    waive: bool = False,
    quote: str | None = None,
    version: int | None = None,
    at: datetime | None = None,
) -> Booking:
    """The client did not come: after the start and the account's tolerance, with what the policy says about absence.

    ``waive`` gives the session back for nothing and needs a ``reason``. Raises TooEarly, InvalidTransition, StaleVersion, QuoteStale.
    """
    if waive and not reason:
        raise Invalid(fields={"reason": ["Waiving a fee needs a reason."]})
    return _no_show(booking, waive=waive, version=version, at=at, commit=True, quote=quote, reason=reason)[0]


def _no_show(
    booking: Booking,
    *,
    waive: bool,
    version: int | None,
    at: datetime | None,
    commit: bool = False,
    quote: str | None = None,
    reason: str = "",
) -> tuple[Booking, dict[str, Any]]:
    at = at or timezone.now()
    payer, order = _lock(booking)
    booking = lock_booking(booking.pk, order)
    check_version(booking, version)
    require("no-show", booking.status)
    assert booking.start_time is not None  # noqa: S101  a confirmed session has its time
    possible_from = booking.start_time + timedelta(minutes=setting(booking.account, "no_show_tolerance_minutes"))
    if at < possible_from:
        raise TooEarly(possible_from=possible_from.isoformat())
    consequence = cancellation.WAIVED if waive else cancellation.of_no_show(booking.policy.get("rules", {}))
    ending = _ending_of(booking, order, payer, consequence, Status.NO_SHOW)
    result = _result(booking, order, payer, ending)
    inputs = {"booking": booking.pk, "version": booking.version, "waive": waive}
    about: Any = {"account_id": booking.account_id, "inputs": inputs, "result": result, "at": at}
    if not commit:
        return booking, quotes.offer("booking.no_show", **about)
    quotes.uphold(quote, "booking.no_show", **about)
    _charge(booking, order, payer, ending, "No-show of")
    details = {"reason": reason, "why": consequence.why, "fee_cents": ending.fee_cents}
    if ending.status == Status.DRAFT:
        return_to_draft(booking, "booking.no_show", at=at, **details)
    else:
        before, booking.status = booking.status, Status.NO_SHOW
        _end(booking, "booking.no_show", before, at, ending, **details)
    derive_status(order, at)
    return booking, result


@joined
def undo_no_show(booking: Booking, *, reason: str = "", version: int | None = None, at: datetime | None = None) -> Booking:
    """Take a no-show back within 72 hours: the session is confirmed again, and its fee leaves the order.

    Raises InvalidTransition, StaleVersion, TooLate, SlotTaken (somebody has the time now).
    """
    at = at or timezone.now()
    # It claims its time again, so it queues up like everybody who does.
    locked = lock_practitioners([booking.practitioner_id] if booking.practitioner_id else [], at)
    payer, order = _lock(booking)
    booking = lock_booking(booking.pk, order)
    check_version(booking, version)
    require("undo-no-show", booking.status)
    marked_at = booking.status_changed_at or booking.updated_at
    if at - marked_at > UNDO_NO_SHOW_WITHIN:
        raise TooLate(possible_until=(marked_at + UNDO_NO_SHOW_WITHIN).isoformat())
    applied = booking.consequence
    price_back = applied.get("price_back_cents", 0)
    tax_back = applied.get("tax_back_cents", booking.tax_cents)
    back = Ending(Status.CONFIRMED, cancellation.FREE, -applied.get("fee_cents", 0), -price_back, -tax_back)
    _charge(booking, order, payer, back, "Reversed no-show of")
    free_lapsed_holds(locked, at)
    take_seat_again(booking)
    before, booking.status = booking.status, Status.CONFIRMED
    errors: dict[str, Any] = dict.fromkeys((ONE_SERVICE, ONE_START, ONE_SEAT, ONE_PLACE), lambda: SlotTaken(alternatives=[]))
    with constraint_error(errors, savepoint=False):
        _end(booking, "booking.no_show_undone", before, at, back, reason=reason)
    derive_status(order, at)
    return booking


# -- the common parts


def _lock(booking: Booking) -> tuple[Order, Order]:
    """(the order the money is on, the session's order), both locked by id: a transferred session's price is on the order it came from."""
    row = Order.objects.values_list("parent_id").get(pk=booking.order_id)
    wanted = [pk for pk in (row[0], booking.order_id) if pk is not None]
    found = lock_orders(wanted)
    return found[wanted[0]], found[booking.order_id]


def _ending_of(booking: Booking, order: Order, payer: Order, consequence: Consequence, ended: str = Status.CANCELLED) -> Ending:
    """State and money of an ending; no more of its price comes off than is left on the order that was paid."""
    ending = _by_policy(booking, order, consequence, ended)
    if not ending.price_back_cents:
        return ending
    price_back_cents, tax_back_cents = price_left(booking, payer)
    return replace(ending, price_back_cents=price_back_cents, tax_back_cents=tax_back_cents)


def _by_policy(booking: Booking, order: Order, consequence: Consequence, ended: str) -> Ending:
    """State and money of an ending (rules.md §3).

    A package's session is returned as a draft or consumed; consuming it pays for a fee up to its price. A single service keeps the
    fee of its price, all of it when it is consumed without a fee. A draft is void: its price is taken off. A tier applies once:
    what a late move has cost counts towards it, and comes off where the session itself pays for it now.
    """
    price, charged = booking.price_cents, booking.fee_cents
    fee = consequence.fee_cents(price)
    if booking.status == Status.DRAFT:
        return Ending(Status.CANCELLED, consequence, 0, price)
    if consequence.why == "provider":  # everything goes back, what late moves have cost included
        package = order.order_type == Order.Type.PACKAGE
        return Ending(Status.DRAFT, consequence, -charged) if package else Ending(ended, consequence, -charged, price)
    if order.order_type == Order.Type.PACKAGE:
        if consequence.session == RETURNED:
            return Ending(Status.DRAFT, consequence, max(0, fee - charged))
        owed = max(0, fee - price) - charged
        return Ending(ended, consequence, owed if ended == Status.CANCELLED else max(0, owed))  # absence comes on top of a late move
    kept = price if consequence.session == CONSUMED and consequence.fee["kind"] == "none" else fee
    kept = max(0, kept - charged)
    back = price if kept != price else 0
    return Ending(ended, consequence, kept if back else 0, back)


def _result(booking: Booking, order: Order, payer: Order, ending: Ending) -> dict[str, Any]:
    """What a quote says: fee, what becomes refundable and from which payments, and what becomes of the session."""
    refund = _overpaid(payer, -ending.price_back_cents + (ending.fee_cents if payer is order else 0)) - _overpaid(payer, 0)
    kept_from_price = booking.price_cents if ending.status != Status.DRAFT and not ending.price_back_cents else 0
    return {
        "fee_cents": ending.fee_cents,
        "kept_cents": kept_from_price,
        "refund_cents": max(0, refund),
        "currency": booking.currency,
        "late": ending.consequence.late,
        "tier": {"why": ending.consequence.why, "hours_before": ending.consequence.hours_before},
        "per_tender": _per_tender(payer, max(0, refund)),
        "sessions": [{"id": booking.pk, "outcome": ending.outcome, "price_cents": booking.price_cents}],
    }


def _overpaid(order: Order, change_cents: int) -> int:
    return max(0, order.paid_cents - order.refunded_cents - order.total_amount_cents - change_cents)


def _per_tender(order: Order, refund_cents: int) -> list[dict[str, Any]]:
    """The refund in proportion to the payments it goes back to; cents left over to the largest remainders."""
    if not refund_cents:
        return []
    paid = list(
        order.payments.filter(captured_cents__gt=0).order_by("pk").values_list("pk", "method", "captured_cents")  # type: ignore[attr-defined]
    )
    if not paid:
        return []
    parts = split(refund_cents, [captured for _, _, captured in paid])
    return [{"payment": pk, "method": method, "amount_cents": part} for (pk, method, _), part in zip(paid, parts, strict=True) if part]


def _charge(booking: Booking, order: Order, payer: Order, ending: Ending, what: str) -> None:
    """Write the ending's money as lines: the price on the order that was paid, the fee on the client's own."""
    name = f"{what} session {booking.position}"
    if ending.price_back_cents:
        take_price_back(booking, payer, price_cents=ending.price_back_cents, tax_cents=ending.tax_back_cents, description=name)
    if ending.fee_cents:
        charge_fee(booking, order, fee_cents=ending.fee_cents, charged_cents=booking.fee_cents, description=name)


def _end(booking: Booking, event: str, before: str, at: datetime, ending: Ending | None, **details: Any) -> None:
    """Write a new state and say so. Without an ``ending`` there is no money in it."""
    fields = ["status", "status_changed_at", "version", "updated_at"]
    booking.status_changed_at = at
    booking.version += 1
    if ending is not None:
        booking.fee_cents = max(0, booking.fee_cents + ending.fee_cents)
        booking.consequence = (
            {}
            if booking.status == Status.CONFIRMED
            else {
                "why": ending.consequence.why,
                "session": ending.consequence.session,
                "hours_before": ending.consequence.hours_before,
                "fee_cents": ending.fee_cents,
                "price_back_cents": ending.price_back_cents,
                "tax_back_cents": ending.tax_back_cents,
            }
        )
        fields += ["fee_cents", "consequence", "cancelled_at", "cancelled_side", "cancel_reason", "cancelled_by", "cancelled_late"]
        fields += ["hold_expires_at", "seat"]
    booking.save(update_fields=fields)
    emit(event, booking, changes={"status": [before, booking.status], **{name: [None, value] for name, value in details.items()}})


def _because(override: Override | None) -> dict[str, str]:
    return {"override_reason": override.reason} if override else {}
