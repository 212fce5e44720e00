"""Pausing, extending, giving away and granting over HTTP, at orders/ and client-packages/."""

from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import Role
from apps.core.tenancy import account_scope
from apps.orders.models import PackagePause
from factories.catalog import ServiceFactory
from factories.clients import ClientFactory
from factories.packages import PackageFactory
from tests.bookings.owned import book, fresh, own, sessions, states
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.usefixtures("_saturday")


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def order(studio):
    return own(studio, valid_days=30, transferable=True, transfer_fee_cents=500)


@pytest.fixture(params=["orders", "client-packages"])
def at(request, order):
    return f"/api/{request.param}/{order.pk}"


PAUSE = {"first_day": "2026-11-23", "last_day": "2026-11-27", "reason": "A journey"}


def test_pause_and_resume(owner, studio, order, at):
    booking = book(studio, order)

    quote = owner.post(f"{at}/pause/quote/", {"first_day": "2026-11-23", "last_day": "2026-11-27"})
    paused = owner.post(f"{at}/pause/", {**PAUSE, "quote": quote.json()["token"]})

    assert (quote.status_code, paused.status_code) == (200, 200)
    said = quote.json()
    assert (said["days_added"], said["package_expires_at"], said["first_day"]) == (5, "2026-12-26T23:00:00Z", "2026-11-23")
    assert said["sessions"] == [
        {
            "id": booking.pk,
            "outcome": "returned",
            "start_time": "2026-11-23T09:00:00Z",
            "practitioner": studio.practitioner.pk,
            "series": None,
        }
    ]
    assert (paused.json()["expires_at"], paused.json()["status"]) == ("2026-12-26T23:00:00Z", "active")
    assert {one["status"] for one in paused.json()["bookings"]} == {"draft"}
    resumed = owner.post(f"{at}/resume/")
    assert (resumed.status_code, resumed.json()["expires_at"]) == (200, "2026-12-21T23:00:00Z")
    assert owner.post(f"{at}/resume/").json()["error"] == "invalid_transition"


def test_a_client_package_shows_its_pauses_its_parent_and_what_may_be_done(owner, order):
    owner.post(f"/api/orders/{order.pk}/pause/", {**PAUSE, "first_day": "2026-11-21"})

    body = owner.get(f"/api/client-packages/{order.pk}/").json()

    assert body["pauses"] == [{"first_day": "2026-11-21", "last_day": "2026-11-27", "days_added": 7, "reason": "A journey"}]
    assert (body["status"], body["parent"]) == ("paused", None)
    assert body["allowed_actions"] == ["pause", "resume", "extend", "grant", "refund"]


def test_transfer_answers_both_sides(owner, studio, order, at):
    friend = ClientFactory(account=studio.account)

    quote = owner.post(f"{at}/transfer/quote/", {"client": friend.pk, "count": 2}).json()
    response = owner.post(f"{at}/transfer/", {"client": friend.pk, "count": 2, "quote": quote["token"]})

    assert (quote["fee_cents"], quote["value_cents"], quote["package_expires_at"]) == (500, 6667, "2026-12-21T23:00:00Z")
    assert response.status_code == 200
    given, got = response.json()["order"], response.json()["transferred"]
    assert (given["id"], given["total_amount_cents"], given["balance_due_cents"], len(given["bookings"])) == (order.pk, 10500, 500, 1)
    assert (got["client"], got["parent"], got["total_amount_cents"], got["payment_status"]) == (friend.pk, order.pk, 0, "paid")
    assert [one["price_cents"] for one in got["bookings"]] == [3334, 3333]
    assert owner.get(f"/api/client-packages/{got['id']}/").json()["parent"] == order.pk


