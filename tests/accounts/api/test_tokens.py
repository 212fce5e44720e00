"""/api/auth/tokens/ and /api/me/."""

import time
from datetime import timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.accounts.models import Account, ApiToken
from apps.accounts.services.tokens import TOKENS_PER_USER, issue_token
from apps.users.models import User
from apps.users.services import change_password, create_customer, deactivate_user
from factories.accounts import MembershipFactory, token_for
from factories.users import PASSWORD, CustomerFactory, UserFactory
from tests.accounts.conftest import verified_customer
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db


def totp_code(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


@pytest.fixture
def second_factor(person):
    secret = generate_totp_secret()
    TOTP.activate(person.user, secret)
    return secret


def test_sign_in_gives_a_token_that_works_and_is_stored_as_a_digest(person, sign_in):
    response = sign_in(email="ADA@Example.test", label="Laptop")

    assert response.status_code == 201
    assert set(response.json()) == {"id", "token", "expires_at"}
    token = ApiToken.objects.get()
    assert (str(token.public_id), token.label, token.user) == (response.json()["id"], "Laptop", person.user)
    days = (parse_datetime(response.json()["expires_at"]) - timezone.now()) / timedelta(days=1)
    assert round(days) == settings.API_TOKEN_DAYS
    assert ApiClient(response.json()["token"]).get("/api/me/").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM accounts_apitoken t")
        assert response.json()["token"] not in cursor.fetchone()[0]


def test_wrong_and_unknown_are_answered_alike(person, sign_in):
    inactive = verified_customer("gone@example.test")
    deactivate_user(user=inactive.user)

    answers = [
        sign_in(password="wrong horse battery"),
        sign_in(email="nobody@example.test"),
        sign_in(email="gone@example.test"),
        sign_in(email="gone@example.test", password="wrong horse battery"),
    ]

    for answer in answers:
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Token")
        assert {**answer.json(), "request_id": ""} == {
            "error": "not_authenticated",
            "message": "The e-mail address or the password is wrong.",
            "request_id": "",
        }
    assert ApiToken.objects.count() == 0


def test_wrong_and_unknown_cost_the_same_hashes(person, sign_in, monkeypatch):
    """Hashing is what takes the time, and unlike a clock a count does not depend on the machine."""
    inactive = verified_customer("gone@example.test")
    deactivate_user(user=inactive.user)
    made = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *args: made.append(args) or encode(self, *args))

    def hashes(email, password="wrong horse battery"):
        made.clear()
        assert sign_in(email=email, password=password).status_code == 401
        return len(made)

    assert [
        hashes("ada@example.test"),
        hashes("nobody@example.test"),
        hashes("gone@example.test"),
        hashes("gone@example.test", PASSWORD),
    ] == [2] * 4


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "nobody"}, "validation_error"),
        ({"email": None}, "validation_error"),
        ({"email": "a" * 250 + "@example.test"}, "validation_error"),
        ({"password": ""}, "validation_error"),
        ({"password": ["x"]}, "validation_error"),
        ({"password": "x" * 1001}, "validation_error"),
        ({"label": "x" * 101}, "validation_error"),
        ({"mfa_code": "1" * 65}, "validation_error"),
        ({"username": "ada"}, "unknown_field"),
    ],
)
def test_sign_in_refuses_bad_input(person, sign_in, change, code):
    response = sign_in(**change)

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, code, list(change))


def test_an_old_token_in_the_header_does_not_stop_a_sign_in(person):
    client = ApiClient("0" * 64)

    assert client.post("/api/auth/tokens/", {"email": "ada@example.test", "password": PASSWORD}).status_code == 201


def test_unverified_addresses_get_no_token(sign_in):
    create_customer(email="new@example.test", password=PASSWORD)

    right, wrong = sign_in(email="new@example.test"), sign_in(email="new@example.test", password="wrong horse battery")

    assert (right.status_code, right.json()["error"]) == (403, "email_unverified")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "not_authenticated")
    assert ApiToken.objects.count() == 0


def test_second_factor_is_asked_for_and_checked(person, second_factor, sign_in):
    missing, wrong = sign_in(), sign_in(mfa_code="000000")
    assert (missing.status_code, missing.json()["error"]) == (401, "mfa_required")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "not_authenticated")
    assert ApiToken.objects.count() == 0

    code = totp_code(second_factor)
    assert sign_in(mfa_code=code).status_code == 201
    assert sign_in(mfa_code=code).status_code == 401  # a code works once
    assert sign_in(password="wrong horse battery", mfa_code=code).json()["error"] == "not_authenticated"


def test_recovery_codes_work_once(person, second_factor, sign_in):
    codes = RecoveryCodes.activate(person.user).generate_codes()

    assert sign_in(mfa_code=codes[0]).status_code == 201
    assert sign_in(mfa_code=codes[0]).status_code == 401
    assert sign_in(mfa_code=codes[1]).status_code == 201
    assert Authenticator.objects.get(type="recovery_codes").last_used_at is not None


def test_guessing_passwords_is_limited_per_address(person, sign_in):
    for _ in range(5):
        assert sign_in(password="wrong horse battery").status_code == 401

    limited, known = sign_in(), sign_in(email="nobody@example.test")

    assert (limited.status_code, limited.json()["error"], limited.json()["retry_after"]) == (429, "rate_limited", 300)
    assert limited.headers["Retry-After"] == "300"
    assert known.status_code == 401
    with time_machine.travel(timezone.now() + timedelta(seconds=301)):
        assert sign_in().status_code == 201


