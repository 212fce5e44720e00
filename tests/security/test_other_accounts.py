"""Ids of another account, in every path, body and query: they do not exist, and nothing of that account changes."""

import json

import pytest
from django.db import models, transaction

from apps.accounts.models import ApiToken
from apps.catalog.models import Service
from apps.users.models import Address
from factories.accounts import token_for
from tests.conftest import ApiClient
from tests.security.routes import NAMED_BY, Route, body_with, call_id, calls, input_serializer, named, related_filters, related_inputs
from tests.security.worlds import World, digest

UNKNOWN_PK = 2**62
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"
# Lists of what can be booked, which are no rows: they need to know what, and when.
SLOTS = {"slot", "customer-slot", "public-slot", "occurrence"}

WITH_ID = [call for call in calls() if call[0].names_a_row]
WITH_BODY = [call for call in calls() if call[1] not in ("get", "delete")]
LISTS = [call for call in calls() if call[2] == "list"]
READS = [call for call in calls() if call[1] == "get"]


def _client(world: World) -> ApiClient:
    return ApiClient(token_for(world.owner))


def _send(client: ApiClient, method: str, url: str, body=None):
    if method in ("get", "delete"):
        return getattr(client, method)(url)
    return getattr(client, method)(url, {} if body is None else body)


def _unknown(route: Route, world: World) -> dict[str, str]:
    """An id of the same kind that nobody has; of a signed token, one that nobody has signed."""
    return {name: UNKNOWN_UUID if "-" in value and name == "pk" else str(UNKNOWN_PK) for name, value in route.row_of(world).items()}


def _without_request_id(response) -> dict:
    body = json.loads(response.content)
    assert body.pop("request_id")
    return body


def _is_ours_to_reach(model: type[models.Model]) -> bool:
    """Whether rows of this model belong to an account or a person; countries, for example, are everybody's."""
    return any(f.column == "account_id" for f in model._meta.concrete_fields) or model in (Address, ApiToken)


@pytest.mark.parametrize(("route", "method", "action"), WITH_ID, ids=call_id)
def test_foreign_ids_in_the_path_are_not_found(two_worlds, route, method, action):
    ours, theirs = two_worlds
    client, before = _client(ours), digest(theirs.account)

    foreign = _send(client, method, route.at(ours, **route.row_of(theirs)))
    unknown = _send(client, method, route.at(ours, **_unknown(route, theirs)))

    assert foreign.status_code == unknown.status_code == 404
    assert _without_request_id(foreign) == _without_request_id(unknown) == {"error": "not_found", "message": "Not found."}
    assert foreign.headers.keys() == unknown.headers.keys()
    assert digest(theirs.account) == before


@pytest.mark.parametrize(("route", "method", "action"), WITH_ID, ids=call_id)
def test_own_ids_in_the_path_are_found(two_worlds, route, method, action):
    """The control of the test above: the same addresses exist for their owner."""
    _, theirs = two_worlds

    response = _send(_client(theirs), method, route.at(theirs))

    assert response.status_code not in (401, 403, 404, 405)
    assert response.status_code < 500


def _related_calls():
    for route, method, action in WITH_BODY:
        for path, model in related_inputs(input_serializer(route, method, action)):
            if _is_ours_to_reach(model):
                yield pytest.param(route, method, path, model, id=f"{method}-{route}-{'.'.join(map(str, path))}")


@pytest.mark.parametrize(("route", "method", "path", "model"), list(_related_calls()))
def test_foreign_ids_in_bodies_do_not_exist(two_worlds, route, method, path, model):
    ours, theirs = two_worlds
    client, name = _client(ours), ".".join(map(str, path))
    url = route.at(ours)
    before = digest(theirs.account), digest(ours.account)
    foreign_pk, unknown_pk = named(theirs.of(model)), UNKNOWN_UUID if model in NAMED_BY else UNKNOWN_PK

    foreign = _send(client, method, url, body_with(path, foreign_pk))
    unknown = _send(client, method, url, body_with(path, unknown_pk))

    assert foreign.status_code == unknown.status_code == 400, foreign.content
    assert foreign.json()["fields"][name] == [f'Invalid pk "{foreign_pk}" - object does not exist.']
    assert unknown.json()["fields"][name] == [f'Invalid pk "{unknown_pk}" - object does not exist.']
    assert (digest(theirs.account), digest(ours.account)) == before

    with transaction.atomic():  # the control: our own row is accepted in the same place
        own = _send(client, method, url, body_with(path, named(ours.of(model))))
        transaction.set_rollback(True)
    assert name not in (own.json().get("fields") or {}), own.content


def test_the_tests_of_bodies_reach_the_references_of_a_sale():
    found = {(route.path, name) for route, _, name, _ in (param.values for param in _related_calls())}

    assert {("/api/checkout/", (name,)) for name in ("client", "practitioner", "package", "service")} <= found
    assert ("/api/packages/", ("items", 0, "service")) in found
    assert ("/api/customer/me/", ("primary_address",)) in found


def _filter_calls():
    for route, _, action in LISTS:
        for name, model in related_filters(route, action):
            if _is_ours_to_reach(model):
                yield pytest.param(route, name, model, id=f"{route}-{name}")


