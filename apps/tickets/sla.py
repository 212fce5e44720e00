"""Counting support hours: how much of them lies between two moments, and when so many of them have passed.

Pure arithmetic, without database or clock. Hours are given on the wall of the account's zone and become instants as working hours do
(``apps.scheduling.hours``), so a day on which the clock is changed has as many hours as it really has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.scheduling.hours import ONE_DAY, ONE_SECOND, WeeklyPlan, opening_windows, working_time

DEFAULT_HOURS = tuple(WeeklyPlan(weekday, time(9), time(17)) for weekday in range(5))
DEFAULT_MINUTES: dict[str, tuple[int, int]] = {
    "urgent": (60, 8 * 60),
    "high": (4 * 60, 24 * 60),
    "normal": (8 * 60, 72 * 60),
    "low": (24 * 60, 120 * 60),
}
"""{priority: (minutes of support hours to the first answer, to the solution)}"""

FARTHEST = timedelta(days=5 * 366)
STEP = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Target:
    """What is promised, in seconds of support hours."""

    first_answer: int
    solution: int


@dataclass(frozen=True, slots=True)
class SupportCalendar:
    """When there is support: weekly hours on the wall of ``zone``, without the closures (UTC, half-open)."""

    zone: ZoneInfo
    plans: tuple[WeeklyPlan, ...] = DEFAULT_HOURS
    closures: tuple[tuple[datetime, datetime], ...] = ()

    def spans(self, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
        """The support hours in [since, until), cut at both ends: sorted, apart from each other."""
        if until <= since:
            return []
        first, last = since.astimezone(self.zone).date(), until.astimezone(self.zone).date()
        open_ = working_time(opening_windows(self.plans, (), self.zone, first, last + ONE_DAY), self.closures)
        cut = ((max(start, since), min(end, until)) for start, end in open_)
        return [(start, end) for start, end in cut if start < end]


def support_seconds(calendar: SupportCalendar, since: datetime, until: datetime) -> int:
    """Whole seconds of support hours between two moments; 0 when the second is not later."""
    return sum((end - start for start, end in calendar.spans(since, until)), timedelta()) // ONE_SECOND


def after_support_seconds(calendar: SupportCalendar, since: datetime, seconds: int) -> datetime | None:
    """The first moment at which so many seconds of support hours have passed since ``since``: that very moment when there are none to pass.

    None when that lies more than five years ahead, as it does without any support hours.
    """
    left = timedelta(seconds=seconds)
    if left <= timedelta():
        return since
    for start, end in _ahead(calendar, since):
        if end - start >= left:
            return start + left
        left -= end - start
    return None


def _ahead(calendar: SupportCalendar, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The support hours of the next five years, from step to step."""
    begins, farthest = since, since + FARTHEST
    while begins < farthest:
        yield from calendar.spans(begins, begins + STEP)
        begins += STEP
