"""Limits: how much of a service, or of a practitioner, fits into a local day or week (rules.md §1, step 7).

A limit counts occurrences: one class with ten attendees is one. Joining an occurrence that is already held is never limited.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

COUNTED = ("held", "pending", "confirmed", "checked_in", "completed", "no_show")


@dataclass(frozen=True, slots=True)
class Held:
    """An occurrence: service, practitioner, start (epoch seconds) and length in minutes."""

    service_id: int
    practitioner_id: int
    start: int
    minutes: int


@dataclass(slots=True)
class Tally:
    """What is held already, by local day and week of one zone."""

    zone: ZoneInfo
    per_day: dict[date, int] = field(default_factory=dict)
    per_week: dict[tuple[int, int], int] = field(default_factory=dict)
    minutes_per_day: dict[date, int] = field(default_factory=dict)
    held: set[Held] = field(default_factory=set)

    @classmethod
    def of(cls, zone: ZoneInfo, occurrences: Iterable[Held]) -> "Tally":
        tally = cls(zone)
        for one in occurrences:
            if one in tally.held:
                continue
            tally.held.add(one)
            day, week = tally.period(one.start)
            tally.per_day[day] = tally.per_day.get(day, 0) + 1
            tally.per_week[week] = tally.per_week.get(week, 0) + 1
            tally.minutes_per_day[day] = tally.minutes_per_day.get(day, 0) + one.minutes
        return tally

    def period(self, start: int) -> tuple[date, tuple[int, int]]:
        """The local day and ISO week of an instant."""
        day = datetime.fromtimestamp(start, self.zone).date()
        return day, day.isocalendar()[:2]

    def refuses(self, limits: dict[str, int | None], wanted: Held) -> str | None:
        """The name of the limit that one more occurrence would break, None when it fits."""
        if wanted in self.held:
            return None
        day, week = self.period(wanted.start)
        after = {
            "per_day": self.per_day.get(day, 0) + 1,
            "per_week": self.per_week.get(week, 0) + 1,
            "minutes_per_day": self.minutes_per_day.get(day, 0) + wanted.minutes,
        }
        for name, amount in after.items():
            limit = limits.get(name)
            if limit is not None and amount > limit:
                return name
        return None
