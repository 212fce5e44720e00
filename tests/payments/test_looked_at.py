"""What staff say of a payment that was put aside, and payments that nobody ends."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.core.tenancy import account_scope
from apps.payments.models import Payment, Refund
from apps.payments.services.online import accept_payment, begin_payment, recheck_payment
from apps.payments.services.refunds import request_refund
from tests.payments.counter import Counter, set_up
from tests.payments.refunding import books, refunds, sums, unsound
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
    """Paid by card."""
    made = counter.sell()
    begin_payment(counter.account_id, made.payment.pk)
    counter.fake.confirm(counter.payment(made).provider_ref)
    recheck_payment(counter.account_id, made.payment.pk)
    return made


def refund_there(counter, sale, cents):
    """Somebody gives money back on the provider's own pages."""
    intent = counter.payment(sale).provider_ref
    account, _ = counter.fake.owner("intents", intent)
    counter.fake._create_refund(account, {"payment_intent": intent, "amount": str(cents)})


def aside(counter, sale, review):
    with account_scope(counter.account_id):
        Payment.objects.filter(pk=sale.payment.pk).update(review=review)


def test_what_was_refunded_on_the_providers_pages_becomes_a_refund_here(counter, sale):
    refund_there(counter, sale, 2000)
    aside(counter, sale, "refunded_elsewhere")

    for _ in range(2):
        assert accept_payment(counter.account_id, sale.payment.pk) == "succeeded"

    assert refunds(counter.studio) == [("stripe", 2000, "succeeded")]
    assert sums(counter.studio, sale.payment) == (5000, 2000, 0, 0)
    assert books(counter.studio, "stripe") == {"stripe": 3000}
    assert counter.payment(sale).review == ""
    assert unsound() == []


def test_our_own_refunds_are_not_written_down_twice(counter, sale):
    with account_scope(counter.account_id):
        refund = request_refund(counter.payment(sale), amount_cents=500)
    refund_there(counter, sale, 500)
    aside(counter, sale, "refunded_elsewhere")

    accept_payment(counter.account_id, sale.payment.pk)

    with account_scope(counter.account_id):
        assert list(Refund.objects.values_list("pk", "status")) == [(refund.pk, "pending")]


def test_anything_else_that_was_said_of_money_that_is_here_is_closed(counter, sale):
    aside(counter, sale, "paid_twice")

    assert accept_payment(counter.account_id, sale.payment.pk) == "succeeded"

    assert (counter.payment(sale).review, counter.events("payment.reviewed")) == ("", ["payment.reviewed"])
    assert refunds(counter.studio) == []


def test_one_that_is_open_for_months_is_stopped(counter):
    sale = counter.sell(start_time=None, package=counter.studio.package, source="api", by="provider")
    begin_payment(counter.account_id, sale.payment.pk)
    with account_scope(counter.account_id):
        Payment.objects.filter(pk=sale.payment.pk).update(expires_at=None)

    later = timezone.now() + timedelta(days=91)
    assert recheck_payment(counter.account_id, sale.payment.pk, at=later) == "requires_action"
    assert counter.payment(sale).next_check_at == later
    assert recheck_payment(counter.account_id, sale.payment.pk, at=later) == "cancelled"
