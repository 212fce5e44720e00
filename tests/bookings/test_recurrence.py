"""Rules on the wall, and what instants they mean (rules.md §8)."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from apps.bookings.recurrence import Rule, checked, is_shifted, moved, nominal_wall, to_instant, wall_of
from apps.core.errors import Invalid

LONDON, NEW_YORK, LORD_HOWE, SCORESBYSUND = (
    ZoneInfo(name) for name in ("Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Scoresbysund")
)


def at(*parts: int) -> datetime:
    return datetime(*parts)  # noqa: DTZ001  the clock on a wall


def days(rule: Rule, limit: int = 104) -> list[str]:
    return [wall.date().isoformat() for wall in rule.walls(limit)]


def test_tuesdays_at_seven_in_london_stay_at_seven_when_the_clocks_change():
    rule = Rule("weekly", at(2026, 10, 6, 19), count=5)

    instants = [to_instant(wall, LONDON) for wall in rule.walls()]

    assert instants == [datetime(2026, 10, day, 18, tzinfo=UTC) for day in (6, 13, 20)] + [
        datetime(2026, 10, 27, 19, tzinfo=UTC),
        datetime(2026, 11, 3, 19, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("daily", at(2026, 12, 30, 9), count=3), ["2026-12-30", "2026-12-31", "2027-01-01"]),
        (Rule("daily", at(2026, 12, 30, 9), every=10, count=3), ["2026-12-30", "2027-01-09", "2027-01-19"]),
        (Rule("weekly", at(2026, 11, 25, 9), weekdays=(0, 2), count=4), ["2026-11-25", "2026-11-30", "2026-12-02", "2026-12-07"]),
        # Every second week counts from the week of the first start, whatever weekday that is.
        (Rule("weekly", at(2026, 11, 25, 9), every=2, weekdays=(0, 2), count=4), ["2026-11-25", "2026-12-07", "2026-12-09", "2026-12-21"]),
        (Rule("weekly", at(2026, 11, 23, 9), until=date(2026, 12, 7)), ["2026-11-23", "2026-11-30", "2026-12-07"]),
        (Rule("weekly", at(2026, 11, 23, 9), until=date(2026, 12, 6)), ["2026-11-23", "2026-11-30"]),
        (Rule("monthly_by_date", at(2027, 1, 28, 9), month_end="last_day", count=3), ["2027-01-28", "2027-02-28", "2027-03-28"]),
        (Rule("monthly_by_date", at(2027, 1, 31, 9), count=4), ["2027-01-31", "2027-03-31", "2027-05-31", "2027-07-31"]),
        (
            Rule("monthly_by_date", at(2027, 1, 31, 9), month_end="last_day", count=4),
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"],
        ),
        (Rule("monthly_by_date", at(2028, 1, 29, 9), month_end="last_day", count=3), ["2028-01-29", "2028-02-29", "2028-03-29"]),
        (Rule("monthly_by_date", at(2027, 1, 30, 9), count=3), ["2027-01-30", "2027-03-30", "2027-04-30"]),
        (Rule("monthly_by_date", at(2027, 1, 31, 9), every=3, month_end="last_day", count=3), ["2027-01-31", "2027-04-30", "2027-07-31"]),
        (Rule("monthly_by_weekday", at(2026, 11, 10, 9), count=3), ["2026-11-10", "2026-12-08", "2027-01-12"]),  # second Tuesday
        (Rule("monthly_by_weekday", at(2026, 12, 29, 9), count=3), ["2026-12-29", "2027-03-30", "2027-06-29"]),  # fifth Tuesday
        (Rule("monthly_by_weekday", at(2026, 12, 29, 9), month_end="last_day", count=3), ["2026-12-29", "2027-01-26", "2027-02-23"]),
    ],
)
def test_rules_say_their_days(rule, expected):
    assert days(rule) == expected
    assert {wall.time() for wall in rule.walls()} == {time(9)}


def test_without_an_end_whoever_asks_says_how_many_and_never_more_than_104():
    rule = Rule("weekly", at(2026, 11, 23, 9))

    assert len(rule.walls(7)) == 7
    assert len(rule.walls()) == 104
    assert len(Rule("weekly", at(2026, 11, 23, 9), count=3).walls(7)) == 3


@pytest.mark.parametrize(
    ("zone", "wall", "instant", "shown", "shifted"),
    [
        (NEW_YORK, at(2026, 3, 8, 2, 30), datetime(2026, 3, 8, 7, 30, tzinfo=UTC), at(2026, 3, 8, 3, 30), True),
        (NEW_YORK, at(2026, 3, 8, 3, 30), datetime(2026, 3, 8, 7, 30, tzinfo=UTC), at(2026, 3, 8, 3, 30), False),
        (NEW_YORK, at(2026, 11, 1, 1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC), at(2026, 11, 1, 1, 30), False),
        (LORD_HOWE, at(2026, 10, 4, 2, 15), datetime(2026, 10, 3, 15, 45, tzinfo=UTC), at(2026, 10, 4, 2, 45), True),
        (LORD_HOWE, at(2026, 4, 5, 1, 45), datetime(2026, 4, 4, 14, 45, tzinfo=UTC), at(2026, 4, 5, 1, 45), False),
        (SCORESBYSUND, at(2026, 3, 28, 23, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC), at(2026, 3, 29, 0, 30), True),
    ],
)
def test_missing_times_move_forward_by_the_gap_and_of_two_the_first_counts(zone, wall, instant, shown, shifted):
    assert to_instant(wall, zone) == instant
    assert wall_of(instant, zone) == shown
    assert is_shifted(wall, zone) is shifted


@pytest.mark.parametrize(
    ("zone", "wall"),
    [
        (NEW_YORK, at(2026, 3, 8, 2, 30)),
        (NEW_YORK, at(2026, 11, 1, 1, 30)),
        (LORD_HOWE, at(2026, 10, 4, 2, 15)),
        (SCORESBYSUND, at(2026, 3, 28, 23, 30)),
        (LONDON, at(2026, 10, 27, 19)),
    ],
)
def test_the_rule_s_own_time_is_found_again_from_the_instant(zone, wall):
    assert nominal_wall(to_instant(wall, zone), wall.time(), zone) == wall


def test_an_instant_that_the_rule_does_not_know_keeps_what_the_clock_shows():
    assert nominal_wall(datetime(2026, 6, 1, 9, tzinfo=UTC), time(7), LONDON) == at(2026, 6, 1, 10)


@pytest.mark.parametrize(
    ("frequency", "reference", "target", "wall", "expected"),
    [
        ("weekly", at(2026, 11, 23, 9), at(2026, 11, 24, 11), at(2026, 11, 30, 9), at(2026, 12, 1, 11)),
        ("daily", at(2026, 11, 23, 9), at(2026, 11, 22, 8), at(2026, 12, 1, 9), at(2026, 11, 30, 8)),
        ("monthly_by_date", at(2027, 1, 31, 9), at(2027, 1, 31, 10), at(2027, 2, 28, 9), at(2027, 2, 28, 10)),
        ("monthly_by_date", at(2027, 1, 10, 9), at(2027, 1, 31, 9), at(2027, 2, 10, 9), at(2027, 2, 28, 9)),
        ("monthly_by_date", at(2027, 1, 31, 9), at(2027, 2, 1, 9), at(2027, 2, 28, 9), at(2027, 3, 1, 9)),
        ("monthly_by_date", at(2026, 11, 10, 9), at(2026, 10, 12, 9), at(2027, 1, 10, 9), at(2026, 12, 12, 9)),
        ("monthly_by_weekday", at(2026, 11, 10, 9), at(2026, 11, 12, 9), at(2026, 12, 8, 9), at(2026, 12, 10, 9)),  # 2nd Tue to 2nd Thu
        ("monthly_by_weekday", at(2026, 12, 8, 9), at(2026, 12, 30, 9), at(2027, 2, 9, 9), at(2027, 2, 24, 9)),  # no fifth: the last
    ],
)
def test_others_follow_a_moved_occurrence_on_the_wall(frequency, reference, target, wall, expected):
    assert moved(wall, reference, target, frequency) == expected


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"frequency": "yearly"}, "frequency"),
        ({"every": 0}, "every"),
        ({"every": 53}, "every"),
        ({"weekdays": (0, 7)}, "weekdays"),
        ({"weekdays": (-1, 0)}, "weekdays"),
        ({"weekdays": (1, 2)}, "weekdays"),  # the start is a Monday
        ({"frequency": "daily", "weekdays": (0,)}, "weekdays"),
        ({"count": 0}, "count"),
        ({"count": 105}, "count"),
        ({"count": 3, "until": date(2027, 1, 1)}, "until"),
        ({"until": date(2026, 11, 22)}, "until"),
        ({"frequency": "daily", "until": date(2027, 3, 7)}, "until"),  # the 105th day
    ],
)
def test_rules_that_cannot_be_meant_are_refused(change, field):
    with pytest.raises(Invalid) as refused:
        checked(Rule(**{"frequency": "weekly", "start": at(2026, 11, 23, 9), **change}))

    assert list(refused.value.fields) == [field]


@pytest.mark.parametrize(
    "change",
    [
        {"count": 104},
        {"frequency": "daily", "until": date(2027, 3, 6)},  # the 104th day
        {"until": date(2026, 11, 23)},
        {"weekdays": (2, 0, 0)},
    ],
)
def test_rules_at_the_edge_are_taken(change):
    rule = checked(Rule(**{"frequency": "weekly", "start": at(2026, 11, 23, 9), **change}))

    assert len(rule.walls()) == {"until": 1}.get(next(iter(change)), 104) if "frequency" not in change else 104
    assert rule.weekdays == ((0, 2) if "weekdays" in change else ())
