"""Access links: a client without a login sees and does exactly what is theirs, for an hour."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db.models import QuerySet

from apps.accounts.models import Account
from apps.clients.guests import LINK, TOKEN, new_secret
from apps.clients.models import Client, GuestAccess
from apps.clients.services.access import mail_link, open_link
from apps.core import jobs
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.core.vault import lock_away
from factories.accounts import AccountFactory
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.bookings.life import book
from tests.checkout.api.visiting import set_fields
from tests.clients.links import URL, as_guest, guest_token, link_of, mailed_token
from tests.conftest import ApiClient
from tests.payments.credit import rich
from tests.payments.test_wallet_race import at_once
from tests.portal import BOOKINGS, act, become, sign_in, told
from tests.studio import MONDAY_TEN, NOW, open_studio

GONE = (409, "link_expired", "This link is not valid (any more). Ask for a new one.")
CLOSED_TO_GUESTS = (
    "me",
    "addresses",
    "wallet",
    "wallet/transactions",
    "notifications",
    "notifications/unread-count",
    "calendar-feeds",
    "referral",
)
OPEN_TO_GUESTS = ("bookings", "orders", "packages", "payments", "invoices", "reviews")


@pytest.fixture(autouse=True)
def saturday():
    with time_machine.travel(NOW, tick=True) as clock:
        yield clock


@pytest.fixture
def ada(studio) -> Client:
    """The studio's client, without a login."""
    set_fields(studio.client, email="Ada@Example.test")
    return studio.client


def ask(email="ada@example.test", client=None, **body):
    return (client or ApiClient()).post(URL, {"email": email, **body})


def opened(link, slug="berlin"):
    return ApiClient().post(f"/api/public/{slug}/access-links/open/", {"token": link})


def refusal(response):
    body = response.json()
    return response.status_code, body["error"], body["message"]


def bookings_of(client):
    response = client.get(BOOKINGS)
    return response.status_code, [row["id"] for row in response.json().get("results", [])]


# -- the way


@pytest.mark.django_db(transaction=True)
def test_from_the_address_to_ones_own_bookings():
    studio = open_studio(AccountFactory(name="Berlin Studio", slug="berlin"))
    set_fields(studio.client, email="ada@example.test")
    booking = book(studio)

    asked = ask("ADA@example.test")
    jobs.run_pending()

    assert (asked.status_code, asked.json()["message"]) == (202, "If this business knows the address, a link is on its way to it.")
    [message] = [one for one in mail.outbox if "/access/" in one.body]
    assert (message.to, message.subject) == (["ada@example.test"], "Your link to Berlin Studio")
    response = opened(mailed_token())
    assert response.status_code == 201
    assert bookings_of(ApiClient(Authorization=f"Guest {response.json()['token']}")) == (200, [booking.pk])
    with account_scope(studio.account):
        access = GuestAccess.objects.get()
        assert access.expires_at - access.opened_at == timedelta(hours=1)
        assert Event.objects.get(type="client.access_opened").client_id == studio.client.pk
        row = GuestAccess.objects.values().get()
    secrets = {mailed_token(), response.json()["token"], "ada@example.test"}
    assert not secrets & {str(value) for value in row.values()}


def test_whether_an_address_is_known_is_not_told(ada, statements, django_capture_on_commit_callbacks):
    answers = []
    for email in ("ada@example.test", "nobody@example.test"):
        with statements() as made:
            response = ask(email)
        answers.append((response.status_code, response.json()["message"], [sql.split("VALUES")[0][:60] for sql in made()]))
    assert answers[0] == answers[1]

    with django_capture_on_commit_callbacks(execute=True):
        mail_link(ada.account_id, lock_away({"email": "nobody@example.test"}))
    assert mail.outbox == []
    with account_scope(ada.account):
        assert not GuestAccess.objects.exists()


@pytest.mark.parametrize("case", ["known", "blocked", "merged", "elsewhere", "closed"])
def test_who_gets_a_link(ada, other_account, case, django_capture_on_commit_callbacks):
    if case == "blocked":
        set_fields(ada, blocked_at=NOW)
    elif case == "merged":
        set_fields(ada, merged_into=ClientFactory(account=ada.account))
    elif case == "closed":
        Account.objects.filter(pk=ada.account_id).update(status=Account.Status.CLOSED)
    account_id = other_account.pk if case == "elsewhere" else ada.account_id

    with django_capture_on_commit_callbacks(execute=True):
        mail_link(account_id, lock_away({"email": "ada@example.test"}))

    assert len(mail.outbox) == (1 if case == "known" else 0)


