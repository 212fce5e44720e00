"""POST /api/public/<slug>/checkout/: customers who have signed in buy as themselves."""

import pytest
import time_machine

from apps.orders.models import Order
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.bookings.life import book
from tests.checkout.api.visiting import ADA, at_ten, clients, send, set_fields, stored, verified
from tests.payments.credit import rich
from tests.portal import become, sign_in
from tests.studio import NOW


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


def test_a_customer_buys_as_themselves(studio):
    person = become(studio)

    body = send(studio, sign_in(person), **at_ten(studio))

    order = stored(studio, Order, number=body["order"]["number"])
    assert (order.client_id, order.placed_by_id, order.source) == (studio.client.pk, person.user_id, "public")
    assert len(clients(studio)) == 1


def test_a_new_customer_becomes_a_client_and_is_linked(studio):
    person = verified(user__email="ada@example.com", full_name="Ada")

    send(studio, sign_in(person))
    send(studio, sign_in(person))

    assert clients(studio)[1:] == [("ada@example.com", "Ada", "active", "public", person.pk)]


def test_a_client_with_the_proved_address_becomes_the_customers(studio):
    person = verified(user__email="ada@example.com", full_name="Ada")
    known = ClientFactory(account=studio.account, email="ADA@example.com", full_name="Augusta King", stage="lead")

    body = send(studio, sign_in(person))

    assert stored(studio, Order, number=body["order"]["number"]).client_id == known.pk
    assert clients(studio)[1:] == [("ADA@example.com", "Augusta King", "active", known.source, person.pk)]


def test_an_address_that_is_not_proved_opens_nothing(studio):
    person = CustomerFactory(user__email="ada@example.com", full_name="Ada")
    ClientFactory(account=studio.account, email="ada@example.com", full_name="Augusta King")

    body = send(studio, sign_in(person))

    assert clients(studio)[1:] == [("ada@example.com", "Augusta King", "active", clients(studio)[1][3], None)]
    assert "Augusta" not in str(body)
    assert send(studio, sign_in(person), status=409, method="wallet")["error"] == "no_wallet"


def test_an_address_in_the_card_of_another_login_opens_nothing(studio):
    become(studio)
    set_fields(studio.client, email="ada@example.com")
    person = verified(user__email="ada@example.com", full_name="Ada")

    send(studio, sign_in(person))

    assert clients(studio)[1:] == [("", "Ada", "active", "public", person.pk)]


def test_a_customer_spends_their_own_credit(studio):
    person = become(studio)
    rich(studio, 5000)

    part = send(studio, sign_in(person), method="bank_transfer", use_wallet_cents=2000)
    whole = send(studio, sign_in(person), method="wallet", service=studio.service.pk, status=409)

    assert (part["payment"]["amount_cents"], part["credit_cents"]) == (3000, 2000)
    assert (whole["error"], whole["available_cents"]) == ("insufficient_funds", 3000)


def test_whoever_has_signed_in_does_not_say_who_they_are(studio):
    body = send(studio, sign_in(become(studio)), status=400, **ADA)

    assert body["fields"] == {name: ["You have signed in: leave it out."] for name in ("full_name", "email")}


def test_a_customer_hears_of_their_own_limits(studio):
    person = become(studio)
    set_fields(studio.service, limits={"client": {"per_day": 1}})
    book(studio)

    body = send(studio, sign_in(person), status=409, **{**at_ten(studio), "start_time": "2026-11-23T11:00:00+01:00"})

    assert (body["error"], body["rule"]) == ("limit_reached", "client.per_day")
