"""Working time: from weekly plans, date overrides and closures to intervals in UTC (rules.md §1, steps 1 to 4).

Pure arithmetic: no database, no clock. A *wall* time is what the clock on the practitioner's wall shows (a naive datetime),
an *instant* is a point in time (an aware datetime in UTC, or whole seconds since 1970-01-01 UTC). Intervals are half-open.

One sentence decides every conversion of a boundary: its instant is the first one at which the wall clock shows that time or a later
one. In a gap that is the transition, in a fold the first occurrence, so windows that touch on the wall also touch in time.

Built on a property of the IANA database, checked over all zones of 2026f: two changes of one zone's offset are at least 95 hours
apart, so a local day, or a window, meets at most one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import TypeVar
from zoneinfo import ZoneInfo

DAY = 86_400
"""Seconds of a day without a change of offset."""

ONE_DAY = timedelta(days=1)
ONE_SECOND = timedelta(seconds=1)
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

Instant = TypeVar("Instant", datetime, int)
"""Interval arithmetic works on aware datetimes and on epoch seconds alike."""


class LocalTimeMissing(ValueError):
    """The wall clock jumps over this time (code ``local_time_missing``)."""


class LocalTimeAmbiguous(ValueError):
    """The wall clock shows this time twice and the caller has to say which one is meant (code ``local_time_ambiguous``)."""


@dataclass(frozen=True, slots=True)
class WeeklyPlan:
    """One window of a weekly plan, in the practitioner's wall time; ``end <= start`` means past midnight.

    ``weekday`` counts from Monday = 0. ``valid_from`` and ``valid_to`` are inclusive, None is open. With ``every_weeks`` above 1 the
    week of ``anchor`` (any day of an "on" week; its Monday counts) and every n-th week before and after it are on; without an anchor
    the week of ``valid_from`` is the first.
    """

    weekday: int
    start: time
    end: time
    valid_from: date | None = None
    valid_to: date | None = None
    every_weeks: int = 1
    anchor: date | None = None
    priority: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise ValueError("weekday must be 0 (Monday) to 6 (Sunday)")
        if self.every_weeks < 1:
            raise ValueError("every_weeks must be at least 1")
        if self.every_weeks > 1 and self.anchor is None and self.valid_from is None:
            raise ValueError("a plan for every n-th week needs an anchor or a first day")

    def applies_to(self, day: date) -> bool:
        """Whether weekday, validity and week interval match this local date."""
        if day.weekday() != self.weekday:
            return False
        if self.valid_from is not None and day < self.valid_from:
            return False
        if self.valid_to is not None and day > self.valid_to:
            return False
        if self.every_weeks == 1:
            return True
        anchor = self.anchor or self.valid_from
        assert anchor is not None  # noqa: S101 - __post_init__ refuses a plan without
        return (_week_number(day) - _week_number(anchor)) % self.every_weeks == 0


@dataclass(frozen=True, slots=True)
class DayWindow:
    """Opening of one date in wall time; ``end <= start`` means past midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class DayOverride:
    """What is different on one local date: ``windows`` replace the base plan (none = closed) or, with ``adds``, come on top."""

    date: date
    windows: tuple[DayWindow, ...] = ()
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """One opening as instants in UTC. ``wall_start`` is the nominal start on the wall (naive), from which the grid is counted.

    ``start`` is that wall time as an instant, so the two differ when the plan begins inside a gap.
    """

    day: date
    wall_start: datetime
    start: datetime
    end: datetime


