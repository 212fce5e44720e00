"""Pauses of packages: days on which nothing takes place, and by which the validity grows (rules.md §2)."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.bookings.errors import LimitReached, PackageExpired, PackagePaused
from apps.bookings.models import Booking, Side, Status
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.packages import LAST_DAY, allowed_order_actions, iso, lock_package, move_end, refuse_expired
from apps.core import quotes
from apps.core.db import constraint_error, joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import emit
from apps.orders.models import Order, PackagePause
from apps.orders.services import derive_status
from apps.orders.validity import end_of, last_valid_day, moved_by_days
from apps.scheduling.hours import local_to_instant

RETURNABLE = (Status.HELD, Status.PENDING, Status.CONFIRMED)


@joined
def quote_pause(order: Order, *, first_day: date, last_day: date | None = None, at: datetime | None = None) -> dict[str, Any]:
    """What ``pause_order`` with the same days would do: the sessions it returns and the new end, with a token; raises what it raises."""
    return _pause(order, first_day=first_day, last_day=last_day, at=at)[1]


@joined
def pause_order(
    order: Order,
    *,
    first_day: date,
    last_day: date | None = None,
    reason: str,
    quote: str | None = None,
    at: datetime | None = None,
) -> PackagePause:
    """Let a package rest on these local days of the account, both included; without ``last_day`` until it is resumed.

    Sessions inside that have not begun are cancelled for nothing and are drafts again, those of a series as well. The validity grows
    by the paused days: at once, or for an open pause when it is resumed. Where the package limits the length of a pause, an open one
    ends by itself on the longest day.
    Raises InvalidTransition, PackageExpired, PackagePaused (the days are covered already), LimitReached (``pauses_per_year``,
    ``pause_days``), Invalid, QuoteStale.
    """
    return _pause(order, first_day=first_day, last_day=last_day, at=at, commit=True, reason=reason, quote=quote)[0]


def _pause(
    order: Order,
    *,
    first_day: date,
    last_day: date | None,
    at: datetime | None,
    commit: bool = False,
    reason: str = "",
    quote: str | None = None,
) -> tuple[PackagePause, dict[str, Any]]:
    at = at or timezone.now()
    _, order = lock_package(order, "pause")
    zone = ZoneInfo(order.account.timezone)
    asked = {"order": order.pk, "first_day": first_day, "last_day": last_day}
    last_day = _within_limits(order, first_day, last_day, at.astimezone(zone).date())
    refuse_expired(order, at)
    if order.expires_at is not None and first_day > last_valid_day(order.expires_at, zone):
        raise PackageExpired("The package ends before this pause begins.", expires_at=order.expires_at.isoformat())
    days = (last_day - first_day).days + 1 if last_day is not None else None
    before = order.expires_at
    added = days if before is not None and days is not None else 0
    after = moved_by_days(before, added, zone) if before is not None else None
    if after is not None and last_valid_day(after, zone) > LAST_DAY:
        raise Invalid(fields={"last_day": [f"A package cannot be valid after {LAST_DAY.isoformat()}."]})
    inside = _sessions_inside(order, first_day, last_day, zone, at)
    result = {
        "first_day": first_day,
        "last_day": last_day,
        "days_added": added,
        "package_expires_at": after,
        "sessions": [
            {
                "id": one.pk,
                "outcome": "returned",
                "start_time": one.start_time,
                "practitioner": one.practitioner_id,
                "series": one.series_id,
            }
            for one in inside
        ],
    }
    about: Any = {"account_id": order.account_id, "inputs": asked, "result": result, "at": at}
    pause = PackagePause(account_id=order.account_id, order=order, first_day=first_day, last_day=last_day, reason=reason, days_added=added)
    if not commit:
        return pause, quotes.offer("order.pause", **about)
    quotes.uphold(quote, "order.pause", **about)
    with constraint_error({"orders_packagepause_no_overlap": PackagePaused}, savepoint=False):
        pause.save()
    move_end(order, after)
    emit("order.pause_added", order, changes=_told(pause, before, order, returned=[one.pk for one in inside], reason=reason))
    derive_status(order, at)
    for booking in inside:
        cancel_booking(booking, by=Side.SYSTEM, reason=f"Package paused: {reason}"[:500], at=at)
    return pause, result


def _within_limits(order: Order, first_day: date, last_day: date | None, today: date) -> date | None:
    """The last day of the pause; an open one is closed where its length is limited. Raises Invalid, LimitReached, PackagePaused."""
    if first_day < today:
        raise Invalid(fields={"first_day": ["A pause cannot begin before today."]})
    if last_day is not None and last_day < first_day:
        raise Invalid(fields={"last_day": ["last_day cannot lie before first_day."]})
    terms = order.package_metadata
    longest, per_year = terms.get("max_pause_days"), terms.get("max_pauses_per_year")
    if longest is not None:
        latest = first_day + timedelta(days=max(longest, 1) - 1)
        if longest == 0 or (last_day is not None and last_day > latest):
            raise LimitReached(f"A pause of this package has at most {longest} days.", rule="pause_days", limit=longest)
        last_day = last_day or latest
    taken = list(order.pauses.order_by("first_day"))  # type: ignore[attr-defined]
    for other in taken:
        if (last_day is None or other.first_day <= last_day) and (other.last_day is None or other.last_day >= first_day):
            until = other.last_day.isoformat() if other.last_day else None
            raise PackagePaused("Another pause covers some of these days already.", first_day=other.first_day.isoformat(), last_day=until)
    if per_year is not None and sum(other.first_day.year == first_day.year for other in taken) >= per_year:
        raise LimitReached(f"This package can be paused {per_year} times a year.", rule="pauses_per_year", limit=per_year)
    return last_day


def _sessions_inside(order: Order, first_day: date, last_day: date | None, zone: ZoneInfo, at: datetime) -> list[Booking]:
    """Sessions of the order that start on these local days and have not begun yet, locked, by id."""
    since = max(local_to_instant(datetime.combine(first_day, time()), zone), at)
    inside = Booking.objects.filter(order_id=order.pk, status__in=RETURNABLE, start_time__gte=since)
    if last_day is not None:
        inside = inside.filter(start_time__lt=end_of(last_day, zone))
    return list(inside.select_for_update(no_key=True).order_by("pk"))


def _told(pause: PackagePause, before: datetime | None, order: Order, **details: Any) -> dict[str, Any]:
    """What the events of a pause say."""
    return {
        "first_day": [None, pause.first_day.isoformat()],
        "last_day": [None, pause.last_day.isoformat() if pause.last_day else None],
        "expires_at": [iso(before), iso(order.expires_at)],
        **{name: [None, value] for name, value in details.items()},
    }


@dataclass(frozen=True, slots=True)
class Resumed:
    """``expires_at`` is the new end. ``kept``: scheduled sessions that start after it and stay as they are."""

    expires_at: datetime | None
    kept: list[int]


@joined
def resume_order(order: Order, *, reason: str = "", at: datetime | None = None) -> Resumed:
    """End the pause that is running, today being the first usable day again; without one, take back the next planned pause.

    The validity is computed again from the days that were really paused, and never ends before today does. When it becomes shorter,
    sessions that are scheduled beyond it stay: what was promised is kept, and they are told about (in the event, too). A planned
    pause that would begin after the new end is taken back with it.
    Raises InvalidTransition when there is nothing to resume.
    """
    at = at or timezone.now()
    _, order = lock_package(order, "resume")
    zone = ZoneInfo(order.account.timezone)
    today = at.astimezone(zone).date()
    pending = [one for one in order.pauses.order_by("first_day") if one.last_day is None or one.last_day >= today]  # type: ignore[attr-defined]
    if not pending:
        raise InvalidTransition("No pause is running or planned.", allowed_actions=allowed_order_actions(order.order_type, order.status))
    pause, later = pending[0], pending[1:]
    before = order.expires_at
    activated = order.activated_at.astimezone(zone).date() if order.activated_at else pause.first_day
    yesterday = today - timedelta(days=1)
    rested = max(0, (yesterday - max(pause.first_day, activated)).days + 1) if before is not None else 0
    _shift(order, rested - pause.days_added, today, zone)
    ended = pause.first_day <= yesterday
    if ended:
        pause.last_day, pause.resumed_at, pause.days_added = yesterday, at, rested
        pause.save(update_fields=["last_day", "resumed_at", "days_added", "updated_at"])
    else:  # not one whole day: there was no pause
        pause.delete()
    dropped = _drop_beyond_the_end(order, later, today, zone)
    kept = _scheduled_beyond_the_end(order)
    details = {"reason": reason, "kept": kept, "taken_back": dropped}
    emit("order.pause_ended" if ended else "order.pause_removed", order, changes=_told(pause, before, order, **details))
    derive_status(order, at)
    return Resumed(order.expires_at, kept)


def _shift(order: Order, days: int, today: date, zone: ZoneInfo) -> None:
    """Move the end of a locked order by whole days, but not before the end of today."""
    if order.expires_at is not None and days:
        move_end(order, max(moved_by_days(order.expires_at, days, zone), end_of(today, zone)))


def _drop_beyond_the_end(order: Order, planned: list[PackagePause], today: date, zone: ZoneInfo) -> list[str]:
    """Take back planned pauses that begin when the package, without their days, is over; returns their first days."""
    dropped = []
    for pause in reversed(planned):
        if order.expires_at is None or pause.first_day <= last_valid_day(moved_by_days(order.expires_at, -pause.days_added, zone), zone):
            continue
        _shift(order, -pause.days_added, today, zone)
        dropped.append(pause.first_day.isoformat())
        pause.delete()
    return dropped


def _scheduled_beyond_the_end(order: Order) -> list[int]:
    if order.expires_at is None:
        return []
    late = Booking.objects.active().filter(order_id=order.pk, start_time__gte=order.expires_at)
    return list(late.order_by("pk").values_list("pk", flat=True))
