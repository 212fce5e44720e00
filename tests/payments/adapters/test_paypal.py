"""PayPal's own ways: approval, captures that wait or fail, tokens, and events that PayPal itself is asked about."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine

from apps.payments.adapters import connect
from apps.payments.adapters.base import (
    ChargeState,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RefundState,
    SignatureInvalid,
    Subject,
)
from apps.payments.adapters.currencies import from_paypal, to_paypal
from tests.payments.adapters.peers import METADATA, peer_of


@pytest.fixture
def peer(paypal_fake):
    return peer_of(paypal_fake)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


# -- orders


def test_the_client_approves_and_we_capture(peer):
    charge = peer.begun()
    assert charge.approve_url == f"{peer.fake.url}/_fake/approve/{charge.reference}"
    assert charge.payee == "FAKEMERCHANT1"

    peer.fake.approve(charge.reference)
    assert peer.provider.fetch(charge.reference).state is ChargeState.APPROVED
    assert peer.charged == 0

    paid = peer.provider.capture(charge.reference, key="capture-1")
    assert (paid.state, paid.captured_cents, paid.payee, paid.metadata) == (ChargeState.SUCCEEDED, 12550, "FAKEMERCHANT1", METADATA)


def test_what_is_sent(peer):
    peer.begun(email="mia@client.example")

    (call,) = peer.fake.calls("/v2/checkout/orders", "POST")
    assert call.headers["paypal-request-id"] == "payment-99"
    (unit,) = call.json["purchase_units"]
    assert unit == {
        "reference_id": "payment",
        "custom_id": urlencode(METADATA),
        "invoice_id": "payment-99",
        "description": "Ten sessions",
        "amount": {"currency_code": "EUR", "value": "125.50"},
    }
    assert call.json["intent"] == "CAPTURE"
    assert call.json["payment_source"]["paypal"] == {
        "email_address": "mia@client.example",
        "experience_context": {
            "user_action": "PAY_NOW",
            "shipping_preference": "NO_SHIPPING",
            "return_url": "https://studio.example/back?order=41",
            "cancel_url": "https://studio.example/back?order=41",
        },
    }


def test_metadata_that_paypal_cannot_keep_is_a_mistake_of_ours(peer):
    with pytest.raises(ValueError, match="127"):
        peer.begun(metadata={"order": "1" * 200})
    assert peer.fake.requests == []


@pytest.mark.parametrize(
    ("mode", "state", "failure"),
    [("PENDING", ChargeState.PROCESSING, ""), ("DECLINED", ChargeState.FAILED, "TRANSACTION_REFUSED")],
)
def test_a_capture_that_brings_no_money_at_once(peer, mode, state, failure):
    charge = peer.begun()
    peer.fake.approve(charge.reference)
    peer.fake.do("captures", mode=mode)

    captured = peer.provider.capture(charge.reference, key="capture-1")

    assert (captured.state, captured.captured_cents, captured.failure) == (state, 0, failure)
    assert peer.provider.cancel(charge.reference).state is (ChargeState.PROCESSING if mode == "PENDING" else ChargeState.CANCELLED)
    peer.fake.do(f"captures/{captured.capture_reference}", status="COMPLETED")
    assert peer.provider.fetch(charge.reference).captured_cents == 12550


def test_a_declined_wallet_is_refused_and_may_be_tried_again(peer):
    charge = peer.begun()
    peer.fake.approve(charge.reference, instrument="declined")

    with pytest.raises(ProviderRefused, match="INSTRUMENT_DECLINED"):
        peer.provider.capture(charge.reference, key="capture-1")
    assert peer.provider.fetch(charge.reference).state is ChargeState.REQUIRES_ACTION

    peer.fake.approve(charge.reference)
    assert peer.provider.capture(charge.reference, key="capture-2").state is ChargeState.SUCCEEDED
    assert peer.charged == 1


def test_an_approved_order_is_cancelled_by_not_capturing_it(peer):
    charge = peer.begun()
    peer.fake.approve(charge.reference)

    assert peer.provider.cancel(charge.reference).state is ChargeState.CANCELLED
    assert peer.charged == 0


def test_an_order_that_paypal_has_forgotten_is_a_cancelled_one(peer):
    charge = peer.begun()
    peer.fake.do(f"expire/{charge.reference}")

    for forgotten in (
        peer.provider.fetch(charge.reference),
        peer.provider.cancel(charge.reference),
        peer.provider.capture(charge.reference, key="late"),
    ):
        assert (forgotten.state, forgotten.reference, forgotten.captured_cents) == (ChargeState.CANCELLED, charge.reference, 0)


def test_of_two_orders_of_one_payment_only_one_is_captured(peer):
    """PayPal forgets request ids after hours; then the same payment is begun again."""
    first = peer.begun()
    with peer.fake.lock:
        peer.fake.account["keys"].clear()
    second = peer.begun()
    assert first.reference != second.reference
    peer.pay(first.reference)
    peer.fake.approve(second.reference)

    with pytest.raises(ProviderRefused, match="DUPLICATE_INVOICE_ID"):
        peer.provider.capture(second.reference, key="another key")
    assert peer.charged == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset_after", "error_after", "garbage"])
def test_a_capture_whose_answer_is_lost_has_taken_the_money_once(peer, kind):
    charge = peer.begun()
    peer.fake.approve(charge.reference)
    peer.fake.fault("/v2/checkout/orders/*/capture", kind)

    with pytest.raises(ProviderUnavailable):
        peer.provider.capture(charge.reference, key="capture-1")

    assert peer.provider.fetch(charge.reference).captured_cents == 12550
    assert peer.provider.capture(charge.reference, key="capture-1").state is ChargeState.SUCCEEDED
    assert peer.provider.capture(charge.reference, key="capture-2").state is ChargeState.SUCCEEDED
    assert peer.charged == 1


# -- amounts


@pytest.mark.parametrize(
    ("cents", "currency", "value"),
    [(12550, "EUR", "125.50"), (5, "EUR", "0.05"), (1250, "JPY", "1250"), (250000, "HUF", "2500"), (12345, "KWD", "12.345"), (10**9, "USD", "10000000.00")],
)  # fmt: skip
def test_amounts_are_decimal_text(cents, currency, value):
    assert to_paypal(cents, currency) == value
    assert from_paypal(value, currency) == cents


def test_an_amount_that_paypal_cannot_hold_is_not_rounded():
    with pytest.raises(ProviderRefused):
        to_paypal(250050, "HUF")


@pytest.mark.parametrize("value", ["", "x", "1.005", "NaN", "Infinity", "1e99999999", "1,50"])
def test_text_that_is_no_amount(value):
    with pytest.raises(ValueError, match="No amount"):
        from_paypal(value, "EUR")


# -- refunds


@pytest.mark.parametrize(("before", "code"), [(5000, "REFUND_AMOUNT_EXCEEDED"), (12550, "CAPTURE_FULLY_REFUNDED")])
def test_why_a_refund_is_refused(peer, before, code):
    charge = peer.paid()
    peer.provider.refund(peer.part(charge, before))

    with pytest.raises(ProviderRefused) as caught:
        peer.provider.refund(peer.part(charge, 10000, "second"))
    assert caught.value.code == code


def test_a_refund_finds_the_capture_by_itself(peer):
    charge = peer.paid()
    request = peer.part(charge, 100)

    refund = peer.provider.refund(type(request)(request.key, request.reference, "", 100, "EUR", request.metadata))

    assert (refund.state, refund.charge_reference) == (RefundState.SUCCEEDED, charge.capture_reference)


# -- tokens


def test_one_token_serves_many_calls_until_shortly_before_it_expires(peer):
    with time_machine.travel(datetime(2026, 11, 21, 8, tzinfo=UTC), tick=True) as clock:
        for _ in range(3):
            peer.begun()
        assert len(peer.fake.calls("/v1/oauth2/token")) == 1

        clock.shift(timedelta(seconds=32400 - 59))
        peer.begun()
        assert len(peer.fake.calls("/v1/oauth2/token")) == 2


def test_a_token_that_was_withdrawn_is_replaced_once(peer):
    charge = peer.begun()
    with peer.fake.lock:
        peer.fake.account["tokens"].clear()

    assert peer.provider.fetch(charge.reference) == charge
    assert len(peer.fake.calls("/v1/oauth2/token")) == 2


def test_a_wrong_secret_does_not_borrow_the_token_of_the_right_one(peer):
    peer.begun()

    with pytest.raises(ProviderMisconfigured):
        connect("paypal", {**peer.fake.credentials, "client_secret": "EWrong"}).fetch("ABC")


def test_check_asks_for_a_fresh_token(peer):
    peer.provider.check()
    with peer.fake.lock:
        peer.fake.account["client_secret"] = "EChangedAtPayPal"

    with pytest.raises(ProviderMisconfigured):
        peer.provider.check()


# -- events


@pytest.fixture
def event(peer) -> str:
    peer.fake.approve(peer.begun().reference)
    return peer.fake.events[0]["id"]


def test_a_genuine_event(peer, event, now):
    headers, body = peer.fake.signed(event)

    inbound = peer.provider.verify(headers=headers, body=body, at=now)

    assert (inbound.event_id, inbound.type, inbound.subject) == (event, "CHECKOUT.ORDER.APPROVED", Subject.CHARGE)
    assert inbound.reference == peer.fake.orders[0]["id"]
    assert abs(inbound.created_at - now) < timedelta(seconds=30)
    lower = {name.lower(): value for name, value in headers.items()}
    assert peer.provider.verify(headers=lower, body=body, at=now) == inbound


def test_the_bytes_are_passed_on_as_they_came(peer, event, now):
    headers, body = peer.fake.signed(event)
    assert json.dumps(json.loads(body)).encode() != body  # encoding it again would change it: a dash, separators

    peer.provider.verify(headers=headers, body=body, at=now)

    (call,) = peer.fake.calls("/v1/notifications/verify-webhook-signature")
    assert call.body.endswith(b', "webhook_event": ' + body + b"}")
    assert call.json["webhook_id"] == peer.fake.credentials["webhook_id"]


def test_every_event_names_what_it_is_about(peer, now):
    charge = peer.paid()
    refund = peer.provider.refund(peer.part(charge, 100)).reference
    dispute = peer.fake.do("disputes", order=charge.reference)["dispute_id"]
    peer.fake.do(f"disputes/{dispute}", outcome="DENIED")
    peer.fake.do(f"captures/{charge.capture_reference}", status="DECLINED")

    told = {}
    for event in peer.fake.events:
        headers, body = peer.fake.signed(event["id"])
        inbound = peer.provider.verify(headers=headers, body=body, at=now)
        told[event["event_type"]] = (inbound.subject, inbound.reference)

    assert told == {
        "CHECKOUT.ORDER.APPROVED": (Subject.CHARGE, charge.reference),
        "CHECKOUT.ORDER.COMPLETED": (Subject.CHARGE, charge.reference),
        "PAYMENT.CAPTURE.COMPLETED": (Subject.CHARGE, charge.reference),
        "PAYMENT.CAPTURE.DENIED": (Subject.CHARGE, charge.reference),
        "PAYMENT.CAPTURE.REFUNDED": (Subject.REFUND, refund),
        "CUSTOMER.DISPUTE.CREATED": (Subject.DISPUTE, dispute),
        "CUSTOMER.DISPUTE.RESOLVED": (Subject.DISPUTE, dispute),
    }


@pytest.mark.parametrize(("related", "links", "expected"), [(True, True, True), (False, True, True), (False, False, False)])
def test_the_order_of_a_capture(peer, now, related, links, expected):
    charge = peer.paid()
    event = next(event["id"] for event in peer.fake.events if event["event_type"] == "PAYMENT.CAPTURE.COMPLETED")
    resource = peer.fake.account["events"][event]["resource"]
    if not related:
        del resource["supplementary_data"]
    if not links:
        del resource["links"]
    headers, body = peer.fake.signed(event)

    inbound = peer.provider.verify(headers=headers, body=body, at=now)

    assert (inbound.subject, inbound.reference) == ((Subject.CHARGE, charge.reference) if expected else (Subject.OTHER, ""))


def test_an_unknown_event_type_is_other(peer, event, now):
    peer.fake.account["events"][event] |= {"event_type": "INVENTED.LATER", "resource": {}}
    headers, body = peer.fake.signed(event)

    assert peer.provider.verify(headers=headers, body=body, at=now).subject is Subject.OTHER


@pytest.mark.parametrize("type", ["a\x00b", "a b", "x" * 101])
def test_an_event_of_no_type_is_refused(peer, event, now, type):
    peer.fake.account["events"][event]["event_type"] = type
    headers, body = peer.fake.signed(event)

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=body, at=now)


@pytest.mark.parametrize(("seconds", "accepted"), [(-3 * 86400, True), (0, True), (299, True), (301, False), (86400, False)])
def test_old_events_are_welcome_future_ones_are_not(peer, event, seconds, accepted, now):
    at = now.replace(microsecond=0)
    headers, body = peer.fake.signed(event, at=at + timedelta(seconds=seconds))

    if accepted:
        assert peer.provider.verify(headers=headers, body=body, at=at).event_id == event
    else:
        with pytest.raises(SignatureInvalid):
            peer.provider.verify(headers=headers, body=body, at=at)
        assert peer.fake.calls("/v1/notifications/*") == []


NAMES = ("PAYPAL-AUTH-ALGO", "PAYPAL-CERT-URL", "PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-SIG", "PAYPAL-TRANSMISSION-TIME")
OTHERS = ("", "nonsense", "2026-11-21T08:00:00", "é", "https://evil.example/cert", '", "webhook_id": "')


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [*OTHERS, None])
def test_headers_that_are_missing_or_others(peer, event, name, value, now):
    headers, body = peer.fake.signed(event)
    headers = {key: text for key, text in headers.items() if key != name} | ({} if value is None else {name: value})

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=body, at=now)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"125.50", b"125.51"),
        lambda body: json.dumps(json.loads(body)).encode(),
        lambda body: body + b', "webhook_id": "WH-EVIL"',
        lambda body: b"{},\n" + body,
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body[:-1] + b"\xff}",
        lambda body: body[:-1] + b', "x": NaN}',
        lambda body: body.decode().encode("utf-16"),
        lambda body: b"",
        lambda body: b"[]",
        lambda body: b"{}",
        lambda body: b"[" * 100_000,
    ],
)
def test_bodies_that_paypal_has_not_sent(peer, event, change, now):
    headers, body = peer.fake.signed(event)
    assert change(body) != body

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=change(body), at=now)
    # What is not one JSON object cannot be passed on in its place, and is not.
    asked = change(body) in (body.replace(b"125.50", b"125.51"), json.dumps(json.loads(body)).encode())
    assert bool(peer.fake.calls("/v1/notifications/*")) is asked


def test_an_event_for_another_webhook(peer, event, now):
    headers, body = peer.fake.signed(event, webhook_id="WH-SOMEBODY-ELSES")

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=body, at=now)


@pytest.mark.parametrize("webhook_id", ["", " ", None])
def test_without_a_webhook_id_nothing_is_believed(peer, event, webhook_id, now):
    words = {**peer.fake.credentials, "webhook_id": webhook_id}
    if webhook_id is None:
        del words["webhook_id"]
    headers, body = peer.fake.signed(event, webhook_id=webhook_id)

    with pytest.raises(SignatureInvalid):
        connect("paypal", words).verify(headers=headers, body=body, at=now)
    assert peer.fake.calls("/v1/notifications/*") == []


@pytest.mark.parametrize("kind", ["error_before", "reset_before", "garbage"])
def test_when_paypal_cannot_say_nothing_is_known(peer, event, kind, now):
    """The event is neither believed nor refused: it comes again."""
    headers, body = peer.fake.signed(event)
    peer.fake.fault("/v1/notifications/*", kind, body='{"verification_status": "MAYBE"}')

    with pytest.raises(ProviderUnavailable):
        peer.provider.verify(headers=headers, body=body, at=now)
    assert peer.provider.verify(headers=headers, body=body, at=now).event_id == event


def test_wrong_credentials_do_not_make_an_event_forged(peer, event, now):
    headers, body = peer.fake.signed(event)

    with pytest.raises(ProviderMisconfigured):
        connect("paypal", {**peer.fake.credentials, "client_secret": "EWrong"}).verify(headers=headers, body=body, at=now)
