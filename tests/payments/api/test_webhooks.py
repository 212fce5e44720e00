"""AC5: what is not proven to come from the provider, now and for this account, leaves every row as it was."""

import hashlib
import json
import time
from collections.abc import Iterator

import pytest
import time_machine
from django.db import connection
from stripe import WebhookSignature

from apps.core import jobs
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import ProviderAccount, ProviderEvent
from apps.payments.services.inbox import process_event
from apps.payments.services.online import begin_payment
from tests.conftest import ApiClient
from tests.payments.counter import Counter, set_up
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/webhooks/stripe/berlin/"


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def counter(studio, stripe_fake):
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


@pytest.fixture
def sale(counter):
    """A payment that was made, and of which we know nothing yet."""
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)
    return sale


def digest():
    """Of every row of every table that a request may write."""
    found = {}
    with platform_scope("digest"), connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {connection.ops.quote_name(table)} t")
            found[table] = cursor.fetchone()[0]
    return found


def told(counter, type="payment_intent.succeeded"):
    """The fake's event of this type."""
    return next(event["id"] for event in counter.fake.events if event["type"] == type)


def post(headers, body, url=URL, **extra):
    return ApiClient().post(url, body, headers=headers, **extra)


def test_a_genuine_event_is_kept_and_settles_the_payment(counter, sale):
    headers, body = counter.fake.signed(told(counter))

    first = post(headers, body)
    second = post(headers, body)

    assert (first.status_code, first.json()) == (202, {"received": True})
    assert (second.status_code, second.json()) == (200, {"received": True, "duplicate": True})
    with account_scope(counter.account_id):
        event = ProviderEvent.objects.get()
    assert (event.status, event.type, event.body) == ("received", "payment_intent.succeeded", body.decode())
    assert counter.state(sale)[0] == "requires_action"

    jobs.run_pending()

    with account_scope(counter.account_id):
        event.refresh_from_db()
    assert (event.status, event.attempts, event.payment_id) == ("processed", 1, sale.payment.pk)
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")


def signed(body, secret, at=None, scheme="v1"):
    header = WebhookSignature.generate_signature_header(body.decode(), secret, at and int(at))
    return {"Stripe-Signature": header.replace("v1=", f"{scheme}=")}


def forgeries(headers, body, secret):
    now, good = time.time(), headers["Stripe-Signature"]
    yield "none", {}, body
    yield "empty", {"Stripe-Signature": ""}, body
    yield "nonsense", {"Stripe-Signature": "t=1,v1=\u00e9"}, body
    yield "old", signed(body, secret, now - 301), body
    yield "future", signed(body, secret, now + 301), body
    yield "other secret", signed(body, "whsec_other"), body
    yield "empty secret", signed(body, ""), body
    yield "changed byte", headers, body.replace(b"succeeded", b"succeedeD", 1)
    yield "added byte", headers, body + b" "
    yield "encoded again", headers, json.dumps(json.loads(body)).encode()
    yield "v0", signed(body, secret, scheme="v0"), body
    yield "two times", {"Stripe-Signature": f"t=1,{good}"}, body
    yield "no event", signed(b"[]", secret), b"[]"
    yield "no JSON", signed(b"x=1", secret), b"x=1"
    yield "nothing", signed(b"", secret), b""


@pytest.mark.parametrize("position", range(15))
def test_a_forged_event_leaves_every_row_as_it_was(counter, sale, position):
    headers, body = counter.fake.signed(told(counter))
    name, headers, forged = list(forgeries(headers, body, counter.fake.account["webhook_secret"]))[position]
    before = digest()

    answer = post(headers, forged)

    assert (answer.status_code, answer.json()["error"]) == (400, "signature_invalid"), name
    assert digest() == before
    assert post(*counter.fake.signed(told(counter))).status_code == 202  # the control
    assert digest() != before


def test_without_a_secret_nothing_is_believed(counter, sale):
    with account_scope(counter.account_id):
        ProviderAccount.objects.all().delete()
    set_up(counter.studio.account, "stripe", {**counter.fake.credentials, "webhook_secret": ""})
    headers, body = counter.fake.signed(told(counter))
    before = digest()

    for forged in (headers, signed(body, "")):
        assert post(forged, body).json()["error"] == "signature_invalid"
    assert digest() == before


def test_the_previous_secret_holds_while_it_is_kept(counter, sale):
    with account_scope(counter.account_id):
        ProviderAccount.objects.all().delete()
    old = counter.fake.credentials["webhook_secret"]
    set_up(counter.studio.account, "stripe", {**counter.fake.credentials, "webhook_secret": "whsec_new", "previous_webhook_secret": old})

    assert post(*counter.fake.signed(told(counter))).status_code == 202


def test_addresses_that_do_not_exist(counter, sale, other_account):
    headers, body = counter.fake.signed(told(counter))
    before = digest()

    for url in (
        "/api/webhooks/stripe/nobody/",
        "/api/webhooks/paypal/berlin/",
        "/api/webhooks/cash/berlin/",
        "/api/webhooks/stripe/new-york/",
    ):
        answer = post(headers, body, url=url)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), url
    with account_scope(counter.account_id):
        ProviderAccount.objects.update(is_active=False)
    before = {**before, **{name: value for name, value in digest().items() if name == "payments_provideraccount"}}
    assert post(headers, body).status_code == 404
    assert digest() == before


