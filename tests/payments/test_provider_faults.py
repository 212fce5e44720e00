"""FT3: a refund whose answer is lost is made once; and the control: under a new key each time, it is made twice."""

from collections.abc import Iterator

import pytest
import time_machine

from apps.core.tenancy import account_scope
from apps.payments.adapters import wire
from apps.payments.models import Payment, Refund
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.refunds import execute_refund, request_refund
from tests.payments.counter import Counter, amounts, set_up
from tests.studio import NOW

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Calls are given up after half a second instead of twenty."""
    wire._client.cache_clear()
    monkeypatch.setattr(wire, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(wire, "WHOLE_SECONDS", 0.5)
    yield
    wire._client.cache_clear()


@pytest.fixture
def counter(studio, stripe_fake):
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


@pytest.mark.parametrize("kind", ["hang", "reset_after", "error_after", "garbage", "error_before", "reset_before"])
def test_a_refund_whose_answer_is_lost_is_made_once(counter, kind):
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)
    assert recheck_payment(counter.account_id, sale.payment.pk) == "succeeded"
    with account_scope(counter.account_id):
        refund = request_refund(counter.payment(sale), amount_cents=1000)
    counter.fake.fault("/v1/refunds", kind, method="POST", seconds=5)

    assert execute_refund(counter.account_id, refund.pk) == "unknown"
    assert execute_refund(counter.account_id, refund.pk) == "succeeded"

    assert [one["amount"] for one in counter.fake.refunds] == [1000]
    with account_scope(counter.account_id):
        assert Refund.objects.get(pk=refund.pk).status == "succeeded"
    assert (counter.payment(sale).refunded_cents, counter.payment(sale).refunding_cents) == (1000, 0)


def test_the_control_under_new_keys_a_payment_is_begun_twice(counter, monkeypatch):
    keys = iter(("first", "second"))
    monkeypatch.setattr(Payment, "key", property(lambda payment: next(keys)))
    sale = counter.sell()
    counter.fake.fault("/v1/payment_intents", "error_after")

    begin_payment(counter.account_id, sale.payment.pk)
    begin_payment(counter.account_id, sale.payment.pk)
    for intent in counter.fake.intents:
        counter.fake.confirm(intent["id"])

    assert len(amounts(counter.fake.charges)) == 2
