"""Buying by card at the public door: the provider is told outside every transaction, and the browser comes back."""

import pytest
import time_machine

from apps.bookings.models import Booking
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from tests.conftest import ApiClient
from tests.payments.counter import set_up
from tests.portal import become, sign_in
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = "/api/public/berlin/"
ADA = {"full_name": "Ada Lovelace", "email": "ada@example.com"}


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def stripe(studio, stripe_fake):
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return stripe_fake


def wanted(studio):
    start = {"practitioner": studio.practitioner.pk, "start_time": "2026-11-23T10:00:00+01:00"}
    return {"service": studio.service.pk, **start, "method": "stripe", "return_url": "https://berlin.example/thanks"}


def states(studio):
    with account_scope(studio.account):
        return (Payment.objects.get().status, Order.objects.get().payment_status, Booking.objects.get().status)


def test_a_guest_pays_by_card_and_comes_back(studio, stripe):
    sold = ApiClient().post(f"{PUBLIC}checkout/", {**wanted(studio), **ADA})

    payment = sold.json()["payment"]
    (intent,) = stripe.intents
    assert sold.status_code == 201, sold.content
    assert payment == {
        "token": payment["token"],
        "method": "stripe",
        "status": "requires_action",
        "amount_cents": 5000,
        "currency": "EUR",
        "expires_at": payment["expires_at"],
        "failure": "",
        "instructions": None,
        "client_secret": intent["client_secret"],
        "publishable_key": stripe.credentials["publishable_key"],
    }
    assert states(studio) == ("requires_action", "unpaid", "held")

    url = f"{PUBLIC}payments/{payment['token']}/"
    assert ApiClient().post(f"{url}confirm/").json()["payment"]["status"] == "requires_action"
    stripe.confirm(intent["id"])
    assert ApiClient().get(url).json()["payment"]["status"] == "requires_action"  # nobody was asked
    back = [ApiClient().post(f"{url}confirm/").json() for _ in range(3)]

    assert back[0] == back[1] == back[2] or [one["payment"]["status"] for one in back] == ["succeeded"] * 3
    assert (back[0]["order"]["payment_status"], back[0]["order"]["sessions"][0]["status"]) == ("paid", "confirmed")
    assert states(studio) == ("succeeded", "paid", "confirmed")
    assert len(stripe.charges) == 1


def test_the_same_key_begins_one_payment(studio, stripe):
    body, headers = {**wanted(studio), **ADA}, {"Idempotency-Key": "one"}

    first, again = (ApiClient().post(f"{PUBLIC}checkout/", body, headers=headers) for _ in range(2))

    assert (first.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert len(stripe.intents) == 1


def test_a_browser_that_asks_without_end_is_told_to_wait(studio, stripe):
    token = ApiClient().post(f"{PUBLIC}checkout/", {**wanted(studio), **ADA}).json()["payment"]["token"]
    asked = len(stripe.requests)

    answers = [ApiClient().post(f"{PUBLIC}payments/{token}/confirm/").status_code for _ in range(31)]

    assert answers == [200] * 30 + [429]
    assert len(stripe.requests) - asked == 60  # asked, and what the browser needs


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "error_after"])
def test_a_guest_whose_provider_gave_no_answer_can_still_pay(studio, stripe, kind):
    stripe.fault("/v1/payment_intents", kind, method="POST", times=9)
    sold = ApiClient().post(f"{PUBLIC}checkout/", {**wanted(studio), **ADA}).json()["payment"]
    stripe.faults.clear()

    payment = ApiClient().post(f"{PUBLIC}payments/{sold['token']}/confirm/").json()["payment"]

    assert (sold["status"], "client_secret" in sold) == ("unknown", False)
    assert (payment["status"], payment["client_secret"][:3], len(stripe.intents)) == ("requires_action", "pi_", 1)
    stripe.confirm(stripe.intents[0]["id"])
    assert ApiClient().post(f"{PUBLIC}payments/{sold['token']}/confirm/").json()["payment"]["status"] == "succeeded"


def test_a_customer_pays_a_balance_by_card(studio, stripe):
    person = become(studio)
    order = studio.sell().order
    me = sign_in(person)

    begun = me.post(f"/api/customer/orders/{order.pk}/pay/", {"method": "stripe", "amount": "balance"})
    payment = begun.json()
    url = f"/api/customer/payments/{payment['id']}/"

    assert begun.status_code == 201, begun.content
    assert (payment["status"], payment["client_secret"]) == ("requires_action", stripe.intents[0]["client_secret"])
    assert me.post(f"{url}confirm/").json()["status"] == "requires_action"
    stripe.confirm(stripe.intents[0]["id"])
    assert me.post(f"{url}confirm/").json()["status"] == "succeeded"
    assert me.get(f"/api/customer/orders/{order.pk}/").json()["payment_status"] == "paid"
    assert me.post(f"/api/customer/orders/{order.pk}/pay/", {"method": "cash"}).json()["error"] == "nothing_to_pay"


def test_the_same_key_pays_once(studio, stripe):
    me, order = sign_in(become(studio)), studio.sell().order
    path, headers = f"/api/customer/orders/{order.pk}/pay/", {"Idempotency-Key": "one"}

    first, again = (me.post(path, {"method": "stripe"}, headers=headers) for _ in range(2))

    assert (first.status_code, again.json()) == (201, first.json())
    assert len(stripe.intents) == 1