def test_a_transfer_with_a_key_is_done_once(owner, studio, order, at):
    body, headers = {"client": ClientFactory(account=studio.account).pk, "count": 1}, {"Idempotency-Key": "give"}

    first = owner.post(f"{at}/transfer/", body, headers=headers)
    second = owner.post(f"{at}/transfer/", body, headers=headers)

    assert (first.status_code, second.headers["Idempotent-Replayed"]) == (200, "true")
    assert second.json() == first.json()
    assert len(sessions(studio, order)) == 2


def test_extend_and_grant(owner, studio, order, at):
    extended = owner.post(f"{at}/extend/", {"expires_on": "2027-01-31", "reason": "Ill"})
    granted = owner.post(f"{at}/grant/", {"service": studio.service.pk, "count": 2, "reason": "Sorry"})

    assert (extended.status_code, extended.json()["expires_at"]) == (200, "2027-01-31T23:00:00Z")
    assert (granted.status_code, [one["price_cents"] for one in granted.json()["bookings"]]) == (200, [3334, 3333, 3333, 0, 0])
    assert granted.json()["total_amount_cents"] == 10000


def test_schedule_next(owner, studio, order):
    url = f"/api/client-packages/{order.pk}/schedule-next/"

    first = owner.post(url, {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()})
    second = owner.post(url, {"start_time": (MONDAY_TEN + timedelta(hours=1)).isoformat()})
    taken = owner.post(url, {"start_time": MONDAY_TEN.isoformat()})

    assert (first.status_code, first.json()["position"], first.json()["status"]) == (200, 1, "confirmed")
    assert (second.json()["position"], second.json()["practitioner"]) == (2, studio.practitioner.pk)
    assert (taken.status_code, taken.json()["error"]) == (409, "slot_taken")
    owner.post(url, {"start_time": (MONDAY_TEN + timedelta(hours=2)).isoformat()})
    none = owner.post(url, {"start_time": (MONDAY_TEN + timedelta(hours=3)).isoformat()})
    assert (none.status_code, none.json()["error"]) == (409, "no_sessions_left")


