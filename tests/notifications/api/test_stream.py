"""Tickets for a stream, at both doors."""

import pytest
import time_machine
from django.core import signing
from django.urls import reverse

from apps.notifications.tickets import read_ticket
from apps.users.models import User
from factories.accounts import MembershipFactory, token_for
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient
from tests.studio import NOW

pytestmark = pytest.mark.django_db


def ticket_in(answer):
    assert answer.status_code == 200, answer.content
    base, _, ticket = answer.json()["url"].partition("?ticket=")
    return base, ticket


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("role", ["owner", "manager", "practitioner", "front_desk", "bookkeeper"])
def test_every_member_gets_a_ticket_for_this_account(account, settings, role):
    settings.LIVE_URL = "https://live.example/live/"
    user = MembershipFactory(account=account, role=role).user

    answer = ApiClient(token_for(user)).post("/api/notifications/stream/")

    base, text = ticket_in(answer)
    ticket = read_ticket(text, at=NOW)
    assert base == "https://live.example/live/"
    assert answer.json()["expires_at"] == "2026-11-21T08:10:00Z"
    assert (ticket.user_id, ticket.account_ids, ticket.expires_at.isoformat()) == (user.pk, (account.pk,), "2026-11-21T08:10:00+00:00")


def test_a_customer_gets_one_for_all_businesses_or_the_one_they_name(account, other_account):
    customer = CustomerFactory()
    for one in (account, other_account):
        ClientFactory(account=one, customer=customer)
    api = ApiClient(token_for(customer.user))

    with time_machine.travel(NOW, tick=False):
        everywhere, here = (ticket_in(api.post(f"/api/customer/notifications/stream/{q}"))[1] for q in ("", "?account=new-york"))

    assert read_ticket(everywhere, at=NOW).account_ids == tuple(sorted((account.pk, other_account.pk)))
    assert read_ticket(here, at=NOW).account_ids == (other_account.pk,)


@pytest.mark.parametrize("path", ["/api/notifications/stream/", "/api/customer/notifications/stream/"])
def test_without_a_token_there_is_none(account, path):
    assert ApiClient().post(path).status_code == 401


def test_strangers_get_none(account, db):
    stranger = ApiClient(token_for(CustomerFactory().user))

    assert stranger.post("/api/notifications/stream/").status_code == 403
    assert read_ticket(ticket_in(stranger.post("/api/customer/notifications/stream/"))[1], at=NOW).account_ids == ()


def test_nothing_can_be_sent_along(owner):
    answer = owner.post("/api/notifications/stream/", {"user": 1})

    assert (answer.status_code, answer.json()["error"]) == (400, "unknown_field")


def test_a_ticket_is_no_token_and_a_token_no_ticket(owner, account):
    _, ticket = ticket_in(owner.post("/api/notifications/stream/"))

    assert ApiClient(ticket).get("/api/notifications/").status_code == 401
    assert read_ticket(token_for(User.objects.first()), at=NOW) is None


def test_a_ticket_of_another_kind_of_signature_is_none(account):
    claims = {"u": 1, "a": [account.pk], "e": 2**40}

    assert read_ticket(signing.dumps(claims, salt="clientele.quote"), at=NOW) is None


def test_it_is_no_notification():
    assert reverse("notification-stream") == "/api/notifications/stream/"