@pytest.mark.parametrize(("route", "name", "model"), list(_filter_calls()))
def test_foreign_ids_in_the_query_find_nothing(two_worlds, route, name, model):
    ours, theirs = two_worlds
    client = _client(ours)
    needed = {"from": "2027-01-04", "to": "2027-01-05", "service": ours.of(Service).pk} if route.basename in SLOTS else {}
    foreign_pk = theirs.of(model).pk

    foreign = client.get(route.at(ours), {**needed, name: foreign_pk})
    unknown = client.get(route.at(ours), {**needed, name: UNKNOWN_PK})

    assert foreign.status_code == unknown.status_code
    assert b"Theirs" not in foreign.content
    if foreign.status_code == 200:
        assert foreign.json()["results"] == unknown.json()["results"] == []
    else:
        assert foreign.status_code == 400
        wanted, found = _without_request_id(unknown), _without_request_id(foreign)
        assert json.dumps(wanted).replace(str(UNKNOWN_PK), "?") == json.dumps(found).replace(str(foreign_pk), "?")


@pytest.mark.parametrize(("route", "method", "action"), LISTS, ids=call_id)
def test_lists_show_the_callers_rows_only(two_worlds, route, method, action):
    ours, theirs = two_worlds
    seen = {}
    for world in two_worlds:
        query = f"?service={world.of(Service).pk}&from=2027-01-04&to=2027-01-05" if route.basename in SLOTS else ""
        response = _client(world).get(route.at(world) + query)
        assert response.status_code == 200, response.content
        seen[world.account.pk] = response.content.decode()

    assert "Theirs" not in seen[ours.account.pk]
    assert "Ours" not in seen[theirs.account.pk]
    if route.basename == "event":
        return  # what this test wrote is not committed, so the log does not show it yet: tests/accounts/api/test_events.py looks at it
    if route.basename not in SLOTS:
        name = "tag" if route.basename == "tag" else "id"
        ids = [{row[name] for row in json.loads(text)["results"]} for text in seen.values()]
        assert ids[0]
        assert ids[1]
        assert ids[0].isdisjoint(ids[1])


@pytest.mark.parametrize(("route", "method", "action"), READS, ids=call_id)
def test_the_name_of_the_other_business_is_in_no_answer(two_worlds, route, method, action):
    ours, _ = two_worlds

    response = _client(ours).get(route.at(ours), headers={"X-Account": ours.account.slug})

    assert b"Theirs" not in response.content


def test_x_account_of_another_business_is_refused_like_an_unknown_one(two_worlds):
    ours, theirs = two_worlds

    foreign = _client(ours).get("/api/packages/", headers={"X-Account": theirs.account.slug})
    unknown = _client(ours).get("/api/packages/", headers={"X-Account": "no-such-account"})

    assert foreign.status_code == unknown.status_code == 403
    assert _without_request_id(foreign) == _without_request_id(unknown)


MALFORMED = ["0", "-1", "-0", "1.0", "1e3", str(2**63 - 1), str(2**63), "9" * 40, "9" * 5000, "abc", UNKNOWN_UUID, "{" + UNKNOWN_UUID + "}"]
MALFORMED += [
    "٣",
    "²",
    "\uff11",
    "%00",
    "1%00",
    "1%0a",
    "%20",
    "1%20",
    "%2e%2e",
    "None",
    "null",
    "true",
    "[]",
    "1;drop",
    "%ff",
    "%f0%9f%92%a9",
]


@pytest.mark.parametrize(("route", "method", "action"), WITH_ID, ids=call_id)
def test_malformed_ids_in_the_path_are_not_found(two_worlds, route, method, action):
    ours, _ = two_worlds
    client = _client(ours)

    row, answers = route.row_of(ours), {}
    for name in row:
        for value in MALFORMED:
            response = _send(client, method, route.at(ours, **{**row, name: value}))
            answers[name, value] = (response.status_code, json.loads(response.content)["error"])

    assert answers == dict.fromkeys(((name, value) for name in row for value in MALFORMED), (404, "not_found"))


@pytest.mark.parametrize(("route", "method", "path", "model"), list(_related_calls()))
def test_malformed_ids_in_bodies_are_refused(two_worlds, route, method, path, model):
    ours, _ = two_worlds
    client, name = _client(ours), ".".join(map(str, path))
    url = route.at(ours)
    before = digest(ours.account)

    for value in (0, -1, 2**63, 10**40, "0", "abc", "٣", UNKNOWN_UUID, True, False, 1.5, [], {}, [1], {"id": 1}, "1e3", " 1", "01"):
        response = _send(client, method, url, body_with(path, value))
        assert response.status_code == 400, (value, response.content)
        assert name in response.json()["fields"], (value, response.content)

    assert digest(ours.account) == before


@pytest.mark.parametrize(("route", "name", "model"), list(_filter_calls()))
def test_malformed_ids_in_the_query_are_refused_or_find_nothing(two_worlds, route, name, model):
    ours, _ = two_worlds
    client = _client(ours)

    for value in ("0", "-1", str(2**63), "9" * 5000, "abc", "%D9%A3", UNKNOWN_UUID, "1.5", "%00", "1%00", "%ff", "[]"):
        response = client.get(f"{route.at(ours)}?{name}={value}")
        assert response.status_code in (200, 400), (value, response.content)
        if response.status_code == 200:
            assert response.json()["results"] == [], value