def test_only_posts_of_a_reasonable_size(counter):
    assert ApiClient().get(URL).status_code == 405
    assert ApiClient().get(URL).json()["error"] == "method_not_allowed"
    assert post({}, b"x" * 1_000_001).status_code == 413


@pytest.mark.parametrize(
    ("change", "status", "note"),
    [
        ({"amount": 1, "amount_received": 1}, "quarantined", "amount_mismatch"),
        ({"currency": "usd"}, "quarantined", "currency_mismatch"),
        ({"metadata": {"account": "0"}}, "quarantined", "account_mismatch"),
        ({"metadata": {"order": "0"}}, "quarantined", "order_mismatch"),
        ({"metadata": {"payment": "0"}}, "quarantined", "payment_mismatch"),
    ],
)
def test_a_genuine_event_about_something_else_settles_nothing(counter, sale, change, status, note):
    _, intent = counter.fake.owner("intents", counter.payment(sale).provider_ref)
    genuine = json.loads(json.dumps(intent))
    intent |= {**change, "metadata": {**intent["metadata"], **change.get("metadata", {})}}
    before = digest()

    assert post(*counter.fake.signed(told(counter))).status_code == 202
    jobs.run_pending()

    with account_scope(counter.account_id):
        event = ProviderEvent.objects.get()
    assert (event.status, event.note) == (status, note)
    assert (counter.payment(sale).status, counter.payment(sale).review) == ("requires_action", note)
    assert counter.state(sale)[1:] == ("unpaid", 0, "held")
    assert counter.events("payment.quarantined", "payment.succeeded") == ["payment.quarantined"]
    changed = {name for name, value in digest().items() if value != before[name]}
    assert not {name for name in changed if name.startswith(("orders_", "bookings_", "payments_ledger"))}

    intent |= genuine  # the control: the same address, the same signature, the right words
    with account_scope(counter.account_id):
        ProviderEvent.objects.update(status="received")
        ids = list(ProviderEvent.objects.values_list("pk", flat=True))
    for pk in ids:
        process_event(counter.account_id, pk)
    assert counter.state(sale)[:2] == ("succeeded", "paid")


def test_another_accounts_payment_is_not_ours(counter, sale, make_studio, other_account):
    """Two businesses that share one Stripe hear of each other's payments."""
    make_studio(other_account)
    set_up(other_account, "stripe", counter.fake.credentials)
    before = digest()

    assert post(*counter.fake.signed(told(counter)), url="/api/webhooks/stripe/new-york/").status_code == 202
    jobs.run_pending()

    with account_scope(other_account):
        event = ProviderEvent.objects.get()
    assert (event.status, event.note, event.payment_id) == ("ignored", "unknown_payment", None)
    changed = {name for name, value in digest().items() if value != before[name]}
    assert {name for name in changed if not name.startswith("procrastinate")} == {"payments_providerevent"}


def test_events_of_unknown_types_are_ignored(counter, sale):
    about = {
        "id": "evt_unknown1",
        "object": "event",
        "type": "customer.created",
        "created": int(time.time()),
        "data": {"object": {"id": "cus_1"}},
    }
    body = json.dumps(about).encode()
    before = digest()

    assert post(signed(body, counter.fake.account["webhook_secret"]), body).status_code == 202
    jobs.run_pending()

    with account_scope(counter.account_id):
        assert ProviderEvent.objects.get().status == "ignored"
    changed = {name for name, value in digest().items() if value != before[name]}
    assert {name for name in changed if not name.startswith("procrastinate")} == {"payments_providerevent"}


def test_an_event_about_what_the_provider_does_not_know_is_ignored(counter, sale):
    known = json.loads(counter.fake.signed(told(counter))[1])
    known["id"], known["data"]["object"]["id"] = "evt_invented", "pi_invented"
    body = json.dumps(known).encode()

    assert post(signed(body, counter.fake.account["webhook_secret"]), body).status_code == 202
    jobs.run_pending()

    with account_scope(counter.account_id):
        assert (ProviderEvent.objects.get().status, ProviderEvent.objects.get().note) == ("ignored", "resource_missing")
    assert counter.state(sale)[0] == "requires_action"


def test_paypal_is_asked_whether_an_event_is_its_own(studio, paypal_fake):
    set_up(studio.account, "paypal", paypal_fake.credentials)
    counter = Counter(studio, paypal_fake, "paypal")
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    paypal_fake.approve(counter.payment(sale).provider_ref)
    headers, body = paypal_fake.signed(told_by_paypal(paypal_fake))
    url = "/api/webhooks/paypal/berlin/"
    before = digest()

    assert post(headers, body.replace(b"APPROVED", b"approved"), url=url).json()["error"] == "signature_invalid"
    paypal_fake.fault("/v1/notifications/verify-webhook-signature", "error_before")
    assert post(headers, body, url=url).json()["error"] == "provider_unavailable"
    assert digest() == before

    assert post(headers, body, url=url).status_code == 202
    jobs.run_pending()
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert len(paypal_fake.charges) == 1


def told_by_paypal(fake):
    return next(event["id"] for event in fake.events if event["event_type"] == "CHECKOUT.ORDER.APPROVED")


def test_digest_sees_a_change(counter):
    before = digest()
    with account_scope(counter.account_id):
        ProviderAccount.objects.update(payee="x")
    assert {name for name, value in digest().items() if value != before[name]} == {"payments_provideraccount"}
    assert hashlib.md5(b"").hexdigest() in before.values()  # noqa: S324  a digest of rows, not a secret
