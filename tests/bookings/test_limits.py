"""Daily and weekly limits of services and practitioners (rules.md §1, step 7)."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps.bookings.errors import LimitReached
from apps.bookings.models import Booking
from apps.bookings.services import schedule_booking
from apps.bookings.slots import find_slots, offers_of
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.scheduling import WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW


def limit(studio, row, **limits):
    row.limits = limits
    with account_scope(studio.account):
        row.save()


def book(studio, start, practitioner=None):
    with account_scope(studio.account), transaction.atomic():
        booking = studio.draft()
        return schedule_booking(booking, practitioner=practitioner or studio.practitioner, start_time=start, at=NOW)


def days_offered(studio, practitioner=None):
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk, (practitioner or studio.practitioner).pk)
        until = MONDAY_TEN + timedelta(days=8)
        slots = find_slots(account=studio.account, terms=terms, offers=offers, since=NOW, until=until, at=NOW)
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

    assert [book(studio, MONDAY_TEN).seat for _ in range(3)] == [1, 2, 3]
