"""When something recurs: from a rule to wall clocks, and from these to instants (rules.md §8). Pure arithmetic, no database.

A rule counts on the wall: "Tuesdays at 19:00" stays at 19:00 when the clocks change. A wall time that a clock change skips moves
forward by the gap (02:30 becomes 03:30) and is flagged; one that happens twice means the first.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule
from dateutil.rrule import weekday as nth_weekday

from apps.bookings.models.series import MAX_OCCURRENCES, BookingSeries
from apps.core.errors import Invalid

Frequency, MonthEnd = BookingSeries.Frequency, BookingSeries.MonthEnd
MONTHLY_KINDS = (Frequency.MONTHLY_BY_DATE, Frequency.MONTHLY_BY_WEEKDAY)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """When sessions recur. ``start`` is the first start as a naive wall time; it says the time of day and, by month, which day.

    Ends after ``count`` occurrences or with the local day ``until`` (inclusive); with neither whoever asks says how many.
    ``weekdays`` (0 is Monday) are for weekly rules: those of the start's week from the start on, then every n-th week.
    ``month_end`` says what a month without the day 29, 30, 31, or without a fifth such weekday, gets.
    """

    frequency: str
    start: datetime
    every: int = 1
    weekdays: tuple[int, ...] = ()
    month_end: str = MonthEnd.SKIP
    count: int | None = None
    until: date | None = None

    def walls(self, limit: int = MAX_OCCURRENCES) -> list[datetime]:
        """The wall clocks of the occurrences, at most ``limit``, in order."""
        limit = limit if self.count is None else min(limit, self.count)
        until = None if self.until is None else datetime.combine(self.until, time.max)
        frequency, parts = self._parts()
        return list(islice(rrule(frequency, dtstart=self.start, interval=self.every, until=until, **parts), limit))

    def _parts(self) -> tuple[int, dict[str, Any]]:
        day, last = self.start.day, self.month_end == MonthEnd.LAST_DAY
        match self.frequency:
            case Frequency.DAILY:
                return DAILY, {}
            case Frequency.WEEKLY:
                return WEEKLY, {"byweekday": self.weekdays or (self.start.weekday(),)}
            case Frequency.MONTHLY_BY_DATE if last and day > 28:
                # Of the days 28 to ``day`` the last one that the month has.
                return MONTHLY, {"bymonthday": range(28, day + 1), "bysetpos": -1}
            case Frequency.MONTHLY_BY_DATE:
                return MONTHLY, {"bymonthday": day}
            case _:
                nth = (day - 1) // 7 + 1
                return MONTHLY, {"byweekday": nth_weekday(self.start.weekday(), -1 if last and nth == 5 else nth)}


def checked(rule: Rule) -> Rule:
    """The rule, with its weekdays in order. Raises Invalid, with the field at fault, for one that cannot be meant."""
    fields: dict[str, list[str]] = {}
    weekdays = tuple(sorted(set(rule.weekdays)))
    if rule.frequency not in Frequency.values:
        fields["frequency"] = [f"Send one of: {', '.join(Frequency.values)}."]
    if not 1 <= rule.every <= 52:
        fields["every"] = ["Send a number from 1 to 52."]
    if weekdays and rule.frequency != Frequency.WEEKLY:
        fields["weekdays"] = ["Only a weekly rule has weekdays."]
    elif any(not 0 <= weekday <= 6 for weekday in weekdays):
        fields["weekdays"] = ["Send numbers from 0 (Monday) to 6 (Sunday)."]
    elif weekdays and rule.start.weekday() not in weekdays:
        fields["weekdays"] = ["The weekday of the first start must be among them."]
    if rule.count is not None and rule.until is not None:
        fields["until"] = ["Send either count or until."]
    elif rule.count is not None and not 1 <= rule.count <= MAX_OCCURRENCES:
        fields["count"] = [f"Send a number from 1 to {MAX_OCCURRENCES}."]
    elif rule.until is not None and rule.until < rule.start.date():
        fields["until"] = ["The last day lies before the first start."]
    elif not fields and rule.until is not None and len(rule.walls(MAX_OCCURRENCES + 1)) > MAX_OCCURRENCES:
        fields["until"] = [f"These are more than {MAX_OCCURRENCES} occurrences."]
    if fields:
        raise Invalid(fields=fields)
    return Rule(rule.frequency, rule.start, rule.every, weekdays, rule.month_end, rule.count, rule.until)


def to_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a naive wall time: a missing one moves forward by the gap, of two the first counts."""
    # PEP 495: fold 0 reads a missing time with the offset from before the gap, and an ambiguous one as its first occurrence.
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows, naive."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def is_shifted(wall: datetime, zone: ZoneInfo) -> bool:
    """Whether the wall clock skips this time, so that the occurrence starts later on the wall than the rule says."""
    return wall_of(to_instant(wall, zone), zone) != wall


def nominal_wall(key: datetime, clock: time, zone: ZoneInfo) -> datetime:
    """The wall time by the rule, whose time of day is ``clock``, of the occurrence with this original start.

    It differs from what the wall showed only where a gap moved the start, in rare zones past midnight.
    """
    shown = wall_of(key, zone)
    for day in (shown.date(), shown.date() - ONE_DAY):
        wall = datetime.combine(day, clock)
        if to_instant(wall, zone) == key:
            return wall
    return shown


def moved(wall: datetime, reference: datetime, target: datetime, frequency: str) -> datetime:
    """Where the occurrence at ``wall`` goes when the one at ``reference`` goes to ``target``: the clock moves, not the instant.

    By month another day means that day of every month (the last one where it is missing), or that weekday of every month.
    """
    if frequency not in MONTHLY_KINDS or reference.date() == target.date():
        return wall + (target - reference)
    months = target.year * 12 + target.month - 1 + (wall.year - reference.year) * 12 + wall.month - reference.month
    year, month = months // 12, months % 12 + 1
    first_weekday, last = monthrange(year, month)
    if frequency == Frequency.MONTHLY_BY_DATE:
        day = min(target.day, last)
    else:
        day = 1 + (target.weekday() - first_weekday) % 7 + (target.day - 1) // 7 * 7
        day -= 7 if day > last else 0
    return datetime.combine(date(year, month, day), target.time())


__all__ = ["MONTHLY_KINDS", "Rule", "checked", "is_shifted", "moved", "nominal_wall", "to_instant", "wall_of"]
