"""What becomes of events: each object read again, settled once, in any order and any number of times; races with the browser (RC5)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from apps.core.db import rows
from apps.core.errors import NotFound
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Dispute, Payment, ProviderEvent, Refund
from apps.payments.services import settling
from apps.payments.services.inbox import left_events, process_event, receive_event
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.refunds import execute_refund, request_refund
from tests.payments.counter import Counter, amounts, set_up
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)


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


def receive(counter, event):
    headers, body = counter.fake.signed(event)
    return receive_event(counter.account_id, counter.method, headers=headers, body=body)[0]


def tell(counter, *, backwards=False, times=1):
    """All events of the fake, received and processed; what became of them."""
    told = [event["id"] for event in counter.fake.events]
    for event in reversed(told) if backwards else told:
        for _ in range(times):
            receive(counter, event)
    with account_scope(counter.account_id):
        ids = list(ProviderEvent.objects.order_by("pk").values_list("pk", flat=True))
    return [process_event(counter.account_id, pk) for pk in ids]


def again(counter):
    with account_scope(counter.account_id):
        ids = list(ProviderEvent.objects.order_by("pk").values_list("pk", flat=True))
    return [process_event(counter.account_id, pk, again=True) for pk in ids]


@pytest.mark.parametrize("backwards", [False, True])
def test_events_in_any_order_and_twice_settle_once(counter, sale, backwards):
    outcomes = tell(counter, backwards=backwards, times=2)

    assert set(outcomes) == {"processed", "ignored"}  # charge.succeeded says nothing that payment_intent.succeeded does not
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert (counter.entries(), counter.events("order.paid")) == (1, ["order.paid"])


def test_replaying_changes_nothing(counter, sale):
    tell(counter)
    before, happened = counter.state(sale), counter.events()

    assert again(counter) == [*again(counter)]
    assert (counter.state(sale), counter.events()) == (before, happened)
    assert counter.entries() == 1


def test_an_event_that_is_faster_than_our_own_record(counter):
    """The provider has begun the payment, we were cut off before we wrote its reference down."""
    sale = counter.sell()
    counter.fake.fault("/v1/payment_intents", "reset_after")
    begin_payment(counter.account_id, sale.payment.pk)
    assert counter.payment(sale).provider_ref == ""
    counter.fake.confirm(counter.fake.intents[0]["id"])

    tell(counter)

    assert counter.payment(sale).provider_ref == counter.fake.intents[0]["id"]
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")


def test_a_second_payment_under_our_name_is_put_before_staff(counter, sale):
    recheck_payment(counter.account_id, sale.payment.pk)
    account, intent = counter.fake.owner("intents", counter.payment(sale).provider_ref)
    account["intents"]["pi_twin"] = {**intent, "id": "pi_twin"}
    counter.fake._emit(account, "payment_intent.succeeded", account["intents"]["pi_twin"])

    assert tell(counter)[-1] == "quarantined"
    assert counter.payment(sale).review == "paid_twice"
    assert counter.state(sale)[:3] == ("succeeded", "paid", sale.order.total_amount_cents)


def test_an_event_that_cannot_be_processed_is_tried_again(counter, sale):
    event = receive(counter, next(one["id"] for one in counter.fake.events if one["type"] == "payment_intent.succeeded"))
    counter.fake.fault("*", "error_before")

    assert process_event(counter.account_id, event) == "failed"
    with account_scope(counter.account_id):
        assert not left_events(timezone.now()).exists()
        assert list(left_events(timezone.now() + timedelta(minutes=2)).values_list("pk", flat=True)) == [event]
    assert process_event(counter.account_id, event) == "processed"
    assert counter.state(sale)[0] == "succeeded"
    with account_scope(counter.account_id):
        assert ProviderEvent.objects.get(pk=event).attempts == 2
        assert not left_events(timezone.now() + timedelta(days=9)).exists()


def test_events_of_others_do_not_exist(counter, sale, other_account):
    event = receive(counter, counter.fake.events[-1]["id"])

    with pytest.raises(NotFound):
        process_event(other_account.pk, event)


# -- refunds and disputes


@pytest.fixture
def paid(counter, sale):
    recheck_payment(counter.account_id, sale.payment.pk)
    return sale


def give_back(counter, sale, cents):
    with account_scope(counter.account_id):
        return request_refund(counter.payment(sale), amount_cents=cents)


def test_a_refund_is_settled_by_its_events(counter, paid):
    counter.fake.do("refunds", mode="pending")
    refund = give_back(counter, paid, 1000)
    assert execute_refund(counter.account_id, refund.pk) == "pending"
    made = counter.fake.all("refunds")[0]["id"]
    counter.fake.do(f"refunds/{made}", status="succeeded")

    assert "quarantined" not in tell(counter)

    with account_scope(counter.account_id):
        assert Refund.objects.get(pk=refund.pk).status == "succeeded"
    assert (counter.payment(paid).refunded_cents, counter.order(paid).refunded_cents) == (1000, 1000)
    assert counter.payment(paid).review == ""
    happened = counter.events()
    again(counter)
    assert counter.events() == happened


def test_a_refund_whose_answer_was_lost_is_found_by_its_event(counter, paid):
    refund = give_back(counter, paid, 1000)
    counter.fake.fault("/v1/refunds", "reset_after", method="POST")
    assert execute_refund(counter.account_id, refund.pk) == "unknown"

    tell(counter)

    with account_scope(counter.account_id):
        assert Refund.objects.get(pk=refund.pk).status == "succeeded"
    assert execute_refund(counter.account_id, refund.pk) == "succeeded"
    assert [one["amount"] for one in counter.fake.all("refunds")] == [1000]


def test_a_refund_that_was_made_elsewhere_is_put_before_staff(counter, paid):
    account, _ = counter.fake.owner("intents", counter.payment(paid).provider_ref)
    counter.fake._create_refund(account, {"payment_intent": counter.payment(paid).provider_ref, "amount": "700"})

    assert "quarantined" in tell(counter)
    assert counter.payment(paid).review == "refunded_elsewhere"
    assert counter.order(paid).refunded_cents == 0


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_follows_its_events(counter, paid, outcome):
    dispute = counter.fake.do("disputes", payment_intent=counter.payment(paid).provider_ref)
    tell(counter)
    with account_scope(counter.account_id):
        assert Dispute.objects.get().status == "open"
        assert Order.objects.get(pk=paid.order.pk).frozen_at is not None

    counter.fake.do(f"disputes/{dispute['id']}", status=outcome)
    tell(counter)

    with account_scope(counter.account_id):
        assert Dispute.objects.get().status == outcome
    lost = paid.order.total_amount_cents if outcome == "lost" else 0
    assert (counter.payment(paid).refunded_cents, counter.payment(paid).disputed_cents) == (lost, 0)


def test_a_dispute_of_a_payment_that_we_did_not_know_was_made(counter, sale):
    counter.fake.do("disputes", payment_intent=counter.payment(sale).provider_ref)
    event = receive(counter, next(one["id"] for one in counter.fake.events if one["type"] == "charge.dispute.created"))

    assert process_event(counter.account_id, event) == "processed"
    assert counter.state(sale)[0] == "succeeded"
    assert counter.payment(sale).disputed_cents == sale.order.total_amount_cents


# -- RC5


def at_once(calls):
    """Run all calls at the same moment, each in a connection of its own; the names of their errors."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            call()
            return ""
        except Exception as error:
            return type(error).__name__
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(filter(None, pool.map(run, calls)))


