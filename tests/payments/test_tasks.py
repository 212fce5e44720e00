"""The reconciler: what is due is queued once, each apart from the others, and called outside transactions."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from apps.core import jobs
from apps.core.tenancy import account_scope
from apps.payments import tasks
from apps.payments.models import Payment, ProviderEvent, Refund
from apps.payments.services.inbox import receive_event
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.refunds import request_refund
from apps.payments.tasks import look_around
from tests.payments.counter import Counter, set_up
from tests.studio import NOW

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def counter(studio, stripe_fake):
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


def look(after):
    """A minute's look around, so long after the beginning."""
    with time_machine.travel(NOW + after, tick=True):
        return look_around(timestamp=0)


def work(after):
    with time_machine.travel(NOW + after, tick=True):
        jobs.run_pending()


def waiting():
    return ProcrastinateJob.objects.filter(status="todo", task_name__startswith="payments.check").count()


def test_what_is_due_is_queued_once(counter):
    counter.sell()

    assert look(MINUTE) == 0
    assert look(6 * MINUTE) == 1
    assert look(7 * MINUTE) == 0  # it waits already
    assert waiting() == 1


def test_a_payment_that_was_never_begun_is_begun_and_settled(counter):
    """The process died right after the order was written."""
    sale = counter.sell()

    look(5 * MINUTE)
    work(5 * MINUTE)
    assert counter.payment(sale).status == "requires_action"

    counter.fake.confirm(counter.payment(sale).provider_ref)
    look(11 * MINUTE)
    work(11 * MINUTE)
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert look(12 * MINUTE) == 0


def test_a_sale_that_nobody_pays_is_given_up_by_itself(counter):
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    by_hand = counter.sell(method="bank_transfer", start_time=None, package=counter.studio.package)
    with account_scope(counter.account_id):
        Payment.objects.filter(pk=by_hand.payment.pk).update(expires_at=NOW + 15 * MINUTE)

    for minute in (5, 10, 14, 15):
        look(minute * MINUTE)
        work(minute * MINUTE)

    assert counter.state(sale) == ("cancelled", "unpaid", 0, "cancelled")
    assert counter.state(by_hand) == ("cancelled", "unpaid", 0, "cancelled")


def test_refunds_and_events_are_worked_off_too(counter):
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)
    event = next(one["id"] for one in counter.fake.events if one["type"] == "payment_intent.succeeded")
    headers, body = counter.fake.signed(event)
    receive_event(counter.account_id, "stripe", headers=headers, body=body)
    _lose_jobs()
    recheck_payment(counter.account_id, sale.payment.pk)
    with account_scope(counter.account_id):
        refund = request_refund(counter.payment(sale), amount_cents=500)

    assert look(6 * MINUTE) == 2
    work(6 * MINUTE)

    with account_scope(counter.account_id):
        assert ProviderEvent.objects.get().status == "processed"
        assert Refund.objects.get(pk=refund.pk).status == "succeeded"
    assert [one["amount"] for one in counter.fake.all("refunds")] == [500]


def _lose_jobs():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'payments.process_event'")


def test_one_that_fails_keeps_none_of_the_others_waiting(counter, monkeypatch):
    broken, good = counter.sell(start_time=None, package=counter.studio.package), counter.sell()
    whole = tasks.recheck_payment

    def recheck(account_id, payment_id):
        assert not connection.in_atomic_block
        if payment_id == broken.payment.pk:
            raise RuntimeError("broken")
        return whole(account_id, payment_id)

    monkeypatch.setattr(tasks, "recheck_payment", recheck)

    assert look(6 * MINUTE) == 2
    work(6 * MINUTE)

    assert (counter.payment(broken).status, counter.payment(good).status) == ("new", "requires_action")
    monkeypatch.undo()
    assert look(7 * MINUTE) == 1
    work(7 * MINUTE)
    assert counter.payment(broken).status == "requires_action"


def test_a_run_takes_a_batch(counter, monkeypatch):
    monkeypatch.setattr(tasks, "BATCH", 2)
    payments = [counter.sell(start_time=None, package=counter.studio.package).payment for _ in range(3)]

    assert look(6 * MINUTE) == 2
    assert look(6 * MINUTE) == 0  # the same two are first
    for payment in payments[:2]:
        recheck_payment(counter.account_id, payment.pk)
    assert look(6 * MINUTE) == 1
    assert waiting() == 3
