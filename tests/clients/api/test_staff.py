"""/api/clients/"""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from apps.accounts.models import Role
from apps.clients.models import Client
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.accounts import MembershipFactory
from factories.bookings import BookingFactory
from factories.clients import ClientFactory
from factories.orders import OrderFactory


def names(response):
    assert response.status_code == 200, response.json()
    return [client["full_name"] for client in response.json()["results"]]


def events(account):
    with account_scope(account):
        return [(e.type, e.subject_id, e.source, e.changes) for e in Event.objects.order_by("id")]


def test_create_client_with_only_a_name(owner, account):
    response = owner.post("/api/clients/", {"full_name": "  Ada Lovelace "})

    assert response.status_code == 201
    body = response.json()
    created, updated = body.pop("created_at"), body.pop("updated_at")
    assert body == {
        "id": body["id"],
        "full_name": "Ada Lovelace",
        "email": "",
        "phone_number": "",
        "stage": "active",
        "source": "",
        "owner": None,
        "tags": [],
        "custom_fields": {},
        "consents": {},
        "customer": None,
        "tax_id": "",
        "tax_code": "",
        "billing_address": "",
        "blocked_at": None,
        "blocked_reason": "",
        "possible_duplicates": [],
    }
    assert created.endswith("Z")
    assert updated.endswith("Z")
    assert events(account) == [("client.created", body["id"], "staff", {})]


def test_create_client_with_everything(owner, account):
    member = MembershipFactory(account=account, role=Role.MANAGER)
    sent = {
        "full_name": "Ada Lovelace",
        "email": "Ada@Example.test",
        "phone_number": "+49 30 123456",
        "stage": "lead",
        "source": "website",
        "owner": member.pk,
        "tags": ["vip", "morning", "vip"],
        "custom_fields": {"shoe size": 38, "allergies": ["nuts", "milk"], "newsletter": True, "note": None},
    }

    body = owner.post("/api/clients/", sent).json()

    assert {key: body[key] for key in sent} == {**sent, "phone_number": "+4930123456", "tags": ["vip", "morning"]}
    assert body.pop("possible_duplicates") == []
    assert owner.get(f"/api/clients/{body['id']}/").json() == body
    assert owner.get("/api/clients/").json()["results"] == [body]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_name", ""),
        ("full_name", "   "),
        ("full_name", None),
        ("full_name", "x" * 256),
        ("full_name", ["Ada"]),
        ("email", "nobody"),
        ("email", "a@b"),
        ("phone_number", "030 123456"),
        ("phone_number", "+49 1"),
        ("phone_number", 4930123456),
        ("stage", "customer"),
        ("tags", "vip"),
        ("tags", [""]),
        ("tags", ["x" * 51]),
        ("tags", [f"tag {n}" for n in range(51)]),
        ("custom_fields", []),
        ("custom_fields", {"deep": {"er": 1}}),
        ("custom_fields", {"long": "x" * 2001}),
        ("custom_fields", {str(n): n for n in range(101)}),
        ("owner", 2**63),
        ("owner", True),
    ],
)
def test_create_client_refuses_bad_values(owner, field, value):
    response = owner.post("/api/clients/", {"full_name": "Ada", field: value})

    assert (response.status_code, response.json()["error"]) == (400, "validation_error")
    assert [name.split(".")[0] for name in response.json()["fields"]] == [field]


@pytest.mark.parametrize("field", ["id", "account", "customer", "merged_into", "consents", "created_at", "nonsense"])
def test_create_client_refuses_fields_that_are_not_the_callers_to_set(owner, field):
    response = owner.post("/api/clients/", {"full_name": "Ada", field: 1})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")
    assert list(response.json()["fields"]) == [field]


def test_an_email_belongs_to_one_client_of_an_account(owner, other_owner, account):
    ClientFactory(account=account, email="ada@example.test")

    again = owner.post("/api/clients/", {"full_name": "Ada", "email": "ADA@example.TEST"})
    elsewhere = other_owner.post("/api/clients/", {"full_name": "Ada", "email": "ada@example.test"})
    without = [owner.post("/api/clients/", {"full_name": "Ada"}).status_code for _ in range(2)]

    assert (again.status_code, again.json()["error"]) == (400, "validation_error")
    assert again.json()["fields"] == {"email": ["A client with this e-mail exists already."]}
    assert elsewhere.status_code == 201
    assert without == [201, 201]


def test_the_owner_of_a_client_is_a_member_of_the_account(owner, other_account):
    foreign = MembershipFactory(account=other_account)

    response = owner.post("/api/clients/", {"full_name": "Ada", "owner": foreign.pk})

    assert response.status_code == 400
    assert response.json()["fields"] == {"owner": [f'Invalid pk "{foreign.pk}" - object does not exist.']}


