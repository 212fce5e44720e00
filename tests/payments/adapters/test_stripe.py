"""Stripe's own ways: declines, authentication, keys that are forgotten, and signatures."""

import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from apps.payments.adapters import connect, wire
from apps.payments.adapters.base import (
    ChargeState,
    DisputeState,
    ProviderRefused,
    ProviderUnavailable,
    RefundState,
    SignatureInvalid,
    Subject,
)
from apps.payments.adapters.stripe import DISPUTE_STATES
from tests.payments.adapters.peers import METADATA, peer_of

OLD = "whsec_theOldSecret0123456789"


@pytest.fixture
def peer(stripe_fake):
    return peer_of(stripe_fake)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


# -- the client's card


@pytest.mark.parametrize(
    ("card", "code"),
    [("pm_card_chargeDeclined", "card_declined"), ("pm_card_chargeDeclinedExpiredCard", "expired_card")],
)
def test_after_a_declined_card_another_may_be_tried(peer, card, code):
    charge = peer.begun()

    status, _ = peer.fake.confirm(charge.reference, card)

    declined = peer.provider.fetch(charge.reference)
    assert status == 402
    assert (declined.state, declined.failure, declined.captured_cents) == (ChargeState.REQUIRES_ACTION, code, 0)
    assert declined.capture_reference == ""  # there is a charge, but one that failed
    assert peer.charged == 0

    peer.fake.confirm(charge.reference, "pm_card_visa")
    paid = peer.provider.fetch(charge.reference)
    assert (paid.state, paid.failure, paid.captured_cents) == (ChargeState.SUCCEEDED, "", 12550)
    assert peer.charged == 1


@pytest.mark.parametrize(
    ("outcome", "state", "charged"), [("succeeded", ChargeState.SUCCEEDED, 1), ("failed", ChargeState.REQUIRES_ACTION, 0)]
)
@pytest.mark.parametrize(
    ("method", "step", "waiting"),
    [
        ("pm_card_authenticationRequired", "authenticate", ChargeState.REQUIRES_ACTION),
        ("pm_usBankAccount", "finish", ChargeState.PROCESSING),
    ],
)
def test_a_payment_that_takes_its_time(peer, method, step, waiting, outcome, state, charged):
    charge = peer.begun()
    peer.fake.confirm(charge.reference, method)
    assert peer.provider.fetch(charge.reference).state is waiting

    peer.fake.do(f"{step}/{charge.reference}", outcome=outcome)

    ended = peer.provider.fetch(charge.reference)
    assert ended.state is state
    assert bool(ended.failure) is (outcome == "failed")
    assert peer.charged == charged


def test_what_is_processing_cannot_be_cancelled_and_cancel_says_so(peer):
    charge = peer.begun()
    peer.fake.confirm(charge.reference, "pm_usBankAccount")

    assert peer.provider.cancel(charge.reference).state is ChargeState.PROCESSING


def test_a_cancelled_payment_cannot_be_paid_any_more(peer):
    charge = peer.begun()
    peer.provider.cancel(charge.reference)

    status, answer = peer.fake.confirm(charge.reference)

    assert (status, answer["error"]["code"]) == (400, "payment_intent_unexpected_state")
    assert peer.charged == 0


def test_authorised_money_is_taken_once(peer):
    charge = peer.begun()
    peer.fake.account["intents"][charge.reference]["capture_method"] = "manual"
    peer.fake.confirm(charge.reference)
    assert peer.provider.fetch(charge.reference).state is ChargeState.APPROVED
    assert peer.charged == 0

    taken = peer.provider.capture(charge.reference, key="capture-1")

    assert (taken.state, taken.captured_cents) == (ChargeState.SUCCEEDED, 12550)
    assert peer.provider.capture(charge.reference, key="capture-2") == taken
    assert peer.charged == 1


# -- what goes over the wire


def test_what_is_sent(peer):
    peer.begun(email="mia@client.example")

    (call,) = peer.fake.calls("/v1/payment_intents", "POST")
    assert call.headers["idempotency-key"] == "payment-99"
    assert call.headers["stripe-version"] == "2026-10-28.endive"
    assert "automatic_payment_methods[enabled]=true" in call.body.decode()
    assert "receipt_email=mia%40client.example" in call.body.decode()
    assert peer.fake.intents[0]["metadata"] == METADATA


