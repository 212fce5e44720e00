"""Claims: whoever reads the mail of a login that was made for them takes it over."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail, signing
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.core import jobs
from apps.core.tenancy import account_scope
from apps.users.models import Customer, User
from apps.users.services import create_customer, deactivate_user, invite_to_claim, update_profile
from apps.users.services.claims import SALT, claim_key, mail_claim
from factories.accounts import token_for
from factories.clients import ClientFactory
from factories.users import PASSWORD, CustomerFactory
from tests.accounts.conftest import AUTH
from tests.conftest import ApiClient

URL = "/api/auth/claim/"
NEW = "another horse battery"
EXPIRED = {
    "error": "claim_expired",
    "message": "This link is not valid (any more). Ask for a new password with your e-mail address instead.",
}


@pytest.fixture
def buyer(db) -> Customer:
    """Somebody who bought as a guest: a login that nobody can use yet."""
    return create_customer(email="ada@example.test", full_name="Ada")


def claim(key, password=NEW):
    return ApiClient().post(URL, {"key": key, "password": password})


def sign_in(password=NEW):
    return ApiClient().post("/api/auth/tokens/", {"email": "ada@example.test", "password": password}).status_code


def body_of(response):
    body = response.json()
    assert body.pop("request_id")
    return response.status_code, body


@pytest.mark.django_db(transaction=True)
def test_the_mail_leaves_after_commit_and_its_link_opens_the_login():
    buyer = create_customer(email="ada@example.test", full_name="Ada")
    with transaction.atomic():
        invite_to_claim(buyer.user, account_name="Berlin\r\nStudio")
        assert mail.outbox == []
    jobs.run_pending()

    [message] = mail.outbox
    assert (message.to, message.subject) == (["ada@example.test"], "Your login at Berlin Studio")
    key = re.search(r"^http://localhost:3000/claim/(\S+)$", message.body, re.MULTILINE)[1]
    assert sign_in() == 401

    response = claim(key)

    assert (response.status_code, response.json()) == (200, {"email": "ada@example.test"})
    assert sign_in() == 201
    address = EmailAddress.objects.get()
    assert (address.user_id, address.email, address.verified, address.primary) == (buyer.user_id, "ada@example.test", True, True)
    assert Customer.objects.get().is_verified


@pytest.mark.django_db(transaction=True)
def test_a_sale_that_is_rolled_back_mails_nobody():
    buyer = create_customer(email="ada@example.test")
    with transaction.atomic():
        invite_to_claim(buyer.user, account_name="Berlin Studio")
        transaction.set_rollback(True)
    jobs.run_pending()

    assert mail.outbox == []
    assert not EmailAddress.objects.exists()


@pytest.mark.parametrize("case", ["used", "password", "address", "inactive", "old", "forged", "nonsense", "empty list"])
def test_a_key_that_does_not_hold_any_more_is_refused_in_the_same_words(buyer, case, time_machine):
    user = buyer.user
    key = claim_key(user)
    if case == "used":
        assert claim(key).status_code == 200
    elif case == "password":
        user.set_password("yet another battery")
        user.save()
    elif case == "address":
        update_profile(customer=buyer, login={"email": "eve@example.test"})
    elif case == "inactive":
        deactivate_user(user=user)
    elif case == "old":
        time_machine.move_to(timezone.now() + timedelta(days=14, seconds=1))
    elif case == "forged":
        key = signing.dumps(signing.loads(key, salt=SALT), salt="other")
    elif case == "nonsense":
        key = "é" * 500
    elif case == "empty list":
        key = signing.dumps([user.pk, ""], salt=SALT)
    before = User.objects.get(pk=user.pk).password

    assert body_of(claim(key, "the thieves' battery")) == (409, EXPIRED)
    assert User.objects.get(pk=user.pk).password == before


def test_a_key_holds_for_two_weeks(buyer, time_machine):
    key = claim_key(buyer.user)
    time_machine.move_to(timezone.now() + timedelta(days=13, hours=23))

    assert claim(key).status_code == 200


def test_a_weak_password_is_refused_and_the_key_stays(buyer):
    key = claim_key(buyer.user)

    response = claim(key, "12345678")

    assert (response.status_code, list(response.json()["fields"])) == (400, ["password"])
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert claim(key).status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"key": "x"}, ["password"]),
        ({"key": ["x"], "password": NEW}, ["key"]),
        ({"key": "x" * 501, "password": NEW}, ["key"]),
        ({"key": "x", "password": NEW, "email": "eve@example.test"}, ["email"]),
    ],
)
def test_claim_refuses_bad_input(db, body, fields):
    response = ApiClient().post(URL, body)

    assert (response.status_code, list(response.json()["fields"])) == (400, fields)


def test_tokens_of_before_end(buyer):
    token_for(buyer.user)
    key = claim_key(buyer.user)

    claim(key)

    assert not ApiToken.objects.exists()


def test_an_address_that_somebody_else_has_proved_is_not_taken_over(buyer):
    other = CustomerFactory()
    EmailAddress.objects.create(user=other.user, email="ada@example.test", verified=True)

    assert body_of(claim(claim_key(buyer.user))) == (409, EXPIRED)
    assert not User.objects.get(pk=buyer.user_id).has_usable_password()


def test_what_waited_for_the_address_goes_on(buyer, account):
    lead = ClientFactory(account=account, email="Ada@example.test")

    claim(claim_key(buyer.user))

    with account_scope(account):
        lead.refresh_from_db()
    assert lead.customer_id == buyer.pk


def test_who_has_nothing_to_claim_gets_no_mail(buyer, django_capture_on_commit_callbacks):
    claim(claim_key(buyer.user))

    with django_capture_on_commit_callbacks(execute=True):
        mail_claim(buyer.user_id, "Berlin Studio")
        mail_claim(0, "Berlin Studio")

    assert mail.outbox == []


@pytest.mark.parametrize(("language", "subject"), [("de", "Ihr Zugang bei 50% %(link)s"), ("es", "Su acceso a 50% %(link)s")])
def test_the_mail_is_in_the_language_of_the_login(buyer, language, subject, django_capture_on_commit_callbacks):
    buyer.user.language = language
    buyer.user.save()

    with django_capture_on_commit_callbacks(execute=True):
        mail_claim(buyer.user_id, "50% %(link)s")

    [message] = mail.outbox
    assert message.subject == subject  # a name is no template
    assert message.body.count("/claim/") == 1


def test_whoever_lost_the_mail_resets_the_password_and_proves_the_address_with_that(buyer, django_capture_on_commit_callbacks):
    invite_to_claim(buyer.user, account_name="Berlin Studio")
    with django_capture_on_commit_callbacks(execute=True):
        asked = ApiClient().post(f"{AUTH}/auth/password/request", {"email": "ada@example.test"})
    session = asked.json()["meta"]["session_token"]
    code = re.search(r"^([A-Z0-9]{4}-[A-Z0-9]{4})$", mail.outbox[0].body, re.MULTILINE)[1]

    reset = ApiClient(**{"X-Session-Token": session}).post(f"{AUTH}/auth/password/reset", {"key": code, "password": NEW})

    assert reset.status_code in (200, 401)  # signed in, or asked to sign in
    assert sign_in() == 201
    assert sign_in(PASSWORD) == 401