@pytest.mark.parametrize("language", ["de", "es"])
def test_the_mail_speaks_the_language_of_the_business(ada, language, django_capture_on_commit_callbacks):
    set_account = Account.objects.get(pk=ada.account_id)
    set_account.settings |= {"language": language}
    set_account.name = "50% %(link)s\r\nBcc: eve@example.test"
    set_account.save()

    with django_capture_on_commit_callbacks(execute=True):
        mail_link(ada.account_id, lock_away({"email": "ada@example.test"}))

    [message] = mail.outbox
    assert message.subject == {"de": "Ihr Link zu {}", "es": "Su enlace a {}"}[language].format("50% %(link)s Bcc: eve@example.test")
    assert (message.recipients(), message.body.count("/access/")) == (["Ada@Example.test"], 1)


def test_links_are_limited_by_address_and_by_network(ada):
    for email in ("ada@example.test", "nobody@example.test"):
        assert [ask(email).status_code for _ in range(4)] == [202, 202, 202, 429]
    assert [ask(f"{n}@example.test").status_code for n in range(13)] == [202] * 12 + [429]  # six were answered, two refused by then


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("", {}, ["email"]),
        ("", {"email": "nobody"}, ["email"]),
        ("", {"email": 5}, ["email"]),
        ("", {"email": ["ada@example.test"]}, ["email"]),
        ("", {"email": "ada@example.test\r\nBcc: eve@example.test"}, ["email"]),
        ("", {"email": f"{'x' * 250}@example.test"}, ["email"]),
        ("", {"email": "ada@example.test", "client": 1}, ["client"]),
        ("open/", {}, ["token"]),
        ("open/", {"token": ["x"]}, ["token"]),
        ("open/", {"token": "x" * 501}, ["token"]),
        ("open/", {"token": "x", "client": 1}, ["client"]),
    ],
)
def test_bad_input_is_refused(account, path, body, fields):
    response = ApiClient().post(f"{URL}{path}", body)

    assert (response.status_code, list(response.json()["fields"])) == (400, fields)


# -- the link


@pytest.mark.parametrize(
    "case", ["opened", "old", "readdressed", "blocked", "merged", "elsewhere", "a token", "of nobody", "nonsense", "signed by nobody"]
)
def test_a_link_that_does_not_hold_is_refused_in_the_same_words(ada, other_account, case, saturday):
    link, slug = link_of(ada), "berlin"
    if case == "opened":
        assert opened(link).status_code == 201
    elif case == "old":
        saturday.shift(timedelta(minutes=30))
    elif case == "readdressed":
        set_fields(ada, email="eve@example.test")
    elif case == "blocked":
        set_fields(ada, blocked_at=NOW)
    elif case == "merged":
        set_fields(ada, merged_into=ClientFactory(account=ada.account))
    elif case == "elsewhere":
        slug = other_account.slug
    elif case == "a token":
        link = guest_token(ada)
    elif case == "of nobody":
        link = new_secret(ada.account_id, LINK)
    elif case == "nonsense":
        link = "ü:*:1"
    elif case == "signed by nobody":
        link = link[:-1] + ("A" if link[-1] != "A" else "B")

    assert refusal(opened(link, slug)) == GONE


def test_an_address_in_another_case_is_the_same_address(ada):
    link = link_of(ada)
    set_fields(ada, email="ADA@EXAMPLE.TEST")

    assert opened(link).status_code == 201


def test_old_links_go_with_the_next_one(ada, saturday):
    link_of(ada)
    saturday.shift(timedelta(days=31))
    link_of(ada)

    with account_scope(ada.account):
        assert GuestAccess.objects.count() == 1


def eight_open_one_link():
    studio = open_studio()
    link = link_of(studio.client)

    def open_it():
        with account_scope(studio.account):
            open_link(account=studio.account, link=link)

    return at_once([open_it] * 8)


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_open_a_link_at_once_one_is_let_in():
    assert eight_open_one_link() == {"ok": 1, "link_expired": 7}


@pytest.mark.django_db(transaction=True)
def test_negative_control_without_the_lock_several_are_let_in(monkeypatch):
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)

    assert any(eight_open_one_link()["ok"] > 1 for _ in range(10))  # a race has to be lost once


# -- the token


@pytest.mark.parametrize(
    "case", ["old", "closed", "readdressed", "no address", "blocked", "merged", "account closed", "a link", "of nobody", "two words"]
)
def test_a_token_ends_with_what_it_stands_for(studio, ada, case, saturday):
    book(studio)
    token = guest_token(ada)
    client = ApiClient(Authorization=f"Guest {token}")
    assert bookings_of(client)[0] == 200
    if case == "old":
        saturday.shift(timedelta(hours=1))
    elif case == "closed":
        assert client.post(f"{URL}close/").status_code == 204
    elif case == "readdressed":
        set_fields(ada, email="eve@example.test")
    elif case == "no address":
        set_fields(ada, email="")
    elif case == "blocked":
        set_fields(ada, blocked_at=NOW)
    elif case == "merged":
        set_fields(ada, merged_into=ClientFactory(account=ada.account))
    elif case == "account closed":
        Account.objects.filter(pk=ada.account_id).update(status=Account.Status.CLOSED)
    else:
        other = {"a link": link_of(ada), "of nobody": new_secret(ada.account_id, TOKEN), "two words": f"{token} {token}"}[case]
        client = ApiClient(Authorization=f"Guest {other}")

    response = client.get(BOOKINGS)

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")