def test_patch_client_tells_what_changed(owner, account):
    client = ClientFactory(account=account, full_name="Ada", email="ada@example.test", phone_number="+4930123456", tags=["vip"])

    response = owner.patch(f"/api/clients/{client.pk}/", {"full_name": "Ada", "stage": "inactive", "phone_number": "", "tags": []})

    assert response.status_code == 200
    body = response.json()
    assert (body["full_name"], body["email"], body["stage"], body["phone_number"], body["tags"]) == (
        "Ada",
        "ada@example.test",
        "inactive",
        "",
        [],
    )
    assert body["updated_at"] > body["created_at"]
    changes = {"stage": ["active", "inactive"], "phone_number": ["+4930123456", ""], "tags": [["vip"], []]}
    assert events(account) == [("client.updated", client.pk, "staff", changes)]


def test_patch_without_a_change_is_no_event(owner, account):
    client = ClientFactory(account=account, full_name="Ada")

    for same in ({}, {"full_name": "Ada"}):
        assert owner.patch(f"/api/clients/{client.pk}/", same).status_code == 200

    assert events(account) == []


def test_put_does_not_exist(owner, account):
    client = ClientFactory(account=account)

    response = owner.put(f"/api/clients/{client.pk}/", {"full_name": "Ada"}, "application/json")

    assert (response.status_code, response.json()["error"]) == (405, "method_not_allowed")


def test_delete_client(owner, account):
    client = ClientFactory(account=account)

    response = owner.delete(f"/api/clients/{client.pk}/")

    assert (response.status_code, response.content) == (204, b"")
    assert owner.get(f"/api/clients/{client.pk}/").status_code == 404
    assert events(account) == [("client.deleted", client.pk, "staff", {})]


@pytest.mark.parametrize("factory", [OrderFactory, BookingFactory])
def test_a_client_with_records_stays(owner, account, factory):
    record = factory(account=account)

    response = owner.delete(f"/api/clients/{record.client_id}/")

    assert (response.status_code, response.json()["error"]) == (409, "in_use")
    assert owner.get(f"/api/clients/{record.client_id}/").status_code == 200
    assert events(account) == []


def test_clients_of_another_account_are_not_found(owner, other_account, account):
    foreign = ClientFactory(account=other_account, full_name="Foreign")

    for method in ("get", "patch", "delete"):
        assert getattr(owner, method)(f"/api/clients/{foreign.pk}/").status_code == 404
    assert names(owner.get("/api/clients/")) == []
    with account_scope(other_account):
        assert Client.objects.get().full_name == "Foreign"


def test_merged_clients_are_not_listed(owner, account):
    kept = ClientFactory(account=account, full_name="Kept", email="same@example.test")
    merged = ClientFactory(account=account, full_name="Merged", email="SAME@example.test", merged_into=kept)

    assert names(owner.get("/api/clients/")) == ["Kept"]
    assert owner.get(f"/api/clients/{merged.pk}/").status_code == 404


def test_filters(owner, account):
    member = MembershipFactory(account=account)
    ClientFactory(account=account, full_name="Ada", stage="lead", tags=["vip", "morning"], owner=member)
    ClientFactory(account=account, full_name="Bob", stage="lead", tags=["morning"])
    ClientFactory(account=account, full_name="Eve", stage="archived", tags=["vip"])

    def listed(query):
        return names(owner.get(f"/api/clients/?{query}&ordering=full_name"))

    assert listed("stage=lead") == ["Ada", "Bob"]
    assert listed("tag=vip") == ["Ada", "Eve"]
    assert listed("tag=VI") == []
    assert listed("stage=lead&tag=vip") == ["Ada"]
    assert listed(f"owner={member.pk}") == ["Ada"]
    assert listed("search=a") == ["Ada", "Bob", "Eve"]  # every address ends in example.test


def test_search_looks_at_name_email_and_phone_number(owner, account, other_account):
    ClientFactory(account=account, full_name="Ada Lovelace", email="countess@example.test", phone_number="+4930123456")
    ClientFactory(account=account, full_name="Bob", email="bob@ada.test")
    ClientFactory(account=other_account, full_name="Ada of elsewhere")

    def found(text):
        return names(owner.get("/api/clients/", {"search": text, "ordering": "full_name", "page_size": 10}))

    assert found("ada") == ["Ada Lovelace", "Bob"]
    assert found("LOVE") == ["Ada Lovelace"]
    assert found("ada love") == ["Ada Lovelace"]
    assert found("countess") == ["Ada Lovelace"]
    assert found("+4930123") == ["Ada Lovelace"]
    assert found("30 123456") == ["Ada Lovelace"]
    assert found("100%") == []


