"""Wall time to instants, weekly plans, overrides and interval arithmetic: the vectors of rules.md §1."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.scheduling.hours import (
    DayOverride,
    DayWindow,
    LocalTimeAmbiguous,
    LocalTimeMissing,
    WeeklyPlan,
    from_epoch,
    instant_from_wall,
    local_to_instant,
    merge,
    offset_spans,
    opening_windows,
    subtract,
    to_epoch,
    working_time,
)

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")

MONDAY = date(2026, 6, 1)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock(text: str) -> time:
    return time.fromisoformat(text)


def plan_for(day: date, start: str, end: str, **details) -> WeeklyPlan:
    return WeeklyPlan(day.weekday(), clock(start), clock(end), **details)


def override(day: date, *hours: tuple[str, str], adds: bool = False) -> DayOverride:
    return DayOverride(day, tuple(DayWindow(clock(start), clock(end)) for start, end in hours), adds)


def instants(windows) -> list[tuple[datetime, datetime]]:
    return [(window.start, window.end) for window in windows]


def on_one_day(day: date, zone: ZoneInfo, *hours: tuple[str, str]) -> list[tuple[datetime, datetime]]:
    return instants(opening_windows([plan_for(day, start, end) for start, end in hours], [], zone, day, day))


def hours_of(plans, overrides, first: date, last: date) -> list[tuple[str, str, str]]:
    """What is open, in UTC, where the wall clock and the instants read the same."""
    windows = opening_windows(plans, overrides, ZoneInfo("UTC"), first, last)
    return [(window.day.isoformat(), f"{window.start:%H:%M}", f"{window.end:%H:%M}") for window in windows]


# Boundaries become instants


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("America/New_York", "2026-03-08 01:59", "2026-03-08 06:59"),
        ("America/New_York", "2026-03-08 02:00", "2026-03-08 07:00"),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:00"),
        ("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00"),
        ("America/New_York", "2026-03-08 04:00", "2026-03-08 08:00"),
        ("America/New_York", "2026-11-01 00:59", "2026-11-01 04:59"),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30"),
        ("America/New_York", "2026-11-01 02:00", "2026-11-01 07:00"),
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30"),
        ("Australia/Lord_Howe", "2026-10-04 01:59", "2026-10-03 15:29"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30"),
        ("Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-03 15:30"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45"),
        ("America/Santiago", "2026-09-06 00:00", "2026-09-06 04:00"),
        ("America/Santiago", "2026-09-06 01:00", "2026-09-06 04:00"),
        ("Africa/Cairo", "2026-04-24 00:00", "2026-04-23 22:00"),
        ("Africa/Cairo", "2026-04-24 01:00", "2026-04-23 22:00"),
        ("Asia/Kathmandu", "2026-05-01 09:00", "2026-05-01 03:15"),
        ("Asia/Kathmandu", "1986-01-01 00:07", "1985-12-31 18:30"),
        ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30 10:00"),
        ("Africa/Monrovia", "1972-01-06 23:59:59", "1972-01-07 00:44:29"),
        ("Africa/Monrovia", "1972-01-07 00:20", "1972-01-07 00:44:30"),
        ("UTC", "2026-05-01 09:00", "2026-05-01 09:00"),
    ],
)
def test_boundary_in_a_gap_is_the_transition_and_in_a_fold_the_first_occurrence(zone, local, instant):
    assert local_to_instant(wall(local), ZoneInfo(zone)) == utc(instant)
    assert local_to_instant(wall(local).replace(fold=1), ZoneInfo(zone)) == utc(instant)
    assert local_to_instant(wall(local), ZoneInfo(zone)).tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("America/New_York", "2026-03-08 02:00"),
        ("America/New_York", "2026-03-08 02:59:59"),
        ("Australia/Lord_Howe", "2026-10-04 02:15"),
        ("America/Santiago", "2026-09-06 00:00"),
        ("Africa/Cairo", "2026-04-24 00:00"),
        ("Pacific/Apia", "2011-12-30 12:00"),
    ],
)
def test_wall_time_in_a_gap_is_refused_as_missing(zone, local):
    with pytest.raises(LocalTimeMissing):
        instant_from_wall(wall(local), ZoneInfo(zone))


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("America/New_York", "2026-11-01 01:00"),
        ("America/New_York", "2026-11-01 01:59:59"),
        ("Europe/Berlin", "2026-10-25 02:30"),
        ("Australia/Lord_Howe", "2026-04-05 01:45"),
        ("America/Santiago", "2026-04-04 23:30"),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_wall_time_in_a_fold_is_refused_as_ambiguous(zone, local, fold):
    with pytest.raises(LocalTimeAmbiguous):
        instant_from_wall(wall(local).replace(fold=fold), ZoneInfo(zone))


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00"),
        ("America/New_York", "2026-11-01 00:59:59", "2026-11-01 04:59:59"),
        ("America/New_York", "2026-11-01 02:00", "2026-11-01 07:00"),
        ("Asia/Kathmandu", "2026-05-01 09:00", "2026-05-01 03:15"),
        ("Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-03 15:30"),
    ],
)
def test_wall_time_that_happens_once_is_taken(zone, local, instant):
    assert instant_from_wall(wall(local), ZoneInfo(zone)) == utc(instant)


@pytest.mark.parametrize("convert", [local_to_instant, instant_from_wall])
def test_wall_time_carries_no_zone(convert):
    with pytest.raises(ValueError, match="carries no zone"):
        convert(utc("2026-05-01 09:00"), NEW_YORK)


def test_offset_spans_cut_at_each_change_of_a_long_range():
    start, spring, autumn, end = (
        to_epoch(utc(text)) for text in ("2026-01-01 00:00", "2026-03-29 01:00", "2026-10-25 01:00", "2026-12-31 00:00")
    )

    assert offset_spans(BERLIN, start, end) == [(start, spring, 3600), (spring, autumn, 7200), (autumn, end, 3600)]
    assert offset_spans(BERLIN, start, spring) == [(start, spring, 3600)]
    assert offset_spans(BERLIN, spring, spring) == []


@pytest.mark.parametrize("text", ["1969-12-31 23:59:58", "1970-01-01 00:00:00", "2026-05-01 09:00:01"])
def test_epoch_seconds_go_both_ways(text):
    assert from_epoch(to_epoch(utc(text))) == utc(text)
    assert to_epoch(utc(text) + timedelta(microseconds=999_999)) == to_epoch(utc(text))


# Windows across a change


def test_new_york_spring_window_is_two_hours_and_clamps():
    day = date(2026, 3, 8)

    assert on_one_day(day, NEW_YORK, ("01:00", "04:00")) == [(utc("2026-03-08 06:00"), utc("2026-03-08 08:00"))]
    assert on_one_day(day, NEW_YORK, ("01:00", "02:30")) == [(utc("2026-03-08 06:00"), utc("2026-03-08 07:00"))]
    assert on_one_day(day, NEW_YORK, ("13:00", "18:00")) == [(utc("2026-03-08 17:00"), utc("2026-03-08 22:00"))]
    assert on_one_day(day, NEW_YORK, ("02:10", "02:50")) == []


def test_new_york_autumn_window_is_four_hours_and_windows_tile():
    day = date(2026, 11, 1)

    assert on_one_day(day, NEW_YORK, ("01:00", "04:00")) == [(utc("2026-11-01 05:00"), utc("2026-11-01 09:00"))]
    assert on_one_day(day, NEW_YORK, ("00:00", "01:30"), ("01:30", "04:00")) == [
        (utc("2026-11-01 04:00"), utc("2026-11-01 05:30")),
        (utc("2026-11-01 05:30"), utc("2026-11-01 09:00")),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "opens"),
    [("America/Santiago", date(2026, 9, 6), "2026-09-06 04:00"), ("Africa/Cairo", date(2026, 4, 24), "2026-04-23 22:00")],
)
def test_day_without_a_midnight_starts_at_one(zone, day, opens):
    [(start, end)] = on_one_day(day, ZoneInfo(zone), ("00:00", "12:00"))

    assert start == utc(opens)
    assert start.astimezone(ZoneInfo(zone)).strftime("%d %H:%M") == day.strftime("%d 01:00")
    assert end - start == timedelta(hours=11)


def test_lord_howe_window_loses_half_an_hour():
    [(start, end)] = on_one_day(date(2026, 10, 4), LORD_HOWE, ("01:00", "05:00"))

    assert (start, end - start) == (utc("2026-10-03 14:30"), timedelta(hours=3, minutes=30))
    assert on_one_day(date(2026, 10, 4), LORD_HOWE, ("02:15", "05:00")) == [(utc("2026-10-03 15:30"), utc("2026-10-03 18:00"))]


def test_whole_skipped_day_has_no_window_and_the_night_before_is_cut():
    plans = [WeeklyPlan(weekday, clock("22:00"), clock("02:00")) for weekday in range(7)]

    windows = opening_windows(plans, [], APIA, date(2011, 12, 29), date(2011, 12, 31))

    assert [(window.day.day, window.start, window.end) for window in windows] == [
        (28, utc("2011-12-29 08:00"), utc("2011-12-29 12:00")),
        (29, utc("2011-12-30 08:00"), utc("2011-12-30 10:00")),
        (30, utc("2011-12-30 10:00"), utc("2011-12-30 12:00")),
        (31, utc("2011-12-31 08:00"), utc("2011-12-31 12:00")),
    ]


def test_window_keeps_its_nominal_start():
    [window] = opening_windows([plan_for(date(2026, 3, 8), "02:30", "05:00")], [], NEW_YORK, date(2026, 3, 8), date(2026, 3, 8))

    assert (window.day, window.wall_start, window.start) == (date(2026, 3, 8), wall("2026-03-08 02:30"), utc("2026-03-08 07:00"))


def test_window_past_midnight_across_the_spring_change():
    saturday = date(2026, 3, 7)

    assert on_one_day(saturday, NEW_YORK, ("22:00", "03:30")) == [(utc("2026-03-08 03:00"), utc("2026-03-08 07:30"))]


# Which rows are the day's plan


def test_window_of_the_day_before_belongs_to_the_range_when_it_passes_midnight():
    plans = [WeeklyPlan(0, clock("22:00"), clock("02:00")), WeeklyPlan(0, clock("08:00"), clock("12:00"))]
    plans.append(WeeklyPlan(0, clock("20:00"), clock("00:00")))

    assert hours_of(plans, [], MONDAY + timedelta(days=1), MONDAY + timedelta(days=1)) == [("2026-06-01", "22:00", "02:00")]
    assert hours_of(plans, [], MONDAY + timedelta(days=2), MONDAY + timedelta(days=6)) == []


def test_equal_start_and_end_is_a_whole_day():
    assert instants(opening_windows([plan_for(MONDAY, "08:00", "08:00")], [], ZoneInfo("UTC"), MONDAY, MONDAY)) == [
        (utc("2026-06-01 08:00"), utc("2026-06-02 08:00"))
    ]


def test_validity_includes_both_ends():
    plans = [WeeklyPlan(0, clock("09:00"), clock("10:00"), valid_from=date(2026, 6, 8), valid_to=date(2026, 6, 15))]

    assert [day for day, _, _ in hours_of(plans, [], MONDAY, date(2026, 6, 30))] == ["2026-06-08", "2026-06-15"]


def test_plan_that_starts_later_wins_whatever_the_priority():
    plans = [
        plan_for(MONDAY, "08:00", "12:00", priority=9),
        plan_for(MONDAY, "09:00", "12:00", valid_from=date(2026, 6, 1), priority=5),
        plan_for(MONDAY, "10:00", "12:00", valid_from=date(2026, 6, 8)),
    ]

    assert hours_of(plans, [], date(2026, 5, 25), date(2026, 6, 8)) == [
        ("2026-05-25", "08:00", "12:00"),
        ("2026-06-01", "09:00", "12:00"),
        ("2026-06-08", "10:00", "12:00"),
    ]


def test_priority_decides_between_equal_starts_and_all_rows_of_the_winner_count():
    plans = [
        plan_for(MONDAY, "08:00", "18:00"),
        plan_for(MONDAY, "09:00", "12:00", priority=1),
        plan_for(MONDAY, "13:00", "17:00", priority=1),
    ]

    assert hours_of(plans, [], MONDAY, MONDAY) == [("2026-06-01", "09:00", "12:00"), ("2026-06-01", "13:00", "17:00")]


def test_week_interval_counts_from_the_monday_of_its_anchor_in_both_directions():
    plans = [WeeklyPlan(4, clock("09:00"), clock("10:00"), every_weeks=3, anchor=date(2026, 6, 7))]

    assert [day for day, _, _ in hours_of(plans, [], date(2026, 5, 1), date(2026, 7, 31))] == [
        "2026-05-15",
        "2026-06-05",
        "2026-06-26",
        "2026-07-17",
    ]


def test_week_interval_without_anchor_counts_from_the_first_valid_day():
    plans = [WeeklyPlan(0, clock("09:00"), clock("10:00"), valid_from=date(2026, 6, 3), every_weeks=2)]

    assert [day for day, _, _ in hours_of(plans, [], MONDAY, date(2026, 6, 30))] == ["2026-06-15", "2026-06-29"]


def test_off_week_of_a_later_plan_leaves_the_earlier_plan():
    plans = [plan_for(MONDAY, "08:00", "12:00"), plan_for(MONDAY, "14:00", "18:00", valid_from=MONDAY, every_weeks=2, anchor=MONDAY)]

    assert hours_of(plans, [], MONDAY, date(2026, 6, 8)) == [("2026-06-01", "14:00", "18:00"), ("2026-06-08", "08:00", "12:00")]


@pytest.mark.parametrize("details", [{"weekday": 7}, {"weekday": -1}, {"weekday": 0, "every_weeks": 0}, {"weekday": 0, "every_weeks": 2}])
def test_plan_that_means_nothing_is_refused(details):
    with pytest.raises(ValueError, match="week"):
        WeeklyPlan(start=clock("09:00"), end=clock("10:00"), **details)


# Overrides


def test_override_replaces_the_day_empty_closes_it_and_extra_opening_adds():
    plans = [plan_for(MONDAY, "09:00", "12:00")]

    assert hours_of(plans, [override(MONDAY, ("15:00", "16:00"))], MONDAY, MONDAY) == [("2026-06-01", "15:00", "16:00")]
    assert hours_of(plans, [override(MONDAY)], MONDAY, MONDAY) == []
    assert hours_of(plans, [override(MONDAY, ("15:00", "16:00"), adds=True)], MONDAY, MONDAY) == [
        ("2026-06-01", "09:00", "12:00"),
        ("2026-06-01", "15:00", "16:00"),
    ]


@pytest.mark.parametrize("closed_first", [True, False])
def test_extra_opening_on_a_closed_day_is_all_there_is(closed_first):
    overrides = [override(MONDAY), override(MONDAY, ("15:00", "16:00"), adds=True)]

    found = hours_of([plan_for(MONDAY, "09:00", "12:00")], overrides if closed_first else overrides[::-1], MONDAY, MONDAY)

    assert found == [("2026-06-01", "15:00", "16:00")]


def test_override_past_midnight_and_closed_next_day_keep_the_night():
    tuesday = MONDAY + timedelta(days=1)
    plans = [plan_for(MONDAY, "09:00", "12:00"), plan_for(tuesday, "09:00", "12:00")]

    assert hours_of(plans, [override(MONDAY, ("22:00", "02:00")), override(tuesday)], tuesday, tuesday) == [
        ("2026-06-01", "22:00", "02:00")
    ]


def test_same_opening_twice_is_one_window():
    plans = [plan_for(MONDAY, "09:00", "12:00"), plan_for(MONDAY, "09:00", "12:00")]

    assert hours_of(plans, [override(MONDAY, ("09:00", "12:00"), adds=True)], MONDAY, MONDAY) == [("2026-06-01", "09:00", "12:00")]


# Intervals


def test_merge_joins_what_overlaps_or_touches():
    assert merge([(7, 9), (1, 3), (3, 4), (5, 5), (7, 8)]) == [(1, 4), (7, 9)]


@pytest.mark.parametrize(
    ("cuts", "left"),
    [
        ([], [(0, 10), (20, 30)]),
        ([(2, 4)], [(0, 2), (4, 10), (20, 30)]),
        ([(0, 10)], [(20, 30)]),
        ([(10, 20)], [(0, 10), (20, 30)]),
        ([(5, 25)], [(0, 5), (25, 30)]),
        ([(1, 9), (2, 3)], [(0, 1), (9, 10), (20, 30)]),
        ([(4, 4)], [(0, 10), (20, 30)]),
        ([(-5, 99)], []),
    ],
)
def test_subtract_leaves_what_no_cut_covers(cuts, left):
    assert subtract([(0, 10), (20, 30)], cuts) == left


INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))), max_size=12)


@settings(max_examples=200, deadline=None, database=None)
@given(INTERVALS, INTERVALS)
def test_interval_arithmetic_equals_sets_of_minutes(intervals, cuts):
    def minutes(pairs):
        return {minute for start, end in pairs for minute in range(start, end)}

    left = subtract(merge(intervals), cuts)

    assert minutes(merge(intervals)) == minutes(intervals)
    assert minutes(left) == minutes(intervals) - minutes(cuts)
    assert minutes(subtract(sorted(intervals), cuts)) == minutes(left)
    assert all(first[1] < second[0] for first, second in zip(merge(intervals), merge(intervals)[1:], strict=False))
    assert all(start < end for start, end in left)


def test_working_time_is_openings_minus_closures():
    windows = opening_windows([plan_for(MONDAY, "09:00", "12:00"), plan_for(MONDAY, "12:00", "17:00")], [], ZoneInfo("UTC"), MONDAY, MONDAY)

    assert working_time(windows) == [(utc("2026-06-01 09:00"), utc("2026-06-01 17:00"))]
    assert working_time(windows, [(utc("2026-06-01 11:00"), utc("2026-06-01 13:00"))]) == [
        (utc("2026-06-01 09:00"), utc("2026-06-01 11:00")),
        (utc("2026-06-01 13:00"), utc("2026-06-01 17:00")),
    ]