@pytest.mark.parametrize(("cents", "currency", "sent"), [(500, "ISK", 50000), (70000, "MGA", 700), (12350, "KWD", 12350), (99, "EUR", 99)])
def test_stripe_counts_some_currencies_otherwise(peer, cents, currency, sent):
    charge = peer.begun(amount_cents=cents, currency=currency)

    assert peer.fake.intents[0]["amount"] == sent
    assert (charge.amount_cents, charge.currency) == (cents, currency)


def test_an_amount_that_stripe_cannot_hold_is_not_rounded(peer):
    with pytest.raises(ProviderRefused, match="amount_not_in_whole_units"):
        peer.begun(amount_cents=70050, currency="MGA")
    assert peer.fake.requests == []


def test_too_little_for_stripe(peer):
    with pytest.raises(ProviderRefused, match="amount_too_small"):
        peer.begun(amount_cents=49)


def test_a_key_with_other_words_has_begun_something_else(peer):
    """Nobody may take it for a refusal: under this key a payment has been begun."""
    peer.begun()

    with pytest.raises(ProviderUnavailable, match="idempotency_error"):
        peer.begun(amount_cents=1)
    assert len(peer.fake.intents) == 1


# -- refunds


def test_a_refund_is_found_by_its_key_after_stripe_has_forgotten_it(peer):
    charge = peer.paid()
    refund = peer.provider.refund(peer.part(charge, 5000))

    peer.fake.do("forget-keys")

    assert peer.provider.refund(peer.part(charge, 5000)) == refund
    assert peer.provider.refund(peer.part(charge, 5000, "refund-6")).reference != refund.reference
    assert len(peer.fake.refunds) == 2


@pytest.mark.parametrize(("taken", "code"), [(5000, "amount_too_large"), (12550, "charge_already_refunded")])
def test_why_a_refund_is_refused(peer, taken, code):
    charge = peer.paid()
    peer.provider.refund(peer.part(charge, taken))

    with pytest.raises(ProviderRefused) as caught:
        peer.provider.refund(peer.part(charge, 10000, "second"))
    assert caught.value.code == code


def test_a_disputed_charge_is_not_refunded(peer):
    charge = peer.paid()
    peer.fake.do("disputes", payment_intent=charge.reference)

    with pytest.raises(ProviderRefused, match="charge_disputed"):
        peer.provider.refund(peer.part(charge, 100))


def test_a_refund_that_is_completed_later(peer):
    charge = peer.paid()
    peer.fake.do("refunds", mode="pending")
    refund = peer.provider.refund(peer.part(charge, 100))

    peer.fake.do(f"refunds/{refund.reference}", status="succeeded")

    assert peer.provider.fetch_refund(refund.reference).state is RefundState.SUCCEEDED


@pytest.mark.parametrize(("status", "state"), DISPUTE_STATES.items())
def test_every_state_of_a_dispute(peer, status, state):
    dispute = peer.fake.do("disputes", payment_intent=peer.paid().reference)["id"]
    peer.fake.do(f"disputes/{dispute}", status=status)

    assert peer.provider.fetch_dispute(dispute).state is state


def test_an_unknown_state_is_not_guessed(peer):
    charge = peer.paid()
    dispute = peer.fake.do("disputes", payment_intent=charge.reference)["id"]
    peer.fake.account["disputes"][dispute]["status"] = "invented_later"
    peer.fake.account["intents"][charge.reference]["status"] = "invented_later"

    for call in (lambda: peer.provider.fetch_dispute(dispute), lambda: peer.provider.fetch(charge.reference)):
        with pytest.raises(ProviderUnavailable, match="unreadable"):
            call()


# -- events


def of_type(peer, type: str) -> str:
    return next(event["id"] for event in peer.fake.events if event["type"] == type)


@pytest.fixture
def event(peer) -> str:
    peer.begun()
    return peer.fake.events[0]["id"]


