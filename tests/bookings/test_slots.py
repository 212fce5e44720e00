"""What decides about slots besides hours: season, horizon, holds, seats for clients, and the work shared between practitioners."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection

from apps.bookings.explain import explain
from apps.bookings.models import Booking
from apps.bookings.slots import add_working_days, find_slots, nearest_starts, offers_of, open_diary
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.scheduling import DateOverrideFactory, WeeklyHoursFactory
from tests.benchmarks.test_plans import sent
from tests.studio import MONDAY_TEN, NOW

BERLIN = ZoneInfo("Europe/Berlin")
WEEK, DAY_PART = timedelta(days=7), timedelta(minutes=15)


def find(studio, since=NOW, until=NOW + WEEK, at=NOW, **asked):
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk)
        return find_slots(account=studio.account, terms=terms, offers=offers, since=since, until=until, at=at, **asked)


def days(slots):
    return sorted({datetime.fromtimestamp(slot.start, BERLIN).date().isoformat() for slot in slots})


def update(studio, row, **values):
    with account_scope(studio.account):
        type(row).objects.filter(pk=row.pk).update(**values)


# -- season and horizon


@pytest.mark.parametrize(
    ("season", "offered"),
    [
        ((date(2026, 11, 25), None), ["2026-11-25", "2026-11-26", "2026-11-27"]),
        ((None, date(2026, 11, 24)), ["2026-11-23", "2026-11-24"]),
        ((date(2026, 11, 24), date(2026, 11, 24)), ["2026-11-24"]),
        ((date(2027, 1, 1), None), []),
    ],
)
def test_a_season_is_whole_days_with_both_ends(make_studio, season, offered):
    studio = make_studio(season_from=season[0], season_to=season[1])

    assert days(find(studio)) == offered


def test_a_season_is_of_the_account_wherever_the_practitioner_sits(make_studio):
    """From 24 November in Berlin: 23:00 UTC of the 23rd, 18:00 in New York."""
    studio = make_studio(season_from=date(2026, 11, 24))
    update(studio, studio.practitioner, timezone="America/New_York")
    with account_scope(studio.account):
        studio.practitioner.weekly_hours.update(start=time(9), end=time(20))

    assert find(studio)[0].start == int(datetime(2026, 11, 23, 23, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("at", "count", "end"),
    [
        ("2026-11-20T15:00", 1, "2026-11-23T15:00"),  # Friday to Monday
        ("2026-11-20T15:00", 5, "2026-11-27T15:00"),
        ("2026-11-18T15:00", 2, "2026-11-20T15:00"),
        ("2026-11-18T15:00", 3, "2026-11-23T15:00"),
        ("2026-11-21T09:00", 1, "2026-11-24T00:00"),  # a weekend counts nothing: all of Monday
        ("2026-11-22T23:00", 1, "2026-11-24T00:00"),
        ("2026-11-21T09:00", 5, "2026-11-28T00:00"),
        ("2026-11-23T00:00", 1, "2026-11-24T00:00"),
        ("2026-03-27T02:30", 1, "2026-03-30T02:30"),  # over the change of the clock
        ("2026-11-18T15:00", 3650, "2040-11-14T15:00"),
    ],
)
def test_working_days_are_counted_from_monday_to_friday(at, count, end):
    found = add_working_days(datetime.fromisoformat(at).replace(tzinfo=BERLIN), count, BERLIN)

    assert found.astimezone(BERLIN).isoformat(timespec="minutes")[:16] == end


def test_a_horizon_in_working_days(make_studio):
    studio = make_studio(horizon_days=3, horizon_in_working_days=True)

    assert days(find(studio)) == ["2026-11-23", "2026-11-24", "2026-11-25"]
    update(studio, studio.service, horizon_in_working_days=False)
    assert days(find(studio)) == ["2026-11-23"]


# -- holds


@pytest.mark.parametrize("capacity", [1, 2])
def test_a_lapsed_hold_neither_blocks_nor_takes_a_seat(make_studio, capacity):
    studio = make_studio(capacity=capacity)
    held = studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]
    update(studio, held, status="held", hold_expires_at=NOW + timedelta(minutes=15))

    def seats(at):
        return {slot.start: slot.seats_left for slot in find(studio, at=at)}.get(int(MONDAY_TEN.timestamp()), 0)

    assert seats(NOW) == capacity - 1
    assert seats(NOW + timedelta(minutes=15) - timedelta(microseconds=1)) == capacity - 1
    assert seats(NOW + timedelta(minutes=15)) == capacity


# -- seats


def test_clients_may_book_the_seats_that_are_for_them(make_studio):
    studio = make_studio(capacity=3, online_capacity=2)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    def seats(**asked):
        return [slot.seats_left for slot in find(studio, MONDAY_TEN, MONDAY_TEN + timedelta(hours=2), **asked)]

    assert (seats(), seats(online=True)) == ([2, 3], [1, 2])
    assert (seats(party=3), seats(party=2, online=True)) == ([3], [2])
    update(studio, studio.service, online_capacity=1)
    assert seats(online=True) == [1]
    update(studio, studio.service, online_capacity=0)
    assert seats(online=True) == []


def test_fewer_seats_than_are_taken_leave_none(make_studio):
    studio = make_studio(capacity=3)
    for number in range(3):
        sale = studio.sell(service=studio.service)
        with account_scope(studio.account):
            Booking.objects.filter(pk=sale.bookings[0].pk).update(
                attendee_name=f"Guest {number}",
                status="confirmed",
                practitioner=studio.practitioner,
                start_time=MONDAY_TEN,
                end_time=MONDAY_TEN + timedelta(hours=1),
                busy_from=MONDAY_TEN,
                busy_until=MONDAY_TEN + timedelta(hours=1),
                seat=number + 1,
                capacity=3,
            )
    update(studio, studio.service, capacity=2)

    assert int(MONDAY_TEN.timestamp()) not in [slot.start for slot in find(studio)]


def test_a_class_cannot_be_joined_while_something_else_takes_place(make_studio):
    """A staff override has put another session beside the class: its members are not the only ones in the way."""
    studio = make_studio(capacity=3)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)
    other = OfferingFactory(account=studio.account, practitioner=studio.practitioner).service
    beside = studio.sell(service=other).bookings[0]
    begins = MONDAY_TEN + timedelta(minutes=30)
    times = {"start_time": begins, "busy_from": begins, "end_time": begins + DAY_PART, "busy_until": begins + DAY_PART}
    assert [slot.seats_left for slot in find(studio, MONDAY_TEN, MONDAY_TEN + timedelta(seconds=1))] == [2]

    update(studio, beside, **times, status="confirmed", practitioner=studio.practitioner, seat=1, overlap_allowed=True, override_reason="x")

    assert find(studio, MONDAY_TEN, MONDAY_TEN + timedelta(seconds=1)) == []


def test_the_booking_that_is_moved_is_not_in_its_own_way(make_studio):
    studio = make_studio(slot_step_minutes=30)
    moved = studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN).bookings[0]
    half_past = int(MONDAY_TEN.timestamp()) + 1800

    assert half_past not in [slot.start for slot in find(studio)]
    assert half_past in [slot.start for slot in find(studio, except_booking=moved.pk)]


# -- ranges


def test_a_range_that_ends_at_midnight_knows_the_hours_behind_it(studio):
    """A session may begin before midnight in one window and end in the next day's; whoever asks about that start alone must see both."""
    for weekday, start, end in ((0, time(20), time(0)), (1, time(0), time(4))):
        WeeklyHoursFactory(account=studio.account, practitioner=studio.practitioner, weekday=weekday, start=start, end=end)
    update(studio, studio.service, slot_step_minutes=30)
    late = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)  # 23:30 local

    assert [slot.start for slot in find(studio, late, late + timedelta(seconds=1))] == [int(late.timestamp())]


