"""What every provider promises, asked of each against its fake over HTTP."""

import json
import logging
import threading

import pytest
from django.db import transaction

from apps.payments.adapters import CREDENTIALS, connect, wire
from apps.payments.adapters.base import ChargeState, DisputeState, ProviderMisconfigured, ProviderRefused, ProviderUnavailable, RefundState
from tests.payments.adapters.peers import METADATA, Peer, peer_of

AFTER = ("hang", "reset_after", "error_after", "garbage", "drip")
BEFORE = ("error_before", "reset_before")


@pytest.fixture(params=["stripe", "paypal"])
def peer(request) -> Peer:
    return peer_of(request.getfixturevalue(f"{request.param}_fake"))


@pytest.fixture
def impatient(monkeypatch):
    """Limits that a test can wait for."""
    monkeypatch.setattr(wire, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(wire, "WHOLE_SECONDS", 2.0)
    wire._client.cache_clear()
    yield
    wire._client.cache_clear()


# -- paying


def test_begin_names_the_payment_and_fetch_tells_the_same(peer):
    charge = peer.begun()

    assert charge.state is ChargeState.REQUIRES_ACTION
    assert (charge.amount_cents, charge.captured_cents, charge.refunded_cents, charge.currency) == (12550, 0, 0, "EUR")
    assert charge.metadata == METADATA
    assert (charge.capture_reference, charge.failure) == ("", "")
    assert peer.provider.fetch(charge.reference) == charge
    assert peer.charged == 0


def test_the_same_key_begins_the_payment_once(peer):
    assert peer.begun().reference == peer.begun().reference
    assert peer.begun(key="payment-100").reference != peer.begun().reference


def test_the_same_key_after_the_client_has_paid_tells_how_it_stands_now(peer):
    charge = peer.paid()

    again = peer.begun()

    assert (again.reference, again.state, again.captured_cents) == (charge.reference, ChargeState.SUCCEEDED, 12550)
    assert peer.charged == 1


def test_a_paid_payment_has_its_money_and_what_refunds_refer_to(peer):
    charge = peer.paid()

    assert charge.state is ChargeState.SUCCEEDED
    assert (charge.amount_cents, charge.captured_cents, charge.refunded_cents) == (12550, 12550, 0)
    assert charge.metadata == METADATA
    assert charge.capture_reference == peer.fake.charges[0]["id"]


def test_capture_is_the_same_before_and_after_the_money_came(peer):
    charge = peer.begun()
    assert peer.provider.capture(charge.reference, key="early").state is ChargeState.REQUIRES_ACTION

    peer.pay(charge.reference)

    assert peer.provider.capture(charge.reference, key="late").state is ChargeState.SUCCEEDED
    assert peer.provider.capture(charge.reference, key="later still").captured_cents == 12550
    assert peer.charged == 1


def test_cancel_of_an_open_payment(peer):
    charge = peer.begun()

    assert peer.provider.cancel(charge.reference).state is ChargeState.CANCELLED
    assert peer.provider.cancel(charge.reference).state is ChargeState.CANCELLED
    assert peer.charged == 0


def test_cancel_after_success_says_that_the_money_has_come(peer):
    charge = peer.paid()

    assert peer.provider.cancel(charge.reference) == charge
    assert peer.provider.fetch(charge.reference).state is ChargeState.SUCCEEDED


@pytest.mark.parametrize(("cents", "currency"), [(5000, "JPY"), (12501, "USD"), (250000, "HUF")])
def test_amounts_keep_their_value_in_every_currency(peer, cents, currency):
    charge = peer.paid(amount_cents=cents, currency=currency)
    assert (charge.amount_cents, charge.captured_cents, charge.currency) == (cents, cents, currency)

    refund = peer.provider.refund(peer.part(charge, cents // 10 * 2 if currency != "HUF" else 100))

    assert refund.currency == currency
    assert peer.provider.fetch(charge.reference).refunded_cents == refund.amount_cents


# -- giving back


def test_a_refund_is_made_once_per_key(peer):
    charge = peer.paid()

    refund = peer.provider.refund(peer.part(charge, 5000))
    again = peer.provider.refund(peer.part(charge, 5000))

    assert (refund.state, refund.amount_cents, refund.currency, refund.failure) == (RefundState.SUCCEEDED, 5000, "EUR", "")
    assert refund.charge_reference in (charge.reference, charge.capture_reference)
    assert METADATA.items() <= refund.metadata.items()
    assert again == refund == peer.provider.fetch_refund(refund.reference)
    assert len(peer.fake.refunds) == 1
    assert peer.provider.fetch(charge.reference).refunded_cents == 5000


def test_more_than_was_taken_cannot_be_given_back_also_in_sum(peer):
    charge = peer.paid()

    with pytest.raises(ProviderRefused):
        peer.provider.refund(peer.part(charge, 12551, "too much"))
    peer.provider.refund(peer.part(charge, 10000, "one"))
    with pytest.raises(ProviderRefused):
        peer.provider.refund(peer.part(charge, 2551, "sum"))
    peer.provider.refund(peer.part(charge, 2550, "rest"))
    with pytest.raises(ProviderRefused):
        peer.provider.refund(peer.part(charge, 1, "nothing left"))

    assert peer.provider.fetch(charge.reference).refunded_cents == 12550
    assert len(peer.fake.refunds) == 2


def test_what_was_never_paid_cannot_be_given_back(peer):
    with pytest.raises(ProviderRefused):
        peer.provider.refund(peer.part(peer.begun(), 100))
    assert peer.fake.refunds == []


def test_a_pending_refund_counts_until_it_fails(peer):
    charge = peer.paid()
    peer.fake.do("refunds", mode={"stripe": "pending", "paypal": "PENDING"}[peer.provider.name])

    refund = peer.provider.refund(peer.part(charge, 12550))
    assert refund.state is RefundState.PENDING
    assert peer.provider.fetch(charge.reference).refunded_cents == 12550
    with pytest.raises(ProviderRefused):
        peer.provider.refund(peer.part(charge, 100, "second"))

    peer.fake.do(f"refunds/{refund.reference}", status={"stripe": "failed", "paypal": "FAILED"}[peer.provider.name])
    failed = peer.provider.fetch_refund(refund.reference)
    assert failed.state is RefundState.FAILED
    assert failed.failure
    assert peer.provider.fetch(charge.reference).refunded_cents == 0


# -- disputes and the account


@pytest.mark.parametrize(("outcome", "state"), [("lost", DisputeState.LOST), ("won", DisputeState.WON)])
def test_a_dispute_is_open_and_ends(peer, outcome, state):
    charge = peer.paid()
    if peer.provider.name == "stripe":
        reference = peer.fake.do("disputes", payment_intent=charge.reference, reason="fraudulent")["id"]
        end = {"status": outcome}
    else:
        reference = peer.fake.do("disputes", order=charge.reference, reason="UNAUTHORISED")["dispute_id"]
        end = {"outcome": {"lost": "RESOLVED_BUYER_FAVOUR", "won": "RESOLVED_SELLER_FAVOUR"}[outcome]}

    dispute = peer.provider.fetch_dispute(reference)
    assert (dispute.reference, dispute.state, dispute.amount_cents, dispute.currency) == (reference, DisputeState.OPEN, 12550, "EUR")
    assert dispute.charge_reference in (charge.reference, charge.capture_reference)
    assert dispute.reason in ("fraudulent", "UNAUTHORISED")

    peer.fake.do(f"disputes/{reference}", **end)
    assert peer.provider.fetch_dispute(reference).state is state


def test_check_names_the_account(peer):
    assert peer.provider.check() == {"stripe": "Berlin Studio", "paypal": "FAKEMERCHANT1"}[peer.provider.name]


# -- no


def _operations(charge, part):
    return {
        "begin": lambda peer: peer.begun(key="another"),
        "fetch": lambda peer: peer.provider.fetch(charge.reference),
        "capture": lambda peer: peer.provider.capture(charge.reference, key="c"),
        "cancel": lambda peer: peer.provider.cancel(charge.reference),
        "refund": lambda peer: peer.provider.refund(part),
        "fetch_refund": lambda peer: peer.provider.fetch_refund("re_1"),
        "fetch_dispute": lambda peer: peer.provider.fetch_dispute("du_1"),
        "check": lambda peer: peer.provider.check(),
    }


OPERATIONS = tuple(_operations(None, None))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_wrong_credentials(peer, operation):
    charge = peer.paid()
    part = peer.part(charge, 100)
    wrong = {"secret_key": "sk_test_wrong", "client_secret": "EWrong"}
    stranger = peer_of(peer.fake, **{name: value for name, value in wrong.items() if name in peer.fake.credentials})

    with pytest.raises(ProviderMisconfigured):
        _operations(charge, part)[operation](stranger)


@pytest.mark.parametrize("secret", ["", "two words", "new\nline", "schlüssel", "nul\0"])
def test_credentials_that_cannot_be_any_are_not_sent(peer, secret):
    missing = {name: secret for name in ("secret_key", "client_secret") if name in peer.fake.credentials}

    with pytest.raises(ProviderMisconfigured):
        peer_of(peer.fake, **missing).provider.check()
    assert peer.fake.requests == []


def test_a_foreign_account_sees_nothing(peer):
    charge = peer.paid()
    names = CREDENTIALS[peer.provider.name]
    other = {name: f"{peer.fake.credentials.get(name, '')}Other" for part in names for name in part if name in peer.fake.credentials}
    stranger = connect(peer.provider.name, peer.fake.add_account(**other))

    if peer.provider.name == "stripe":
        with pytest.raises(ProviderRefused):
            stranger.fetch(charge.reference)
    else:
        assert stranger.fetch(charge.reference).state is ChargeState.CANCELLED  # as one that PayPal has forgotten
    with pytest.raises(ProviderRefused):
        stranger.refund(peer.part(charge, 100))
    assert peer.provider.fetch(charge.reference).refunded_cents == 0


@pytest.mark.parametrize("reference", ["", "..", "a/b", "a?b=c", "a#b", "pi_1\n", "x" * 256, "%2e%2e", "é"])
def test_a_reference_that_cannot_be_one_is_not_put_into_an_address(peer, reference):
    for call in (peer.provider.fetch, peer.provider.cancel, peer.provider.fetch_refund, peer.provider.fetch_dispute):
        with pytest.raises(ProviderRefused, match="malformed_reference"):
            call(reference)
    assert peer.fake.requests == []


# -- nobody knows


@pytest.mark.slow
@pytest.mark.parametrize("kind", AFTER + BEFORE)
def test_a_begin_whose_answer_is_lost_finds_one_payment_under_its_key(peer, impatient, kind):
    peer.provider.check()  # PayPal's token is at hand
    peer.fake.fault(peer.begin_path, kind, seconds=0.05 if kind == "drip" else 4)

    with pytest.raises(ProviderUnavailable):
        peer.begun()
    made = len(peer.fake.intents if peer.provider.name == "stripe" else peer.fake.orders)
    assert made == (0 if kind in BEFORE else 1)

    peer.pay(peer.begun().reference)
    assert peer.charged == 1
    assert len(peer.fake.intents if peer.provider.name == "stripe" else peer.fake.orders) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", AFTER + BEFORE)
def test_a_refund_whose_answer_is_lost_is_made_once(peer, impatient, kind):
    charge = peer.paid()
    peer.fake.fault(peer.refund_path, kind, method="POST", seconds=0.05 if kind == "drip" else 4)

    with pytest.raises(ProviderUnavailable):
        peer.provider.refund(peer.part(charge, 5000))
    assert len(peer.fake.refunds) == (0 if kind in BEFORE else 1)

    assert peer.provider.refund(peer.part(charge, 5000)).amount_cents == 5000
    assert len(peer.fake.refunds) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        "7",
        '"text"',
        '{"id": 5}',
        '{"id": "x", "object": "payment_intent", "status": "new"}',
        "[" * 100_000,
        "\xff\xfe",
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_answer_that_makes_no_sense_is_no_answer(peer, operation, body):
    charge = peer.paid()
    part = peer.part(charge, 100)
    peer.fake.fault("/v[12]/*", "garbage", times=5, body=body)

    with pytest.raises(ProviderUnavailable):
        _operations(charge, part)[operation](peer)
    assert len(peer.fake.refunds) <= 1


def test_an_answer_about_another_payment_is_no_answer(peer):
    first, second = peer.begun(), peer.begun(key="payment-100")
    body = next(one for one in peer.fake.all("intents" if peer.provider.name == "stripe" else "orders") if one["id"] == second.reference)
    peer.fake.fault(f"{peer.begin_path}/*", "garbage", body=json.dumps(body))

    with pytest.raises(ProviderUnavailable):
        peer.provider.fetch(first.reference)
    assert peer.provider.fetch(first.reference) == first


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit"), (500, "server_error"), (502, "server_error"), (503, "server_error")])
def test_a_provider_in_trouble(peer, status, code):
    peer.provider.check()
    peer.fake.fault(peer.begin_path, "error_before", status=status)

    with pytest.raises(ProviderUnavailable) as caught:
        peer.begun()
    assert caught.value.code == code


@pytest.mark.parametrize("status", [301, 302, 307, 404, 418])
def test_a_page_that_is_not_the_providers(peer, status):
    """A gateway between us answers with HTML, or sends us elsewhere."""
    peer.provider.check()
    peer.fake.fault(peer.begin_path, "page", status=status)

    with pytest.raises(ProviderUnavailable):
        peer.begun()


def test_nobody_is_there(peer):
    peer.provider.check()
    peer.fake.stop()

    with pytest.raises(ProviderUnavailable, match="unreachable"):
        peer.begun()


def test_an_answer_without_end_is_given_up(peer, monkeypatch):
    monkeypatch.setattr(wire, "MAX_BYTES", 10_000)
    peer.provider.check()
    peer.fake.fault(peer.begin_path, "garbage", body="x" * 20_000)

    with pytest.raises(ProviderUnavailable, match="unreachable"):  # given up, not read to its end
        peer.begun()


@pytest.mark.slow
def test_the_same_key_in_two_threads_at_once_begins_one_payment(peer):
    peer.provider.check()
    peer.fake.latency = 0.2
    results: list[object] = []

    def begin() -> None:
        try:
            results.append(peer.begun().reference)
        except ProviderUnavailable as unavailable:
            results.append(unavailable.code)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 4
    (made,) = peer.fake.intents if peer.provider.name == "stripe" else peer.fake.orders
    assert set(results) <= {made["id"], "idempotency_key_in_use", "in_progress"}
    assert made["id"] in results


# -- transactions


@pytest.mark.django_db(transaction=True)
def test_no_call_inside_a_transaction(peer):
    charge = peer.paid()
    operations = _operations(charge, peer.part(charge, 100))
    before = len(peer.fake.requests)

    for operation in operations.values():
        with transaction.atomic(), pytest.raises(RuntimeError):
            operation(peer)
    assert len(peer.fake.requests) == before

    for name, operation in operations.items():  # the negative control: the same calls go out when no transaction is open
        before = len(peer.fake.requests)
        try:
            operation(peer)
        except ProviderRefused:
            assert name in ("fetch_refund", "fetch_dispute")
        assert len(peer.fake.requests) > before


# -- secrets


@pytest.mark.parametrize("operation", ["begin", "fetch", "refund", "check"])
@pytest.mark.parametrize("trouble", ["none", "refused", "unknown", "garbage", "reset_after"])
def test_nothing_secret_is_written_or_raised(peer, caplog, operation, trouble):
    charge = peer.paid()
    part = peer.part(charge, 100 if trouble != "refused" else 99999)
    secrets = [*peer.secrets, charge.client_secret or "no client secret"]
    secrets += peer.fake.account.get("tokens", [])
    provider = peer.provider
    if trouble == "unknown":
        peer = peer_of(peer.fake, secret_key="sk_test_thisIsWrong0123456789", client_secret="EThisIsWrong0123456789")
        secrets += ["sk_test_thisIsWrong0123456789", "EThisIsWrong0123456789"]
    elif trouble in ("garbage", "reset_after"):
        peer.fake.fault("/v[12]/*", trouble, body=f"<html>{secrets}</html>")
    said = [repr(provider), str(provider), repr(vars(type(provider)))]

    with caplog.at_level(logging.DEBUG):
        try:
            said.append(repr(_operations(charge, part)[operation](peer)))
        except (ProviderRefused, ProviderUnavailable) as error:
            chain: BaseException | None = error
            while chain:
                said += [repr(chain), str(chain), repr(chain.args), repr(vars(chain))]
                chain = chain.__cause__ or chain.__context__
        else:
            assert operation != "refund" or trouble == "none"
    said.append(caplog.text)

    assert [secret for secret in secrets if secret in "".join(said)] == []


def test_the_limits_are_the_ones_we_promise():
    assert (wire.CONNECT_SECONDS, wire.SILENCE_SECONDS, wire.WHOLE_SECONDS) == (3.0, 17.0, 20.0)
    limits = wire._client().timeout
    assert (limits.connect, limits.read, limits.write, limits.pool) == (3.0, 17.0, 17.0, 3.0)
