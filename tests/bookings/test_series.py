"""Creating a series: the quote and its commit (rules.md §8)."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import transaction

from apps.bookings.errors import NoSessionsLeft, SeriesConflict
from apps.bookings.models import Booking
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.series import quote_series
from apps.core.errors import Invalid, QuoteStale
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from factories.catalog import PractitionerFactory
from factories.clients import ClientFactory
from factories.orders import PackagePauseFactory
from factories.scheduling import TimeOffFactory, WeeklyHoursFactory
from tests.bookings.recurring import (
    HOUR,
    MONDAY_WALL,
    WEEK,
    again,
    create,
    everything,
    occurrences,
    quoted,
    starts,
    statuses,
    take,
    wish,
)
from tests.studio import MONDAY_TEN, NOW


def test_quote_says_per_occurrence_what_the_commit_does(studio):
    sale = studio.sell()

    quote = quoted(studio)
    before = everything(studio)
    series = create(studio, quote=quote["token"])

    ids = [booking.pk for booking in sale.bookings]
    assert before == [(pk, "draft", None, None, None, 1) for pk in ids]
    assert [row["booking"] for row in quote["occurrences"]] == ids
    assert quote["occurrences"][0] == {
        "original_start": "2026-11-23T10:00:00+01:00",
        "start_wall": "2026-11-23T10:00:00",
        "start": "2026-11-23T10:00:00+01:00",
        "status": "ok",
        "code": "",
        "shifted": False,
        "planned_start": "2026-11-23T10:00:00+01:00",
        "alternatives": [],
        "booking": ids[0],
    }
    assert quote["totals"] == {"occurrences": 3, "ok": 3, "planned": 3, "price_cents": 10000, "currency": "EUR"}
    made = occurrences(series)
    assert [(one.pk, one.status, one.start_time, one.original_start) for one in made] == [
        (pk, "confirmed", MONDAY_TEN + n * WEEK, MONDAY_TEN + n * WEEK) for n, pk in enumerate(ids)
    ]
    assert [datetime.fromisoformat(row["planned_start"]) for row in quote["occurrences"]] == [one.start_time for one in made]
    assert (series.start_wall, series.timezone, series.count, series.policy) == (
        "2026-11-23T10:00:00",
        "Europe/Berlin",
        3,
        "all_or_nothing",
    )
    with account_scope(studio.account):
        assert Event.objects.get(type="series.created").changes == {"occurrences": [0, 3], "left_out": [0, 0]}
        assert Event.objects.filter(type="booking.scheduled").count() == 3


def test_a_quote_of_another_world_is_stale_and_brings_the_new_one(studio):
    studio.sell()
    quote = quoted(studio)
    take(studio, MONDAY_TEN + WEEK)
    before = everything(studio)

    with pytest.raises(QuoteStale) as refused:
        create(studio, quote=quote["token"])

    assert statuses(refused.value.extras["quote"]) == ["ok", "conflict", "ok"]
    assert everything(studio) == before
    with pytest.raises(QuoteStale):  # ten minutes
        create(studio, quote=quoted(studio, policy="skip")["token"], policy="skip", at=NOW + timedelta(minutes=10))
    with pytest.raises(QuoteStale):  # another question
        create(studio, quote=quoted(studio, policy="skip")["token"], policy="nearest")


def test_all_or_nothing_writes_nothing_when_one_does_not_fit(studio):
    studio.sell()
    take(studio, MONDAY_TEN + WEEK)
    before = everything(studio)

    with pytest.raises(SeriesConflict) as refused:
        create(studio)

    assert statuses(refused.value.extras) == ["ok", "conflict", "ok"]
    assert refused.value.extras["occurrences"][1]["code"] == "slot_taken"
    assert [a["start"] for a in refused.value.extras["occurrences"][1]["alternatives"]] == [
        "2026-11-30T09:00:00+01:00",
        "2026-11-30T11:00:00+01:00",
        "2026-11-30T12:00:00+01:00",
    ]
    assert everything(studio) == before


def test_skip_leaves_out_what_does_not_fit_and_keeps_its_session(studio):
    sale = studio.sell()
    take(studio, MONDAY_TEN + WEEK)

    series = create(studio, policy="skip", quote=quoted(studio, policy="skip")["token"])

    assert [(one.pk, one.start_time) for one in occurrences(series)] == [
        (sale.bookings[0].pk, MONDAY_TEN),
        (sale.bookings[1].pk, MONDAY_TEN + 2 * WEEK),
    ]
    with account_scope(studio.account):
        assert Booking.objects.get(pk=sale.bookings[2].pk).status == "draft"


def test_skip_with_nothing_that_fits_books_nothing(studio):
    studio.sell()

    with pytest.raises(SeriesConflict):
        create(studio, policy="skip", start=datetime.fromisoformat("2026-11-22T10:00:00"))  # Sundays


def test_nearest_takes_the_nearest_bookable_start_and_keeps_the_key(studio):
    studio.sell()
    take(studio, MONDAY_TEN + WEEK)

    quote = quoted(studio, policy="nearest")
    series = create(studio, policy="nearest", quote=quote["token"])

    assert quote["occurrences"][1]["planned_start"] == "2026-11-30T09:00:00+01:00"
    assert [(one.start_time, one.original_start, one.is_detached) for one in occurrences(series)] == [
        (MONDAY_TEN, MONDAY_TEN, False),
        (MONDAY_TEN + WEEK - HOUR, MONDAY_TEN + WEEK, False),
        (MONDAY_TEN + 2 * WEEK, MONDAY_TEN + 2 * WEEK, False),
    ]


def test_nearest_goes_no_further_than_it_may(studio):
    studio.sell()
    take(studio, MONDAY_TEN + WEEK)

    with pytest.raises(SeriesConflict):
        create(studio, policy="nearest", within_minutes=59)
    assert len(occurrences(create(studio, policy="nearest", within_minutes=60))) == 3


def test_displaced_occurrences_do_not_take_the_time_of_the_others_nor_of_one_another(studio):
    studio.sell()
    TimeOffFactory(
        account=studio.account, practitioner=studio.practitioner, starts_at="2026-11-24T00:00:00+01:00", ends_at="2026-11-26T00:00:00+01:00"
    )

    # Daily from Monday: Tuesday and Wednesday are off, Monday and Thursday are taken by their own.
    series = create(studio, frequency="daily", policy="nearest", count=3)

    assert starts(series) == [MONDAY_TEN, MONDAY_TEN + 6 * HOUR, MONDAY_TEN + timedelta(days=2, hours=23)]


def test_occurrences_of_one_series_stand_in_each_other_s_way(make_studio):
    studio = make_studio(duration_minutes=25 * 60, slot_step_minutes=60)
    for weekday in range(7):
        WeeklyHoursFactory(
            account=studio.account, practitioner=studio.practitioner, weekday=weekday, start=time(0), end=time(0), priority=1
        )
    studio.sell()

    assert statuses(quoted(studio, frequency="daily")) == ["ok", "conflict", "ok"]


def test_sessions_are_used_up_in_their_order_and_the_rest_has_none(studio):
    late = studio.sell()
    soon = studio.sell()
    with account_scope(studio.account):
        Order.objects.filter(pk=soon.order.pk).update(expires_at=MONDAY_TEN + WEEK + HOUR)

    quote = quoted(studio, count=6)

    assert [row["booking"] for row in quote["occurrences"]] == [
        *(booking.pk for booking in soon.bookings[:2]),
        *(booking.pk for booking in late.bookings),
        None,
    ]
    assert statuses(quote) == ["ok"] * 5 + ["expired"]  # one is left, of the package that will have ended
    assert statuses(quoted(studio, count=4, order=late.order)) == ["ok", "ok", "ok", "no_session"]


def test_an_order_keeps_the_series_to_its_sessions_and_without_an_end_they_are_the_end(studio):
    first, second = studio.sell(), studio.sell()

    quote = quoted(studio, count=None, order=second.order)

    assert [row["booking"] for row in quote["occurrences"]] == [booking.pk for booking in second.bookings]
    assert len(quoted(studio, count=None)["occurrences"]) == 6
    assert first.order.pk != second.order.pk


def test_a_series_over_the_remaining_sessions_needs_one(studio):
    with pytest.raises(NoSessionsLeft):
        quoted(studio, count=None)


def test_a_rule_is_stored_in_order_and_read_again(studio):
    studio.sell()

    series = create(studio, weekdays=(2, 0, 0), until=date(2026, 12, 1), count=None)

    assert (again(series).weekdays, again(series).until) == ([0, 2], date(2026, 12, 1))
    assert starts(series) == [MONDAY_TEN, MONDAY_TEN + timedelta(days=2), MONDAY_TEN + WEEK]


def test_a_rule_that_began_long_ago_has_only_the_present_to_offer(studio):
    studio.sell()

    quote = quoted(studio, start=MONDAY_WALL - timedelta(days=7 * 52 * 100), count=1)

    assert (statuses(quote), quote["occurrences"][0]["alternatives"]) == (["notice"], [])


def test_every_reason_has_its_status(make_studio):
    studio = make_studio(quantity=8, min_notice_minutes=60 * 50, horizon_days=30, limits={"per_week": 1})
    sale = studio.sell()
    TimeOffFactory(
        account=studio.account, practitioner=studio.practitioner, starts_at="2026-12-07T00:00:00+01:00", ends_at="2026-12-08T00:00:00+01:00"
    )
    take(studio, MONDAY_TEN + WEEK)
    PackagePauseFactory(account=studio.account, order=sale.order, first_day=date(2026, 12, 14), last_day=date(2026, 12, 14))

    quote = quoted(studio, count=6, at=NOW)

    assert [(row["status"], row["code"]) for row in quote["occurrences"]] == [
        ("notice", "notice_too_short"),
        ("conflict", "slot_taken"),
        ("closed", "outside_hours"),
        ("paused", "package_paused"),
        ("horizon", "beyond_horizon"),
        ("horizon", "beyond_horizon"),
    ]
    assert statuses(quoted(studio, start=datetime.fromisoformat("2026-12-02T10:00:00"), weekdays=(2, 3), count=2)) == ["limit", "limit"]
    assert statuses(quoted(studio, start=datetime.fromisoformat("2026-12-09T10:00:00"), weekdays=(2, 3), count=2)) == ["ok", "limit"]
    assert statuses(quoted(studio, start=datetime.fromisoformat("2026-12-09T10:20:00"), count=1)) == ["closed"]


def test_a_validity_that_begins_with_the_first_session_limits_the_others(studio):
    with account_scope(studio.account):
        studio.package.expiry = {"rule": "first_scheduled", "amount": 10, "unit": "days", "date": None}
        studio.package.save()
    studio.sell()

    assert statuses(quoted(studio)) == ["ok", "ok", "expired"]
    assert len(occurrences(create(studio, policy="skip"))) == 2


def test_group_seats_are_shared_but_the_client_has_only_one(make_studio):
    studio = make_studio(capacity=2)
    studio.sell()
    take(studio, MONDAY_TEN)
    take(studio, MONDAY_TEN + WEEK)
    take(studio, MONDAY_TEN + WEEK)
    mine = studio.draft()
    with account_scope(studio.account):
        schedule_booking(mine, practitioner=studio.practitioner, start_time=MONDAY_TEN + 2 * WEEK, at=NOW)

    quote = quoted(studio)

    assert [(row["status"], row["code"]) for row in quote["occurrences"]] == [
        ("ok", ""),
        ("conflict", "slot_taken"),
        ("conflict", "already_booked"),
    ]


def test_the_clock_on_the_wall_counts_when_the_clocks_change(make_studio):
    studio = make_studio(quantity=5)
    studio.sell()

    series = create(studio, start=datetime.fromisoformat("2027-03-15T10:00:00"), count=3)

    assert starts(series) == [
        datetime(2027, 3, 15, 9, tzinfo=UTC),
        datetime(2027, 3, 22, 9, tzinfo=UTC),
        datetime(2027, 3, 29, 8, tzinfo=UTC),
    ]


def test_a_quote_takes_as_many_statements_for_104_as_for_one(make_studio, statements):
    studio = make_studio(quantity=104, horizon_days=None)
    studio.sell()
    counts = []

    for count in (1, 104):
        with account_scope(studio.account), transaction.atomic(), statements() as made:
            quote = quote_series(wish(studio, count=count), at=NOW)
        counts.append(len(made()))
        assert statuses(quote) == ["ok"] * count

    assert counts == [6, 6]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"within_minutes": 0}, "within_minutes"),
        ({"within_minutes": 10081}, "within_minutes"),
        ({"count": 105}, "count"),
        ({"weekdays": (1,)}, "weekdays"),
    ],
)
def test_bad_wishes_are_refused_with_the_field(studio, options, field):
    studio.sell()

    with pytest.raises(Invalid) as refused:
        quoted(studio, **options)

    assert list(refused.value.fields) == [field]


def test_the_order_must_be_the_client_s_and_the_practitioner_must_offer(studio):
    sale = studio.sell()

    with pytest.raises(Invalid) as refused:
        quoted(studio, order=sale.order, client=ClientFactory(account=studio.account))
    assert list(refused.value.fields) == ["order"]
    with pytest.raises(Invalid) as refused:
        create(studio, practitioner=PractitionerFactory(account=studio.account))
    assert list(refused.value.fields) == ["practitioner"]