def test_an_override_two_utc_days_before_the_range_counts(make_studio):
    """Sunday's 20:00 to 19:00 in New York is closed by an override; on Monday evening it is two dates ago in UTC."""
    studio = make_studio()
    update(studio, studio.practitioner, timezone="America/New_York")
    with account_scope(studio.account):
        studio.practitioner.weekly_hours.all().delete()
    WeeklyHoursFactory(account=studio.account, practitioner=studio.practitioner, weekday=6, start=time(23), end=time(22))
    asked = {"since": datetime(2026, 11, 24, 1, tzinfo=UTC), "until": datetime(2026, 11, 24, 2, tzinfo=UTC)}  # Monday from 20:00 local
    assert len(find(studio, **asked)) == 1

    DateOverrideFactory(account=studio.account, practitioner=studio.practitioner, date=date(2026, 11, 22))

    assert find(studio, **asked) == []


def test_practitioners_with_the_same_hours_share_candidates_but_not_bookings(studio):
    second = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
    for weekday in range(5):
        WeeklyHoursFactory(account=studio.account, practitioner=second.practitioner, weekday=weekday)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk)
        diary = open_diary(studio.account, terms, offers, NOW, NOW + WEEK, at=NOW)
        first, other = ([start for start, _ in diary.starts(offer, NOW)] for offer in offers)

    assert diary.candidates(offers[0]) is diary.candidates(offers[1])
    assert set(other) - set(first) == {int(MONDAY_TEN.timestamp())}


