"""Occurrences at the staff door."""

from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import Role
from apps.bookings.models import Booking
from apps.core.tenancy import account_scope
from factories.catalog import PractitionerFactory
from factories.clients import ClientFactory
from tests.studio import MONDAY_TEN, NOW, open_studio

URL = "/api/occurrences/"
WEEK = {"from": "2026-11-23", "to": "2026-11-30"}
HALF_PAST = MONDAY_TEN + timedelta(minutes=30)


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def group(account):
    """Classes of six, an hour long, every half hour, for at least two."""
    return open_studio(account, capacity=6, slot_step_minutes=30, min_attendees=2)


def draft(studio, client=None):
    return studio.sell(service=studio.service, client=client or ClientFactory(account=studio.account)).bookings[0]


def schedule(api, studio, booking=None, start=MONDAY_TEN, **body):
    booking = booking or draft(studio)
    return api.post(
        f"/api/bookings/{booking.pk}/schedule/", {"practitioner": studio.practitioner.pk, "start_time": start.isoformat(), **body}
    )


def join(api, studio, booking=None, **options):
    response = schedule(api, studio, booking, **options)
    assert response.status_code == 200, response.content
    return response.json()


def about(studio, start=MONDAY_TEN, **body):
    return {"service": studio.service.pk, "practitioner": studio.practitioner.pk, "start_time": start.isoformat(), **body}


def test_list_shows_who_comes_in_the_accounts_zone(owner, group):
    client = ClientFactory(account=group.account, full_name="Ada Lovelace")
    first = join(owner, group, draft(group, client))
    guest = join(owner, group, draft(group, client), attendee_name="Her sister")

    response = owner.get(URL, WEEK)

    common = {"client": client.pk, "client_name": "Ada Lovelace", "status": "confirmed", "payment_status": "unpaid"}
    assert (response.status_code, response.json()) == (
        200,
        {
            "timezone": "Europe/Berlin",
            "occurrences": [
                {
                    "service": group.service.pk,
                    "service_name": group.service.name,
                    "practitioner": group.practitioner.pk,
                    "practitioner_name": group.practitioner.display_name,
                    "start_time": "2026-11-23T10:00:00+01:00",
                    "end_time": "2026-11-23T11:00:00+01:00",
                    "capacity": 6,
                    "taken": 2,
                    "held": 0,
                    "seats_left": 4,
                    "oversold": 0,
                    "minimum": 2,
                    "below_minimum": False,
                    "decided_at": "2026-11-22T10:00:00+01:00",
                    "bookings": [
                        {"id": first["id"], **common, "attendee_name": "", "seat": 1},
                        {"id": guest["id"], **common, "attendee_name": "Her sister", "seat": 2},
                    ],
                }
            ],
        },
    )


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_a_fixed_number_of_statements(owner, group, statements, count):
    for hour in range(count):
        for _ in range(count):
            join(owner, group, start=MONDAY_TEN + timedelta(hours=hour))

    with statements() as made:
        found = owner.get(URL, WEEK).json()["occurrences"]

    assert [len(one["bookings"]) for one in found] == [count] * count
    assert len(made()) == 3  # token, membership, occurrences


def test_days_are_local_and_the_last_is_exclusive(owner, group):
    join(owner, group)
    other = PractitionerFactory(account=group.account)

    def starts(**query):
        return [one["start_time"] for one in owner.get(URL, {**WEEK, **query}).json()["occurrences"]]

    assert len(starts()) == 1
    assert starts(to="2026-11-24") == ["2026-11-23T10:00:00+01:00"]
    assert starts(**{"from": "2026-11-22", "to": "2026-11-23"}) == []
    assert len(starts(service=group.service.pk, practitioner=group.practitioner.pk)) == 1
    assert starts(practitioner=other.pk) == []


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"from": ""}, ["from"]),
        ({"to": "2026-11-23"}, ["to"]),
        ({"to": "2026-11-22"}, ["to"]),
        ({"to": "2027-01-25"}, ["to"]),  # 63 days
        ({"from": "23.11.2026"}, ["from"]),
        ({"from": "2026-11-23T10:00:00Z"}, ["from"]),
        ({"service": "x"}, ["service"]),
        ({"service": "9" * 30}, ["service"]),
        ({"practitioner": "any"}, ["practitioner"]),
        ({"to": "9999-12-31"}, ["to"]),
    ],
)
def test_bad_parameters_are_named(owner, group, query, fields):
    response = owner.get(URL, {**WEEK, **query})

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, "validation_error", fields)


def test_unknown_parameters_are_refused_and_missing_ones_named(owner, group):
    unknown, missing = owner.get(URL, {**WEEK, "status": "confirmed"}), owner.get(URL)

    assert (unknown.status_code, unknown.json()["error"], list(unknown.json()["fields"])) == (400, "unknown_field", ["status"])
    assert (missing.status_code, sorted(missing.json()["fields"])) == (400, ["from", "to"])
    assert owner.get(URL, {"from": "2026-11-23", "to": "2027-01-24"}).status_code == 200  # 62 days


def test_the_same_client_comes_once_unless_the_guest_is_named(owner, group):
    client = ClientFactory(account=group.account)
    join(owner, group, draft(group, client))

    again = schedule(owner, group, draft(group, client))
    named = schedule(owner, group, draft(group, client), attendee_name="A guest")

    assert (again.status_code, again.json()["error"]) == (409, "already_booked")
    assert (named.status_code, named.json()["attendee_name"], named.json()["seat"]) == (200, "A guest", 2)


