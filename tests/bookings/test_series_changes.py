"""Changing a series: this occurrence, the following, or all that are to come (rules.md §8)."""

from datetime import date, datetime, time, timedelta

import pytest

from apps.bookings.errors import SeriesConflict, TooLate
from apps.bookings.models import Booking, BookingSeries
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.pauses import pause_order
from apps.bookings.services.scheduling import reschedule_booking
from apps.bookings.services.series import end_finished_series
from apps.core.errors import Invalid, InvalidTransition, QuoteStale
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.scheduling import WeeklyHoursFactory
from tests.bookings.recurring import HOUR, WEEK, again, change, change_quote, create, everything, occurrences, starts, statuses, take
from tests.studio import MONDAY_TEN, NOW


@pytest.fixture
def series(studio) -> BookingSeries:
    """Four Mondays at ten."""
    studio.sell()
    studio.sell()
    return create(studio, count=4)


def test_this_moves_one_and_detaches_it(studio, series):
    second = occurrences(series)[1]

    quote = change_quote(studio, series, scope="this", from_booking=second, start_time=second.start_time + HOUR)
    left = change(studio, series, scope="this", from_booking=second, start_time=second.start_time + HOUR, quote=quote["token"])

    assert left.pk == series.pk
    assert [(row["booking"], row["outcome"], row["planned_start"]) for row in quote["occurrences"]] == [
        (second.pk, "moved", "2026-11-30T11:00:00+01:00")
    ]
    assert [(one.start_time, one.original_start, one.is_detached) for one in occurrences(series)] == [
        (MONDAY_TEN, MONDAY_TEN, False),
        (MONDAY_TEN + WEEK + HOUR, MONDAY_TEN + WEEK, True),
        (MONDAY_TEN + 2 * WEEK, MONDAY_TEN + 2 * WEEK, False),
        (MONDAY_TEN + 3 * WEEK, MONDAY_TEN + 3 * WEEK, False),
    ]


def test_a_quote_of_a_change_changes_nothing_and_the_commit_does_the_same(studio, series):
    before = everything(studio)

    quote = change_quote(studio, series, start_time=MONDAY_TEN + timedelta(days=1))

    assert everything(studio) == before
    with account_scope(studio.account):
        assert not Event.objects.filter(type="booking.rescheduled").exists()
    change(studio, series, start_time=MONDAY_TEN + timedelta(days=1), quote=quote["token"])
    assert starts(series) == [datetime.fromisoformat(row["planned_start"]) for row in quote["occurrences"]]
    assert quote["totals"] == {
        "occurrences": 4,
        "planned": 4,
        "fee_cents": 0,
        "kept_cents": 0,
        "refund_cents": 0,
        "currency": "EUR",
    }


def test_all_moves_the_rule_in_place_when_nothing_stays_behind(studio, series):
    left = change(studio, series, start_time=MONDAY_TEN + timedelta(days=1, hours=2))

    assert left.pk == series.pk
    expected = [MONDAY_TEN + timedelta(days=1, hours=2) + n * WEEK for n in range(4)]
    assert [(one.start_time, one.original_start, one.is_detached) for one in occurrences(series)] == [(s, s, False) for s in expected]
    row = again(series)
    assert (row.start_wall, row.count, row.status) == ("2026-11-24T12:00:00", 4, "active")
    with account_scope(studio.account):
        assert Booking.objects.get(pk=occurrences(series)[0].pk).free_cancellation  # the business moved it


@pytest.mark.parametrize("weeks", [1, 2])
def test_all_may_move_onto_each_other_s_old_times(studio, series, weeks):
    change(studio, series, start_time=MONDAY_TEN + weeks * WEEK)
    assert starts(series) == [MONDAY_TEN + (n + weeks) * WEEK for n in range(4)]

    change(studio, series, start_time=MONDAY_TEN)  # and back
    assert starts(series) == [MONDAY_TEN + n * WEEK for n in range(4)]
    assert [one.original_start for one in occurrences(series)] == starts(series)


def test_all_moves_by_less_than_a_session_overlap_only_themselves(make_studio):
    studio = make_studio(slot_step_minutes=30)
    studio.sell()
    series = create(studio)

    change(studio, series, start_time=MONDAY_TEN + timedelta(minutes=30))

    assert starts(series) == [MONDAY_TEN + timedelta(minutes=30) + n * WEEK for n in range(3)]


