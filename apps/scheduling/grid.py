"""Candidate starts of a service inside working time, and those that no booking blocks (rules.md §1, steps 5 and 6).

The functions in ``…_seconds`` are the primary ones: whole epoch seconds (UTC) from end to end, for callers with many practitioners.
``candidate_starts`` and ``free_of`` are the same for aware UTC datetimes. Durations, steps and padding are in minutes of elapsed time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from apps.scheduling.hours import (
    DAY,
    EPOCH_ORDINAL,
    Instant,
    Window,
    from_epoch,
    offset_spans,
    plain_day_offset,
    to_epoch,
)


def candidate_starts(
    windows: Sequence[Window],
    working: Sequence[tuple[datetime, datetime]],
    zone: ZoneInfo,
    duration_minutes: int,
    step_minutes: int,
) -> list[datetime]:
    """`candidate_seconds` for aware datetimes: sorted, unique, in UTC. A fraction of a second shrinks working time."""
    seconds = [(ceil(start.timestamp()), to_epoch(end)) for start, end in working]
    return [from_epoch(start) for start in candidate_seconds(windows, seconds, zone, duration_minutes, step_minutes)]


def candidate_seconds(
    windows: Sequence[Window],
    working: Sequence[tuple[int, int]],
    zone: ZoneInfo,
    duration_minutes: int,
    step_minutes: int,
) -> list[int]:
    """Starts on the grid as epoch seconds, sorted and unique (§1 step 5).

    ``zone`` is the one the windows were made in; ``working`` is the merged, sorted working time that is left, in epoch seconds. An
    instant inside a window is on its grid when the wall clock then shows a multiple of the step after the window's nominal start; it
    is kept when [s, s + duration) fits inside one working interval, which may reach beyond the window. Wall times that a change of
    offset skips never appear, those it repeats appear twice. Raises ValueError unless duration and step are at least one minute.
    """
    if duration_minutes < 1 or step_minutes < 1:
        raise ValueError("duration and step must be at least one minute")
    duration, step = duration_minutes * 60, step_minutes * 60
    ends = [end for _, end in working]
    starts: list[int] = []
    in_order = True
    for window in windows:
        window_start, window_end = to_epoch(window.start), to_epoch(window.end)
        nominal = _wall_seconds(window.wall_start)
        spans = _spans_of(window, window_start, window_end, zone)
        position = bisect_right(ends, window_start)
        while position < len(working) and working[position][0] < window_end:
            free_from, free_until = working[position]
            position += 1
            for since, until, offset in spans:
                earliest = max(since, free_from)
                earliest += (nominal - earliest - offset) % step
                latest = min(until - 1, free_until - duration)
                if earliest <= latest:
                    in_order = in_order and (not starts or starts[-1] < earliest)
                    starts.extend(range(earliest, latest + 1, step))
    return starts if in_order else sorted(set(starts))


def free_of(
    starts: Sequence[datetime],
    busy: Iterable[tuple[datetime, datetime]],
    before_minutes: int,
    after_minutes: int,
    duration_minutes: int,
) -> list[datetime]:
    """`free_seconds` for aware UTC datetimes, exact to the microsecond. An empty busy range blocks nothing."""
    before, reach = timedelta(minutes=before_minutes), timedelta(minutes=duration_minutes + after_minutes)
    taken = [(busy_from, busy_until) for busy_from, busy_until in busy if busy_from < busy_until]
    return _outside(starts, sorted(since for since, _ in taken), sorted(until for _, until in taken), before, reach)


def free_seconds(
    starts: Sequence[int],
    since: Sequence[int],
    until: Sequence[int],
    before_minutes: int,
    after_minutes: int,
    duration_minutes: int,
) -> list[int]:
    """The starts s (epoch seconds) whose padded range [s - before, s + duration + after) meets no busy range (§1 step 6).

    ``starts`` is sorted. ``since`` and ``until`` are the two ends of padded, non-empty busy ranges, each list sorted by itself, so
    that it does not matter which end belongs to which beginning. The ranges may overlap and contain one another. The gap that
    stays between two neighbours is after(first) + before(second).
    """
    return _outside(starts, since, until, before_minutes * 60, (duration_minutes + after_minutes) * 60)


def _outside(starts: Sequence[Instant], since: Sequence[Instant], until: Sequence[Instant], before: Any, reach: Any) -> list[Instant]:
    """The sorted starts s with no busy range inside which ``since - reach < s < until + before``.

    As many ranges cover an instant as have begun and not ended before it, whichever of them these are. So nothing is busy exactly
    between the n-th end and the beginning that is the next one after the n-th, and only gaps long enough for a session are entered.
    """
    if not since:
        return list(starts)
    free = list(starts[: bisect_right(starts, since[0] - reach)])
    passed, needed = len(free), before + reach
    for end, begin in zip(until, since[1:], strict=False):  # the last end closes no gap
        if begin - end >= needed:
            passed = bisect_left(starts, end + before, passed)
            reached = bisect_right(starts, begin - reach, passed)
            free += starts[passed:reached]
            passed = reached
    free += starts[bisect_left(starts, until[-1] + before, passed) :]
    return free


def covering(start: int, since: Sequence[int], until: Sequence[int], before_minutes: int, after_minutes: int, duration_minutes: int) -> int:
    """How many busy ranges the padded range of a start meets; ends and beginnings as in `free_seconds`."""
    begun = bisect_left(since, start + (duration_minutes + after_minutes) * 60)
    return begun - bisect_right(until, start - before_minutes * 60)


def _spans_of(window: Window, start: int, end: int, zone: ZoneInfo) -> Sequence[tuple[int, int, int]]:
    """The stretches of constant offset of a window: (from, until, offset), all in epoch seconds.

    The short way needs no conversion: the local day of the start, and the next one if the window reaches it, are without a change.
    """
    first = window.wall_start.toordinal()
    offset = plain_day_offset(zone, first)
    if offset is not None:
        midnight = (first - EPOCH_ORDINAL) * DAY - offset
        same_day = midnight <= start and end <= midnight + DAY
        if same_day or (midnight <= start and end <= midnight + 2 * DAY and plain_day_offset(zone, first + 1) == offset):
            return ((start, end, offset),)
    return offset_spans(zone, start, end)


def _wall_seconds(wall: datetime) -> int:
    """A naive wall time as seconds on the scale on which it would be epoch seconds if it were UTC."""
    return (wall.toordinal() - EPOCH_ORDINAL) * DAY + wall.hour * 3600 + wall.minute * 60 + wall.second
