"""Limits of services, practitioners and clients by day, week and month (rules.md §1, step 7)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction

from apps.bookings.errors import LimitReached
from apps.bookings.limits import Held, Tally
from apps.bookings.models import Booking
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.slots import find_slots, offers_of
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.clients import ClientFactory
from factories.scheduling import WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW


def limit(studio, row, **limits):
    row.limits = limits
    with account_scope(studio.account):
        row.save()


def book(studio, start, practitioner=None, client=None):
    with account_scope(studio.account), transaction.atomic():
        booking = studio.sell(service=studio.service, client=client or studio.client).bookings[0]
        return schedule_booking(booking, practitioner=practitioner or studio.practitioner, start_time=start, at=NOW)


def days_offered(studio, practitioner=None, client_id=None):
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk, (practitioner or studio.practitioner).pk)
        until = MONDAY_TEN + timedelta(days=8)
        asked = {"since": NOW, "until": until, "at": NOW, "client_id": client_id}
        slots = find_slots(account=studio.account, terms=terms, offers=offers, **asked)
    midnight = int(MONDAY_TEN.timestamp()) - 10 * 3600
    return sorted({(slot.start - midnight) // 86400 for slot in slots})


@pytest.mark.parametrize("owner_of_limit", ["service", "practitioner"])
@pytest.mark.parametrize(
    ("limits", "open_days"),
    [
        ({"per_day": 2}, [0, 1, 2, 3, 4, 7, 8]),  # the half-full Monday stays open
        ({"per_day": 1}, [1, 2, 3, 4, 7, 8]),
        ({"per_week": 1}, [7, 8]),
        ({"minutes_per_day": 119}, [1, 2, 3, 4, 7, 8]),
        ({"minutes_per_day": 120}, [0, 1, 2, 3, 4, 7, 8]),
        ({"minutes_per_week": 119}, [7, 8]),
        ({"minutes_per_week": 120}, [0, 1, 2, 3, 4, 7, 8]),
        ({"per_month": 1}, [8]),  # Tuesday is the first of December
        ({"per_month": 2}, [0, 1, 2, 3, 4, 7, 8]),
        ({"minutes_per_month": 119}, [8]),
    ],
)
def test_limits_close_the_day_or_the_week(studio, owner_of_limit, limits, open_days):
    limit(studio, getattr(studio, owner_of_limit), **limits)
    book(studio, MONDAY_TEN + timedelta(hours=2))

    assert days_offered(studio) == open_days


def test_a_full_day_answers_limit_reached_with_the_rule(studio):
    limit(studio, studio.service, per_day=1)
    book(studio, MONDAY_TEN)

    with pytest.raises(LimitReached) as refused:
        book(studio, MONDAY_TEN + timedelta(hours=2))

    assert refused.value.extras["rule"] == "service.per_day"
    assert refused.value.extras["alternatives"][0]["start"].startswith("2026-11-24")


def test_a_service_limit_counts_over_all_practitioners_and_a_practitioner_limit_does_not(studio):
    second = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
    WeeklyHoursFactory(account=studio.account, practitioner=second.practitioner, weekday=0)
    limit(studio, studio.practitioner, per_day=1)
    book(studio, MONDAY_TEN)
    book(studio, MONDAY_TEN, second.practitioner)

    limit(studio, studio.service, per_day=2)

    with pytest.raises(LimitReached):
        book(studio, MONDAY_TEN + timedelta(hours=1), second.practitioner)


def test_sessions_that_took_place_count_and_cancelled_ones_do_not(studio):
    limit(studio, studio.service, per_day=1)
    booking = book(studio, MONDAY_TEN)
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(status="completed")
    with pytest.raises(LimitReached):
        book(studio, MONDAY_TEN + timedelta(hours=2))

    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(status="cancelled")

    book(studio, MONDAY_TEN + timedelta(hours=2))


def test_joining_a_group_is_not_one_more_occurrence(make_studio):
    studio = make_studio(capacity=3)
    limit(studio, studio.service, per_day=1)

    clients = [ClientFactory(account=studio.account) for _ in range(3)]

    assert [book(studio, MONDAY_TEN, client=client).seat for client in clients] == [1, 2, 3]


@pytest.mark.parametrize(
    ("limits", "open_days"),
    [
        ({"per_day": 1}, [1, 2, 3, 4, 7, 8]),
        ({"per_week": 1}, [7, 8]),
        ({"per_month": 1}, [8]),
        ({"minutes_per_week": 120}, [0, 1, 2, 3, 4, 7, 8]),
        ({}, [0, 1, 2, 3, 4, 7, 8]),
    ],
)
def test_limits_of_a_client_hold_for_each_client_alone(studio, limits, open_days):
    everything = [0, 1, 2, 3, 4, 7, 8]
    limit(studio, studio.service, client=limits)
    book(studio, MONDAY_TEN)

    assert days_offered(studio, client_id=studio.client.pk) == open_days
    assert days_offered(studio, client_id=ClientFactory(account=studio.account).pk) == everything
    assert days_offered(studio) == everything


def test_a_client_who_has_had_enough_is_told_so(studio):
    limit(studio, studio.service, client={"per_week": 1})
    book(studio, MONDAY_TEN)

    with pytest.raises(LimitReached) as refused:
        book(studio, MONDAY_TEN + timedelta(days=1))

    assert refused.value.extras["rule"] == "client.per_week"
    book(studio, MONDAY_TEN + timedelta(days=1), client=ClientFactory(account=studio.account))


@pytest.mark.parametrize(("lapses_after", "open_days"), [(0, [0, 1, 2, 3, 4, 7, 8]), (1, [1, 2, 3, 4, 7, 8])])
def test_a_hold_counts_until_it_lapses(studio, lapses_after, open_days):
    limit(studio, studio.service, per_day=1)
    booking = book(studio, MONDAY_TEN)
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(status="held", hold_expires_at=NOW + timedelta(seconds=lapses_after))

    assert days_offered(studio) == open_days


def test_months_are_those_of_the_account_for_the_service_and_of_the_zone_for_the_practitioner(studio):
    """31 December 23:30 in Berlin is still December there, and New Year in Kathmandu."""
    late = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
    held = [Held(1, 2, int(late.timestamp()), 60)]
    wanted = Held(1, 2, int(datetime(2027, 1, 5, tzinfo=UTC).timestamp()), 60)

    assert list(Tally.of(ZoneInfo("Europe/Berlin"), {"per_month": 1}, held).refusals(wanted)) == []
    assert list(Tally.of(ZoneInfo("Asia/Kathmandu"), {"per_month": 1}, held).refusals(wanted)) == ["per_month"]


def test_limits_cost_one_statement(studio, statements):
    limit(studio, studio.service, per_day=5, client={"per_day": 5})
    limit(studio, studio.practitioner, per_month=5)
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk)

        with statements() as made:
            find_slots(account=studio.account, terms=terms, offers=offers, since=NOW, until=MONDAY_TEN, at=NOW, client_id=studio.client.pk)

    assert len(made()) == 4, made()
