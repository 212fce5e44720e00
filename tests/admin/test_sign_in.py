"""The admin's own login form: who may enter, the second factor, and what happens to somebody who guesses."""

import base64

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Role
from apps.users.models import User
from factories.accounts import MembershipFactory
from factories.users import PASSWORD, UserFactory

LOGIN = "/admin/login/"
SECRET = base64.b32encode(b"twenty bytes of test").decode()


@pytest.fixture
def member(account):
    user = UserFactory(is_staff=True, email="ana@example.test")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    MembershipFactory(account=account, user=user, role=Role.OWNER)
    return user


def sign_in(browser, user="ana@example.test", password=PASSWORD, **extra):
    return browser.post(LOGIN, {"username": str(user), "password": password, "next": "/admin/", **extra})


def messages_of(response):
    return [str(message) for message in response.context["form"].non_field_errors()]


def test_a_verified_member_of_staff_enters_and_leaves(member):
    browser = Client()

    assert browser.get(LOGIN).status_code == 200
    entered = sign_in(browser, "  ANA@Example.test ")
    page = browser.get(reverse("admin:index"))
    left = browser.post(reverse("admin:logout"))

    assert (entered.status_code, entered["Location"]) == (302, "/admin/")
    assert page.status_code == 200
    assert "Berlin Studio" in page.content.decode()
    assert left.status_code == 200
    assert browser.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_inactive_people_and_people_who_are_not_staff_do_not_enter(member, change):
    User.objects.filter(pk=member.pk).update(**change)

    assert sign_in(Client()).status_code == 200


def test_an_unverified_address_does_not_enter(member):
    EmailAddress.objects.update(verified=False)

    assert messages_of(sign_in(Client())) == ["Verify your e-mail address first."]


def test_a_superuser_from_the_command_line_enters(db):
    root = User.objects.create_superuser("root@example.test", PASSWORD)

    assert sign_in(Client(), root).status_code == 302


def code_now():
    counter = next(iter(yield_hotp_counters_from_time()))
    return format_hotp_value(hotp_value(SECRET, counter))


def test_with_two_factor_authentication_the_code_is_needed(member):
    TOTP.activate(member, SECRET)
    asked = "Enter the current code of your authenticator app, or a recovery code."

    assert messages_of(sign_in(Client())) == [asked]
    assert messages_of(sign_in(Client(), otp="000000")) == [asked]
    assert messages_of(sign_in(Client(), password="wrong", otp=code_now())) != [asked]
    assert sign_in(Client(), otp=code_now()).status_code == 302


@pytest.fixture
def guarded(settings):
    settings.AXES_ENABLED = True
    settings.AXES_FAILURE_LIMIT = 3


def test_guessing_a_password_locks_the_form_politely(member, guarded):
    browser = Client()

    # Each spelling of the address is the same person.
    answers = [sign_in(browser, name, "wrong") for name in ("ana@example.test", "ANA@example.test", "Ana@Example.Test")]
    locked = sign_in(browser)

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert locked.status_code == 429
    assert "too many failed attempts" in locked.content.decode()
    assert "900 seconds" in locked.content.decode()
    assert browser.get(reverse("admin:index")).status_code == 302
    assert sign_in(Client(REMOTE_ADDR="203.0.113.9")).status_code == 302  # one guesser does not lock the person out


def test_guessing_codes_locks_the_form_too(member, guarded):
    TOTP.activate(member, SECRET)

    answers = [sign_in(Client(), otp="000000").status_code for _ in range(3)]

    assert answers == [200, 200, 429]
    assert sign_in(Client(), otp=code_now()).status_code == 429


def test_pages_load_nothing_from_elsewhere_and_the_policy_allows_what_they_need(superuser):
    page = superuser.get(reverse("admin:clients_client_changelist"))
    html = page.content.decode()

    for attribute in ('src="', 'href="', "url("):
        for part in html.split(attribute)[1:]:
            target = part[:200].lstrip("'\"")
            assert not target.startswith(("http:", "https:", "//")), target
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline' 'unsafe-eval'" in policy  # Alpine evaluates the attributes of unfold's pages


def test_failures_of_the_api_are_not_counted_here(member, guarded):
    login = {"email": "ana@example.test", "password": "wrong wrong wrong"}

    answers = [Client().post("/_allauth/app/v1/auth/login", login, "application/json") for _ in range(4)]

    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}
    assert {answer.status_code for answer in answers} == {400}
    assert not AccessAttempt.objects.exists()