def test_move_answers_with_the_occurrence_where_it_is_now(owner, group):
    joined = [join(owner, group) for _ in range(2)]

    response = owner.post(f"{URL}move/", about(group, new_start_time=HALF_PAST.isoformat(), reason="The room floods."))

    assert response.status_code == 200, response.content
    assert (response.json()["start_time"], response.json()["taken"]) == ("2026-11-23T10:30:00+01:00", 2)
    assert [one["id"] for one in response.json()["bookings"]] == [one["id"] for one in joined]
    booking = owner.get(f"/api/bookings/{joined[0]['id']}/").json()
    assert (booking["start_time"], booking["version"]) == ("2026-11-23T09:30:00Z", joined[0]["version"] + 1)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"reason": ""}, 400, "validation_error"),
        ({"start_time": HALF_PAST.isoformat()}, 400, "validation_error"),  # nobody is there
        ({"new_start_time": "2026-11-23T10:30:00"}, 400, "validation_error"),  # without offset
        ({"new_start_time": "2026-11-23T20:00:00Z"}, 409, "outside_hours"),
        ({"new_start_time": "2026-11-20T09:00:00Z"}, 409, "notice_too_short"),
        ({"seats": 3}, 400, "unknown_field"),
    ],
)
def test_a_move_that_is_not_possible_changes_nothing(owner, group, body, status, error):
    booking = join(owner, group)

    response = owner.post(f"{URL}move/", about(group, **{"new_start_time": HALF_PAST.isoformat(), "reason": "why not", **body}))

    assert (response.status_code, response.json()["error"]) == (status, error)
    assert owner.get(f"/api/bookings/{booking['id']}/").json() == booking


def test_only_the_desk_may_override(client_as, owner, group):
    join(owner, group)
    body = about(group, new_start_time="2026-11-23T20:00:00Z", reason="a night class", override=True)

    refused = client_as(Role.PRACTITIONER).post(f"{URL}move/", body)
    allowed = client_as(Role.FRONT_DESK).post(f"{URL}move/", body)

    assert (refused.status_code, refused.json()["error"]) == (403, "permission_denied")
    assert (allowed.status_code, allowed.json()["start_time"]) == (200, "2026-11-23T21:00:00+01:00")


def test_cancel_does_what_the_quote_said(owner, group):
    joined = [join(owner, group) for _ in range(2)]

    quote = owner.post(f"{URL}cancel/quote/", about(group))
    assert quote.status_code == 200, quote.content
    assert owner.get(f"/api/bookings/{joined[0]['id']}/").json()["status"] == "confirmed"
    response = owner.post(f"{URL}cancel/", about(group, reason="The teacher is ill.", quote=quote.json()["token"]))

    said = quote.json()
    assert said.pop("token")
    assert said.pop("expires_at")
    assert (response.status_code, response.json()) == (200, said)
    assert said == {
        "fee_cents": 0,
        "refund_cents": 0,
        "currency": "EUR",
        "per_tender": [],
        "sessions": [{"id": one["id"], "outcome": "cancelled", "price_cents": 5000} for one in joined],
    }
    assert owner.get(URL, WEEK).json()["occurrences"] == []


def test_cancel_refuses_a_quote_that_no_longer_holds(owner, group):
    join(owner, group)
    token = owner.post(f"{URL}cancel/quote/", about(group)).json()["token"]
    join(owner, group)

    stale = owner.post(f"{URL}cancel/", about(group, reason="ill", quote=token))
    forged = owner.post(f"{URL}cancel/", about(group, reason="ill", quote="not ours"))

    assert (stale.status_code, stale.json()["error"], len(stale.json()["quote"]["sessions"])) == (409, "quote_stale", 2)
    assert (forged.status_code, list(forged.json()["fields"])) == (400, ["quote"])
    with account_scope(group.account):
        assert Booking.objects.filter(status="confirmed").count() == 2


@pytest.mark.parametrize(("role", "status"), [(Role.PRACTITIONER, 200), (Role.BOOKKEEPER, 403)])
def test_who_may_cancel_a_class(client_as, owner, group, role, status):
    join(owner, group)

    assert client_as(role).post(f"{URL}cancel/", about(group, reason="ill")).status_code == status
    assert client_as(role).get(URL, WEEK).status_code == 200


def test_an_occurrence_of_another_account_does_not_exist(owner, other_owner, group, make_studio, other_account):
    join(owner, group)
    theirs = make_studio(other_account, capacity=6)

    seen = other_owner.get(URL, {**WEEK, "service": group.service.pk})
    moved = other_owner.post(f"{URL}move/", about(group, new_start_time=HALF_PAST.isoformat(), reason="mine now"))
    mixed = other_owner.post(f"{URL}cancel/", {**about(theirs, reason="mine now"), "practitioner": group.practitioner.pk})

    assert (seen.status_code, moved.status_code, mixed.status_code) == (400, 400, 400)
    assert sorted(moved.json()["fields"]) == ["practitioner", "service"]
    assert list(mixed.json()["fields"]) == ["practitioner"]
    assert other_owner.get(URL, WEEK).json()["occurrences"] == []
