"""The life of a booking over HTTP: every state and action, versions, quotes, roles."""

from datetime import timedelta

import pytest
import time_machine

from apps.bookings.lifecycle import TRANSITIONS, allowed_actions
from apps.bookings.models import ACTIVE, Status
from factories.accounts import MembershipFactory, token_for
from tests.bookings.life import SOON, TUESDAY_TEN, book, bring, events_of, everything, money, row_of
from tests.conftest import ApiClient
from tests.studio import MONDAY_TEN, NOW

HOUR = timedelta(hours=1)
BY_PEOPLE = [action for action, one in TRANSITIONS.items() if one.by_people]
WHEN = {
    "check-in": MONDAY_TEN,
    "complete": MONDAY_TEN + HOUR,
    "no-show": MONDAY_TEN + HOUR,
    "undo-no-show": MONDAY_TEN + 2 * HOUR,
}
LATE_POLICY = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 50}, "session": "returned"},
    ],
    "grace": {"minutes": 0, "if_hours_away": 0},
}


@pytest.fixture
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def client_as(account, clock):
    """Members whose tokens outlive the week of the tests."""
    return lambda role: ApiClient(token_for(MembershipFactory(account=account, role=role).user, expiry=timedelta(days=30)))


@pytest.fixture
def owner(client_as):
    return client_as("owner")


def body_of(studio, action):
    if action in ("schedule", "hold"):
        return {"practitioner": studio.practitioner.pk, "start_time": TUESDAY_TEN.isoformat()}
    return {"start_time": TUESDAY_TEN.isoformat()} if action == "reschedule" else {}


def post(client, clock, booking, action, body=None, at=None, **headers):
    clock.move_to(at or WHEN.get(action.split("/")[0], SOON))
    return client.post(f"/api/bookings/{booking.pk}/{action}/", body or {}, **headers)


@pytest.mark.parametrize("action", BY_PEOPLE)
@pytest.mark.parametrize("status", Status.values)
def test_every_action_in_every_state(make_studio, account, owner, clock, status, action):
    studio = make_studio(account, requires_approval=True)
    booking = bring(studio, status)
    before, stored, events = everything(studio), row_of(studio, booking), len(events_of(studio, booking))

    answer = post(owner, clock, booking, action, body_of(studio, action))

    if status not in TRANSITIONS[action].sources:
        twice = action in ("schedule", "hold") and status in ACTIVE
        body = answer.json()
        assert (answer.status_code, body["error"]) == (409, "already_scheduled" if twice else "invalid_transition")
        assert body["allowed_actions"] == allowed_actions(status)
        assert everything(studio) == before
        return
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["status"] in TRANSITIONS[action].leads_to(Status(status))
    assert body["version"] == stored.version + 1
    assert body["allowed_actions"] == allowed_actions(body["status"])
    assert answer.headers["ETag"] == f'"{body["version"]}"'
    (event,) = events_of(studio, booking)[events:]
    assert event.source == "staff"
    assert event.actor_id is not None


@pytest.mark.parametrize("action", BY_PEOPLE)
def test_stale_versions_are_412_and_write_nothing(make_studio, account, owner, clock, action):
    studio = make_studio(account, requires_approval=True)
    booking = bring(studio, TRANSITIONS[action].sources[-1])
    before, version, body = everything(studio), booking.version, body_of(studio, action)

    for stale in ({"version": version + 1}, {"version": version + 7}):
        answer = post(owner, clock, booking, action, {**body, **stale})
        assert (answer.status_code, answer.json()["error"], answer.json()["version"]) == (412, "stale_version", version)
    for header in (f'"{version + 1}"', f'W/"{version + 1}"', '"nonsense"', str(version + 1)):
        answer = post(owner, clock, booking, action, body, headers={"If-Match": header})
        assert (answer.status_code, answer.json()["error"]) == (412, "stale_version")
    assert everything(studio) == before
    etag = owner.get(f"/api/bookings/{booking.pk}/").headers["ETag"]
    assert post(owner, clock, booking, action, body, headers={"If-Match": etag}).status_code == 200
    assert post(owner, clock, booking, action, body, headers={"If-Match": etag}).status_code == 412