def test_guessing_second_factors_is_limited(person, second_factor, sign_in):
    for _ in range(5):
        assert sign_in(mfa_code="000000").status_code == 401

    limited = sign_in(mfa_code=totp_code(second_factor))

    assert (limited.status_code, limited.json()["error"]) == (429, "rate_limited")


def test_successful_sign_ins_are_not_counted_as_failures(person, sign_in):
    assert [sign_in().status_code for _ in range(12)] == [201] * 12


@pytest.mark.django_db(transaction=True)
def test_failures_are_counted_although_their_request_is_rolled_back(settings, sign_in):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "core_cache"}}
    cache.clear()
    verified_customer()

    answers = [sign_in(password="wrong horse battery").status_code for _ in range(6)]

    assert answers == [401] * 5 + [429]
    cache.clear()


def test_list_shows_ones_own_tokens_without_secrets(person, sign_in):
    token_for(UserFactory())
    body = sign_in(label="Laptop").json()

    response = ApiClient(body["token"]).get("/api/auth/tokens/")

    assert response.status_code == 200
    [shown] = response.json()["results"]
    assert set(shown) == {"id", "label", "created_at", "last_used_at", "expires_at"}
    assert (shown["id"], shown["label"]) == (body["id"], "Laptop")
    assert body["token"] not in response.content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_list_tokens_takes_a_fixed_number_of_statements(person, count, statements):
    tokens = [token_for(person.user) for _ in range(count)]

    with statements() as made:
        response = ApiClient(tokens[0]).get("/api/auth/tokens/")

    assert len(response.json()["results"]) == count
    assert len(made()) == 2  # token, tokens


def test_delete_ends_one_token_and_nobody_elses(person):
    here, there, foreign = token_for(person.user), token_for(person.user, label="there"), token_for(UserFactory(), label="foreign")
    client = ApiClient(here)
    ids = {token.label: token.public_id for token in ApiToken.objects.all()}

    assert client.delete(f"/api/auth/tokens/{ids['there']}/").status_code == 204
    for other in (ids["foreign"], ids["there"], "0", "abc", "00000000-0000-0000-0000-000000000000"):
        assert client.delete(f"/api/auth/tokens/{other}/").status_code == 404

    assert ApiClient(there).get("/api/me/").status_code == 401
    assert ApiClient(foreign).get("/api/me/").status_code == 200
    assert client.get("/api/me/").status_code == 200


def test_tokens_end_with_a_password_change_and_with_deactivation(person):
    token_for(person.user)
    change_password(customer=person, new_password="another horse battery")
    assert ApiToken.objects.count() == 0

    token_for(person.user)
    deactivate_user(user=person.user)
    assert ApiToken.objects.count() == 0


def test_tokens_survive_what_has_nothing_to_do_with_the_password(person, settings):
    token_for(person.user)

    user = User.objects.get()
    user.language = "de"
    user.save()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    assert User.objects.get().check_password(PASSWORD)  # rehashes

    assert User.objects.get().password.startswith("pbkdf2")
    assert ApiToken.objects.count() == 1


def test_expired_tokens_are_refused_and_forgotten(person):
    token = token_for(person.user, expiry=timedelta(seconds=-1))

    assert ApiClient(token).get("/api/me/").status_code == 401
    issue_token(user=person.user)
    assert ApiToken.objects.count() == 1


def test_a_user_keeps_at_most_so_many_tokens(person):
    for _ in range(TOKENS_PER_USER + 2):
        issue_token(user=person.user)

    assert ApiToken.objects.count() == TOKENS_PER_USER


@pytest.mark.parametrize("header", ["Token", "Token a b", "Bearer x", "Token \N{SNOWMAN}", "Token " + "0" * 64])
def test_wrong_headers_are_not_authenticated(db, header):
    response = ApiClient(Authorization=header.encode().decode("latin-1")).get("/api/me/")

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")


def test_me_shows_the_person_and_where_they_work(account, other_account, statements):
    user = CustomerFactory(user__email="ada@example.test", full_name="Ada", country_id="DE", phone_number="+4930123456").user
    MembershipFactory(account=account, user=user, role="owner")
    MembershipFactory(account=other_account, user=user, role="front_desk")
    MembershipFactory(user=user, is_active=False)
    MembershipFactory(account=account)
    closed = MembershipFactory(user=user).account
    Account.objects.filter(pk=closed.pk).update(status="closed")
    client = ApiClient(token_for(user))

    with statements() as made:
        response = client.get("/api/me/")

    assert response.json() == {
        "id": user.pk,
        "email": "ada@example.test",
        "language": "en",
        "timezone": "",
        "customer": {"id": user.customer.pk, "full_name": "Ada", "phone_number": "+4930123456", "country": "DE", "is_verified": False},
        "memberships": [
            {
                "account": {"id": account.pk, "slug": "berlin", "name": "Berlin Studio", "timezone": "Europe/Berlin", "currency": "EUR"},
                "role": "owner",
            },
            {
                "account": {
                    "id": other_account.pk,
                    "slug": "new-york",
                    "name": "New York Studio",
                    "timezone": "America/New_York",
                    "currency": "USD",
                },
                "role": "front_desk",
            },
        ],
    }
    assert len(made()) == 2  # token with user and customer, memberships


def test_me_of_a_user_without_a_profile(db):
    assert ApiClient(token_for(UserFactory())).get("/api/me/").json()["customer"] is None


@pytest.mark.parametrize(
    ("method", "path"), [("get", "auth/tokens/"), ("get", "me/"), ("post", "accounts/"), ("post", "invitations/accept/")]
)
def test_anonymous_callers_stay_outside(db, anonymous, method, path):
    response = getattr(anonymous, method)(f"/api/{path}")

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")
