"""FT1 and RC4: wherever the process dies, the client's repetition or the reconciler ends in one order, one charge and one entry."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter as Count
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection, connections

from apps.core import jobs
from apps.core.models import IdempotencyKey
from apps.core.tenancy import account_scope
from apps.core.vault import code_hashes
from apps.orders.models import Order
from apps.payments.models import GiftCode, Payment, ProviderEvent
from apps.payments.services.gifts import plain
from apps.payments.services.inbox import process_event, receive_event
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.tasks import look_around
from factories.accounts import MembershipFactory, token_for
from tests.conftest import ApiClient
from tests.payments.counter import Counter, amounts, set_up
from tests.payments.cut import DIED
from tests.studio import MONDAY_TEN, NOW

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MINUTE = timedelta(minutes=1)
REQUEST_CUTS = [
    "before the order is committed",
    "before the provider is called",
    "before the provider's answer is written",
    "before the provider's answer is committed",
    "before the reply",
]


@pytest.fixture
def counter(studio, stripe_fake):
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


@pytest.fixture
def desk(studio):
    """The token of somebody who sells."""
    with time_machine.travel(NOW, tick=True):
        return token_for(MembershipFactory(account=studio.account, role="front_desk").user)


def cut(counter, point, what, **job):
    """Run the job in a process of its own that dies at the point."""
    about = {"point": point, "what": what, "at": NOW.isoformat(), "database": connection.settings_dict["NAME"], "stripe": counter.fake.url}
    done = subprocess.run(
        [sys.executable, "-m", "tests.payments.cut", json.dumps({**about, **job})],
        env={**os.environ, "DATA_DIR": str(settings.DATA_DIR), "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == (DIED if point else 0), done.stderr[-3000:]
    return done.stdout


def wish(counter):
    studio = counter.studio
    return {
        "service": studio.service.pk,
        "client": studio.client.pk,
        "practitioner": studio.practitioner.pk,
        "start_time": MONDAY_TEN.isoformat(),
        "method": "stripe",
    }


def checkout(counter, desk, at=NOW):
    with time_machine.travel(at, tick=True):
        return ApiClient(desk, **{"Idempotency-Key": "one-sale"}).post("/api/checkout/", wish(counter))


def sold(counter):
    with account_scope(counter.account_id):
        return list(Order.objects.order_by("pk")), list(Payment.objects.order_by("pk"))


def reconcile(after):
    with time_machine.travel(NOW + after, tick=True):
        look_around(timestamp=0)
        jobs.run_pending()


def pay_and_settle(counter):
    """The client pays once, and everything ends well."""
    [order], [payment] = sold(counter)
    assert len(counter.fake.intents) == 1
    counter.fake.confirm(payment.provider_ref)
    reconcile(12 * MINUTE)
    [order], [payment] = sold(counter)
    assert (payment.status, order.payment_status, order.paid_cents) == ("succeeded", "paid", order.total_amount_cents)
    assert (amounts(counter.fake.charges), counter.entries()) == ([order.total_amount_cents], 1)
    assert counter.events("order.paid") == ["order.paid"]


@pytest.mark.parametrize("point", REQUEST_CUTS)
def test_a_checkout_that_is_cut_off_is_finished_by_its_repetition(counter, desk, point):
    cut(counter, point, "request", token=desk, key="one-sale", path="/api/checkout/", body=wish(counter))

    assert checkout(counter, desk).json()["error"] == "idempotency_in_progress"
    answer = checkout(counter, desk, NOW + 2 * MINUTE)

    assert answer.status_code == 201
    assert answer.json()["payment"]["client_secret"] == counter.fake.intents[0]["client_secret"]
    again = checkout(counter, desk, NOW + 3 * MINUTE)
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", answer.json())
    pay_and_settle(counter)


def test_a_gift_that_is_cut_off_is_kept_without_its_code_and_gets_a_new_one(counter, desk):
    body = {"client": counter.studio.client.pk, "method": "stripe", "gift_cents": 5000}
    cut(counter, "before the provider is called", "request", token=desk, key="gift", path="/api/checkout/", body=body)

    with account_scope(counter.account_id):
        state, before = IdempotencyKey.objects.get().state, GiftCode.objects.get()
    assert sorted(state) == ["account", "credit", "gift", "order", "payment", "return_url"]
    assert (state["gift"], before.last4 in str(state)) == (True, False)

    with time_machine.travel(NOW + 2 * MINUTE, tick=True):
        first, again = (ApiClient(desk, **{"Idempotency-Key": "gift"}).post("/api/checkout/", body) for _ in range(2))

    assert (first.status_code, again.json()) == (201, {**first.json(), "gift_code": ""})
    with account_scope(counter.account_id):
        [gift] = GiftCode.objects.all()
    assert gift.code_hash == code_hashes(counter.account_id, plain(first.json()["gift_code"]))[0] != before.code_hash


@pytest.mark.parametrize("point", REQUEST_CUTS[1:])
def test_a_checkout_that_is_cut_off_is_finished_by_the_reconciler(counter, desk, point):
    cut(counter, point, "request", token=desk, key="one-sale", path="/api/checkout/", body=wish(counter))

    reconcile(6 * MINUTE)

    pay_and_settle(counter)


def test_a_checkout_that_is_not_cut_off(counter, desk):
    """The control: the same process, without an end."""
    assert cut(counter, "", "request", token=desk, key="one-sale", path="/api/checkout/", body=wish(counter)) == "201"
    pay_and_settle(counter)


def begun(counter):
    with time_machine.travel(NOW, tick=True):
        sale = counter.sell(source="staff")
        begin_payment(counter.account_id, sale.payment.pk)
        counter.fake.confirm(counter.payment(sale).provider_ref)
    return sale


def ends_well(counter, sale):
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert (amounts(counter.fake.charges), counter.entries()) == ([sale.order.total_amount_cents], 1)


@pytest.mark.parametrize("point", ["before the provider's answer is written", "before the provider's answer is committed"])
def test_settling_that_is_cut_off(counter, point):
    sale = begun(counter)

    cut(counter, point, "recheck", ids=[counter.account_id, sale.payment.pk])

    assert counter.state(sale)[0] == "requires_action"
    reconcile(6 * MINUTE)
    ends_well(counter, sale)


@pytest.mark.parametrize("point", ["before an event is committed"])
def test_an_event_that_is_cut_off_comes_again(counter, point):
    sale = begun(counter)
    headers, body = succeeded(counter)

    cut(counter, point, "receive", account=counter.account_id, headers=headers, body=body.decode())

    with account_scope(counter.account_id):
        assert not ProviderEvent.objects.exists()
    with time_machine.travel(NOW, tick=True):
        assert receive_event(counter.account_id, "stripe", headers=headers, body=body)[1]
        jobs.run_pending()
    ends_well(counter, sale)


@pytest.mark.parametrize("point", ["before what an event means is written", "before what an event means is committed"])
def test_an_event_whose_processing_is_cut_off_is_processed_again(counter, point):
    sale = begun(counter)
    headers, body = succeeded(counter)
    with time_machine.travel(NOW, tick=True):
        event, _ = receive_event(counter.account_id, "stripe", headers=headers, body=body)

    cut(counter, point, "process", ids=[counter.account_id, event])

    with account_scope(counter.account_id):
        assert ProviderEvent.objects.get().status == "received"
    assert counter.state(sale)[0] == "requires_action"
    with time_machine.travel(NOW, tick=True):
        assert process_event(counter.account_id, event) == "processed"
        assert recheck_payment(counter.account_id, sale.payment.pk) == "succeeded"
    ends_well(counter, sale)


def succeeded(counter):
    with time_machine.travel(NOW, tick=True):
        return counter.fake.signed(next(one["id"] for one in counter.fake.events if one["type"] == "payment_intent.succeeded"))


# -- RC4


def test_twenty_checkouts_with_one_key_are_one(counter, desk):
    barrier = threading.Barrier(20)

    def sell(_):
        barrier.wait()
        try:
            answer = ApiClient(desk, **{"Idempotency-Key": "one-sale"}).post("/api/checkout/", wish(counter))
            return answer.status_code, answer.json().get("error"), answer.json().get("order", {}).get("id")
        finally:
            connections["default"].close()

    with time_machine.travel(NOW, tick=True), ThreadPoolExecutor(20) as pool:
        outcomes = Count(pool.map(sell, range(20)))

    [order], [_payment] = sold(counter)
    assert set(outcomes) <= {(201, None, order.pk), (409, "idempotency_in_progress", None)}
    assert outcomes[(201, None, order.pk)] >= 1
    assert len(counter.fake.intents) == 1
    pay_and_settle(counter)


def test_twenty_checkouts_with_a_key_each_are_twenty(counter, desk):
    """The control: without the key every one of them sells."""
    with time_machine.travel(NOW, tick=True):
        wanted = {name: value for name, value in wish(counter).items() if name not in ("start_time", "practitioner")}
        answers = [ApiClient(desk, **{"Idempotency-Key": f"sale-{n}"}).post("/api/checkout/", wanted).status_code for n in range(20)]
    assert answers == [201] * 20
    assert (len(sold(counter)[0]), len(counter.fake.intents)) == (20, 20)
