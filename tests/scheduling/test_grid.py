"""Candidate starts and padding: the vectors of rules.md §1, and every list again by walking through the minutes."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.scheduling.grid import candidate_seconds, candidate_starts, covering, free_of, free_seconds
from apps.scheduling.hours import DayOverride, DayWindow, WeeklyPlan, opening_windows, to_epoch, working_time

NEW_YORK = ZoneInfo("America/New_York")
PLAIN = ZoneInfo("UTC")
MONDAY = date(2026, 6, 1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def starts_on(day: date, zone: ZoneInfo, *hours: tuple[str, str], duration: int = 60, step: int = 60, cuts=()) -> list[datetime]:
    plans = [WeeklyPlan(day.weekday(), time.fromisoformat(start), time.fromisoformat(end)) for start, end in hours]
    windows = opening_windows(plans, [], zone, day, day)
    return candidate_starts(windows, working_time(windows, cuts), zone, duration, step)


def local(starts: list[datetime], zone: ZoneInfo) -> list[str]:
    return [start.astimezone(zone).strftime("%H:%M%z") for start in starts]


# The grid


def test_new_york_spring_skips_the_missing_hour():
    starts = starts_on(date(2026, 3, 8), NEW_YORK, ("01:00", "04:00"))

    assert starts == [utc("2026-03-08 06:00"), utc("2026-03-08 07:00")]
    assert local(starts, NEW_YORK) == ["01:00-0500", "03:00-0400"]


def test_new_york_autumn_offers_the_repeated_hour_twice():
    starts = starts_on(date(2026, 11, 1), NEW_YORK, ("01:00", "04:00"))

    assert starts == [utc(f"2026-11-01 {hour}:00") for hour in ("05", "06", "07", "08")]
    assert local(starts, NEW_YORK) == ["01:00-0400", "01:00-0500", "02:00-0500", "03:00-0500"]


def test_tiling_windows_are_one_working_time_with_two_grids():
    starts = starts_on(date(2026, 11, 1), NEW_YORK, ("00:00", "01:30"), ("01:30", "04:00"))

    assert local(starts, NEW_YORK) == ["00:00-0400", "01:00-0400", "01:30-0400", "01:30-0500", "02:30-0500"]


def test_grid_also_runs_backwards_from_a_nominal_start_inside_the_fold():
    starts = starts_on(date(2026, 11, 1), NEW_YORK, ("01:30", "03:00"), duration=30, step=30)

    assert local(starts, NEW_YORK) == ["01:30-0400", "01:00-0500", "01:30-0500", "02:00-0500", "02:30-0500"]


def test_grid_counts_from_the_nominal_start_inside_the_gap():
    starts = starts_on(date(2026, 3, 8), NEW_YORK, ("02:30", "06:00"))

    assert local(starts, NEW_YORK) == ["03:30-0400", "04:30-0400"]


def test_lord_howe_missing_half_hour_shifts_no_start_on_the_wall():
    zone = ZoneInfo("Australia/Lord_Howe")

    spring = starts_on(date(2026, 10, 4), zone, ("01:00", "05:00"))
    autumn = starts_on(date(2026, 4, 5), zone, ("01:00", "04:00"), duration=15, step=15)

    assert local(spring, zone) == ["01:00+1030", "03:00+1100", "04:00+1100"]
    assert local(autumn, zone)[2:9] == ["01:30+1100", "01:45+1100", "01:30+1030", "01:45+1030", "02:00+1030", "02:15+1030", "02:30+1030"]
    assert "02:15+1100" not in local(starts_on(date(2026, 10, 4), zone, ("01:00", "05:00"), duration=15, step=15), zone)


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [("America/Santiago", date(2026, 9, 6), "2026-09-06 04:00"), ("Africa/Cairo", date(2026, 4, 24), "2026-04-23 22:00")],
)
def test_missing_midnight_is_never_offered(zone, day, first):
    starts = starts_on(day, ZoneInfo(zone), ("00:00", "03:00"))

    assert starts[0] == utc(first)
    assert [text[:5] for text in local(starts, ZoneInfo(zone))] == ["01:00", "02:00"]


def test_kathmandu_nine_o_clock():
    assert starts_on(date(2026, 5, 1), ZoneInfo("Asia/Kathmandu"), ("09:00", "11:00")) == [utc("2026-05-01 03:15"), utc("2026-05-01 04:15")]


def test_window_past_midnight_keeps_its_grid():
    assert starts_on(MONDAY, PLAIN, ("22:45", "01:00"), duration=30, step=45) == [
        utc("2026-06-01 22:45"),
        utc("2026-06-01 23:30"),
        utc("2026-06-02 00:15"),
    ]


def test_cut_moves_no_start_off_the_grid_and_the_core_has_to_fit():
    starts = starts_on(MONDAY, PLAIN, ("09:00", "13:00"), duration=45, step=30, cuts=[(utc("2026-06-01 10:10"), utc("2026-06-01 11:10"))])

    assert [f"{start:%H:%M}" for start in starts] == ["09:00", "11:30", "12:00"]


def test_core_may_run_from_one_window_into_the_touching_one():
    assert [f"{start:%H:%M}" for start in starts_on(MONDAY, PLAIN, ("09:00", "10:30"), ("10:30", "12:00"))] == ["09:00", "10:00", "10:30"]


def test_overlapping_windows_give_sorted_unique_starts():
    starts = starts_on(MONDAY, PLAIN, ("09:00", "12:00"), ("10:00", "12:00"), ("10:20", "12:00"), duration=30)

    assert [f"{start:%H:%M}" for start in starts] == ["09:00", "10:00", "10:20", "11:00", "11:20"]


def test_historic_offset_with_seconds():
    zone = ZoneInfo("Africa/Monrovia")

    starts = starts_on(date(1972, 1, 6), zone, ("22:00", "02:00"))

    assert starts == [utc("1972-01-06 22:44:30"), utc("1972-01-06 23:44:30"), utc("1972-01-07 01:00")]


def test_no_window_has_no_start():
    assert candidate_starts([], [], PLAIN, 60, 15) == []
    assert starts_on(MONDAY, PLAIN, ("09:00", "09:59")) == []


@pytest.mark.parametrize(("duration", "step"), [(0, 15), (60, 0), (-5, 5)])
def test_duration_and_step_are_positive(duration, step):
    with pytest.raises(ValueError, match="at least one minute"):
        candidate_seconds([], [], PLAIN, duration, step)


def test_fraction_of_a_second_shrinks_working_time():
    tick = timedelta(microseconds=1)
    windows = opening_windows([WeeklyPlan(0, time(9), time(12))], [], PLAIN, MONDAY, MONDAY)

    starts = candidate_starts(windows, [(windows[0].start + tick, windows[0].end - tick)], PLAIN, 60, 60)

    assert starts == [utc("2026-06-01 10:00")]


# Padding


def test_padding_may_lie_outside_working_hours():
    starts = starts_on(MONDAY, PLAIN, ("09:00", "17:00"))

    assert free_of(starts, [], 0, 10, 60)[-1] == utc("2026-06-01 16:00")


def test_gap_between_neighbours_is_after_of_the_first_plus_before_of_the_second():
    """A booking from 14:00 to 14:30 with 15 before and 30 after is stored as 13:45 to 15:00."""
    busy = [(utc("2026-06-01 13:45"), utc("2026-06-01 15:00"))]
    starts = starts_on(MONDAY, PLAIN, ("09:00", "18:00"), duration=30, step=5)

    free = free_of(starts, busy, 15, 30, 30)

    assert min(start for start in free if start > utc("2026-06-01 14:00")) == utc("2026-06-01 15:15")
    assert max(start for start in free if start < utc("2026-06-01 14:00")) == utc("2026-06-01 12:45")  # ends 13:15


def test_padding_differs_by_service():
    busy = [(utc("2026-06-01 13:45"), utc("2026-06-01 15:00"))]
    starts = starts_on(MONDAY, PLAIN, ("09:00", "18:00"), duration=60, step=15)

    free = [f"{start:%H:%M}" for start in free_of(starts, busy, 0, 10, 60)]

    assert free[free.index("15:00") - 1] == "12:30"


def test_short_range_inside_a_long_one_frees_nothing():
    starts = [0, 3600, 7200, 10_800, 14_400]

    assert free_seconds(starts, [0, 1800, 3600], [3600, 3660, 10_800], 0, 0, 60) == [10_800, 14_400]


def test_touching_ranges_do_not_block_and_empty_ones_never_do():
    starts = [0, 3600, 7200]

    assert free_seconds(starts, [3600], [7200], 0, 0, 60) == [0, 7200]
    assert free_seconds(starts, [], [], 10, 10, 60) == starts
    empty = (utc("2026-06-01 13:45"), utc("2026-06-01 13:45"))
    assert free_of([empty[0]], [empty], 0, 0, 60) == [empty[0]]


def test_a_gap_of_exactly_one_padded_session_takes_one():
    starts = list(range(0, 10_801, 300))

    assert free_seconds(starts, [0, 7200], [3600, 10_800], 0, 0, 60) == [3600, 10_800]
    assert free_seconds(starts, [0, 7200], [3300, 10_800], 5, 0, 60) == [3600]
    assert free_seconds(starts, [0, 7200], [3600, 10_800], 0, 5, 60) == [10_800]


def test_covering_counts_the_ranges_that_a_padded_start_meets():
    since, until = [0, 3600, 5400], [3600, 7200, 9000]

    assert [covering(start, since, until, 0, 0, 60) for start in (0, 1800, 3600, 5400, 9000)] == [1, 2, 2, 2, 0]
    assert covering(9000, since, until, 1, 0, 60) == 1
    assert covering(-3600, since, until, 0, 1, 60) == 1


# Every list again, one UTC minute after the other

ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
]
MINUTE = timedelta(minutes=1)


@lru_cache
def days_of_change(name: str) -> list[date]:
    """UTC dates from 1980 to 2035 during which the zone's offset changes; an ordinary date if there is none."""
    noons = [datetime(1980, 1, 1, 12, tzinfo=UTC) + timedelta(days=number) for number in range(56 * 365)]
    offsets = [noon.astimezone(ZoneInfo(name)).utcoffset() for noon in noons]
    changes = [after.date() for (_, after), (old, new) in zip(pairwise(noons), pairwise(offsets), strict=True) if old != new]
    return changes or [MONDAY]


