"""The fake Stripe's word, asked with the plain SDK: what it must keep so that tests against it mean something."""

import json
import threading
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pytest
import stripe


@pytest.fixture
def client(stripe_fake) -> stripe.StripeClient:
    return stripe.StripeClient(stripe_fake.credentials["secret_key"], base_addresses={"api": stripe_fake.url})


def create(client: stripe.StripeClient, key: str = "k1", **changes: Any) -> Any:
    return client.v1.payment_intents.create({"amount": 1000, "currency": "eur", **changes}, {"idempotency_key": key})


def browser(fake: Any, path: str, key: str, **form: str) -> tuple[int, dict[str, Any]]:
    return fake.send(path, urlencode(form), Authorization=f"Bearer {key}")


def test_a_key_is_answered_with_its_first_answer(stripe_fake, client):
    first = create(client)
    stripe_fake.confirm(first.id)
    again = create(client)

    assert (again.id, again.status) == (first.id, "requires_payment_method")
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert len(stripe_fake.intents) == 1


def test_a_key_with_other_words_is_an_error(client):
    create(client)
    with pytest.raises(stripe.IdempotencyError) as caught:
        create(client, amount=999)
    assert caught.value.http_status == 400


def test_a_call_that_failed_its_validation_does_not_use_up_its_key(client):
    with pytest.raises(stripe.InvalidRequestError, match="at least"):
        create(client, amount=1)
    assert create(client).amount == 1000


@pytest.mark.parametrize("amount", ["0", "-5", "1.5", "x", "", "٣"])
def test_amounts_are_positive_integers(stripe_fake, client, amount):
    with pytest.raises(stripe.InvalidRequestError):
        create(client, amount=amount)
    assert stripe_fake.intents == []


def test_twenty_browsers_confirm_at_once_and_one_charge_is_made(stripe_fake, client):
    intent = create(client)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(stripe_fake.confirm(intent.id)[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] + [400] * 19
    assert len(stripe_fake.charges) == 1


def test_twenty_refunds_of_six_from_ten_at_once(stripe_fake, client):
    """RC6: one goes through."""
    intent = create(client)
    stripe_fake.confirm(intent.id)
    made: list[str] = []

    def refund() -> None:
        try:
            made.append(client.v1.refunds.create({"payment_intent": intent.id, "amount": 600}).status)
        except stripe.InvalidRequestError as error:
            made.append(error.code)

    threads = [threading.Thread(target=refund) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["amount_too_large"] * 19 + ["succeeded"]


def test_what_a_browser_may_do(stripe_fake, client):
    intent = create(client)
    public = stripe_fake.credentials["publishable_key"]
    path = f"/v1/payment_intents/{intent.id}/confirm"

    assert browser(stripe_fake, path, public, payment_method="pm_card_visa")[0] == 401
    assert browser(stripe_fake, path, public, payment_method="pm_card_visa", client_secret="pi_wrong_secret")[0] == 400
    assert browser(stripe_fake, "/v1/payment_intents", public, amount="500", currency="eur")[0] == 401
    assert browser(stripe_fake, path, "sk_test_nobody", payment_method="pm_card_visa")[0] == 401
    assert stripe_fake.charges == []
    assert browser(stripe_fake, path, public, payment_method="pm_card_visa", client_secret=intent.client_secret)[0] == 200
    assert len(stripe_fake.charges) == 1


def test_a_browser_of_another_origin_may_call(stripe_fake):
    request = urllib.request.Request(f"{stripe_fake.url}/v1/payment_intents/pi_1/confirm", method="OPTIONS")  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Headers"] == "*"


def test_a_declined_card_is_the_sdks_card_error(stripe_fake, client):
    intent = create(client)
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"})
    assert (caught.value.http_status, caught.value.code, caught.value.error.decline_code) == (402, "card_declined", "insufficient_funds")
    found = client.v1.payment_intents.retrieve(intent.id)
    assert (found.status, found.last_payment_error.code) == ("requires_payment_method", "card_declined")
    assert stripe_fake.charges == []


def test_accounts_do_not_see_each_other(stripe_fake, client):
    intent = create(client)
    words = stripe_fake.add_account(secret_key="sk_test_2", publishable_key="pk_test_2", webhook_secret="whsec_2", name="Other")
    other = stripe.StripeClient(words["secret_key"], base_addresses={"api": stripe_fake.url})

    assert other.v1.accounts.retrieve_current().settings.dashboard.display_name == "Other"
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent"):
        other.v1.payment_intents.retrieve(intent.id)
    assert create(other).id != intent.id  # the same key in another account is another key


def test_the_signature_is_the_sdks(stripe_fake, client):
    create(client)
    headers, body = stripe_fake.signed(stripe_fake.events[0]["id"])
    secret = stripe_fake.credentials["webhook_secret"]

    assert stripe.Webhook.construct_event(body, headers["Stripe-Signature"], secret).type == "payment_intent.created"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(json.dumps(json.loads(body)), headers["Stripe-Signature"], secret)
