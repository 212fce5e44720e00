"""Who gives a session to a client who takes anybody."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.bookings.allocation import allocate
from apps.bookings.models import Booking
from apps.catalog.models import Offering, Practitioner
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.clients import ClientFactory
from factories.scheduling import WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW

THURSDAY = MONDAY_TEN + timedelta(days=3)


@pytest.fixture
def team(studio):
    """The studio's practitioner and two more with the same hours, by id."""
    others = [OfferingFactory(account=studio.account, service=studio.service).practitioner for _ in range(2)]
    for practitioner in others:
        for weekday in range(5):
            WeeklyHoursFactory(account=studio.account, practitioner=practitioner, weekday=weekday)
    return [studio.practitioner, *others]


def choose(studio, candidates, client=None, **options):
    with account_scope(studio.account):
        return allocate(
            studio.account.pk,
            service_id=studio.service.pk,
            client_id=(client or ClientFactory(account=studio.account)).pk,
            candidates=[practitioner.pk for practitioner in candidates],
            **{"start": THURSDAY, "at": NOW, **options},
        )


def book(studio, practitioner, start=MONDAY_TEN, client=None, **values):
    sale = studio.sell(service=studio.service, practitioner=practitioner, start_time=start, client=client or studio.client)
    with account_scope(studio.account):
        Booking.objects.filter(pk=sale.bookings[0].pk).update(**values) if values else None


def test_whoever_has_the_session_keeps_it(studio, team):
    book(studio, team[0])

    assert choose(studio, team, studio.client, keep=team[2].pk) == (team[2].pk, "same")
    assert choose(studio, team[:2], studio.client, keep=team[2].pk) == (team[0].pk, "previous")


def test_the_latest_practitioner_of_the_client_comes_next(studio, team):
    book(studio, team[1])
    book(studio, team[2], MONDAY_TEN + timedelta(days=1))

    assert choose(studio, team, studio.client) == (team[2].pk, "previous")
    assert choose(studio, team[:2], studio.client) == (team[1].pk, "previous")


@pytest.mark.parametrize(
    "values",
    [
        {"status": "cancelled"},
        {"status": "no_show"},
        {"status": "held", "hold_expires_at": NOW},
    ],
)
def test_a_session_that_did_not_take_place_ties_nobody(studio, team, values):
    book(studio, team[2], **values)

    assert choose(studio, team, studio.client)[1] == "load"


def test_the_lowest_load_of_the_week_wins_and_then_the_lowest_id(studio, team):
    assert choose(studio, team) == (team[0].pk, "load")

    book(studio, team[0])
    assert choose(studio, team) == (team[1].pk, "load")

    book(studio, team[1], MONDAY_TEN + timedelta(hours=1))
    book(studio, team[2], MONDAY_TEN + timedelta(hours=1), client=ClientFactory(account=studio.account))
    assert choose(studio, team[::-1]) == (team[0].pk, "load")

    book(studio, team[0], MONDAY_TEN + timedelta(hours=2))
    assert choose(studio, team) == (team[1].pk, "load")


def test_a_weight_is_a_share(studio, team):
    """Two hours at weight 2 are as much as one hour at weight 1."""
    with account_scope(studio.account):
        Offering.objects.filter(practitioner=team[0]).update(weight=2)
    for number in range(2):
        book(studio, team[0], MONDAY_TEN + timedelta(hours=number))
    book(studio, team[1])

    assert choose(studio, team[:2]) == (team[0].pk, "load")
    book(studio, team[0], MONDAY_TEN + timedelta(hours=3))
    assert choose(studio, team[:2]) == (team[1].pk, "load")


def test_only_the_local_week_counts_from_monday(studio, team):
    """Sunday 23:30 UTC is Monday in Berlin and still Sunday in New York."""
    sunday = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    for practitioner in team[:2]:
        WeeklyHoursFactory(account=studio.account, practitioner=practitioner, weekday=0, start="00:30", end="02:00")
    book(studio, team[0], sunday)
    assert choose(studio, team[:2]) == (team[1].pk, "load")

    with account_scope(studio.account):
        Practitioner.objects.filter(pk=team[0].pk).update(timezone="America/New_York")

    assert choose(studio, team[:2]) == (team[0].pk, "load")
    assert choose(studio, team[:2], start=THURSDAY + timedelta(days=7)) == (team[0].pk, "load")


def test_a_class_of_many_is_one_session(make_studio):
    studio = make_studio(capacity=3)
    second = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
    for weekday in range(5):
        WeeklyHoursFactory(account=studio.account, practitioner=second.practitioner, weekday=weekday)
    for _ in range(3):
        book(studio, studio.practitioner, client=ClientFactory(account=studio.account))
    for hour in range(2):
        book(studio, second.practitioner, MONDAY_TEN + timedelta(hours=hour))

    assert choose(studio, [studio.practitioner, second.practitioner]) == (studio.practitioner.pk, "load")


def test_two_statements_whatever_the_number(studio, team, statements):
    for number, practitioner in enumerate(team):
        book(studio, practitioner, MONDAY_TEN + timedelta(hours=number))
    client = ClientFactory(account=studio.account)

    with account_scope(studio.account), statements() as made:
        allocate(
            studio.account.pk,
            service_id=studio.service.pk,
            client_id=client.pk,
            candidates=[practitioner.pk for practitioner in team],
            start=THURSDAY,
            at=NOW,
        )

    assert len(made()) == 2, made()


def test_nobody_to_choose_from(studio):
    with pytest.raises(ValueError, match="nobody"):
        choose(studio, [])