@lru_cache(maxsize=64)
def wall_minutes(name: str, first: date) -> list[tuple[datetime, datetime]]:
    """Nine days of (UTC minute, what the wall clock shows), beginning three days before the first one."""
    begin = datetime.combine(first - timedelta(days=3), time(), UTC)
    instants = [begin + minute * MINUTE for minute in range(9 * 1440)]
    return [(instant, instant.astimezone(ZoneInfo(name)).replace(tzinfo=None, fold=0)) for instant in instants]


def rows_of_the_day(plans: list[WeeklyPlan], overrides: list[DayOverride], day: date) -> list[tuple[time, time]]:
    rows = []
    for plan in plans:
        week_of_anchor = plan.anchor - timedelta(days=plan.anchor.weekday())
        weeks = (day - timedelta(days=day.weekday()) - week_of_anchor).days / 7
        if plan.weekday == day.weekday() and (plan.valid_from or day) <= day <= (plan.valid_to or day) and weeks % plan.every_weeks == 0:
            rows.append(plan)
    latest = max((row.valid_from.isoformat() if row.valid_from else "" for row in rows), default="")
    rows = [row for row in rows if (row.valid_from.isoformat() if row.valid_from else "") == latest]
    highest = max((row.priority for row in rows), default=0)
    hours = [(row.start, row.end) for row in rows if row.priority == highest]
    of_the_day = [override for override in overrides if override.date == day]
    if any(not override.adds for override in of_the_day):
        hours = []
    return hours + [(window.start, window.end) for override in of_the_day for window in override.windows]