def test_an_action_without_a_version_is_taken_as_it_comes(make_studio, account, owner, clock):
    studio = make_studio(account)
    booking = book(studio)

    assert post(owner, clock, booking, "cancel", headers={"If-Match": "*"}).status_code == 200


# -- quotes

QUOTED = {"cancel": {}, "reschedule": {"start_time": TUESDAY_TEN.isoformat()}, "no-show": {}}


@pytest.mark.parametrize("action", QUOTED)
def test_a_quote_is_kept_or_refused_with_a_new_one(make_studio, account, owner, clock, action):
    studio = make_studio(account, cancellation_policy=LATE_POLICY)
    booking, body = book(studio), QUOTED[action]
    at = MONDAY_TEN + HOUR if action == "no-show" else MONDAY_TEN - HOUR
    before = everything(studio)

    quote = post(owner, clock, booking, f"{action}/quote", body, at=at)
    assert quote.status_code == 200, quote.json()
    token = quote.json()["token"]
    forged = post(owner, clock, booking, action, {**body, "quote": token[:-2] + "xx"}, at=at)
    stale = post(owner, clock, booking, action, {**body, "quote": token}, at=at + timedelta(minutes=10))

    assert (forged.status_code, list(forged.json()["fields"])) == (400, ["quote"])
    assert (stale.status_code, stale.json()["error"]) == (409, "quote_stale")
    assert {**stale.json()["quote"], "token": "", "expires_at": ""} == {**quote.json(), "token": "", "expires_at": ""}
    assert everything(studio) == before
    renewed = stale.json()["quote"]["token"]
    assert post(owner, clock, booking, action, {**body, "quote": renewed}, at=at + timedelta(minutes=10)).status_code == 200
    assert money(studio, booking.order)["total"] == {"cancel": 2500, "reschedule": 7500, "no-show": 5000}[action]


# -- bad input


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("schedule", {"start_time": "2026-11-24T10:00:00"}, "start_time"),
        ("schedule", {"start_time": "tomorrow"}, "start_time"),
        ("schedule", {"practitioner": "nobody"}, "practitioner"),
        ("schedule", {"override": True}, "reason"),
        ("hold", {"minutes": 0}, "minutes"),
        ("hold", {"minutes": 61}, "minutes"),
        ("hold", {"minutes": 1.5}, "minutes"),
        ("cancel", {"waive": True}, "reason"),
        ("cancel", {"by": "system"}, "by"),
        ("cancel", {"version": 0}, "version"),
        ("cancel", {"reason": "x" * 501}, "reason"),
        ("no-show", {"waive": True}, "reason"),
        ("reschedule", {"by": "fate"}, "by"),
    ],
)
def test_bad_input_is_400_and_writes_nothing(make_studio, account, owner, clock, action, body, field):
    studio = make_studio(account)
    booking = bring(studio, TRANSITIONS[action].sources[-1])
    before = everything(studio)

    answer = post(owner, clock, booking, action, {**body_of(studio, action), **body})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert everything(studio) == before


def test_a_lapsed_hold_is_409_hold_expired(make_studio, account, owner, clock):
    studio = make_studio(account)
    held = bring(studio, "held")

    answer = post(owner, clock, held, "confirm", at=NOW + timedelta(minutes=15))

    assert (answer.status_code, answer.json()["error"]) == (409, "hold_expired")


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("manager", 200), ("front_desk", 200), ("practitioner", 403), ("accountant", 403)]
)
def test_who_may_waive_a_fee(make_studio, account, client_as, clock, role, status):
    studio = make_studio(account, cancellation_policy=LATE_POLICY)
    booking, client = book(studio), client_as(role)
    before = everything(studio)

    answer = post(client, clock, booking, "cancel", {"waive": True, "reason": "a kindness"}, at=MONDAY_TEN - HOUR)

    assert answer.status_code == status
    if status != 200:
        assert everything(studio) == before


def test_a_repeated_answer_has_the_etag_of_the_first(owner, clock, studio):
    booking = studio.draft()
    first, again = (
        post(owner, clock, booking, "schedule", body_of(studio, "schedule"), headers={"Idempotency-Key": "k"}) for _ in range(2)
    )

    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (200, 200, "true")
    assert again.headers["ETag"] == first.headers["ETag"] == f'"{first.json()["version"]}"'
