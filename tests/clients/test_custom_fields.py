"""Declared fields of clients: custom-fields/, and what they do to custom_fields."""

import pytest

from apps.clients.custom import read_cell
from apps.clients.models import Client, CustomField
from apps.clients.services import create_client
from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from factories.crm import CustomFieldFactory

KINDS = {
    "size": ("number", [], 38.5),
    "children": ("integer", [], 2),
    "vegan": ("boolean", [], True),
    "since": ("date", [], "2026-02-28"),
    "level": ("choice", ["beginner", "expert"], "expert"),
    "days": ("choices", ["mon", "tue", "wed"], ["mon", "wed"]),
    "doctor": ("text", [], "Dr. Who"),
}


@pytest.fixture
def fields(account):
    return {key: CustomFieldFactory(account=account, key=key, kind=kind, options=options) for key, (kind, options, _) in KINDS.items()}


def test_values_of_every_kind_are_kept(owner, fields):
    values = {key: value for key, (_, _, value) in KINDS.items()}

    body = owner.post("/api/clients/", {"full_name": "Ada", "custom_fields": {**values, "undeclared": "stays"}}).json()

    assert body["custom_fields"] == {**values, "undeclared": "stays"}


def test_values_get_one_spelling(owner, fields):
    sent = {"children": 2.0, "days": ["wed", "mon", "wed"], "doctor": "", "vegan": None}

    body = owner.post("/api/clients/", {"full_name": "Ada", "custom_fields": sent}).json()

    assert body["custom_fields"] == {"children": 2, "days": ["mon", "wed"], "doctor": "", "vegan": None}
    assert isinstance(body["custom_fields"]["children"], int)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", "38"),
        ("size", True),
        ("size", 10**16),
        ("children", 2.5),
        ("vegan", 1),
        ("vegan", "yes"),
        ("since", "28.02.2026"),
        ("since", "2026-02-30"),
        ("since", 20260228),
        ("level", "Expert"),
        ("level", ["expert"]),
        ("days", "mon"),
        ("days", ["sun"]),
        ("days", [None]),
        ("doctor", 7),
    ],
)
def test_what_is_not_of_its_kind_is_refused(owner, account, fields, key, value):
    for answer in (
        owner.post("/api/clients/", {"full_name": "Ada", "custom_fields": {key: value}}),
        owner.patch(f"/api/clients/{_client(account).pk}/", {"custom_fields": {key: value}}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")
        assert list(answer.json()["fields"]) == [f"custom_fields.{key}"]


def _client(account):
    with account_scope(account):
        return Client.objects.first() or create_client(account_id=account.pk, full_name="Bob")


def test_required_fields_are_asked_for_by_staff_only(owner, account):
    CustomFieldFactory(account=account, key="birthday", kind="date", is_required=True)

    refused = owner.post("/api/clients/", {"full_name": "Ada", "custom_fields": {"birthday": ""}})
    assert (refused.status_code, refused.json()["fields"]) == (400, {"custom_fields.birthday": ["This field is required."]})
    assert owner.post("/api/clients/", {"full_name": "Ada"}).status_code == 400
    made = owner.post("/api/clients/", {"full_name": "Ada", "custom_fields": {"birthday": "1990-01-01"}})
    assert made.status_code == 201
    assert owner.patch(f"/api/clients/{made.json()['id']}/", {"full_name": "Ada L."}).status_code == 200

    with account_scope(account):
        assert create_client(account_id=account.pk, full_name="Buys online").pk


def test_inactive_and_foreign_fields_check_nothing(owner, account, other_account):
    CustomFieldFactory(account=account, key="size", kind="number", is_active=False, is_required=True)
    CustomFieldFactory(account=other_account, key="size", kind="number", is_required=True)

    assert owner.post("/api/clients/", {"full_name": "Ada", "custom_fields": {"size": "large"}}).status_code == 201


def test_declaring_changing_deleting(owner, account):
    made = owner.post("/api/custom-fields/", {"key": "level", "label": "Level", "kind": "choice", "options": ["a", "b", "a"]})
    assert (made.status_code, made.json()["options"]) == (201, ["a", "b"])
    path = f"/api/custom-fields/{made.json()['id']}/"

    again = owner.post("/api/custom-fields/", {"key": "level", "label": "Level", "kind": "text"})
    assert (again.status_code, again.json()["fields"]) == (400, {"key": ["A custom field with this key exists already."]})
    assert owner.patch(path, {"kind": "text"}).status_code == 400
    assert owner.patch(path, {"key": "other"}).status_code == 400
    assert owner.patch(path, {"options": []}).status_code == 400  # the database says so
    assert owner.patch(path, {"options": ["b", "c"], "is_required": True}).json()["options"] == ["b", "c"]
    assert [field["key"] for field in owner.get("/api/custom-fields/?is_active=true").json()["results"]] == ["level"]
    assert owner.delete(path).status_code == 204
    with account_scope(account):
        assert not CustomField.objects.exists()


@pytest.mark.parametrize(
    "body", [{"kind": "text", "options": ["a"]}, {"kind": "choice"}, {"kind": "colour"}, {"kind": "text", "position": -1}, {"key": "a\nb"}]
)
def test_bad_declarations_are_refused(owner, body):
    answer = owner.post("/api/custom-fields/", {"key": "x", "label": "X", "kind": "text", **body})

    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("number", " 38,5 ", 38.5),
        ("number", "38.5", 38.5),
        ("integer", "7", 7),
        ("integer", "\u0667", "\u0667"),
        ("boolean", "Ja", True),
        ("boolean", "no", False),
        ("boolean", "perhaps", "perhaps"),
        ("choices", "mon; wed", ["mon", "wed"]),
        ("date", "2026-02-28", "2026-02-28"),
        ("text", "  ", None),
    ],
)
def test_cells_of_tables_are_read(kind, cell, value):
    assert read_cell(CustomField(key="x", kind=kind), cell) == value


def test_services_refuse_as_the_api_does(account, fields):
    with account_scope(account), pytest.raises(Invalid) as refused:
        create_client(account_id=account.pk, full_name="Ada", custom_fields={"size": "x"})

    assert refused.value.fields == {"custom_fields.size": ["Send a number."]}