def race(counter, sale):
    event = next(one["id"] for one in counter.fake.events if one["type"] == "payment_intent.succeeded")
    received = receive(counter, event)
    told = [lambda: process_event(counter.account_id, received, again=True)] * 10
    back = [lambda: recheck_payment(counter.account_id, sale.payment.pk)] * 10
    return at_once(told + back)


def test_ten_events_and_ten_browsers_settle_once(counter, sale):
    assert race(counter, sale) == []

    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert counter.entries() == 1
    assert counter.events("payment.succeeded", "order.paid", "booking.confirmed") == [
        "payment.succeeded",
        "order.paid",
        "booking.confirmed",
    ]
    assert amounts(counter.fake.charges) == [sale.order.total_amount_cents]


@pytest.fixture
def lock_removed(monkeypatch):
    """Settling that trusts what it has read, and a window wide enough to be wrong."""

    def unlocked(payment, at):
        found = Payment.objects.get(pk=payment.pk)
        order = Order.objects.select_related("account").get(pk=payment.order_id)
        rows("SELECT pg_sleep(0.2)::text")
        return order, found

    monkeypatch.setattr(settling, "_lock", unlocked)


@pytest.mark.usefixtures("lock_removed")
def test_without_the_lock_the_race_is_lost(counter, sale):
    """The control: with nothing but the constraints, the rest break on them."""
    assert "IntegrityError" in race(counter, sale) or counter.order(sale).paid_cents > sale.order.total_amount_cents