def test_the_past_never_changes(studio, series):
    at = MONDAY_TEN + WEEK  # the second begins
    before = [(one.pk, one.start_time, one.version, one.original_start) for one in occurrences(series)[:2]]

    left = change(studio, series, start_time=MONDAY_TEN + 2 * WEEK + HOUR, at=at)

    assert [(one.pk, one.start_time, one.version, one.original_start) for one in occurrences(series)] == before
    assert starts(left) == [MONDAY_TEN + n * WEEK + HOUR for n in (2, 3)]
    assert (left.previous_id, left.count, again(series).count) == (series.pk, 2, 2)
    assert (again(series).status, left.status) == ("ended", "active")
    with pytest.raises(TooLate):
        change(studio, series, scope="this", from_booking=Booking(pk=before[1][0]), start_time=MONDAY_TEN + 9 * WEEK, at=at)
    with pytest.raises(InvalidTransition):
        change(studio, series, action="cancel", at=at)


def test_following_splits_the_series(studio, series):
    third = occurrences(series)[2]
    options = {"scope": "following", "from_booking": third, "start_time": third.start_time + timedelta(days=2)}

    left = change(studio, series, **options, quote=change_quote(studio, series, **options)["token"])

    assert starts(series) == [MONDAY_TEN, MONDAY_TEN + WEEK]
    assert starts(left) == [MONDAY_TEN + n * WEEK + timedelta(days=2) for n in (2, 3)]
    assert (again(series).count, again(series).status) == (2, "active")
    assert (left.previous_id, left.count, left.start_wall, left.client_id) == (series.pk, 2, "2026-12-09T10:00:00", series.client_id)
    with account_scope(studio.account):
        assert Event.objects.filter(type="series.created").last().changes == {"previous": [None, series.pk], "occurrences": [0, 2]}


def test_following_adapts_last_day_and_weekdays(studio):
    studio.sell()
    studio.sell()
    series = create(studio, count=None, until=date(2026, 12, 4), weekdays=(0, 2))
    third = occurrences(series)[2]

    left = change(studio, series, scope="following", from_booking=third, start_time=third.start_time + timedelta(days=1))

    assert (again(series).until, again(series).weekdays) == (date(2026, 11, 29), [0, 2])
    assert (left.until, left.weekdays, left.count) == (date(2026, 12, 5), [1, 3], None)


def test_changed_ones_are_kept_unless_asked_for(studio, series):
    second = occurrences(series)[1]
    with account_scope(studio.account):
        reschedule_booking(second, start_time=second.start_time + 3 * HOUR, by="provider", at=NOW)

    quote = change_quote(studio, series, start_time=MONDAY_TEN + HOUR)
    change(studio, series, start_time=MONDAY_TEN + HOUR)

    assert quote["kept"] == [second.pk]
    assert starts(series) == [
        MONDAY_TEN + HOUR,
        MONDAY_TEN + WEEK + 3 * HOUR,
        MONDAY_TEN + 2 * WEEK + HOUR,
        MONDAY_TEN + 3 * WEEK + HOUR,
    ]
    kept = occurrences(series)[1]
    assert (kept.is_detached, kept.original_start) == (True, MONDAY_TEN + WEEK + HOUR)

    change(studio, series, start_time=MONDAY_TEN, include_changed=True)

    assert starts(series) == [MONDAY_TEN + n * WEEK for n in range(4)]
    assert {one.is_detached for one in occurrences(series)} == {False}


def test_cancelled_ones_stay_cancelled(studio):
    for _ in range(3):
        studio.draft()
    series = create(studio)
    second = occurrences(series)[1]
    with account_scope(studio.account):
        cancel_booking(second, by="provider", at=NOW)

    left = change(studio, series, start_time=MONDAY_TEN + HOUR, include_changed=True)

    assert [(one.status, one.start_time) for one in occurrences(left)] == [
        ("confirmed", MONDAY_TEN + HOUR),
        ("cancelled", MONDAY_TEN + WEEK),
        ("confirmed", MONDAY_TEN + 2 * WEEK + HOUR),
    ]


def test_a_returned_session_leaves_the_series(studio, series):
    second = occurrences(series)[1]

    change(studio, series, action="cancel", scope="this", from_booking=second)

    assert starts(series) == [MONDAY_TEN + n * WEEK for n in (0, 2, 3)]
    with account_scope(studio.account):
        row = Booking.objects.get(pk=second.pk)
        assert (row.status, row.series_id, row.original_start) == ("draft", None, None)
    assert change_quote(studio, series, start_time=MONDAY_TEN + HOUR)["totals"]["planned"] == 3


