"""Reads somebody else's calendar: when it says busy, and nothing else.

What comes from outside may be made to hurt: rules that repeat for ever, nesting, megabytes of nothing. So it is read in a process of its
own (``python -m apps.scheduling.ical``, started by apps.scheduling.reader) with little memory, little time and no secrets; this module
knows neither Django nor the database.
"""

import json
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import recurring_ical_events
import x_wr_timezone
from icalendar import Calendar, Component
from recurring_ical_events import ComponentsWithName, Occurrence

from apps.scheduling.hours import local_to_instant, merge, to_epoch

MAX_MEMORY = 768 * 1024**2
MAX_SECONDS = 10
MAX_RANGES = 5_000
MAX_OCCURRENCES = 100_000
"""Before those that touch are made one."""
ONE_DAY = timedelta(days=1)
TOO_FAST = ("SECONDLY", "MINUTELY")

Span = tuple[int, int]
"""Epoch seconds, half-open."""


class Unusable(Exception):
    """The calendar as a whole cannot be used. ``code`` is short and safe to show."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Wanted:
    """In which zone whole days and times without a zone are meant, which range is asked for, and whose events are our own."""

    zone: ZoneInfo
    since: datetime
    until: datetime
    own_domain: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The busy ranges, sorted and apart from each other, and how many events could not be understood."""

    spans: list[Span]
    skipped: int


def read_busy(body: bytes, wanted: Wanted) -> Reading:
    """When a calendar is busy in the wanted range. Events that are free, cancelled or our own do not count. Raises Unusable."""
    if b"BEGIN:VCALENDAR" not in body[:10_000].upper():
        raise Unusable("not_a_calendar")
    try:
        calendars = [found for found in Calendar.from_ical(body, multiple=True) if found.name == "VCALENDAR"]
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise Unusable("not_a_calendar") from error
    if not calendars:
        raise Unusable("not_a_calendar")
    spans: list[Span] = []
    skipped = 0
    for calendar in calendars:
        for series in _series(calendar):
            try:
                for span in _spans(series, wanted):
                    spans.append(span)
                    if len(spans) > MAX_OCCURRENCES:
                        raise Unusable("too_many_events")
            except (Unusable, MemoryError):
                raise
            except Exception:  # whatever a library makes of an event that nobody understands
                skipped += 1
    apart = merge(_within(spans, wanted))
    if len(apart) > MAX_RANGES:
        raise Unusable("too_many_events")
    return Reading(apart, skipped)


def _series(calendar: Component) -> Iterator[list[Component]]:
    """The components that belong together: an event with its exceptions, by UID; busy times as they are published."""
    if "X-WR-TIMEZONE" in calendar:
        with suppress(ValueError, LookupError):  # a zone that nobody knows: times without one are the practitioner's
            calendar = x_wr_timezone.to_standard(calendar)
    by_uid: dict[str, list[Component]] = defaultdict(list)
    for position, component in enumerate(calendar.subcomponents):
        if component.name == "VFREEBUSY":
            yield [component]
        elif component.name == "VEVENT":
            by_uid[str(component.get("UID") or f"without {position}")].append(component)
    yield from by_uid.values()


def _spans(series: list[Component], wanted: Wanted) -> Iterator[Span]:
    first = series[0]
    if first.name == "VFREEBUSY":
        yield from _published(first, wanted.zone)
    elif str(first.get("UID", "")).endswith(f"@{wanted.own_domain}"):
        return  # a session that came back from a calendar which follows ours
    elif len(series) == 1 and not any(name in first for name in ("RRULE", "RDATE", "RECURRENCE-ID")):
        if _blocks(first):
            yield _single(first, wanted.zone)
    else:
        yield from _repeated(series, wanted)


def _repeated(series: list[Component], wanted: Wanted) -> Iterator[Span]:
    """The occurrences of a rule with its exceptions. A rule of seconds or minutes is nothing that people have in a calendar."""
    if any(freq.upper() in TOO_FAST for component in series for rule in _listed(component.get("RRULE")) for freq in rule.get("FREQ", ())):
        raise Unusable("too_complex")
    together = Calendar()
    for component in series:
        together.add_component(component)
    events = ComponentsWithName("VEVENT", occurrence=_Span)
    for start, end, component in recurring_ical_events.of(together, components=[events]).between(
        wanted.since - ONE_DAY, wanted.until + ONE_DAY
    ):
        if _blocks(component):
            begins, ends = _instant(start, wanted.zone), _instant(end, wanted.zone)
            # Every occurrence lasts as long as the first (RFC 5545, 3.8.5.3), which many calendars read as: ends at the same hour.
            lasts = int((end - start).total_seconds()) if isinstance(start, datetime) else 0
            yield begins, max(ends, begins + lasts)


class _Span(Occurrence):
    """An occurrence that is not copied into a whole event: its times and the event it comes from are enough."""

    def as_component(self, keep_recurrence_attributes: bool) -> Any:
        return self.start, self.end, self._adapter._component


def _single(event: Any, zone: ZoneInfo) -> Span:
    """An event that happens once. Days of its duration are days of the wall, hours are hours."""
    begins = _instant(event.start, zone)
    if "DTEND" in event or "DURATION" not in event or not isinstance(event.start, datetime):
        return begins, _instant(event.end, zone)
    days = timedelta(days=event["DURATION"].dt.days)
    return begins, _instant(event.start + days, zone) + int((event["DURATION"].dt - days).total_seconds())


def _blocks(event: Component) -> bool:
    """Whether an event takes its owner's time."""
    transparent = str(event.get("TRANSP", "")).upper() == "TRANSPARENT"
    return not transparent and str(event.get("STATUS", "")).upper() != "CANCELLED"


def _published(free_busy: Component, zone: ZoneInfo) -> Iterator[Span]:
    """The periods of a VFREEBUSY but those that say free."""
    for period in _listed(free_busy.get("FREEBUSY")):
        if str(period.params.get("FBTYPE", "BUSY")).upper() != "FREE":
            start, end = period.dt
            yield _instant(start, zone), _instant(start + end if isinstance(end, timedelta) else end, zone)


def _listed(value: Any) -> list[Any]:
    """A property that may come once, many times or not at all."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _instant(when: date, zone: ZoneInfo) -> int:
    """Epoch seconds. Days begin at the zone's midnight, and times without a zone are those of its wall."""
    if not isinstance(when, datetime):
        when = datetime.combine(when, time())
    if when.tzinfo is None:
        return to_epoch(local_to_instant(when, zone))
    return to_epoch(when)


def _within(spans: Iterable[Span], wanted: Wanted) -> Iterator[Span]:
    since, until = to_epoch(wanted.since), to_epoch(wanted.until)
    for start, end in spans:
        if start < end and start < until and end > since:
            yield max(start, since), min(end, until)


def main() -> None:
    """Standard input: one line of JSON that says what is wanted, then the calendar. Standard output: the answer as JSON."""
    for limit, value in ((resource.RLIMIT_AS, MAX_MEMORY), (resource.RLIMIT_CPU, MAX_SECONDS), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))
    asked = json.loads(sys.stdin.buffer.readline())
    since, until = (datetime.fromtimestamp(asked[name], UTC) for name in ("since", "until"))
    try:
        reading = read_busy(sys.stdin.buffer.read(), Wanted(ZoneInfo(asked["zone"]), since, until, asked["own_domain"]))
        answer: dict[str, Any] = {"spans": reading.spans, "skipped": reading.skipped}
    except Unusable as refusal:
        answer = {"error": refusal.code}
    except (MemoryError, RecursionError):
        answer = {"error": "too_complex"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
