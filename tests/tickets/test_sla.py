"""Support hours, against a clock that looks at every minute."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.scheduling.hours import WeeklyPlan
from apps.tickets.sla import DEFAULT_HOURS, SupportCalendar, after_support_seconds, support_seconds

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
MINUTE = timedelta(minutes=1)
OFFICE = SupportCalendar(BERLIN)


def berlin(text: str) -> datetime:
    """An instant by Berlin's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def is_open(calendar: SupportCalendar, minute: datetime) -> bool:
    """Whether a minute is one of support, asked of the wall clock and the list of closures alone."""
    wall = minute.astimezone(calendar.zone)
    if any(start <= minute < end for start, end in calendar.closures):
        return False
    for plan in calendar.plans:
        if plan.end > plan.start and wall.weekday() == plan.weekday and plan.start <= wall.time() < plan.end:
            return True
        if plan.end <= plan.start:
            night = wall.weekday() == plan.weekday and wall.time() >= plan.start
            morning = wall.weekday() == (plan.weekday + 1) % 7 and wall.time() < plan.end
            if night or morning:
                return True
    return False


def scanned(calendar: SupportCalendar, since: datetime, until: datetime) -> int:
    """Open minutes from ``since`` to ``until``, one by one."""
    minutes = int((until - since) / MINUTE)
    return sum(is_open(calendar, since + n * MINUTE) for n in range(minutes))


@pytest.mark.parametrize(
    ("opened", "hours", "due"),
    [
        ("2026-11-20T16:30", 1, "2026-11-23T09:30"),  # a Friday
        ("2026-11-20T12:00", 5, "2026-11-20T17:00"),  # to the last minute of the day, not the next morning
        ("2026-11-21T12:00", 1, "2026-11-23T10:00"),  # a Saturday
        ("2026-11-23T09:00", 8, "2026-11-23T17:00"),
        ("2026-11-23T09:00", 72, "2026-12-03T17:00"),  # nine working days
        ("2026-10-23T16:00", 2, "2026-10-26T10:00"),  # the clock goes back on Sunday
        ("2026-03-27T16:00", 2, "2026-03-30T10:00"),  # and forward
    ],
)
def test_promises_count_working_hours(opened: str, hours: int, due: str) -> None:
    assert after_support_seconds(OFFICE, berlin(opened), hours * 3600) == berlin(due)


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 5), ("2026-03-29", 3), ("2026-11-01", 4)])
def test_a_night_on_which_the_clock_is_changed_is_as_long_as_it_is(day: str, hours: int) -> None:
    nights = SupportCalendar(BERLIN, (WeeklyPlan(6, time(0), time(4)),))
    midnight = berlin(f"{day}T00:00")

    assert support_seconds(nights, midnight, berlin(f"{day}T12:00")) == hours * 3600
    assert after_support_seconds(nights, midnight, hours * 3600) == berlin(f"{day}T04:00")


def test_closures_are_left_out() -> None:
    holiday = SupportCalendar(BERLIN, closures=((berlin("2026-12-25T00:00"), berlin("2026-12-28T00:00")),))

    assert after_support_seconds(holiday, berlin("2026-12-24T16:00"), 2 * 3600) == berlin("2026-12-28T10:00")
    assert after_support_seconds(OFFICE, berlin("2026-12-24T16:00"), 2 * 3600) == berlin("2026-12-25T10:00")


def test_without_hours_nothing_is_ever_due() -> None:
    always_closed = SupportCalendar(BERLIN, closures=((datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)),))

    assert after_support_seconds(always_closed, berlin("2026-11-20T10:00"), 60) is None
    assert after_support_seconds(always_closed, berlin("2026-11-20T10:00"), 0) == berlin("2026-11-20T10:00")


# Not from one to three: an end at 02:15 is the first of two on the night on which the clock shows it twice, and a minute cannot tell.
hours = st.sampled_from([0, *range(3, 24)])
plans = st.lists(
    st.tuples(st.integers(0, 6), hours, st.sampled_from([0, 30]), hours, st.sampled_from([0, 15])).map(
        lambda one: WeeklyPlan(one[0], time(one[1], one[2]), time(one[3], one[4]))
    ),
    min_size=1,
    max_size=5,
)
# Around the changes of both zones, where counting goes wrong if it does.
days = st.sampled_from([date(2026, 3, 6), date(2026, 3, 27), date(2026, 10, 23), date(2026, 10, 30), date(2026, 6, 1)])
moments = st.builds(lambda day, minutes: datetime.combine(day, time(), UTC) + minutes * MINUTE, days, st.integers(0, 4 * 24 * 60))


@settings(max_examples=60, deadline=None)
@given(
    plans=plans,
    since=moments,
    length=st.integers(0, 5 * 24 * 60),
    closed=st.lists(st.tuples(st.integers(-600, 7200), st.integers(1, 2000)), max_size=2),
    zone=st.sampled_from([BERLIN, NEW_YORK]),
)
def test_counting_agrees_with_looking_at_every_minute(
    plans: list[WeeklyPlan], since: datetime, length: int, closed: list[tuple[int, int]], zone: ZoneInfo
) -> None:
    closures = tuple((since + start * MINUTE, since + (start + minutes) * MINUTE) for start, minutes in closed)
    calendar = SupportCalendar(zone, tuple(plans), closures)
    until = since + length * MINUTE

    open_minutes = scanned(calendar, since, until)

    assert support_seconds(calendar, since, until) == open_minutes * 60
    due = after_support_seconds(calendar, since, open_minutes * 60)
    assert due is not None
    assert due <= until
    assert support_seconds(calendar, since, due) == open_minutes * 60
    if open_minutes:
        assert support_seconds(calendar, since, due - MINUTE) == (open_minutes - 1) * 60


def test_two_parts_add_up_to_the_whole() -> None:
    start, middle, end = berlin("2026-11-20T10:15"), berlin("2026-11-20T23:00"), berlin("2026-11-24T11:00")

    assert support_seconds(OFFICE, start, middle) + support_seconds(OFFICE, middle, end) == support_seconds(OFFICE, start, end)
    assert OFFICE.plans == DEFAULT_HOURS