def scan(name, plans, overrides, cuts, busy, first, last, duration, step, before, after) -> tuple[list[datetime], list[datetime]]:
    """The candidate starts and the free ones among them, found without any arithmetic on offsets or intervals."""
    minutes = wall_minutes(name, first)

    def index_of(wall: datetime) -> int:
        return next(index for index, (_, shown) in enumerate(minutes) if shown >= wall)

    def minutes_of(ranges) -> set[int]:
        return {minute for start, until in ranges for minute in range((start - minutes[0][0]) // MINUTE, (until - minutes[0][0]) // MINUTE)}

    range_opens = index_of(datetime.combine(first, time()))
    working, on_grid = set(), set()
    for number in range((last - first).days + 2):
        day = first + timedelta(days=number - 1)
        for start, end in rows_of_the_day(plans, overrides, day):
            nominal = datetime.combine(day, start)
            opens = index_of(nominal)
            closes = index_of(datetime.combine(day if start < end else day + timedelta(days=1), end))
            if day < first and closes <= range_opens:
                continue
            working.update(range(opens, closes))
            on_grid.update(index for index in range(opens, closes) if (minutes[index][1] - nominal) // MINUTE % step == 0)
    working -= minutes_of(cuts)
    taken = minutes_of(busy)
    starts = [index for index in sorted(on_grid) if all(index + passed in working for passed in range(duration))]
    free = [index for index in starts if not any(index + passed in taken for passed in range(-before, duration + after))]
    return [minutes[index][0] for index in starts], [minutes[index][0] for index in free]


@st.composite
def wall_times(draw) -> time:
    """Any time of the day, more often one of the hours in which clocks are changed."""
    minute = draw(st.one_of(st.integers(0, 1439), st.integers(0, 50).map(lambda five: five * 5), st.sampled_from([1380, 1410, 1435])))
    return time(minute // 60, minute % 60)


@st.composite
def ranges_around(draw, first: date, longest: int) -> tuple[datetime, datetime]:
    start = datetime.combine(first, time(), UTC) + draw(st.integers(-1440, 3 * 1440)) * MINUTE
    return start, start + draw(st.integers(0, longest)) * MINUTE


@pytest.mark.parametrize("name", ZONES)
@settings(max_examples=25, deadline=None, database=None)
@given(data=st.data())
def test_starts_equal_a_scan_of_every_minute(name, data):
    change = data.draw(st.sampled_from(days_of_change(name)), label="change")
    first = change + timedelta(days=data.draw(st.integers(-3, 1), label="shift"))
    last = first + timedelta(days=data.draw(st.integers(0, 2), label="days"))
    near = st.integers(-9, 9).map(lambda days: first + timedelta(days=days))
    plans = data.draw(
        st.lists(
            st.builds(
                WeeklyPlan,
                weekday=st.integers(-1, 2).map(lambda days: (first + timedelta(days=days)).weekday()),
                start=wall_times(),
                end=wall_times(),
                valid_from=st.none() | near,
                valid_to=st.none() | st.none() | near,
                every_weeks=st.sampled_from([1, 1, 1, 2, 3]),
                anchor=near,
                priority=st.sampled_from([0, 0, 1]),
            ),
            min_size=2,
            max_size=8,
        ),
        label="plans",
    )
    windows_of_a_day = st.lists(st.builds(DayWindow, wall_times(), wall_times()), max_size=2).map(tuple)
    days = st.integers(-1, 2).map(lambda number: first + timedelta(days=number))
    overrides = data.draw(st.lists(st.builds(DayOverride, days, windows_of_a_day, st.booleans()), max_size=2), label="overrides")
    cuts = data.draw(st.lists(ranges_around(first, 300), max_size=4), label="cuts")
    busy = sorted(data.draw(st.lists(ranges_around(first, 200), max_size=8), label="busy"))
    duration, step = data.draw(st.sampled_from([15, 30, 45, 60, 90]), label="duration"), data.draw(st.sampled_from([5, 7, 15, 30, 60, 90]))
    before, after = data.draw(st.sampled_from([0, 5, 20]), label="before"), data.draw(st.sampled_from([0, 10, 45]), label="after")

    zone = ZoneInfo(name)
    windows = opening_windows(plans, overrides, zone, first, last)
    working = working_time(windows, cuts)
    starts = candidate_starts(windows, working, zone, duration, step)
    free = free_of(starts, busy, before, after, duration)
    seconds = candidate_seconds(windows, [(to_epoch(start), to_epoch(end)) for start, end in working], zone, duration, step)
    taken = [(to_epoch(start), to_epoch(until)) for start, until in busy if start < until]
    begins, ends = sorted(start for start, _ in taken), sorted(until for _, until in taken)
    free_in_seconds = free_seconds(seconds, begins, ends, before, after, duration)
    alone = [start for start in seconds if covering(start, begins, ends, before, after, duration) == 0]

    expected, expected_free = scan(name, plans, overrides, cuts, busy, first, last, duration, step, before, after)
    assert starts == expected
    assert free == expected_free
    assert seconds == [to_epoch(start) for start in expected]
    assert free_in_seconds == [to_epoch(start) for start in expected_free]
    assert alone == free_in_seconds
