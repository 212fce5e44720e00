"""waitlist/, waitlist-offers/ and waitlist/candidates/ over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from apps.bookings.models import Booking, WaitlistEntry, WaitlistOffer
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from factories.catalog import PractitionerFactory, ServiceFactory
from factories.clients import ClientFactory
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.usefixtures("_saturday")
WINDOW = {"first_day": "2026-11-23", "last_day": "2026-11-27"}


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def join(owner, studio):
    """Put a client (a new one by default) on the waitlist; the entry as it is answered."""

    def make(client=None, **body):
        client = client or ClientFactory(account=studio.account)
        window = {} if "start_time" in body else WINDOW
        response = owner.post("/api/waitlist/", {"client": client.pk, "service": studio.service.pk, **window, **body})
        assert response.status_code == 201, response.content
        return response.json()

    return make


@pytest.fixture
def offer(owner, studio):
    """Offer Monday at ten to an entry; the response."""

    def make(entry, start=MONDAY_TEN):
        body = {"practitioner": studio.practitioner.pk, "start_time": start.isoformat()}
        return owner.post(f"/api/waitlist/{entry['id']}/offer/", body)

    return make


def test_join_answers_the_entry_with_its_position(join, studio):
    client = ClientFactory(account=studio.account, full_name="Anna")
    first = join(client, weekdays=[4, 0], earliest="10:00", latest="12:30", note="by phone")
    second = join(priority=1)

    del first["created_at"], first["updated_at"]
    assert first == {
        "id": first["id"],
        "client": client.pk,
        "client_name": "Anna",
        "service": studio.service.pk,
        "service_name": studio.service.name,
        "practitioner": None,
        "practitioner_name": None,
        "order": None,
        "start_time": None,
        "first_day": "2026-11-23",
        "last_day": "2026-11-27",
        "weekdays": [0, 4],
        "earliest": "10:00",
        "latest": "12:30",
        "timezone": "Europe/Berlin",
        "party": 1,
        "notice_minutes": 0,
        "priority": 0,
        "auto_accept_hours": None,
        "status": "waiting",
        "lapses": 0,
        "position": 1,
        "expires_at": "2026-11-27T23:00:00Z",
        "note": "by phone",
        "allowed_actions": ["offer", "leave"],
        "offers": [],
    }
    assert second["position"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"first_day": None, "last_day": None}, "start_time"),
        ({"start_time": "2026-11-23T09:00:00Z"}, "start_time"),
        ({"start_time": "2026-11-23T09:00:00", "first_day": None, "last_day": None}, "start_time"),
        ({"start_time": "2026-11-21T07:59:00Z", "first_day": None, "last_day": None}, "start_time"),
        ({"last_day": None}, "last_day"),
        ({"first_day": None}, "first_day"),
        ({"last_day": "2026-11-22"}, "last_day"),
        ({"last_day": "2027-11-25"}, "last_day"),
        ({"first_day": "2026-11-19", "last_day": "2026-11-20"}, "last_day"),
        ({"weekdays": [7]}, "weekdays"),
        ({"weekdays": [1, 1]}, "weekdays"),
        ({"weekdays": "0"}, "weekdays"),
        ({"earliest": "12:00", "latest": "11:59"}, "latest"),
        ({"earliest": "24:00"}, "earliest"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"party": 0}, "party"),
        ({"party": 2}, "party"),  # the service has one seat
        ({"notice_minutes": -1}, "notice_minutes"),
        ({"priority": 40000}, "priority"),
        ({"auto_accept_hours": -1}, "auto_accept_hours"),
        ({"practitioner": "stranger"}, "service"),
        ({"service": "unoffered"}, "service"),
        ({"client": "archived"}, "client"),
        ({"order": "somebody else's"}, "order"),
    ],
)
def test_join_refuses_what_could_never_be_offered(owner, studio, change, field):
    rows = {
        "stranger": lambda: PractitionerFactory(account=studio.account),
        "unoffered": lambda: ServiceFactory(account=studio.account),
        "archived": lambda: ClientFactory(account=studio.account, stage="archived"),
        "somebody else's": lambda: studio.sell(client=ClientFactory(account=studio.account)).order,
    }
    change = {name: rows[value]().pk if name != "weekdays" and value in rows else value for name, value in change.items()}

    response = owner.post("/api/waitlist/", {"client": studio.client.pk, "service": studio.service.pk, **WINDOW, **change})

    assert (response.status_code, response.json()["error"]) == (400, "validation_error"), response.content
    assert next(iter(response.json()["fields"])).split(".")[0] == field
    with account_scope(studio.account):
        assert not WaitlistEntry.objects.exists()


def test_change_preferences_and_priority(owner, join):
    first, second = join(), join()

    changed = owner.patch(f"/api/waitlist/{second['id']}/", {"priority": 2, "start_time": "2026-11-24T09:00:00Z", "first_day": None})
    assert (changed.status_code, list(changed.json()["fields"])) == (400, ["start_time"])
    changed = owner.patch(
        f"/api/waitlist/{second['id']}/", {"priority": 2, "start_time": "2026-11-24T09:00:00Z", "first_day": None, "last_day": None}
    ).json()

    assert (changed["priority"], changed["position"], changed["expires_at"]) == (2, 1, "2026-11-24T09:00:00Z")
    assert owner.get(f"/api/waitlist/{first['id']}/").json()["position"] == 2
    refused = owner.patch(f"/api/waitlist/{first['id']}/", {"service": 1})
    assert (refused.status_code, refused.json()["error"]) == (400, "unknown_field")


def test_offer_and_accept(owner, join, offer, studio):
    entry = join()

    offered = offer(entry).json()
    (made,) = offered["offers"]
    assert (offered["status"], offered["allowed_actions"]) == ("offered", ["leave"])
    assert (made["status"], made["mode"], made["start_time"]) == ("open", "sequential", "2026-11-23T09:00:00Z")
    slots = owner.get(f"/api/slots/?service={studio.service.pk}&from=2026-11-23&to=2026-11-24").json()["slots"]
    assert "2026-11-23T10:00:00+01:00" not in [slot["start"] for slot in slots]

    accepted = owner.post(f"/api/waitlist-offers/{made['id']}/accept/", {"method": "bank_transfer"})
    assert accepted.status_code == 200
    assert (accepted.json()["status"], [b["status"] for b in accepted.json()["bookings"]]) == ("accepted", ["confirmed"])
    again = owner.post(f"/api/waitlist-offers/{made['id']}/accept/")
    assert (again.status_code, again.json()["error"], again.json()["status"]) == (409, "offer_closed", "accepted")
    with account_scope(studio.account):
        assert Payment.objects.get().method == "bank_transfer"
    assert owner.get(f"/api/waitlist/{entry['id']}/").json()["status"] == "booked"


def test_decline_cancels_what_was_sold_for_the_offer(owner, join, offer, studio):
    made = offer(join()).json()["offers"][0]

    declined = owner.post(f"/api/waitlist-offers/{made['id']}/decline/").json()

    assert (declined["status"], [b["status"] for b in declined["bookings"]], declined["allowed_actions"]) == ("declined", ["cancelled"], [])
    with account_scope(studio.account):
        assert Order.objects.get().status == "cancelled"


def test_offer_says_why_not(owner, join, offer, studio):
    first, second = join(), join()
    offer(first)

    assert (offer(first).status_code, offer(first).json()["error"]) == (409, "invalid_transition")
    taken = offer(second)
    assert (taken.status_code, taken.json()["error"], bool(taken.json()["alternatives"])) == (409, "slot_taken", True)
    with time_machine.travel(datetime(2026, 11, 22, 4, tzinfo=UTC), tick=True):
        quiet = offer(second, MONDAY_TEN + timedelta(hours=1))
    assert (quiet.status_code, quiet.json()["error"]) == (409, "quiet_hours")
    assert quiet.json()["possible_from"] == "2026-11-22T07:00:00+00:00"


def test_offer_accepts_an_idempotency_key(owner, join, studio):
    entry = join()
    body = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}

    answers = [owner.post(f"/api/waitlist/{entry['id']}/offer/", body, headers={"Idempotency-Key": "once"}) for _ in range(2)]

    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    with account_scope(studio.account):
        assert WaitlistOffer.objects.count() == 1


def test_leave_is_a_delete_that_keeps_the_entry(owner, join, offer, studio):
    entry = join()
    offer(entry)

    assert owner.delete(f"/api/waitlist/{entry['id']}/").status_code == 204
    assert owner.delete(f"/api/waitlist/{entry['id']}/").status_code == 409
    left = owner.get(f"/api/waitlist/{entry['id']}/").json()
    assert (left["status"], left["position"], left["allowed_actions"], left["offers"][0]["status"]) == ("left", None, [], "declined")
    with account_scope(studio.account):
        assert not Booking.objects.filter(status="held").exists()


def test_wake_is_for_those_who_sleep(owner, join, studio):
    entry = join()
    assert owner.post(f"/api/waitlist/{entry['id']}/wake/").status_code == 409
    with account_scope(studio.account):
        WaitlistEntry.objects.filter(pk=entry["id"]).update(status="sleeping", lapses=3)

    woken = owner.post(f"/api/waitlist/{entry['id']}/wake/").json()

    assert (woken["status"], woken["lapses"], woken["position"]) == ("waiting", 0, 1)


def test_lists_filter(owner, join, offer, studio):
    first, second = join(), join(practitioner=studio.practitioner.pk)
    offer(first)

    def ids(path):
        return [row["id"] for row in owner.get(path).json()["results"]]

    assert ids("/api/waitlist/?status=waiting") == [second["id"]]
    assert ids(f"/api/waitlist/?client={first['client']}") == [first["id"]]
    assert ids(f"/api/waitlist/?practitioner={studio.practitioner.pk}") == [second["id"]]
    assert ids(f"/api/waitlist/?service={studio.service.pk}") == [second["id"], first["id"]]
    assert len(ids(f"/api/waitlist-offers/?entry={first['id']}&status=open")) == 1
    assert ids(f"/api/waitlist-offers/?entry={second['id']}") == []


@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(owner, join, offer, statements, count):
    for number in range(count):
        offer(join(), MONDAY_TEN + timedelta(hours=number))

    for path, expected in (("/api/waitlist/", 4), ("/api/waitlist-offers/", 4)):
        with statements() as made:
            assert len(owner.get(path).json()["results"]) == count
            assert len(made()) == expected, made()


def test_candidates(owner, join, studio):
    entry = join()
    about = f"service={studio.service.pk}&practitioner={studio.practitioner.pk}&start_time=2026-11-23T09:00:00Z"

    answer = owner.get(f"/api/waitlist/candidates/?{about}").json()

    assert answer == {
        "bookable": True,
        "results": [
            {
                "kind": "waitlist",
                "client": entry["client"],
                "client_name": entry["client_name"],
                "entry": entry["id"],
                "priority": 0,
                "booking": None,
                "order": None,
                "expires_at": None,
                "days_left": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"service": None}, "validation_error", "service"),
        ({"service": "x"}, "validation_error", "service"),
        ({"practitioner": "0"}, "validation_error", "practitioner"),
        ({"start_time": "2026-11-23T09:00:00"}, "validation_error", "start_time"),
        ({"start_time": None}, "validation_error", "start_time"),
        ({"status": "waiting"}, "unknown_field", "status"),
    ],
)
def test_candidates_refuses_bad_parameters(owner, studio, change, code, field):
    query = {"service": studio.service.pk, "practitioner": studio.practitioner.pk, "start_time": "2026-11-23T09:00:00Z", **change}

    response = owner.get("/api/waitlist/candidates/", {name: value for name, value in query.items() if value is not None})

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, [field])


def test_candidates_reads_a_plus_sign_that_nobody_escaped(owner, join, studio):
    join()
    about = f"service={studio.service.pk}&practitioner={studio.practitioner.pk}&start_time=2026-11-23T10:00:00+01:00"

    answers = [owner.get(f"/api/waitlist/candidates/?{query}").json() for query in (about, about.replace("+", "%2B"))]

    assert answers[0] == answers[1]
    assert answers[0]["bookable"] is True


@pytest.mark.parametrize(("role", "reads", "writes"), [("front_desk", 200, 201), ("practitioner", 200, 201), ("bookkeeper", 200, 403)])
def test_who_may_do_what(client_as, studio, role, reads, writes):
    client = client_as(role)
    body = {"client": studio.client.pk, "service": studio.service.pk, **WINDOW}

    assert client.get("/api/waitlist/").status_code == reads
    assert client.post("/api/waitlist/", body).status_code == writes
