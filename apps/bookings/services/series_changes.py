"""Changing a series: this occurrence, this and the following, or all that are to come (rules.md §8).

The past never changes. Occurrences that were changed one by one are passed by unless asked for, and cancelled ones stay cancelled.
A rule that changes for some of the occurrences splits the series: those that stay behind keep the old one.

A quote is the change itself, made and taken back, so that it cannot say anything else than what would happen.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from apps.bookings.errors import TooLate
from apps.bookings.lifecycle import require
from apps.bookings.models import Booking, BookingSeries, Status
from apps.bookings.planning import (
    CLOSED,
    CONFLICT,
    EXPIRED,
    HORIZON,
    LIMIT,
    NOTICE,
    PAUSED,
    TAKEN_TWICE,
    Own,
    Placement,
    Validity,
    open_planner,
)
from apps.bookings.recurrence import to_instant, wall_of
from apps.bookings.services.claims import lock_practitioners
from apps.bookings.services.endings import cancel_booking, quote_cancellation
from apps.bookings.services.scheduling import reschedule_booking
from apps.bookings.services.series import check_within, occurrence_json, offered, refuse_conflicts
from apps.bookings.services.series_rules import Scene, SeriesChange, follow, moved_wall, shorten
from apps.catalog.models import Practitioner
from apps.core import quotes
from apps.core.db import joined
from apps.core.errors import Busy, DomainError, Invalid, InvalidTransition
from apps.core.events import emit
from apps.orders.services import lock_orders

Policy = BookingSeries.Policy
MOVABLE = (Status.HELD, Status.PENDING, Status.CONFIRMED)
TOOK_PLACE = (Status.CHECKED_IN, Status.COMPLETED, Status.NO_SHOW)
STAYS: dict[str, Any] = {"outcome": "kept", "fee_cents": 0, "kept_cents": 0, "refund_cents": 0, "late": False}
STATUS_OF = {code: status for status, code in (CONFLICT, TAKEN_TWICE, CLOSED, NOTICE, HORIZON, LIMIT, EXPIRED, PAUSED)}


@joined
def quote_series_change(series: BookingSeries, change: SeriesChange, *, at: datetime | None = None) -> dict[str, Any]:
    """What ``change_series`` would do to each occurrence and cost: {token, expires_at, occurrences, kept, totals}.

    Raises Invalid, TooLate, InvalidTransition, and for a single occurrence what moving or cancelling it raises.
    """
    at = at or timezone.now()
    with transaction.atomic():
        scene, result, _ = _change(series, change, at)
        transaction.set_rollback(True)
    return quotes.offer("series.change", account_id=series.account_id, inputs=_inputs(scene, change), result=result, at=at)


@joined
def change_series(series: BookingSeries, change: SeriesChange, *, quote: str | None = None, at: datetime | None = None) -> BookingSeries:
    """Move or cancel occurrences; answers with the series that the changed ones now belong to.

    Raises what ``quote_series_change`` raises, QuoteStale, and SeriesConflict (with ``occurrences``) when the policy is not content;
    then nothing is changed.
    """
    at = at or timezone.now()
    scene, result, planned = _change(series, change, at)
    about: Any = {"account_id": series.account_id, "inputs": _inputs(scene, change), "result": result, "at": at}
    quotes.uphold(quote, "series.change", **about)
    refuse_conflicts(result, planned=planned, policy=change.policy)
    left = scene.series
    if change.scope == "this":
        changes = {"booking": [None, scene.touched[0].pk]}
    elif change.action == "cancel":
        changes = {"occurrences": [len(scene.touched), 0]}
        shorten(scene)
    else:
        changes = {"occurrences": [0, sum(planned)]}
        left = follow(scene, change)
    emit("series.changed", scene.series, changes={"scope": [None, change.scope], "action": [None, change.action], **changes})
    for one in {scene.series, left}:
        _settle(one, at)
    return left


def _inputs(scene: Scene, change: SeriesChange) -> dict[str, Any]:
    return {"series": scene.series.pk, **change.inputs()}


def _change(series: BookingSeries, change: SeriesChange, at: datetime) -> tuple[Scene, dict[str, Any], list[bool]]:
    """Lock, decide, and change the bookings; (what was found, what a quote says, per occurrence whether it goes through)."""
    check_within(change.within_minutes)
    if change.action == "move" and change.start_time is None and change.practitioner is None:
        raise Invalid(fields={"start_time": ["Send a new start, another practitioner, or both."]})
    if change.waive and not change.reason:
        raise Invalid(fields={"reason": ["Waiving a fee needs a reason."]})
    scene = _scene(_locked(series, change, at), change, at)
    if change.action == "cancel":
        occurrences, planned = _cancel(scene, change, at), [True] * len(scene.touched)
    else:
        occurrences, planned = _move(scene, change, at)
    totals = {
        "occurrences": len(occurrences),
        "planned": sum(planned),
        **{name: sum(row[name] for row in occurrences) for name in ("fee_cents", "kept_cents", "refund_cents")},
        "currency": scene.touched[0].currency,
    }
    touched = {booking.pk for booking in scene.touched}
    kept = [row.pk for row in scene.tail if row.pk not in touched and row.status in MOVABLE] if change.scope != "this" else []
    return scene, {"occurrences": occurrences, "kept": kept, "totals": totals}, planned


# -- what is concerned


def _locked(series: BookingSeries, change: SeriesChange, at: datetime) -> tuple[BookingSeries, list[Booking]]:
    """The series and its rows, locked: practitioners, orders, series, bookings."""
    before = list(Booking.objects.filter(series_id=series.pk).values_list("practitioner_id", "order_id", "order__parent_id"))
    practitioners = {row[0] for row in before if row[0]} | {series.practitioner_id}
    practitioners |= {change.practitioner.pk} if change.practitioner else set()
    if change.action == "move":
        lock_practitioners(practitioners, at)
    orders = lock_orders(pk for row in before for pk in row[1:] if pk)
    locked = BookingSeries.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=series.pk)
    rows = list(Booking.objects.select_for_update(of=("self",), no_key=True).filter(series_id=series.pk).order_by("pk"))
    for row in rows:
        if row.order_id not in orders or (row.practitioner_id and row.practitioner_id not in practitioners):
            raise Busy  # it was changed while this waited for its locks
        row.order = orders[row.order_id]
    return locked, sorted(rows, key=lambda row: (row.original_start, row.pk))


def _scene(found: tuple[BookingSeries, list[Booking]], change: SeriesChange, at: datetime) -> Scene:
    series, rows = found
    scene = Scene(series, rows, [], [], ZoneInfo(series.timezone), datetime.fromisoformat(series.start_wall).time())
    pivot = None
    if change.from_booking is not None:
        pivot = next((row for row in rows if row.pk == change.from_booking.pk), None)
        if pivot is None:
            raise Invalid(fields={"from_booking": ["This is no occurrence of the series."]})
    elif change.scope != "all":
        raise Invalid(fields={"from_booking": ["Say from which occurrence on."]})
    if pivot is not None:
        if pivot.start_time is not None and pivot.start_time <= at:
            raise TooLate("This occurrence has begun. The past does not change.", possible_until=pivot.start_time.isoformat())
        require("cancel" if change.action == "cancel" else "reschedule", pivot.status)
    if change.scope == "this":
        scene.touched = [pivot] if pivot is not None else []
        return scene
    first = pivot.original_start if pivot is not None and change.scope == "following" else None
    scene.tail = [row for row in rows if not _is_past(row, at) and (first is None or (row.original_start or first) >= first)]
    scene.touched = [
        row
        for row in scene.tail
        if row.status in MOVABLE and (change.include_changed or not row.is_detached or (pivot is not None and row.pk == pivot.pk))
    ]
    if not scene.touched:
        raise InvalidTransition("No occurrence is to come that this would change.", allowed_actions=[])
    return scene


def _is_past(row: Booking, at: datetime) -> bool:
    start = row.start_time or row.original_start
    return row.status in TOOK_PLACE or (start is not None and start <= at)


# -- cancelling


def _cancel(scene: Scene, change: SeriesChange, at: datetime) -> list[dict[str, Any]]:
    """Cancel one after the other, each under its own policy; what one gives back counts for the next."""
    rows = []
    for booking in sorted(scene.touched, key=lambda row: (row.start_time, row.pk)):
        shown = _shown(scene, booking)
        result = quote_cancellation(booking, by=change.by, waive=change.waive, at=at)
        cancel_booking(booking, by=change.by, waive=change.waive, reason=change.reason, at=at)
        rows.append(
            {
                **shown,
                "start": None,
                "status": "ok",
                "code": "",
                "shifted": False,
                "planned_start": None,
                "alternatives": [],
                "outcome": result["sessions"][0]["outcome"],
                **{name: result[name] for name in ("fee_cents", "kept_cents", "refund_cents", "late")},
            }
        )
    return rows


def _shown(scene: Scene, booking: Booking) -> dict[str, Any]:
    """Which occurrence a row of the answer is about."""
    assert booking.start_time is not None  # noqa: S101  it claims time
    assert booking.original_start is not None  # noqa: S101  it is in a series
    return {
        "booking": booking.pk,
        "original_start": booking.original_start.astimezone(scene.zone).isoformat(),
        "start_wall": scene.wall(booking).isoformat(timespec="seconds"),
        "current_start": booking.start_time.astimezone(scene.zone).isoformat(),
    }


# -- moving


def _move(scene: Scene, change: SeriesChange, at: datetime) -> tuple[list[dict[str, Any]], list[bool]]:
    """Plan all moves against one another, then make them, each when the time it goes to has been vacated."""
    series, alone = scene.series, change.scope == "this"
    target = change.practitioner.pk if change.practitioner else scene.touched[0].practitioner_id if alone else series.practitioner_id
    assert target is not None  # noqa: S101  it claims time
    terms, offer = offered(series.account_id, service_id=series.service_id, practitioner_id=target)
    validity = Validity.of(series.account, (row.order_id for row in scene.touched), at)
    wanted = [_target(scene, row, change) for row in scene.touched]
    placements = [Placement(start, Own(row, validity), row) for row, (_, start) in zip(scene.touched, wanted, strict=True)]
    instants = [start for _, start in wanted] + [row.start_time for row in scene.touched if row.start_time]
    moving = [row.pk for row in scene.touched]
    planner = open_planner(series.account, terms, offer, instants, series.client_id, at, moving=moving)
    planner.plan(placements, change.policy, timedelta(minutes=change.within_minutes))
    money: dict[int, dict[str, Any]] = {}
    if change.policy != Policy.ALL_OR_NOTHING or all(one.planned for one in placements):
        for row, one in _in_order(scene.touched, placements, target):
            money[row.pk] = _reschedule(row, one, Practitioner(pk=target), change, at)
    rows = []
    for row, one, (wall, _) in zip(scene.touched, placements, wanted, strict=True):
        shown = occurrence_json(one, wall=wall, zone=scene.zone, offer=offer)
        rows.append({**shown, **_shown(scene, row), "start_wall": shown["start_wall"], **money.get(row.pk, STAYS)})
    return rows, [one.planned is not None for one in placements]


def _target(scene: Scene, row: Booking, change: SeriesChange) -> tuple[datetime, datetime]:
    """(wall, instant) of the start that an occurrence is to have."""
    assert row.start_time is not None  # noqa: S101  it claims time
    if change.scope == "this" or (change.start_time is None and not row.is_detached):
        start = change.start_time or row.start_time
        return wall_of(start, scene.zone), start
    wall = moved_wall(scene, scene.wall(row), change=change)
    return wall, to_instant(wall, scene.zone)


def _in_order(rows: Sequence[Booking], placements: Sequence[Placement], target: int) -> Iterator[tuple[Booking, Placement]]:
    """The planned moves in an order in which none goes to a time that another one still has to vacate; displaced ones last."""
    pairs = [pair for pair in zip(rows, placements, strict=True) if pair[1].planned is not None]
    left, displaced = [pair for pair in pairs if pair[1].refused is None], [pair for pair in pairs if pair[1].refused is not None]
    if left and left[0][0].start_time is not None and left[0][1].start > left[0][0].start_time:
        left.reverse()
    while left:
        free = next((pair for pair in left if not any(_in_the_way(pair, other[0], target) for other in left)), left[0])
        left.remove(free)
        yield free
    yield from displaced


def _in_the_way(pair: tuple[Booking, Placement], other: Booking, target: int) -> bool:
    """Whether the padded time that a move goes to meets the one that ``other`` has now."""
    row, one = pair
    if row.pk == other.pk or other.practitioner_id != target or one.planned is None:
        return False
    assert row.busy_from is not None and row.busy_until is not None and row.start_time is not None  # noqa: S101, PT018  it claims time
    assert other.busy_from is not None and other.busy_until is not None  # noqa: S101, PT018
    shift = one.planned - row.start_time
    return row.busy_from + shift < other.busy_until and other.busy_from < row.busy_until + shift


def _reschedule(row: Booking, one: Placement, practitioner: Practitioner, change: SeriesChange, at: datetime) -> dict[str, Any]:
    """Move one occurrence under its own policy. One that is refused stays where it is, and says why."""
    assert one.planned is not None  # noqa: S101  the caller has looked
    how: dict[str, Any] = {"by": change.by, "waive": change.waive, "reason": change.reason, "in_series": change.scope != "this"}
    try:
        with transaction.atomic():
            booking = reschedule_booking(row, start_time=one.planned, practitioner=practitioner, at=at, **how)
    except DomainError as error:
        one.planned, one.refused = None, (STATUS_OF.get(error.code, "refused"), error.code)
        return STAYS
    late = booking.late_seconds is not None and booking.late_seconds != row.late_seconds
    return {**STAYS, "outcome": "moved", "fee_cents": booking.fee_cents - row.fee_cents, "late": late}


def _settle(series: BookingSeries, at: datetime) -> None:
    """A series without an occurrence to come has ended."""
    coming = Booking.objects.active().filter(series_id=series.pk, start_time__gt=at).exists()
    status = BookingSeries.Status.ACTIVE if coming else BookingSeries.Status.ENDED
    if series.status != status:
        series.status = status
        series.save(update_fields=["status", "updated_at"])


__all__ = ["SeriesChange", "change_series", "quote_series_change"]