@pytest.mark.parametrize(
    ("action", "body", "status", "code", "field"),
    [
        ("pause", {}, 400, "validation_error", "first_day"),
        ("pause", {**PAUSE, "reason": ""}, 400, "validation_error", "reason"),
        ("pause", {**PAUSE, "first_day": "2026-11-20"}, 400, "validation_error", "first_day"),
        ("pause", {**PAUSE, "last_day": "2026-11-22"}, 400, "validation_error", "last_day"),
        ("pause", {**PAUSE, "first_day": "2026-11-23T00:00:00Z"}, 400, "validation_error", "first_day"),
        ("pause", {**PAUSE, "first_day": "2026-02-30"}, 400, "validation_error", "first_day"),
        ("pause", {**PAUSE, "last_day": "9999-12-31"}, 400, "validation_error", "last_day"),
        ("pause", {**PAUSE, "quote": "made-up"}, 400, "validation_error", "quote"),
        ("pause", {**PAUSE, "days_added": 500}, 400, "unknown_field", "days_added"),
        ("pause", {**PAUSE, "first_day": "2027-01-01", "last_day": "2027-01-02"}, 409, "package_expired", None),
        ("pause/quote", PAUSE, 400, "unknown_field", "reason"),
        ("resume", {}, 409, "invalid_transition", None),
        ("extend", {"days": 1}, 400, "validation_error", "reason"),
        ("extend", {"reason": "x"}, 400, "validation_error", "expires_on"),
        ("extend", {"reason": "x", "days": 0}, 400, "validation_error", "days"),
        ("extend", {"reason": "x", "days": 10**9}, 400, "validation_error", "days"),
        ("extend", {"reason": "x", "expires_on": "2026-12-01"}, 400, "validation_error", "expires_on"),
        ("extend", {"reason": "x", "expires_on": "2201-01-01"}, 400, "validation_error", "expires_on"),
        ("transfer", {"count": 1}, 400, "validation_error", "client"),
        ("transfer", {"client": "friend"}, 400, "validation_error", "sessions"),
        ("transfer", {"client": "foreign", "count": 1}, 400, "validation_error", "client"),
        ("transfer", {"client": "own", "count": 1}, 400, "validation_error", "client"),
        ("transfer", {"client": "friend", "count": 1, "override": True}, 400, "validation_error", "reason"),
        ("transfer", {"client": "friend", "sessions": []}, 400, "validation_error", "sessions"),
        ("transfer", {"client": "friend", "sessions": [2**62]}, 400, "validation_error", "sessions"),
        ("transfer", {"client": "friend", "count": 4}, 409, "no_sessions_left", None),
        ("grant", {"service": "own", "count": 0, "reason": "x"}, 400, "validation_error", "count"),
        ("grant", {"service": "own", "count": 101, "reason": "x"}, 400, "validation_error", "count"),
        ("grant", {"service": "foreign", "reason": "x"}, 400, "validation_error", "service"),
        ("grant", {"service": "own"}, 400, "validation_error", "reason"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(owner, studio, order, at, other_account, action, body, status, code, field):
    rows = {
        ("client", "friend"): lambda: ClientFactory(account=studio.account).pk,
        ("client", "own"): lambda: studio.client.pk,
        ("client", "foreign"): lambda: ClientFactory(account=other_account).pk,
        ("service", "own"): lambda: studio.service.pk,
        ("service", "foreign"): lambda: ServiceFactory(account=other_account).pk,
    }
    sent = {name: rows[name, value]() if isinstance(value, str) and (name, value) in rows else value for name, value in body.items()}

    response = owner.post(f"{at}/{action}/", sent)

    assert (response.status_code, response.json()["error"]) == (status, code), response.content
    if field:
        assert field in {name.split(".")[0] for name in response.json()["fields"]}
    assert states(studio, order) == ["draft"] * 3
    assert fresh(studio, order).updated_at == order.updated_at
    with account_scope(studio.account):
        assert not PackagePause.objects.exists()


@pytest.mark.parametrize("action", ["pause", "pause/quote", "resume", "extend", "transfer", "transfer/quote", "grant"])
def test_the_order_of_a_single_service_is_no_package(owner, studio, action):
    single = studio.sell(service=studio.service).order
    bodies = {
        "pause": PAUSE,
        "pause/quote": {"first_day": "2026-11-23"},
        "extend": {"days": 1, "reason": "x"},
        "grant": {"service": studio.service.pk, "reason": "x"},
        "transfer": {"client": ClientFactory(account=studio.account).pk, "count": 1},
        "transfer/quote": {"client": ClientFactory(account=studio.account).pk, "count": 1},
    }

    response = owner.post(f"/api/orders/{single.pk}/{action}/", bodies.get(action, {}))

    assert (response.status_code, response.json()["error"], response.json()["allowed_actions"]) == (409, "invalid_transition", [])
    assert owner.post(f"/api/client-packages/{single.pk}/{action}/", bodies.get(action, {})).status_code == 404


@pytest.mark.parametrize(
    ("role", "desk", "manager"),
    [(Role.MANAGER, 400, 400), (Role.FRONT_DESK, 400, 403), (Role.PRACTITIONER, 403, 403), (Role.BOOKKEEPER, 403, 403)],
)
def test_who_may_do_what(client_as, order, role, desk, manager):
    client = client_as(role)

    found = {
        action: client.post(f"/api/client-packages/{order.pk}/{action}/").status_code for action in ("pause", "transfer", "schedule-next")
    }
    reserved = {action: client.post(f"/api/client-packages/{order.pk}/{action}/").status_code for action in ("extend", "grant")}

    assert set(found.values()) == {desk}
    assert set(reserved.values()) == {manager}


# -- the terms of a package


def test_the_terms_of_a_package(owner):
    terms = {
        "expiry": {"rule": "first_scheduled", "amount": 3, "unit": "months"},
        "transferable": True,
        "transfer_fee_cents": 500,
        "max_transfers": 2,
        "max_pauses_per_year": 1,
        "max_pause_days": 14,
    }

    body = owner.post("/api/packages/", {"package_name": "Ten", **terms}).json()

    assert {name: body[name] for name in terms} == terms
    cleared = owner.patch(f"/api/packages/{body['id']}/", {"expiry": {}, "valid_days": 30, "max_transfers": None}).json()
    assert (cleared["expiry"], cleared["valid_days"], cleared["max_transfers"]) == ({}, 30, None)
    dated = owner.patch(f"/api/packages/{body['id']}/", {"expiry": {"rule": "date", "date": "2027-06-30"}, "valid_days": None}).json()
    assert dated["expiry"] == {"rule": "date", "date": "2027-06-30"}


@pytest.mark.parametrize(
    ("expiry", "field"),
    [
        ({"rule": "purchase"}, "expiry.amount"),
        ({"rule": "purchase", "amount": 1}, "expiry.unit"),
        ({"rule": "purchase", "amount": 0, "unit": "days"}, "expiry.amount"),
        ({"rule": "purchase", "amount": 101, "unit": "years"}, "expiry.amount"),
        ({"rule": "purchase", "amount": 1, "unit": "days", "date": "2027-01-01"}, "expiry.date"),
        ({"rule": "date"}, "expiry.date"),
        ({"rule": "date", "date": "2027-02-30"}, "expiry.date"),
        ({"rule": "date", "date": "2027-01-01", "amount": 1}, "expiry.amount"),
        ({"rule": "first_visit", "amount": 1, "unit": "days"}, "expiry.rule"),
        ({"amount": 1, "unit": "days"}, "expiry.rule"),
        ({"rule": "purchase", "amount": 1, "unit": "fortnights"}, "expiry.unit"),
        ({"rule": "purchase", "amount": 1, "unit": "days", "grace": 3}, "expiry.grace"),
        ([], "expiry"),
        (None, "expiry"),
    ],
)
def test_an_expiry_has_one_of_two_shapes(owner, expiry, field):
    response = owner.post("/api/packages/", {"package_name": "Ten", "expiry": expiry})

    assert response.status_code == 400
    assert any(name == field or name.startswith(f"{field}.") for name in response.json()["fields"]), response.json()


def test_expiry_and_valid_days_exclude_each_other(owner, account):
    both = owner.post(
        "/api/packages/", {"package_name": "Ten", "valid_days": 30, "expiry": {"rule": "purchase", "amount": 1, "unit": "days"}}
    )
    package = PackageFactory(account=account, valid_days=30)
    second = owner.patch(f"/api/packages/{package.pk}/", {"expiry": {"rule": "date", "date": "2027-01-01"}})

    for response in (both, second):
        assert (response.status_code, list(response.json()["fields"])) == (400, ["expiry"])


def test_what_was_sold_keeps_its_terms(owner, studio, order):
    owner.patch(f"/api/packages/{studio.package.pk}/", {"transferable": False, "transfer_fee_cents": 9999, "valid_days": 1})

    kept = owner.get(f"/api/client-packages/{order.pk}/").json()["package_metadata"]

    assert (kept["transferable"], kept["transfer_fee_cents"], kept["valid_days"]) == (True, 500, 30)


def test_a_pause_cannot_carry_the_end_beyond_the_last_year(owner, order, at):
    body = {"first_day": "2026-11-23", "last_day": "2200-12-31"}
    before = owner.get(f"{at}/").json()

    for path, sent in (("pause/quote", body), ("pause", {**body, "reason": "A long journey"})):
        response = owner.post(f"{at}/{path}/", sent)
        assert (response.status_code, list(response.json()["fields"])) == (400, ["last_day"])

    assert owner.get(f"{at}/").json() == before
    assert owner.post(f"{at}/pause/quote/", {**body, "last_day": "2200-06-30"}).status_code == 200
