"""series/ over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from apps.accounts.models import Role
from apps.bookings.models import Booking, BookingSeries
from apps.core.tenancy import account_scope
from factories.clients import ClientFactory
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.usefixtures("_saturday")
WEEK = timedelta(days=7)


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


def body(studio: Studio, **changes: Any) -> dict[str, Any]:
    ids = {"client": studio.client.pk, "service": studio.service.pk, "practitioner": studio.practitioner.pk}
    made = {**ids, "frequency": "weekly", "start_time": "2026-11-23T10:00:00+01:00", "count": 3, **changes}
    return {name: value for name, value in made.items() if value is not ...}


def create(client: Any, studio: Studio, **changes: Any) -> dict[str, Any]:
    response = client.post("/api/series/", body(studio, **changes))
    assert response.status_code == 201, response.content
    return response.json()


def untouched(studio: Studio) -> bool:
    with account_scope(studio.account):
        return not BookingSeries.objects.exists() and set(Booking.objects.values_list("status", "version")) <= {("draft", 1)}


def test_quote_commit_and_read(owner, studio):
    sale = studio.sell()

    quote = owner.post("/api/series/quote/", body(studio))
    assert quote.status_code == 200, quote.content
    assert untouched(studio)
    made = create(owner, studio, quote=quote.json()["token"])

    assert [row["planned_start"] for row in quote.json()["occurrences"]] == [
        "2026-11-23T10:00:00+01:00",
        "2026-11-30T10:00:00+01:00",
        "2026-12-07T10:00:00+01:00",
    ]
    assert quote.json()["totals"] == {"occurrences": 3, "ok": 3, "planned": 3, "price_cents": 10000, "currency": "EUR"}
    assert owner.get(f"/api/series/{made['id']}/").json() == made
    assert {
        name: made[name] for name in ("client", "client_name", "frequency", "weekdays", "start_wall", "timezone", "count", "status")
    } == {
        "client": studio.client.pk,
        "client_name": studio.client.full_name,
        "frequency": "weekly",
        "weekdays": [],
        "start_wall": "2026-11-23T10:00:00",
        "timezone": "Europe/Berlin",
        "count": 3,
        "status": "active",
    }
    assert [(row["id"], row["status"], row["start_time"], row["original_start"], row["is_detached"]) for row in made["occurrences"]] == [
        (booking.pk, "confirmed", start, start, False)
        for booking, start in zip(sale.bookings, ("2026-11-23T09:00:00Z", "2026-11-30T09:00:00Z", "2026-12-07T09:00:00Z"), strict=True)
    ]


def test_the_first_start_may_be_a_wall_time(owner, studio):
    studio.sell()

    made = create(owner, studio, start_time=..., local_start="2026-11-23T04:00", timezone="America/New_York")

    assert (made["start_wall"], made["timezone"]) == ("2026-11-23T04:00:00", "America/New_York")
    assert made["occurrences"][0]["start_time"] == "2026-11-23T09:00:00Z"


@pytest.mark.parametrize(
    ("wall", "code"), [("2027-03-14T02:30", "local_time_missing"), ("2026-11-01T01:30", "local_time_ambiguous")], ids=["gap", "fold"]
)
def test_wall_times_that_are_none_or_two_are_refused(owner, studio, wall, code):
    studio.sell()

    response = owner.post("/api/series/", body(studio, start_time=..., local_start=wall, timezone="America/New_York"))

    assert (response.status_code, response.json()["error"]) == (400, code)
    assert untouched(studio)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start_time": "2026-11-23T10:00:00"}, "start_time"),  # naive
        ({"start_time": ...}, "start_time"),
        ({"local_start": "2026-11-23T10:00"}, "start_time"),  # both
        ({"start_time": ..., "local_start": "2026-11-23T10:00Z"}, "local_start"),
        ({"start_time": "9999-12-31T23:59:59Z"}, "start_time"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"frequency": "yearly"}, "frequency"),
        ({"every": 0}, "every"),
        ({"every": 53}, "every"),
        ({"count": 105}, "count"),
        ({"count": 0}, "count"),
        ({"count": True}, "count"),
        ({"weekdays": [0, 7]}, "weekdays"),
        ({"weekdays": [1]}, "weekdays"),
        ({"weekdays": [0] * 8}, "weekdays"),
        ({"frequency": "daily", "weekdays": [0]}, "weekdays"),
        ({"until": "2027-01-01"}, "until"),  # both ends
        ({"count": ..., "until": "2026-11-22"}, "until"),
        ({"count": ..., "until": "2200-01-01"}, "until"),
        ({"count": ..., "until": "2027-02-30"}, "until"),
        ({"policy": "whatever"}, "policy"),
        ({"within_minutes": 10081}, "within_minutes"),
        ({"client": 2**62}, "client"),
        ({"status": "ended"}, "status"),
        ({"quote": "forged"}, "quote"),
    ],
)
def test_bad_input_is_refused_with_its_field_and_books_nothing(owner, studio, changes, field):
    studio.sell()

    response = owner.post("/api/series/", body(studio, **changes))

    assert response.status_code == 400, response.content
    assert field in str(response.json()["fields"])
    assert untouched(studio)


def test_rows_of_another_account_do_not_exist(owner, studio, other_account, make_studio):
    theirs = make_studio(other_account)
    sale = theirs.sell()
    studio.sell()

    ids = {"client": theirs.client.pk, "service": theirs.service.pk, "practitioner": theirs.practitioner.pk, "order": sale.order.pk}
    for name, pk in ids.items():
        for path in ("/api/series/", "/api/series/quote/"):
            response = owner.post(path, body(studio, **{name: pk}))
            assert response.status_code == 400
            assert response.json()["fields"] == {name: [f'Invalid pk "{pk}" - object does not exist.']}
    assert untouched(studio)


def test_what_does_not_fit_is_told_and_nothing_is_booked(owner, studio):
    studio.sell()

    refused = owner.post("/api/series/", body(studio, count=4))
    none_left = owner.post("/api/series/", body(studio, count=..., client=ClientFactory(account=studio.account).pk))

    assert (refused.status_code, refused.json()["error"]) == (409, "series_conflict")
    assert [row["status"] for row in refused.json()["occurrences"]] == ["ok", "ok", "ok", "no_session"]
    assert refused.json()["totals"]["planned"] == 3
    assert (none_left.status_code, none_left.json()["error"]) == (409, "no_sessions_left")
    assert untouched(studio)


def test_a_stale_quote_brings_the_new_one(owner, studio):
    studio.sell()
    token = owner.post("/api/series/quote/", body(studio)).json()["token"]

    refused = owner.post("/api/series/", body(studio, count=2, quote=token))

    assert (refused.status_code, refused.json()["error"]) == (409, "quote_stale")
    assert len(refused.json()["quote"]["occurrences"]) == 2
    assert untouched(studio)
    create(owner, studio, count=2, quote=refused.json()["quote"]["token"])


def test_the_same_key_books_once(owner, studio):
    studio.sell()

    first, second = (owner.post("/api/series/", body(studio), headers={"Idempotency-Key": "once"}) for _ in range(2))

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    with account_scope(studio.account):
        assert BookingSeries.objects.count() == 1


def test_changes_over_http(owner, studio):
    studio.sell()
    made = create(owner, studio)
    second = made["occurrences"][1]["id"]
    url = f"/api/series/{made['id']}/"
    wanted = {"action": "move", "scope": "following", "from_booking": second, "local_start": "2026-12-01T11:00", "by": "provider"}

    quote = owner.post(f"{url}change/quote/", wanted)
    assert quote.status_code == 200, quote.content
    assert owner.get(url).json() == made
    changed = owner.post(f"{url}change/", {**wanted, "quote": quote.json()["token"]})

    assert changed.status_code == 200, changed.content
    assert changed.json()["previous"] == made["id"]
    assert [row["start_time"] for row in changed.json()["occurrences"]] == ["2026-12-01T10:00:00Z", "2026-12-08T10:00:00Z"]
    assert [row["planned_start"] for row in quote.json()["occurrences"]] == ["2026-12-01T11:00:00+01:00", "2026-12-08T11:00:00+01:00"]
    assert [row["start_time"] for row in owner.get(url).json()["occurrences"]] == ["2026-11-23T09:00:00Z"]

    cancelled = owner.post(f"{url}change/", {"action": "cancel", "scope": "all", "by": "provider"})
    assert (cancelled.json()["status"], cancelled.json()["occurrences"]) == ("ended", [])
    again = owner.post(f"{url}change/", {"action": "cancel", "scope": "all", "by": "provider"})
    assert (again.status_code, again.json()["error"], again.json()["allowed_actions"]) == (409, "invalid_transition", [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "double"}, "action"),
        ({"scope": "some"}, "scope"),
        ({"scope": "this", "from_booking": None}, "from_booking"),
        ({"from_booking": 2**62}, "from_booking"),
        ({"start_time": None}, "start_time"),
        ({"start_time": "2026-11-23T10:00:00"}, "start_time"),
        ({"local_start": "2026-11-23T10:00"}, "start_time"),
        ({"start_time": ...}, "start_time"),
        ({"action": "cancel"}, "action"),  # with a start
        ({"waive": True}, "reason"),
        ({"by": "system"}, "by"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_bad_changes_are_refused_and_change_nothing(owner, studio, changes, field):
    studio.sell()
    made = create(owner, studio)
    sent = {"action": "move", "scope": "all", "start_time": "2026-11-23T12:00:00+01:00", **changes}
    sent = {name: value for name, value in sent.items() if value is not ...}

    for path in ("change/quote", "change"):
        response = owner.post(f"/api/series/{made['id']}/{path}/", sent)
        assert response.status_code == 400, response.content
        assert field in response.json()["fields"]
    assert owner.get(f"/api/series/{made['id']}/").json() == made


def test_a_series_of_another_account_does_not_exist(owner, studio, other_owner):
    studio.sell()
    made = create(owner, studio)

    for path in ("", "change/quote/", "change/"):
        url = f"/api/series/{made['id']}/{path}"
        response = other_owner.post(url, {"action": "cancel", "scope": "all"}) if path else other_owner.get(url)
        assert response.status_code == 404
    assert owner.get(f"/api/series/{made['id']}/").json() == made


def test_an_occurrence_of_another_series_is_refused(owner, studio):
    studio.sell()
    made = create(owner, studio, count=2)
    other = create(owner, studio, count=1, start_time="2026-11-24T10:00:00+01:00")["occurrences"][0]["id"]

    response = owner.post(f"/api/series/{made['id']}/change/", {"action": "cancel", "scope": "this", "from_booking": other})

    assert (response.status_code, response.json()["fields"]) == (400, {"from_booking": ["This is no occurrence of the series."]})


def test_an_occurrence_that_has_begun_is_the_past(owner, client_as, studio):
    studio.sell()
    made = create(owner, studio)
    first = made["occurrences"][0]["id"]

    with time_machine.travel(MONDAY_TEN, tick=True):
        later = client_as(Role.OWNER)  # the first one's token has run out by then
        response = later.post(f"/api/series/{made['id']}/change/", {"action": "cancel", "scope": "following", "from_booking": first})

    assert (response.status_code, response.json()["error"]) == (409, "too_late")
    assert owner.get(f"/api/series/{made['id']}/").json() == made


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_a_fixed_number_of_statements(owner, studio, statements, count):
    for n in range(count):
        studio.sell()
        create(owner, studio, start_time=f"2026-11-23T{10 + n}:00:00+01:00")
    owner.get("/api/series/")

    with statements() as made:
        found = owner.get("/api/series/").json()["results"]

    assert len(found) == count
    assert "occurrences" not in found[0]
    assert len(made()) == 3


def test_list_is_filtered(owner, studio):
    studio.sell()
    made = create(owner, studio, count=1)
    stranger = ClientFactory(account=studio.account)

    def ids(query):
        return [row["id"] for row in owner.get(f"/api/series/?{query}").json()["results"]]

    for query in (f"client={studio.client.pk}", f"practitioner={studio.practitioner.pk}", f"service={studio.service.pk}", "status=active"):
        assert ids(query) == [made["id"]]
    assert ids(f"client={stranger.pk}") == ids("status=ended") == []
    assert owner.get("/api/series/?nonsense=1").status_code == 400


@pytest.mark.parametrize(
    ("role", "status"), [(Role.PRACTITIONER, 201), (Role.FRONT_DESK, 201), (Role.BOOKKEEPER, 403), (None, 401)], ids=str
)
def test_who_may_create(client_as, studio, role, status):
    studio.sell()

    assert client_as(role).post("/api/series/", body(studio)).status_code == status
    assert untouched(studio) is (status != 201)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("front_desk", 200), ("practitioner", 403)])
def test_who_may_waive_the_fees_of_a_change(client_as, owner, studio, role, status):
    studio.sell()
    made = create(owner, studio)
    sent = {"action": "cancel", "scope": "all", "waive": True, "reason": "kind"}

    for path in ("change/quote", "change"):
        assert client_as(role).post(f"/api/series/{made['id']}/{path}/", sent).status_code == status

    left = [row["status"] for row in owner.get(f"/api/series/{made['id']}/").json()["occurrences"]]
    assert left == (["confirmed"] * 3 if status == 403 else [])