def test_only_a_guest_of_the_business_signs_out_there(ada, other_account):
    guest = as_guest(ada)

    assert ApiClient().post(f"{URL}close/").status_code == 401
    assert guest.post(f"/api/public/{other_account.slug}/access-links/close/").status_code == 401
    assert bookings_of(guest)[0] == 200


@pytest.mark.parametrize("path", OPEN_TO_GUESTS)
def test_what_a_guest_sees_is_what_the_client_would_see(studio, ada, path):
    studio.sell()
    guest = as_guest(ada)
    shown = guest.get(f"/api/customer/{path}/").json()
    become(studio)

    assert shown["results"] == sign_in(studio.client.customer).get(f"/api/customer/{path}/").json()["results"]


@pytest.mark.parametrize("path", CLOSED_TO_GUESTS)
def test_what_belongs_to_a_login_is_closed(ada, path):
    response = as_guest(ada).get(f"/api/customer/{path}/")

    assert (response.status_code, response.json()["error"]) == (403, "permission_denied")


def test_a_guest_is_one_client_of_one_business(studio, ada, make_studio):
    """Also when the client has a login that is known elsewhere, and the link went to the address in the card here."""
    person = become(studio)
    elsewhere = make_studio()
    become(elsewhere, person)
    mine, theirs = book(studio), book(elsewhere)
    others = book(studio, studio.draft(client=studio.other_client()), start=MONDAY_TEN + timedelta(hours=3))
    guest = as_guest(ada)

    assert bookings_of(guest) == (200, [mine.pk])
    for booking in (theirs, others):
        assert guest.get(f"{BOOKINGS}{booking.pk}/").status_code == 404
        assert told(guest, booking, "cancel") == (404, "not_found")
    assert guest.get(f"{BOOKINGS}?account=berlin").status_code == 200
    assert guest.get(f"{BOOKINGS}?account={elsewhere.account.slug}").status_code == 400


def test_a_guest_acts_as_the_client_and_as_no_user(studio, ada):
    booking = book(studio)
    guest = as_guest(ada)

    quote = act(guest, booking, "cancel/quote")
    act(guest, booking, "cancel", quote=quote["token"], headers={"Idempotency-Key": "once"})

    with account_scope(studio.account):
        event = Event.objects.get(type="booking.cancelled")
        assert (event.actor_id, event.source, event.client_id) == (None, "customer", ada.pk)
    again = act(guest, booking, "cancel", quote=quote["token"], headers={"Idempotency-Key": "once"})
    assert again["id"] == booking.pk


def test_a_guest_pays_but_not_with_the_persons_credit(studio, ada):
    become(studio)
    rich(studio, 20000)
    order = studio.sell(method="cash").order
    guest = as_guest(ada)
    url = f"/api/customer/orders/{order.pk}/pay/"

    refused = guest.post(url, {"method": "wallet"})

    assert (refused.status_code, refused.json()["error"]) == (409, "no_wallet")
    assert guest.post(url, {"method": "bank_transfer"}).status_code == 201


def test_a_link_proves_nothing_about_a_login(studio, ada):
    person = CustomerFactory(user__email="ada@example.test")
    as_guest(ada)

    with account_scope(studio.account):
        ada.refresh_from_db()
    assert ada.customer_id is None
    assert not EmailAddress.objects.filter(verified=True).exists()
    person.refresh_from_db()
    assert not person.is_verified


def test_at_other_doors_a_guest_is_nobody(studio, ada):
    guest = as_guest(ada)

    assert guest.get("/api/clients/").status_code == 403
    assert guest.get("/api/me/").status_code == 403
    bought = guest.post(
        "/api/public/berlin/checkout/",
        {"service": studio.service.pk, "method": "cash", "full_name": "Eve", "email": "eve@example.test"},
    )
    assert bought.status_code == 201
    with account_scope(studio.account):
        assert Client.objects.get(email="eve@example.test") != ada


@pytest.mark.parametrize("count", [1, 3])
def test_a_guests_list_takes_a_fixed_number_of_statements(studio, ada, count, statements):
    for _ in range(count):
        studio.draft()
    guest = as_guest(ada)

    with statements() as made:
        response = guest.get(BOOKINGS)

    assert len(response.json()["results"]) == count
    assert len(made()) == 4  # the account of the token, its row with client and account, the client's scope, the list
