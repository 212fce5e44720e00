"""/api/customer/slots/: the starts that a client can book without asking anybody."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from apps.core.tenancy import account_scope
from factories.clients import ClientFactory
from tests.bookings.life import book
from tests.portal import BOOKINGS, act, become, in_force, sign_in
from tests.studio import MONDAY_TEN, NOW

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = "from=2026-11-23&to=2026-11-24"

pytestmark = pytest.mark.usefixtures("_saturday")


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def me(studio):
    return sign_in(become(studio))


def starts(client, query):
    response = client.get(f"/api/customer/slots/?{query}&{MONDAY}")
    assert response.status_code == 200, response.content
    return [slot["start"][11:16] for slot in response.json()["slots"]]


def test_slots_of_a_booking_leave_its_own_time_free(me, studio):
    mine = book(studio)
    book(studio, studio.draft(client=studio.other_client()), start=MONDAY_TEN + timedelta(hours=1))

    assert starts(me, f"booking={mine.pk}") == ["09:00", "10:00", "12:00", "13:00", "14:00", "15:00", "16:00"]
    assert starts(me, f"booking={studio.draft().pk}") == ["09:00", "12:00", "13:00", "14:00", "15:00", "16:00"]
    assert starts(me, f"account=berlin&service={studio.service.pk}") == ["09:00", "12:00", "13:00", "14:00", "15:00", "16:00"]
    assert starts(me, f"service={studio.service.pk}&practitioner={studio.practitioner.pk}&timezone=UTC")[0] == "08:00"


def test_slots_are_those_that_clients_may_take(me, studio):
    in_force(studio, capacity=3, online_capacity=1, limits={"client": {"per_day": 2}})
    book(studio, studio.draft(client=studio.other_client()))

    assert "10:00" not in starts(me, f"service={studio.service.pk}")
    assert len(starts(me, f"service={studio.service.pk}")) == 7
    for hour in (2, 3):
        book(studio, start=MONDAY_TEN + timedelta(hours=hour))
    assert starts(me, f"service={studio.service.pk}") == []


def test_every_slot_that_is_shown_can_be_booked_and_no_other(me, studio):
    in_force(studio, capacity=2, online_capacity=1, slot_step_minutes=30)
    book(studio, studio.draft(client=studio.other_client()))
    shown = {slot["start"] for slot in me.get(f"/api/customer/slots/?service={studio.service.pk}&{MONDAY}").json()["slots"]}

    taken = set()
    for step in range(-4, 18):
        start = (MONDAY_TEN + timedelta(minutes=30 * step)).isoformat()
        booking = studio.draft()
        if me.post(f"{BOOKINGS}{booking.pk}/schedule/", {"start_time": start}).status_code == 200:
            taken.add((MONDAY_TEN + timedelta(minutes=30 * step)).astimezone(BERLIN).isoformat())
            act(me, booking, "cancel")
    assert taken == shown
    assert len(shown) == 12


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("service=own&client=1", "client", "unknown_field"),
        ("service=own&explain=2026-11-23T09:00:00Z", "explain", "unknown_field"),
        ("service=own&nonsense=1", "nonsense", "unknown_field"),
        ("service=99999999", "service", "validation_error"),
        ("account=berlin", "service", "validation_error"),
        ("account=nowhere&service=own", "account", "validation_error"),
        ("booking=foreign", "booking", "validation_error"),
        ("booking=abc", "booking", "validation_error"),
        ("booking=%00", "booking", "validation_error"),
        ("booking=", "booking", "validation_error"),
        ("booking=mine&service=own", "service", "validation_error"),
    ],
)
def test_slots_refuse_what_is_not_theirs_to_ask(me, studio, query, field, code):
    foreign = studio.draft(client=studio.other_client())
    words = {"own": studio.service.pk, "foreign": foreign.pk, "mine": studio.draft().pk}
    for word, pk in words.items():
        query = query.replace(f"={word}", f"={pk}")

    response = me.get(f"/api/customer/slots/?{query}&{MONDAY}")

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, [field])


def test_slots_ask_a_client_of_several_which_account(me, studio, other_account):
    with account_scope(studio.account):
        customer = studio.client.customer
    ClientFactory(account=other_account, customer=customer)

    response = me.get(f"/api/customer/slots/?service={studio.service.pk}&{MONDAY}")

    assert (response.status_code, response.json()["fields"]) == (400, {"account": ["Choose one of your accounts by its slug."]})
    assert len(starts(me, f"account=berlin&service={studio.service.pk}")) == 8
