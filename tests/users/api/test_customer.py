"""/api/customer/me/ and /api/customer/addresses/."""

import pytest

from apps.users.models import Address, Customer, User
from factories.accounts import token_for
from factories.users import AddressFactory, CustomerFactory, UserFactory
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db

ADDRESS = {"line1": "1 Main Street", "city": "Berlin", "country": "DE"}


@pytest.fixture
def customer():
    return CustomerFactory(user__email="ada@example.test", full_name="Ada L")


@pytest.fixture
def client(customer):
    return ApiClient(token_for(customer.user))


def test_me_shows_the_whole_profile(client, customer, statements):
    with statements() as made:
        response = client.get("/api/customer/me/")

    assert response.status_code == 200
    assert response.json() == {
        "id": customer.pk,
        "email": "ada@example.test",
        "username": None,
        "full_name": "Ada L",
        "phone_number": None,
        "gender": "NS",
        "birth_date": None,
        "image": None,
        "country": None,
        "language": "en",
        "timezone": "",
        "is_verified": False,
        "primary_address": None,
    }
    assert len(made()) == 2  # token with user, profile


def test_patch_me_writes_user_and_customer(client, customer):
    address = AddressFactory(user=customer.user)
    changes = {
        "username": "ada",
        "language": "de",
        "full_name": "Ada Lovelace",
        "phone_number": "+49 30 123456",
        "gender": "F",
        "birth_date": "1990-02-28",
        "country": "DE",
        "primary_address": address.pk,
    }

    response = client.patch("/api/customer/me/", changes)

    assert response.status_code == 200
    assert {key: response.json()[key] for key in changes} == {**changes, "phone_number": "+4930123456"}
    user = User.objects.get(pk=customer.user_id)
    assert (user.username, user.language) == ("ada", "de")
    assert Customer.objects.get(pk=customer.pk).primary_address == address


def test_patch_me_turns_empty_text_into_null(client, customer):
    client.patch("/api/customer/me/", {"username": "ada", "phone_number": "+4930123456"})

    response = client.patch("/api/customer/me/", {"username": "", "phone_number": ""})

    assert (response.status_code, response.json()["username"], response.json()["phone_number"]) == (200, None, None)
    customer.refresh_from_db()
    assert customer.phone_number is None
    assert User.objects.get(pk=customer.user_id).username is None


@pytest.mark.parametrize(("field", "value"), [("username", "taken"), ("phone_number", "+4930999999")])
def test_patch_me_refuses_duplicates_and_changes_nothing(client, customer, field, value):
    CustomerFactory(user__username="taken", phone_number="+4930999999")

    response = client.patch("/api/customer/me/", {"full_name": "Changed", field: value})

    assert (response.status_code, response.json()["error"]) == (400, "validation_error")
    assert list(response.json()["fields"]) == [field]
    customer.refresh_from_db()
    assert customer.full_name == "Ada L"


@pytest.mark.parametrize(
    "field", ["email", "is_verified", "id", "image", "user", "inviter", "referral_code", "is_staff", "password", "nonsense"]
)
def test_patch_me_refuses_what_is_not_the_persons_to_set(client, field):
    response = client.patch("/api/customer/me/", {field: True})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone_number", "123"),
        ("phone_number", 5),
        ("username", "a b"),
        ("username", "a@b.test"),
        ("username", "x" * 151),
        ("language", "xx"),
        ("gender", "X"),
        ("birth_date", "28.02.1990"),
        ("birth_date", "2190-01-01"),
        ("country", "XX"),
        ("country", 5),
        ("country", {"code": "DE"}),
        ("full_name", None),
        ("full_name", "x" * 256),
        ("full_name", "Ada\nBcc: all@example.test"),
        ("full_name", "Ada\x1b[2J"),
        ("primary_address", 0),
        ("primary_address", "abc"),
        ("primary_address", 2**70),
        ("primary_address", [1]),
    ],
)
def test_patch_me_refuses_bad_values(client, field, value):
    response = client.patch("/api/customer/me/", {field: value})

    assert (response.status_code, response.json()["error"]) == (400, "validation_error")
    assert list(response.json()["fields"]) == [field]


def test_an_address_of_somebody_else_does_not_exist(client, customer):
    foreign = AddressFactory(user=CustomerFactory().user)
    missing = foreign.pk + 1000

    answers = [client.patch("/api/customer/me/", {"primary_address": pk}) for pk in (foreign.pk, missing)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json()["fields"] == {"primary_address": [f'Invalid pk "{foreign.pk}" - object does not exist.']}
    assert str(answers[1].json()["fields"]).replace(str(missing), "?") == str(answers[0].json()["fields"]).replace(str(foreign.pk), "?")
    for method in ("get", "patch", "delete"):
        assert getattr(client, method)(f"/api/customer/addresses/{foreign.pk}/").status_code == 404
    assert client.get("/api/customer/addresses/").json()["results"] == []


@pytest.mark.parametrize("path", ["me/", "addresses/"])
def test_only_people_with_a_profile_come_in(path):
    assert ApiClient().get(f"/api/customer/{path}").status_code == 401
    assert ApiClient(token_for(UserFactory())).get(f"/api/customer/{path}").status_code == 403
    assert ApiClient(token_for(CustomerFactory().user)).get(f"/api/customer/{path}").status_code == 200


def test_addresses_are_created_changed_and_deleted(client, customer):
    created = client.post("/api/customer/addresses/", ADDRESS)
    assert created.status_code == 201
    pk = created.json()["id"]
    assert Address.objects.get(pk=pk).user == customer.user
    client.patch("/api/customer/me/", {"primary_address": pk})

    changed = client.patch(f"/api/customer/addresses/{pk}/", {"city": "Potsdam", "label": "Home"})
    assert (changed.status_code, changed.json()["city"], changed.json()["label"]) == (200, "Potsdam", "Home")

    assert client.delete(f"/api/customer/addresses/{pk}/").status_code == 204
    assert client.get("/api/customer/me/").json()["primary_address"] is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"line1": ""}, "validation_error"),
        ({"line1": None}, "validation_error"),
        ({"city": "x" * 101}, "validation_error"),
        ({"country": "de"}, "validation_error"),
        ({"country": None}, "validation_error"),
        ({"user": 1}, "unknown_field"),
        ({"id": 1}, "unknown_field"),
    ],
)
def test_addresses_refuse_bad_input(client, change, code):
    response = client.post("/api/customer/addresses/", {**ADDRESS, **change})

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))
    assert Address.objects.count() == 0


@pytest.mark.parametrize("count", [1, 3])
def test_list_addresses_takes_a_fixed_number_of_statements(client, customer, count, statements):
    AddressFactory.create_batch(count, user=customer.user)
    AddressFactory()

    with statements() as made:
        response = client.get("/api/customer/addresses/")

    assert len(response.json()["results"]) == count
    assert len(made()) == 2  # token, addresses
