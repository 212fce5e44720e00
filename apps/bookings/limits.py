"""Limits: how much of a service, of a practitioner or for one client fits into a local day, week or month (rules.md §1, step 7).

A limit counts occurrences: one class with ten attendees is one. Joining an occurrence that is already held is never limited.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

COUNTED = ("held", "pending", "confirmed", "checked_in", "completed", "no_show")
"""States of bookings that use up a limit; a hold that has lapsed does not."""


class Rule(NamedTuple):
    """What a limit adds up over which local period."""

    period: str
    in_minutes: bool


RULES = {
    "per_day": Rule("day", in_minutes=False),
    "per_week": Rule("week", in_minutes=False),
    "per_month": Rule("month", in_minutes=False),
    "minutes_per_day": Rule("day", in_minutes=True),
    "minutes_per_week": Rule("week", in_minutes=True),
    "minutes_per_month": Rule("month", in_minutes=True),
}
"""Every limit by its name, in the order in which they refuse. Weeks begin on Monday."""


@dataclass(frozen=True, slots=True)
class Held:
    """An occurrence: service, practitioner, start (epoch seconds) and length in minutes."""

    service_id: int
    practitioner_id: int
    start: int
    minutes: int


@dataclass(slots=True)
class Tally:
    """What is held already, by local day, week and month of one zone, beside the limits it is held against."""

    zone: ZoneInfo
    limits: Mapping[str, Any]
    sessions: Counter[tuple[str, Any]] = field(default_factory=Counter)
    minutes: Counter[tuple[str, Any]] = field(default_factory=Counter)
    held: set[Held] = field(default_factory=set)

    @classmethod
    def of(cls, zone: ZoneInfo, limits: Mapping[str, Any], occurrences: Iterable[Held]) -> "Tally":
        tally = cls(zone, limits)
        for one in occurrences:
            if one not in tally.held:
                tally.held.add(one)
                for period in tally.periods(one.start).items():
                    tally.sessions[period] += 1
                    tally.minutes[period] += one.minutes
        return tally

    def periods(self, start: int) -> dict[str, Any]:
        """The local day, ISO week and month of an instant."""
        day = datetime.fromtimestamp(start, self.zone).date()
        return {"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}

    def refusals(self, wanted: Held) -> Iterator[str]:
        """The names of the limits that one more occurrence would break."""
        if wanted in self.held:
            return
        periods = self.periods(wanted.start)
        for name, rule in RULES.items():
            limit = self.limits.get(name)
            if limit is None:
                continue
            period = (rule.period, periods[rule.period])
            after = self.minutes[period] + wanted.minutes if rule.in_minutes else self.sessions[period] + 1
            if after > limit:
                yield name


def has_limits(limits: Mapping[str, Any]) -> bool:
    """Whether any amount is set."""
    return any(limits.get(name) is not None for name in RULES)


def reach_days(*every: Mapping[str, Any]) -> int:
    """How many days around a start have to be counted for these limits."""
    monthly = any(limits.get(name) is not None for limits in every for name, rule in RULES.items() if rule.period == "month")
    return 33 if monthly else 8


__all__ = ["COUNTED", "RULES", "Held", "Rule", "Tally", "has_limits", "reach_days"]
