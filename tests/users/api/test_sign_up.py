"""Sign-up, verification and password through allauth's headless API."""

import re
import threading

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connections

from apps.accounts.models import ApiToken
from apps.users.models import Customer, User
from apps.users.services import deactivate_user
from factories.users import PASSWORD, CustomerFactory
from tests.accounts.conftest import AUTH, verified_customer
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(django_capture_on_commit_callbacks):
    """POST (or another method) to the app client, with the mail that leaves after commit."""

    def request(path, data=None, session=None, method="post"):
        client = ApiClient(**({"X-Session-Token": session} if session else {}))
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(f"{AUTH}/{path}", data) if method == "post" else getattr(client, method)(f"{AUTH}/{path}")

    return request


def code_in(message):
    return re.search(r"^([A-Z]{4}-[A-Z]{4})$", message.body, re.MULTILINE)[1]


def sign_up(call, email="ada@example.test", **more):
    return call("auth/signup", {"email": email, "password": PASSWORD, **more})


def test_sign_up_makes_user_and_customer_and_ends_with_a_token(call):
    response = sign_up(call)

    assert response.status_code == 401
    assert {"id": "verify_email", "is_pending": True} in response.json()["data"]["flows"]
    customer = Customer.objects.get(user__email="ada@example.test")
    assert (customer.full_name, customer.phone_number, customer.country, customer.is_verified) == ("", None, None, False)
    assert ApiToken.objects.count() == 0
    [message] = mail.outbox
    assert message.to == ["ada@example.test"]
    assert "testserver" not in message.subject + message.body

    session = response.json()["meta"]["session_token"]
    verified = call("auth/email/verify", {"key": code_in(message)}, session)

    assert verified.status_code == 200
    token = verified.json()["meta"]["access_token"]
    me = ApiClient(token).get("/api/me/").json()
    assert (me["email"], me["customer"]["is_verified"], me["memberships"]) == ("ada@example.test", True, [])


def test_sign_up_takes_the_optional_fields(call):
    inviter = CustomerFactory()

    response = sign_up(call, full_name="Ada L", phone_number="+4930123456", country="DE", referral_code=inviter.referral_code.lower())

    assert response.status_code == 401
    customer = Customer.objects.get(user__email="ada@example.test")
    assert (customer.full_name, str(customer.phone_number), customer.country_id, customer.inviter) == (
        "Ada L",
        "+4930123456",
        "DE",
        inviter,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", ""),
        ("password", "short"),
        ("password", ""),
        ("phone_number", "12"),
        ("phone_number", {"a": 1}),
        ("phone_number", "+4930999999"),
        ("country", "XX"),
        ("country", ["DE"]),
        ("referral_code", "NOSUCHCODE"),
        ("full_name", "x" * 256),
        ("full_name", {"a": 1}),
        ("full_name", "Ada\nBcc: all@example.test"),
    ],
)
def test_sign_up_refuses_bad_values_and_makes_nobody(call, field, value):
    CustomerFactory(phone_number="+4930999999")

    response = sign_up(call, **{field: value})

    assert response.status_code == 400
    assert [error["param"] for error in response.json()["errors"]] == [field]
    assert User.objects.count() == 1
    assert mail.outbox == []


@pytest.mark.parametrize("email", ["ada@example.test", "ADA@Example.Test", "\N{KELVIN SIGN}elvin@example.test"])
def test_sign_up_with_a_known_address_looks_the_same_and_changes_nothing(call, email):
    verified_customer()
    verified_customer("kelvin@example.test")

    known, unknown = sign_up(call, email), sign_up(call, "new@example.test")

    assert known.status_code == unknown.status_code == 401
    assert known.json()["data"] == unknown.json()["data"]
    assert User.objects.count() == Customer.objects.count() == 3
    assert "already exists" in mail.outbox[0].body
    assert "http://localhost:3000/password/reset" in mail.outbox[0].body


def test_wrong_codes_do_not_verify_and_run_out(call):
    session = sign_up(call).json()["meta"]["session_token"]
    right = code_in(mail.outbox[0])

    for _ in range(3):
        assert call("auth/email/verify", {"key": "AAAA-AAAA"}, session).status_code in (400, 409)

    assert call("auth/email/verify", {"key": right}, session).status_code == 409
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert ApiToken.objects.count() == 0


