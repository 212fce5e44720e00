"""How long a package may be used: local days, months that clamp, midnights that do not exist."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from apps.orders.validity import end_of, expires_at, last_day, last_valid_day, moved_by_days

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("activated", "amount", "unit", "last"),
    [
        (date(2027, 1, 31), 1, "months", date(2027, 2, 28)),
        (date(2028, 1, 31), 1, "months", date(2028, 2, 29)),  # a leap year
        (date(2027, 1, 31), 2, "months", date(2027, 3, 31)),  # clamped once, not on the way
        (date(2027, 10, 31), 13, "months", date(2028, 11, 30)),
        (date(2028, 2, 29), 1, "years", date(2029, 2, 28)),
        (date(2026, 12, 31), 1, "days", date(2027, 1, 1)),
        (date(2026, 12, 31), 2, "weeks", date(2027, 1, 14)),
    ],
)
def test_validity_is_counted_on_the_calendar(activated, amount, unit, last):
    assert last_day({"rule": "purchase", "amount": amount, "unit": unit}, activated) == last


@pytest.mark.parametrize(
    ("expiry", "last"), [({}, None), ({"rule": "purchase"}, None), ({"rule": "date", "date": "2027-03-01"}, date(2027, 3, 1))]
)
def test_without_an_amount_there_is_no_end_and_a_date_is_the_end(expiry, last):
    assert last_day(expiry, date(2026, 11, 21)) == last


def test_the_day_of_activation_is_the_accounts_own():
    late = datetime(2027, 1, 31, 23, 30, tzinfo=UTC)  # already 1 February in Berlin, still January in New York
    month = {"rule": "purchase", "amount": 1, "unit": "months"}

    assert expires_at(month, late, BERLIN) == datetime(2027, 3, 1, 23, 0, tzinfo=UTC)
    assert expires_at(month, late, ZoneInfo("America/New_York")) == datetime(2027, 3, 1, 5, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("Europe/Berlin", date(2027, 3, 27), datetime(2027, 3, 27, 23, tzinfo=UTC)),  # the night before the clocks change
        ("Europe/Berlin", date(2027, 3, 28), datetime(2027, 3, 28, 22, tzinfo=UTC)),  # a day of 23 hours
        ("America/Santiago", date(2026, 9, 5), datetime(2026, 9, 6, 4, tzinfo=UTC)),  # midnight is skipped: 01:00 local
        ("Africa/Cairo", date(2026, 4, 23), datetime(2026, 4, 23, 22, tzinfo=UTC)),  # midnight is skipped: 01:00 local
        ("America/Havana", date(2026, 10, 31), datetime(2026, 11, 1, 4, tzinfo=UTC)),  # midnight comes twice: the first one
        ("Asia/Kathmandu", date(2026, 5, 1), datetime(2026, 5, 1, 18, 15, tzinfo=UTC)),
    ],
)
def test_a_local_day_ends_with_the_first_moment_of_the_next(zone, day, end):
    assert end_of(day, ZoneInfo(zone)) == end
    assert last_valid_day(end, ZoneInfo(zone)) == day


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Santiago", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe"])
def test_an_end_moves_by_whole_local_days_there_and_back(zone):
    place = ZoneInfo(zone)
    start = end_of(date(2026, 3, 1), place)

    for days in range(400):
        moved = moved_by_days(start, days, place)
        assert last_valid_day(moved, place) == date.fromordinal(date(2026, 3, 1).toordinal() + days)
        assert moved_by_days(moved, -days, place) == start