def test_a_genuine_event(peer, event, now):
    headers, body = peer.fake.signed(event)

    inbound = peer.provider.verify(headers=headers, body=body, at=now)

    assert (inbound.event_id, inbound.type, inbound.subject) == (event, "payment_intent.created", Subject.CHARGE)
    assert inbound.reference == peer.fake.intents[0]["id"]
    assert abs(inbound.created_at - now) < timedelta(seconds=30)
    assert peer.provider.verify(headers={"stripe-signature": headers["Stripe-Signature"]}, body=body, at=now) == inbound


def test_every_event_names_what_it_is_about(peer, now):
    charge = peer.begun()
    peer.fake.confirm(charge.reference, "pm_card_chargeDeclined")
    peer.fake.confirm(charge.reference)
    refund = peer.provider.refund(peer.part(charge, 100)).reference
    dispute = peer.fake.do("disputes", payment_intent=charge.reference)["id"]
    peer.fake.do(f"refunds/{refund}", status="failed")
    peer.fake.do(f"disputes/{dispute}", status="won")

    told = {}
    for event in peer.fake.events:
        headers, body = peer.fake.signed(event["id"])
        inbound = peer.provider.verify(headers=headers, body=body, at=now)
        told[event["type"]] = (inbound.subject, inbound.reference)

    assert told == {
        "payment_intent.created": (Subject.CHARGE, charge.reference),
        "payment_intent.payment_failed": (Subject.CHARGE, charge.reference),
        "payment_intent.succeeded": (Subject.CHARGE, charge.reference),
        "charge.failed": (Subject.OTHER, ""),
        "charge.succeeded": (Subject.OTHER, ""),
        "charge.refunded": (Subject.CHARGE, charge.reference),
        "refund.created": (Subject.REFUND, refund),
        "refund.updated": (Subject.REFUND, refund),
        "refund.failed": (Subject.REFUND, refund),
        "charge.dispute.created": (Subject.DISPUTE, dispute),
        "charge.dispute.funds_withdrawn": (Subject.DISPUTE, dispute),
        "charge.dispute.closed": (Subject.DISPUTE, dispute),
    }


@pytest.mark.parametrize("livemode", [True, False])
def test_test_and_live_events_are_the_same_to_us(peer, event, livemode, now):
    peer.fake.account["events"][event]["livemode"] = livemode
    headers, body = peer.fake.signed(event)

    assert peer.provider.verify(headers=headers, body=body, at=now).event_id == event


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(0, True), (-299, True), (-301, False), (299, True), (301, False), (-86400, False), (86400, False)]
)
def test_old_and_future_events_are_refused(peer, event, seconds, accepted, now):
    at = now.replace(microsecond=0)
    headers, body = peer.fake.signed(event, at=(at + timedelta(seconds=seconds)).timestamp())

    if accepted:
        assert peer.provider.verify(headers=headers, body=body, at=at).event_id == event
    else:
        with pytest.raises(SignatureInvalid):
            peer.provider.verify(headers=headers, body=body, at=at)


def forge(kind: str, headers: dict[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
    """A genuine delivery, spoiled in one way."""
    signature = headers["Stripe-Signature"]
    time, proof = (part.partition("=")[2] for part in signature.split(","))
    changed = {
        "no header": {},
        "empty header": {"Stripe-Signature": ""},
        "nonsense": {"Stripe-Signature": "nonsense"},
        "no time": {"Stripe-Signature": f"v1={proof}"},
        "two times": {"Stripe-Signature": f"t={time},t={int(time) - 1},v1={proof}"},
        "word for a time": {"Stripe-Signature": f"t=now,v1={proof}"},
        "another time": {"Stripe-Signature": f"t={int(time) - 1},v1={proof}"},
        "no signature": {"Stripe-Signature": f"t={time}"},
        "empty signature": {"Stripe-Signature": f"t={time},v1="},
        "v0 scheme only": {"Stripe-Signature": f"t={time},v0={proof}"},
        "not ASCII": {"Stripe-Signature": f"t={time},v1={proof},v1=é"},
        "one byte of the signature": {"Stripe-Signature": signature[:-1] + ("0" if signature[-1] != "0" else "1")},
    }
    bodies = {
        "one byte": body.replace(b"12550", b"12551"),
        "encoded again": json.dumps(json.loads(body)).encode(),
        "a space more": body + b" ",
        "not UTF-8": body + b"\xff",
        "empty body": b"",
    }
    assert all(other != body for other in bodies.values())
    return changed.get(kind, headers), bodies.get(kind, body)


FORGERIES = (
    "no header", "empty header", "nonsense", "no time", "two times", "word for a time", "another time", "no signature", "empty signature",
    "v0 scheme only", "not ASCII", "one byte of the signature", "one byte", "encoded again", "a space more", "not UTF-8", "empty body",
)  # fmt: skip


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_events_are_refused(peer, event, kind, now):
    headers, body = forge(kind, *peer.fake.signed(event))

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=body, at=now)


def test_another_secret(peer, event, now):
    headers, body = peer.fake.signed(event, secret="whsec_somebodyElses0123456789")

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=body, at=now)