def test_another_practitioner_takes_over(studio, series):
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    WeeklyHoursFactory(account=studio.account, practitioner=other, weekday=0, start=time(9), end=time(17))
    second = occurrences(series)[1]

    left = change(studio, series, scope="following", from_booking=second, practitioner=other)

    assert [one.practitioner_id for one in occurrences(series)] == [studio.practitioner.pk]
    assert [(one.practitioner_id, one.start_time) for one in occurrences(left)] == [(other.pk, MONDAY_TEN + n * WEEK) for n in (1, 2, 3)]
    assert left.practitioner_id == other.pk


def test_a_change_is_all_or_nothing_by_default(studio, series):
    take(studio, MONDAY_TEN + 2 * WEEK + HOUR)
    before = everything(studio)

    quote = change_quote(studio, series, start_time=MONDAY_TEN + HOUR)
    with pytest.raises(SeriesConflict) as refused:
        change(studio, series, start_time=MONDAY_TEN + HOUR)

    assert statuses(quote) == statuses(refused.value.extras) == ["ok", "ok", "conflict", "ok"]
    assert everything(studio) == before


def test_a_change_may_leave_behind_what_does_not_fit_or_put_it_near(studio, series):
    take(studio, MONDAY_TEN + 2 * WEEK + HOUR)

    change(studio, series, start_time=MONDAY_TEN + HOUR, policy="skip")
    assert starts(series) == [MONDAY_TEN + HOUR, MONDAY_TEN + WEEK + HOUR, MONDAY_TEN + 2 * WEEK, MONDAY_TEN + 3 * WEEK + HOUR]
    change(studio, series, start_time=MONDAY_TEN + 2 * HOUR)
    assert starts(series) == [MONDAY_TEN + n * WEEK + 2 * HOUR for n in range(4)]

    change(studio, series, start_time=MONDAY_TEN + HOUR, policy="nearest")
    assert starts(series) == [MONDAY_TEN + HOUR, MONDAY_TEN + WEEK + HOUR, MONDAY_TEN + 2 * WEEK, MONDAY_TEN + 3 * WEEK + HOUR]


def test_who_stays_behind_keeps_the_next_one_from_its_place(studio, series):
    take(studio, MONDAY_TEN + 4 * WEEK)

    quote = change_quote(studio, series, start_time=MONDAY_TEN + WEEK, policy="skip")

    # The last cannot move on, so nobody can.
    assert statuses(quote) == ["conflict"] * 4
    assert statuses(change_quote(studio, series, start_time=MONDAY_TEN + WEEK)) == ["ok", "ok", "ok", "conflict"]
    with pytest.raises(SeriesConflict):
        change(studio, series, start_time=MONDAY_TEN + WEEK, policy="skip")


def test_who_is_put_near_leaves_its_place_last_so_the_others_are_put_near_too(studio, series):
    take(studio, MONDAY_TEN + 4 * WEEK)

    change(studio, series, start_time=MONDAY_TEN + WEEK, policy="nearest")

    assert starts(series) == [MONDAY_TEN + n * WEEK - HOUR for n in (1, 2, 3, 4)]


def test_a_changed_one_makes_room_before_another_takes_its_time(studio, series):
    third = occurrences(series)[2]
    with account_scope(studio.account):
        reschedule_booking(third, start_time=MONDAY_TEN + 3 * WEEK + HOUR, by="provider", at=NOW)

    change(studio, series, start_time=MONDAY_TEN + HOUR, include_changed=True)

    assert starts(series) == [MONDAY_TEN + n * WEEK + HOUR for n in range(4)]


POLICY = {"tiers": [{"hours_before": 24 * 8, "fee": {"kind": "none"}, "session": "returned"}], "grace": {"minutes": 0, "if_hours_away": 0}}


def test_each_occurrence_is_cancelled_under_its_own_policy(make_studio):
    studio = make_studio(cancellation_policy=POLICY)
    sale = studio.sell()
    series = create(studio)
    at = NOW + timedelta(days=1)

    quote = change_quote(studio, series, action="cancel", by="client", at=at)
    change(studio, series, action="cancel", by="client", at=at, quote=quote["token"])

    # Monday in a day and the one in eight days and some hours: later than eight days' notice, and in time.
    assert [(row["outcome"], row["late"], row["kept_cents"]) for row in quote["occurrences"]] == [
        ("consumed", True, 3334),
        ("returned", False, 0),
        ("returned", False, 0),
    ]
    assert quote["totals"]["kept_cents"] == 3334
    with account_scope(studio.account):
        assert [Booking.objects.get(pk=booking.pk).status for booking in sale.bookings] == ["cancelled", "draft", "draft"]
    assert again(series).status == "ended"