def test_updated_since_is_inclusive_and_takes_an_offset(owner, account):
    for name, day in (("Old", 1), ("New", 2)):
        client = ClientFactory(account=account, full_name=name)
        with account_scope(account):
            Client.objects.filter(pk=client.pk).update(updated_at=datetime(2026, 5, day, tzinfo=UTC))

    def since(text):
        return names(owner.get("/api/clients/", {"updated_since": text, "ordering": "updated_at"}))

    assert since("2026-05-02T00:00:00Z") == ["New"]
    assert since("2026-05-02T02:00:00+02:00") == ["New"]
    assert since("2026-05-01T23:00:00-02:00") == []
    assert since("2026-04-30T00:00:00Z") == ["Old", "New"]


@pytest.mark.parametrize(
    "query",
    [
        "stage=customer",
        "updated_since=2026-05-01T00:00:00",
        "updated_since=yesterday",
        "owner=x",
        "owner=999999999",
        "owner=99999999999999999999",
        "ordering=email",
        "page_size=0",
        "page_size=101",
        "cursor=nonsense",
    ],
)
def test_bad_filter_values_are_refused(owner, query):
    response = owner.get(f"/api/clients/?{query}")

    assert (response.status_code, response.json()["error"]) == (400, "validation_error")
    assert list(response.json()["fields"]) == [query.split("=")[0]]


@pytest.mark.parametrize("name", ["email", "account", "stage__in", "full_name"])
def test_unknown_filters_are_refused(owner, name):
    response = owner.get(f"/api/clients/?{name}=1")

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")


def test_a_filter_does_not_tell_whether_a_foreign_id_exists(owner, other_account):
    foreign = MembershipFactory(account=other_account)

    there, missing = (owner.get(f"/api/clients/?owner={pk}").json() for pk in (foreign.pk, 999_999_999))

    assert there["fields"] == {"owner": [f'Invalid pk "{foreign.pk}" - object does not exist.']}
    assert missing["fields"] == {"owner": ['Invalid pk "999999999" - object does not exist.']}


@pytest.mark.parametrize(
    ("role", "create", "delete"),
    [
        ("owner", 201, 204),
        ("manager", 201, 204),
        ("front_desk", 201, 403),
        ("practitioner", 201, 403),
        ("bookkeeper", 403, 403),
        (None, 401, 401),
    ],
)
def test_who_may_change_clients(client_as, account, role, create, delete):
    client = ClientFactory(account=account)
    caller = client_as(role)

    assert caller.get("/api/clients/").status_code == (200 if role else 401)
    assert caller.post("/api/clients/", {"full_name": "Ada"}).status_code == create
    assert caller.patch(f"/api/clients/{client.pk}/", {"full_name": "Ada"}).status_code == (200 if create == 201 else create)
    assert caller.delete(f"/api/clients/{client.pk}/").status_code == delete


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 3),  # token, membership, clients
        ("?stage=active&ordering=full_name", 3),
        ("?search=client&tag=vip&ordering=full_name", 4),  # and what is searched, folded
        ("?search=client&tag=vip", 6),  # token, membership, folding, exact finds, near ones, clients
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_list_clients_takes_a_fixed_number_of_statements(owner, account, statements, count, query, expected):
    ClientFactory.create_batch(count, account=account, tags=["vip"], phone_number="+4930123456")

    with statements() as made:
        response = owner.get(f"/api/clients/{query}")

    assert len(response.json()["results"]) == count
    assert len(made()) == expected


@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "full_name", "-full_name", "updated_at", "id"])
def test_pages_neither_repeat_nor_skip_a_client(owner, account, ordering):
    """130 clients, all made in one of three instants and with one of three names: every ordering is full of ties."""
    clients = ClientFactory.build_batch(130, account=account)
    start = datetime(2026, 5, 1, tzinfo=UTC)
    with account_scope(account):
        for i, client in enumerate(clients):
            client.full_name = f"Name {i % 3}"
        made = Client.objects.bulk_create(clients)
        for i in range(3):
            at = start + timedelta(microseconds=i)
            Client.objects.filter(pk__in=[c.pk for c in made[i::3]]).update(created_at=at, updated_at=at)
        expected = list(Client.objects.order_by(ordering, "-id" if ordering.startswith("-") else "id").values_list("pk", flat=True))

    forwards, backwards = [], []
    url = f"/api/clients/?ordering={ordering}&page_size=50&stage=active"
    while url:
        page = owner.get(url).json()
        forwards.append([client["id"] for client in page["results"]])
        last, url = url, page["next"]
    url = last
    while url:
        page = owner.get(url).json()
        backwards.append([client["id"] for client in page["results"]])
        url = page["previous"]

    assert [len(page) for page in forwards] == [50, 50, 30]
    assert list(chain(*forwards)) == expected
    assert list(chain(*reversed(backwards))) == expected