@pytest.mark.parametrize("secret", ["", " ", None])
@pytest.mark.parametrize("signed_with", ["", " ", "None", OLD])
def test_without_a_secret_nothing_is_believed(peer, event, secret, signed_with, now):
    words = {**peer.fake.credentials, "webhook_secret": secret, "previous_webhook_secret": OLD}
    if secret is None:
        del words["webhook_secret"]
    headers, body = peer.fake.signed(event, secret=signed_with)

    with pytest.raises(SignatureInvalid):
        connect("stripe", words).verify(headers=headers, body=body, at=now)


def test_the_previous_secret_is_good_while_secrets_change(peer, event, now):
    changed = connect("stripe", {**peer.fake.credentials, "previous_webhook_secret": OLD})
    headers, body = peer.fake.signed(event, secret=OLD)

    assert changed.verify(headers=headers, body=body, at=now).event_id == event
    headers, body = peer.fake.signed(event)
    assert changed.verify(headers=headers, body=body, at=now).event_id == event


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[]", b"7", b"no json", b'{"id": "evt_1", "type": "payment_intent.created", "created": 1, "data": {"object": {"id": "../x"}}}',
     b'{"id": 5, "type": "x", "created": 1, "data": {"object": {}}}', b'{"id": "evt_1", "type": "x", "created": "1", "data": {"object": {}}}',
     b'{"id": "evt_1", "type": "x", "created": 99999999999999999, "data": {"object": {}}}', b"[" * 100_000],
)  # fmt: skip
def test_signed_nonsense_is_refused(peer, content, now):
    time = int(now.timestamp())
    proof = hmac.digest(peer.fake.credentials["webhook_secret"].encode(), f"{time}.".encode() + content, "sha256").hex()

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers={"Stripe-Signature": f"t={time},v1={proof}"}, body=content, at=now)


def test_a_refused_signature_says_nothing_about_secret_or_body(peer, event, now):
    headers, body = peer.fake.signed(event, secret="whsec_somebodyElses0123456789")

    with pytest.raises(SignatureInvalid) as caught:
        peer.provider.verify(headers=headers, body=body, at=now)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert peer.fake.credentials["webhook_secret"] not in str(error)
    assert event not in str(error)


def test_an_unknown_event_type_is_other(peer, event, now):
    peer.fake.account["events"][event] |= {"type": "invented.later", "data": {"object": {"object": "thing"}}}
    headers, body = peer.fake.signed(event)

    inbound = peer.provider.verify(headers=headers, body=body, at=now)

    assert (inbound.subject, inbound.reference, inbound.type) == (Subject.OTHER, "", "invented.later")


@pytest.mark.parametrize("type", ["", "a\x00b", "a\ud800b", "a b", "x" * 101])
def test_an_event_of_no_type_is_refused(peer, event, now, type):
    peer.fake.account["events"][event]["type"] = type
    headers, body = peer.fake.signed(event)

    with pytest.raises(SignatureInvalid):
        peer.provider.verify(headers=headers, body=body, at=now)


def test_states_are_all_ours():
    assert set(DISPUTE_STATES.values()) == set(DisputeState)
    assert wire.REFERENCE.fullmatch("pi_3Abc")