def test_login_gives_a_token_and_logout_ends_it(call):
    person = verified_customer()
    first = call("auth/login", {"email": "ADA@example.test", "password": PASSWORD}).json()["meta"]
    second = call("auth/login", {"email": "ada@example.test", "password": PASSWORD}).json()["meta"]
    assert ApiToken.objects.filter(user=person.user).count() == 2

    assert call("auth/session", None, first["session_token"], method="delete").status_code == 401

    assert ApiClient(first["access_token"]).get("/api/me/").status_code == 401
    assert ApiClient(second["access_token"]).get("/api/me/").status_code == 200


def test_login_before_verification_gives_no_token(call):
    sign_up(call)

    response = call("auth/login", {"email": "ada@example.test", "password": PASSWORD})

    assert response.status_code in (400, 401)  # 400: the second code within ten seconds
    assert "access_token" not in response.json().get("meta", {})
    assert ApiToken.objects.count() == 0


def test_inactive_users_are_refused_at_login_and_half_way(call):
    person = verified_customer()
    session = sign_up(call, "late@example.test").json()["meta"]["session_token"]
    code = code_in(mail.outbox[0])
    for user in User.objects.all():
        deactivate_user(user=user)

    right = call("auth/login", {"email": "ada@example.test", "password": PASSWORD})
    half_way = call("auth/email/verify", {"key": code}, session)

    assert right.status_code == half_way.status_code == 401
    assert right.json()["meta"]["is_authenticated"] is half_way.json()["meta"]["is_authenticated"] is False
    assert ApiToken.objects.filter(user=person.user).count() == ApiToken.objects.count() == 0


def test_password_change_ends_every_token_and_session(call):
    verified_customer()
    devices = [call("auth/login", {"email": "ada@example.test", "password": PASSWORD}).json()["meta"] for _ in range(2)]

    changed = call(
        "account/password/change", {"current_password": PASSWORD, "new_password": "another horse battery"}, devices[0]["session_token"]
    )

    assert changed.status_code == 401  # signed out here, too
    assert ApiToken.objects.count() == 0
    for device in devices:
        assert ApiClient(device["access_token"]).get("/api/me/").status_code == 401
        assert call("auth/session", None, device["session_token"], method="get").status_code in (401, 410)


def test_password_reset_ends_every_token(call):
    verified_customer()
    call("auth/login", {"email": "ada@example.test", "password": PASSWORD})

    session = call("auth/password/request", {"email": "ada@example.test"}).json()["meta"]["session_token"]
    done = call("auth/password/reset", {"key": code_in(mail.outbox[-1]), "password": "another horse battery"}, session)

    assert done.status_code in (200, 401)
    assert ApiToken.objects.count() == 0
    assert User.objects.get().check_password("another horse battery")


def test_ending_another_session_ends_its_token(call):
    verified_customer()
    here, there = (call("auth/login", {"email": "ada@example.test", "password": PASSWORD}).json()["meta"] for _ in range(2))
    sessions = call("auth/sessions", None, here["session_token"], method="get").json()["data"]
    other = next(session["id"] for session in sessions if not session["is_current"])

    client = ApiClient(**{"X-Session-Token": here["session_token"]})
    assert client.delete(f"{AUTH}/auth/sessions", {"sessions": [other]}, "application/json").status_code == 200

    assert ApiClient(there["access_token"]).get("/api/me/").status_code == 401
    assert ApiClient(here["access_token"]).get("/api/me/").status_code == 200


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_twenty_sign_ups_with_one_address_make_one_user():
    barrier, statuses = threading.Barrier(20), []

    def run(number):
        email = "race@example.test" if number % 2 else "RACE@example.test"
        barrier.wait()
        try:
            statuses.append(
                ApiClient(REMOTE_ADDR=f"10.0.0.{number}").post(f"{AUTH}/auth/signup", {"email": email, "password": PASSWORD}).status_code
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (User.objects.count(), Customer.objects.count()) == (1, 1)
    assert 500 not in statuses
    assert len(statuses) == 20