def test_the_same_hours_with_another_length_are_not_shared(studio):
    longer = OfferingFactory(account=studio.account, service=studio.service, duration_minutes=120)
    WeeklyHoursFactory(account=studio.account, practitioner=longer.practitioner)
    with account_scope(studio.account):
        studio.practitioner.weekly_hours.exclude(weekday=0).delete()
    found = find(studio)

    assert [s.end - s.start for s in found if s.practitioner_id == longer.practitioner_id] == [7200] * 4
    assert [s.end - s.start for s in found if s.practitioner_id == studio.practitioner.pk] == [3600] * 8


# -- traps


def test_the_practitioners_are_sent_as_bigint_and_no_other_type_enters_the_index(studio):
    """A plain list of small numbers is int4[] to the driver; comparing it with a bigint column reads the whole table (×50)."""
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk)
        with sent() as statements:
            open_diary(studio.account, terms, offers, NOW, NOW + WEEK)
        (busy,) = [(sql, values) for sql, values in statements if 'FROM "bookings_booking"' in sql]
        assert '"practitioner_id" = ANY (%s::bigint[])' in busy[0]
        # The trap itself; that the right type enters the index is shown at 100,000 rows (tests/benchmarks/test_plans.py).
        with connection.cursor() as cursor, psycopg.ClientCursor(connection.connection) as plain:
            cursor.execute("SET LOCAL enable_seqscan = off")
            trapped = busy[0].replace("::bigint[]", "::numeric[]")
            plan = " ".join(row[0] for row in plain.execute(f"EXPLAIN {trapped}", busy[1]).fetchall())
        entered = [part for part in plan.split("Filter:")[0].split("Index Cond:")[1:] if "practitioner_id" in part]
        assert entered == [], plan


def test_busy_times_are_instants_whatever_the_clock_on_the_wall_shows(studio):
    """The second 02:00 of 25 October 2026 is booked, not the first: as wall times the two would be one."""
    WeeklyHoursFactory(account=studio.account, practitioner=studio.practitioner, weekday=6, start=time(1), end=time(4))
    second = datetime(2026, 10, 25, 1, tzinfo=UTC)
    at = datetime(2026, 10, 20, tzinfo=UTC)
    studio.sell(practitioner=studio.practitioner, start_time=second, at=at)

    found = find(studio, datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 4, tzinfo=UTC), at)

    assert [datetime.fromtimestamp(slot.start, UTC).hour for slot in found] == [23, 0, 2]


# -- explaining


def test_explaining_says_everything_in_the_order_of_acceptance(make_studio):
    studio = make_studio(season_from=date(2027, 1, 1), horizon_days=1, limits={"per_day": 1}, capacity=2, slot_step_minutes=45)
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk)
        diary = open_diary(studio.account, terms, offers, MONDAY_TEN - WEEK, MONDAY_TEN + WEEK, at=NOW)
        wanted = MONDAY_TEN + timedelta(minutes=5)
        found = explain(diary, offers, wanted, NOW, party=3)

    assert [(reason.code, reason.rule) for reason in found] == [
        ("beyond_horizon", "horizon"),
        ("beyond_horizon", "season"),
        ("slot_taken", "seats"),
        ("outside_hours", "slot_step"),
    ]
    error = found[0].error(alternatives=[])
    assert (error.code, error.extras["rule"]) == ("beyond_horizon", "horizon")
    assert error.extras["bookable_before"] == (NOW + timedelta(days=1)).isoformat()


def test_nearest_starts_come_in_order_of_time(studio):
    found = nearest_starts(find(studio), MONDAY_TEN + timedelta(minutes=10), 3)

    assert [datetime.fromtimestamp(slot.start, UTC).hour for slot in found] == [8, 9, 10]