def to_epoch(instant: datetime) -> int:
    """Whole seconds since 1970-01-01 UTC; a fraction is cut off towards the past."""
    return int(instant.timestamp() // 1)


def from_epoch(seconds: int) -> datetime:
    """The aware UTC datetime of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def offset_at(zone: ZoneInfo, instant: int) -> int:
    """Seconds that the wall clock of the zone is ahead of UTC at an instant in epoch seconds."""
    return _seconds(datetime.fromtimestamp(instant, zone).utcoffset())


def offset_spans(zone: ZoneInfo, start: int, end: int) -> list[tuple[int, int, int]]:
    """Cut [start, end) in epoch seconds where the zone changes its offset: (from, until, offset in seconds)."""
    spans: list[tuple[int, int, int]] = []
    since, offset = start, offset_at(zone, start)
    for probe in (*range(start + DAY, end, DAY), end):
        following = offset_at(zone, probe)
        if following != offset:
            change = _change_between(zone, since, probe)
            spans.append((since, change, offset))
            since, offset = change, following
    if since < end:
        spans.append((since, end, offset))
    return spans


@lru_cache(maxsize=16_384)
def plain_day_offset(zone: ZoneInfo, ordinal: int) -> int | None:
    """The offset in seconds of a local day (proleptic ordinal) that no change touches, midnight to midnight; otherwise None."""
    midnight = datetime.fromordinal(ordinal)
    here, there = _offsets_of_wall(midnight, zone), _offsets_of_wall(midnight + ONE_DAY, zone)
    return here[0] if here[0] == here[1] == there[0] == there[1] else None


def local_to_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a boundary given as naive wall time: a gap gives the transition, a fold the first occurrence (§1 step 3)."""
    before, after = _offsets_of_wall(_naive(wall), zone)
    if after > before:
        return from_epoch(_gap_transition(wall, before, after, zone))
    return (wall - before * ONE_SECOND).replace(tzinfo=UTC)


def instant_from_wall(wall: datetime, zone: ZoneInfo) -> datetime:
    """The only instant (UTC) at which the clock shows this naive wall time, for times that a person typed (§1, last vector).

    Raises LocalTimeMissing in a gap and LocalTimeAmbiguous in a fold.
    """
    before, after = _offsets_of_wall(_naive(wall), zone)
    if after > before:
        raise LocalTimeMissing(f"{wall.isoformat(' ')} does not exist in {zone}")
    if after < before:
        raise LocalTimeAmbiguous(f"{wall.isoformat(' ')} happens twice in {zone}")
    return (wall - before * ONE_SECOND).replace(tzinfo=UTC)


def opening_windows(
    plans: Iterable[WeeklyPlan], overrides: Iterable[DayOverride], zone: ZoneInfo, first_day: date, last_day: date
) -> list[Window]:
    """The openings of the local dates first_day to last_day (inclusive), sorted by start; §1 steps 1 to 3.

    The dates are those of the plan's zone. A window belongs to the date on which it starts: the one of the day before ``first_day``
    is included when it runs past midnight, one of ``last_day`` may end on the next date. Whoever asks for a range of instants passes
    the local dates of its two ends. A window that lies wholly inside a gap has no length and is left out; duplicates are dropped,
    overlapping windows are kept, because each has a grid of its own.
    """
    by_weekday: list[list[WeeklyPlan]] = [[] for _ in range(7)]
    for plan in plans:
        by_weekday[plan.weekday].append(plan)
    by_date: dict[date, list[DayOverride]] = {}
    for override in overrides:
        by_date.setdefault(override.date, []).append(override)

    opens = _instant_of(first_day.toordinal(), 0, zone)
    found: set[Window] = set()
    for ordinal in range(first_day.toordinal() - 1, last_day.toordinal() + 1):
        day = date.fromordinal(ordinal)
        for start, end in _wall_windows(day, by_weekday[day.weekday()], by_date.get(day, ())):
            begins = _instant_of(ordinal, _second_of_day(start), zone)
            ends = _instant_of(ordinal if end > start else ordinal + 1, _second_of_day(end), zone)
            if begins < ends and (day >= first_day or ends > opens):
                found.add(Window(day, datetime.combine(day, start), from_epoch(begins), from_epoch(ends)))
    return sorted(found, key=attrgetter("start", "end", "wall_start"))


def merge(intervals: Iterable[tuple[Instant, Instant]]) -> list[tuple[Instant, Instant]]:
    """The union as sorted intervals that neither overlap nor touch; empty ones disappear. Linear when the input is sorted."""
    merged: list[tuple[Instant, Instant]] = []
    for start, end in sorted(intervals):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def subtract(intervals: Sequence[tuple[Instant, Instant]], cuts: Iterable[tuple[Instant, Instant]]) -> list[tuple[Instant, Instant]]:
    """What is left of intervals sorted by start after all cuts (which may overlap one another); one linear pass, §1 step 4."""
    blocked = merge(cuts)
    left: list[tuple[Instant, Instant]] = []
    passed = 0
    for start, end in intervals:
        while passed < len(blocked) and blocked[passed][1] <= start:
            passed += 1
        position = passed
        while position < len(blocked) and blocked[position][0] < end:
            cut_from, cut_until = blocked[position]
            if start < cut_from:
                left.append((start, cut_from))
            start = cut_until
            position += 1
        if start < end:
            left.append((start, end))
    return left


def working_time(windows: Iterable[Window], cuts: Iterable[tuple[datetime, datetime]] = ()) -> list[tuple[datetime, datetime]]:
    """Merged openings minus closures, time off and external busy times, in UTC: the time in which a session may lie."""
    return subtract(merge((window.start, window.end) for window in windows), cuts)


def _wall_windows(day: date, plans: Sequence[WeeklyPlan], overrides: Sequence[DayOverride]) -> list[tuple[time, time]]:
    """The day's openings on the wall: the winning rows of the base plan unless replaced, then what is added."""
    windows = [(window.start, window.end) for override in overrides if not override.adds for window in override.windows]
    if all(override.adds for override in overrides):
        matching = [plan for plan in plans if plan.applies_to(day)]
        if matching:
            winner = max(_rank(plan) for plan in matching)
            windows = [(plan.start, plan.end) for plan in matching if _rank(plan) == winner]
    windows += [(window.start, window.end) for override in overrides if override.adds for window in override.windows]
    return windows


def _rank(plan: WeeklyPlan) -> tuple[date, int]:
    return (plan.valid_from or date.min, plan.priority)


def _instant_of(ordinal: int, second_of_day: int, zone: ZoneInfo) -> int:
    """Epoch seconds of a wall boundary; days without a change need one subtraction, the others go the long way."""
    offset = plain_day_offset(zone, ordinal)
    if offset is None:
        return to_epoch(local_to_instant(datetime.fromordinal(ordinal) + second_of_day * ONE_SECOND, zone))
    return (ordinal - EPOCH_ORDINAL) * DAY + second_of_day - offset


def _gap_transition(wall: datetime, before: int, after: int, zone: ZoneInfo) -> int:
    """Epoch seconds of the jump over this missing wall time: read with the new offset it lies before, with the old one after it."""
    nominal = to_epoch(wall.replace(tzinfo=UTC))
    return _change_between(zone, nominal - after, nominal - before)


def _change_between(zone: ZoneInfo, before: int, after: int) -> int:
    """The first epoch second in (before, after] with the offset of ``after``, given exactly one change between the two."""
    old = offset_at(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offsets_of_wall(wall: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """Offsets in seconds that PEP 495 gives for fold 0 and 1: equal on ordinary times, rising in a gap, falling in a fold."""
    return (
        _seconds(wall.replace(tzinfo=zone, fold=0).utcoffset()),
        _seconds(wall.replace(tzinfo=zone, fold=1).utcoffset()),
    )


def _naive(wall: datetime) -> datetime:
    if wall.tzinfo is not None:
        raise ValueError("a wall time carries no zone")
    return wall


def _seconds(offset: timedelta | None) -> int:
    assert offset is not None  # noqa: S101 - a ZoneInfo always knows its offset
    return offset // ONE_SECOND


def _second_of_day(wall: time) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


def _week_number(day: date) -> int:
    """Weeks since the Monday 0001-01-01; the same for Monday to Sunday."""
    return (day.toordinal() - 1) // 7
