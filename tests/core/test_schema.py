"""The OpenAPI document says what really happens: answers are held against it."""

from typing import Any

import pytest
import time_machine
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from tests.studio import MONDAY_TEN, NOW


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{method} {path}", one) for path, item in document["paths"].items() for method, one in item.items()]


def answer_of(document: dict[str, Any], path: str, method: str = "get", status: str = "200") -> dict[str, Any]:
    """The schema of an answer, with the components it refers to."""
    schema = document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


def follows(document: dict[str, Any], body: Any, *operation: str) -> bool:
    problems = [f"{one.json_path}: {one.message}" for one in Draft202012Validator(answer_of(document, *operation)).iter_errors(body)]
    assert problems == []
    return True


def test_every_operation_has_a_summary_and_every_error_a_description(document):
    found = operations(document)

    assert len(found) > 100
    assert [name for name, one in found if not 3 <= len(one.get("summary", "")) <= 120] == []
    errors = [
        (name, status) for name, one in found for status, said in one["responses"].items() if status >= "400" and not said["description"]
    ]
    assert errors == []


@pytest.mark.parametrize(
    ("path", "query"),
    [("/api/slots/", "&explain=2026-11-23T03:00:00Z&service={service}"), ("/api/occurrences/", "")],
)
@pytest.mark.usefixtures("_saturday")
def test_an_answer_that_is_one_object_is_described_as_one(document, owner, studio, path, query):
    body = owner.get(f"{path}?from=2026-11-23&to=2026-11-25" + query.format(service=studio.service.pk)).json()

    assert answer_of(document, path)["$ref"].endswith("List")
    assert follows(document, body, path)


def test_the_slots_of_clients_are_one_object(document):
    assert answer_of(document, "/api/customer/slots/")["$ref"] == "#/components/schemas/SlotList"


@pytest.mark.usefixtures("_saturday")
def test_a_booking_follows_its_description(document, owner, studio):
    booking = studio.draft()

    shown = owner.get(f"/api/bookings/{booking.pk}/").json()
    listed = owner.get("/api/bookings/").json()

    assert shown["cancelled_side"] == ""
    assert follows(document, shown, "/api/bookings/{id}/")
    assert follows(document, listed, "/api/bookings/")


@pytest.mark.usefixtures("_saturday")
def test_any_practitioner_may_be_asked_for(document, owner, studio):
    booking = studio.draft()
    body = {"practitioner": "any", "start_time": MONDAY_TEN.isoformat()}

    assert owner.post(f"/api/bookings/{booking.pk}/schedule/", body).status_code == 200
    schema = {**document["components"]["schemas"]["ScheduleInputRequest"], "components": document["components"]}
    assert Draft202012Validator(schema).is_valid(body)
    assert not Draft202012Validator(schema).is_valid({**body, "practitioner": "anybody"})


def test_actions_that_compare_versions_say_so(document):
    refused = {name for name, one in operations(document) if "412" in one["responses"]}
    reading = {name for name, one in operations(document) if "If-Match" in [parameter["name"] for parameter in one.get("parameters", [])]}

    assert refused == reading
    assert {"post /api/bookings/{id}/cancel/", "post /api/customer/bookings/{id}/reschedule/quote/"} <= refused
    assert not {name for name in refused if "/bookings/" not in name}


def test_only_actions_with_a_key_can_conflict_with_it(document):
    for name, one in operations(document):
        with_key = "Idempotency-Key" in [parameter["name"] for parameter in one.get("parameters", [])]
        assert ("422" in one["responses"]) == with_key, name


@pytest.mark.parametrize("method", ["cash", "bank_transfer"])
@pytest.mark.usefixtures("_saturday")
def test_a_sale_follows_its_description_with_instructions_and_without(document, owner, studio, method):
    body = owner.post("/api/checkout/", {"client": studio.client.pk, "package": studio.package.pk, "method": method}).json()

    assert ("instructions" in body["payment"]) == (method == "bank_transfer")
    assert follows(document, body, "/api/checkout/", "post", "201")


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("get /api/documents/{id}/download/", "409"),
        ("post /api/bookings/{id}/documents/", "503"),
        ("post /api/customer/bookings/{id}/documents/", "503"),
    ],
)
def test_a_status_that_the_description_names_is_among_the_answers(document, operation, status):
    assert status in dict(operations(document))[operation]["responses"]