def test_cancelling_the_following_ends_the_series_before_them(studio, series):
    third = occurrences(series)[2]

    left = change(studio, series, action="cancel", scope="following", from_booking=third)

    assert left.pk == series.pk
    assert starts(series) == [MONDAY_TEN, MONDAY_TEN + WEEK]
    assert (again(series).count, again(series).status) == (2, "active")


def test_a_late_move_by_the_client_costs_what_its_own_policy_says(make_studio):
    fee = {"kind": "percent", "value": 50}
    rules = {
        "tiers": [
            {"hours_before": 24 * 5, "fee": {"kind": "none"}, "session": "returned"},
            {"hours_before": 0, "fee": fee, "session": "returned"},
        ],
        "grace": {"minutes": 0, "if_hours_away": 0},
    }
    studio = make_studio(cancellation_policy=rules)
    studio.sell()
    series = create(studio)

    quote = change_quote(studio, series, start_time=MONDAY_TEN + HOUR, by="client")
    change(studio, series, start_time=MONDAY_TEN + HOUR, by="client", quote=quote["token"])

    assert [(row["late"], row["fee_cents"]) for row in quote["occurrences"]] == [(True, 1667), (False, 0), (False, 0)]
    assert [one.fee_cents for one in occurrences(series)] == [1667, 0, 0]
    with account_scope(studio.account):
        studio.account.settings = {"late_move": "refuse"}
        studio.account.save()
    refused = change_quote(studio, series, start_time=MONDAY_TEN + 2 * HOUR, by="client")
    assert [(row["status"], row["code"]) for row in refused["occurrences"]] == [("refused", "too_late"), ("ok", ""), ("ok", "")]


def test_a_quote_of_a_change_is_stale_when_an_occurrence_has_moved(studio, series):
    quote = change_quote(studio, series, start_time=MONDAY_TEN + HOUR)
    with account_scope(studio.account):
        reschedule_booking(occurrences(series)[3], start_time=MONDAY_TEN + 4 * WEEK, by="provider", at=NOW)

    with pytest.raises(QuoteStale):
        change(studio, series, start_time=MONDAY_TEN + HOUR, quote=quote["token"])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "start_time"),
        ({"scope": "this", "start_time": MONDAY_TEN}, "from_booking"),
        ({"scope": "following", "action": "cancel"}, "from_booking"),
        ({"action": "cancel", "waive": True}, "reason"),
        ({"start_time": MONDAY_TEN, "within_minutes": 0}, "within_minutes"),
    ],
)
def test_bad_changes_are_refused_with_the_field(studio, series, options, field):
    with pytest.raises(Invalid) as refused:
        change(studio, series, **options)

    assert list(refused.value.fields) == [field]


def test_a_booking_of_no_or_another_series_is_none_of_its_occurrences(studio, series):
    with pytest.raises(Invalid) as refused:
        change(studio, series, scope="this", action="cancel", from_booking=studio.draft())

    assert list(refused.value.fields) == ["from_booking"]


def test_series_without_an_occurrence_to_come_are_ended(studio, series):
    with account_scope(studio.account):
        assert end_finished_series(MONDAY_TEN + 2 * WEEK) == 0
        assert end_finished_series(MONDAY_TEN + 3 * WEEK) == 1
    assert again(series).status == "ended"


def test_a_pause_that_is_over_before_the_new_starts_is_in_nobodys_way(studio, series):
    """As with a single session: what counts is whether the package rests then, not whether it rests today."""
    first = occurrences(series)[0]
    with account_scope(studio.account):
        pause_order(first.order, first_day=NOW.date(), last_day=NOW.date(), reason="A weekend off", at=NOW)
        assert Booking.objects.select_related("order").get(pk=first.pk).order.status == "paused"

    quote = change_quote(studio, series, start_time=MONDAY_TEN + HOUR)
    change(studio, series, start_time=MONDAY_TEN + HOUR, quote=quote["token"])

    assert statuses(quote) == ["ok"] * 4
    assert starts(series) == [MONDAY_TEN + number * WEEK + HOUR for number in range(4)]
