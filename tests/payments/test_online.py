"""Payments at a provider: begun once, asked about, taken, given up; and what is left after each way in which a call can fail."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from apps.bookings.services.scheduling import schedule_booking
from apps.core.errors import NotFound
from apps.core.tenancy import account_scope
from apps.payments.adapters import wire
from apps.payments.models import Payment, ProviderAccount
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.settling import due_payments, end_waiting, lapse_payment, mark_received
from tests.payments.counter import Counter, amounts, set_up
from tests.studio import MONDAY_TEN, NOW

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


def begin(counter, sale):
    return begin_payment(counter.account_id, sale.payment.pk)


def recheck(counter, sale, *, after=timedelta(0)):
    return recheck_payment(counter.account_id, sale.payment.pk, at=timezone.now() + after)


def stop(counter, sale):
    with account_scope(counter.account_id):
        end_waiting(sale.payment)
    return recheck(counter, sale)


def pay(counter, sale, method="pm_card_visa"):
    """Begin, and pay in the browser."""
    begin(counter, sale)
    counter.fake.confirm(counter.payment(sale).provider_ref, method)


# -- the good way


def test_a_payment_is_begun_and_paid(counter):
    sale = counter.sell()
    begun = begin(counter, sale)
    intent = counter.fake.intents[0]

    assert begun.client_secret == intent["client_secret"]
    assert begun.publishable_key == counter.fake.credentials["publishable_key"]
    assert (begun.failure, begun.approve_url) == ("", "")
    assert counter.state(sale) == ("requires_action", "unpaid", 0, "held")
    assert intent["metadata"] == {"account": str(counter.account_id), "order": str(sale.order.pk), "payment": str(sale.payment.pk)}

    counter.fake.confirm(intent["id"])

    assert recheck(counter, sale) == "succeeded"
    total = sale.order.total_amount_cents
    assert counter.state(sale) == ("succeeded", "paid", total, "confirmed")
    assert (amounts(counter.fake.charges), counter.entries()) == ([total], 1)
    assert counter.payment(sale).next_check_at is None


def test_an_answer_that_says_nothing_new_writes_nothing(counter):
    sale = counter.sell()
    begin(counter, sale)
    with account_scope(counter.account_id):
        written = Payment.history.filter(id=sale.payment.pk).count()

    assert recheck(counter, sale) == "requires_action"
    with account_scope(counter.account_id):
        changes = Payment.history.filter(id=sale.payment.pk).count() - written
    assert changes <= 1  # when it is asked next, at most


def test_beginning_again_finds_the_same_payment(counter):
    sale = counter.sell()
    first = begin(counter, sale)

    assert begin(counter, sale) == first
    counter.fake.confirm(counter.payment(sale).provider_ref)
    recheck(counter, sale)
    assert begin(counter, sale).client_secret == ""
    assert len(counter.fake.intents) == 1


def test_a_call_to_a_provider_inside_a_transaction_fails(counter):
    sale = counter.sell()

    for call in (begin_payment, recheck_payment):
        with pytest.raises(RuntimeError, match="inside a database transaction"), transaction.atomic():
            call(counter.account_id, sale.payment.pk)
    assert (counter.fake.requests, counter.payment(sale).status) == ([], "new")


def test_payments_of_others_do_not_exist(counter, other_account):
    sale = counter.sell()

    for call in (begin_payment, recheck_payment):
        with pytest.raises(NotFound):
            call(other_account.pk, sale.payment.pk)
    assert counter.fake.requests == []


# -- nobody pays


def test_a_sale_that_nobody_pays_is_given_up(counter):
    sale = counter.sell()
    begin(counter, sale)

    assert recheck(counter, sale, after=14 * MINUTE) == "requires_action"
    assert recheck(counter, sale, after=15 * MINUTE) == "cancelled"

    assert counter.state(sale) == ("cancelled", "unpaid", 0, "cancelled")
    assert counter.order(sale).status == "cancelled"
    assert counter.order(sale).balance_due_cents == 0
    assert counter.fake.intents[0]["status"] == "canceled"
    assert recheck(counter, sale, after=16 * MINUTE) == "cancelled"
    assert counter.events("order.cancelled") == ["order.cancelled"]


def test_a_sale_of_staff_is_not_given_up(counter):
    sale = counter.sell(source="staff")
    begin(counter, sale)

    assert recheck(counter, sale, after=15 * MINUTE) == "cancelled"
    assert counter.state(sale) == ("cancelled", "unpaid", 0, "draft")
    assert counter.order(sale).balance_due_cents == sale.order.total_amount_cents


def test_money_on_its_way_gets_more_time_once(counter):
    sale = counter.sell()
    pay(counter, sale, "pm_usBankAccount")
    held_until = counter.session(sale).hold_expires_at

    assert recheck(counter, sale, after=14 * MINUTE) == "pending"  # a minute before, so that nobody takes the start in between
    assert counter.payment(sale).extended
    assert counter.session(sale).hold_expires_at == counter.payment(sale).expires_at == held_until + 15 * MINUTE

    assert recheck(counter, sale, after=31 * MINUTE) == "pending"
    assert counter.payment(sale).expires_at is None
    assert counter.state(sale) == ("pending", "unpaid", 0, "draft")

    counter.fake.do(f"finish/{counter.payment(sale).provider_ref}")
    assert recheck(counter, sale, after=32 * MINUTE) == "succeeded"
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert not counter.payment(sale).is_late


def test_what_is_refused_is_given_up_at_once(counter):
    counter.fake.add_account(**{**counter.fake.DEFAULT, "id": "acct_other", "secret_key": "sk_test_other"})
    sale = counter.sell()
    set_up_again(counter, secret_key="sk_test_unknown")

    assert begin(counter, sale).failure == "unknown_credentials"
    assert counter.state(sale) == ("failed", "unpaid", 0, "cancelled")
    assert counter.payment(sale).failure == "unknown_credentials"
    assert begin(counter, sale).failure == "unknown_credentials"
    assert counter.events("payment.failed") == ["payment.failed"]


def set_up_again(counter, **credentials):
    with account_scope(counter.account_id):
        ProviderAccount.objects.all().delete()
    set_up(counter.studio.account, counter.method, {**counter.fake.credentials, **credentials})


def test_a_declined_card_may_be_followed_by_another(counter):
    sale = counter.sell()
    pay(counter, sale, "pm_card_chargeDeclined")

    assert recheck(counter, sale) == "requires_action"
    assert counter.payment(sale).failure == "card_declined"
    assert counter.session(sale).status == "held"

    counter.fake.confirm(counter.payment(sale).provider_ref)
    assert recheck(counter, sale) == "succeeded"
    assert (counter.payment(sale).failure, amounts(counter.fake.charges)) == ("", [sale.order.total_amount_cents])


def test_a_payment_is_stopped(counter):
    sale = counter.sell()
    begin(counter, sale)

    assert stop(counter, sale) == "cancelled"
    assert counter.fake.confirm(counter.payment(sale).provider_ref)[0] == 400
    assert counter.fake.charges == []


def test_a_payment_that_was_faster_is_not_stopped(counter):
    sale = counter.sell()
    pay(counter, sale)

    assert stop(counter, sale) == "succeeded"
    assert counter.state(sale)[1:3] == ("paid", sale.order.total_amount_cents)


def test_a_bank_transfer_that_does_not_come_is_given_up(counter):
    sale = counter.sell(method="bank_transfer")
    assert counter.session(sale).status == "held"

    assert recheck(counter, sale, after=timedelta(days=2)) == "pending"
    assert recheck(counter, sale, after=timedelta(days=5)) == "cancelled"
    assert counter.state(sale) == ("cancelled", "unpaid", 0, "cancelled")


# -- late money


@pytest.fixture
def late(counter):
    """A bank transfer that nobody waits for any more."""
    sale = counter.sell(method="bank_transfer")
    recheck(counter, sale, after=timedelta(days=5))
    return sale


def take(counter, payment, *, start_time=MONDAY_TEN):
    """Somebody else takes the start."""
    other = counter.studio.draft(client=counter.studio.other_client())
    with account_scope(counter.account_id):
        schedule_booking(other, practitioner=counter.studio.practitioner, start_time=start_time, at=timezone.now())


def receive(counter, sale):
    with account_scope(counter.account_id):
        return mark_received(counter.payment(sale), at=timezone.now())


def test_late_money_takes_the_sale_up_again(counter, late):
    receive(counter, late)

    assert counter.state(late) == ("succeeded", "paid", late.order.total_amount_cents, "confirmed")
    assert counter.order(late).status == "active"
    assert counter.session(late).start_time == MONDAY_TEN
    assert counter.payment(late).is_late


LOST = [("keep", ("paid", "draft")), ("credit", ("overpaid", "cancelled")), ("refund", ("overpaid", "cancelled"))]


@pytest.mark.parametrize(("wish", "expected"), LOST)
def test_late_money_for_a_start_that_is_gone_is_left_over(counter, late, wish, expected):
    prefer(counter, late_money=wish)
    take(counter, late.payment)

    receive(counter, late)

    total = late.order.total_amount_cents
    assert counter.state(late) == ("succeeded", expected[0], total, expected[1])
    assert counter.events("payment.start_lost", "payment.left_over") == ["payment.start_lost", "payment.left_over"]
    assert counter.entries() == 1


def prefer(counter, **settings):
    counter.studio.account.settings = settings
    counter.studio.account.save(update_fields=["settings"])


@pytest.mark.parametrize(("wish", "expected"), LOST)
def test_a_start_that_was_lost_while_the_money_was_on_its_way(counter, wish, expected):
    prefer(counter, late_money=wish)
    sale = counter.sell()
    pay(counter, sale, "pm_usBankAccount")
    recheck(counter, sale, after=14 * MINUTE)
    recheck(counter, sale, after=31 * MINUTE)
    take(counter, sale.payment)
    counter.fake.do(f"finish/{counter.payment(sale).provider_ref}")

    assert recheck(counter, sale, after=32 * MINUTE) == "succeeded"
    status, paid, _, session = counter.state(sale)
    assert (status, paid, session) == ("succeeded", *expected)
    assert counter.payment(sale).is_late


def test_a_hold_that_others_have_swept_up_is_claimed_again(counter):
    sale = counter.sell()
    pay(counter, sale)
    with time_machine.travel(NOW + 20 * MINUTE, tick=True):
        take(counter, sale.payment, start_time=MONDAY_TEN + timedelta(hours=2))  # frees every hold that has lapsed
        assert counter.session(sale).status == "draft"

        assert recheck(counter, sale) == "succeeded"
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert counter.session(sale).start_time == MONDAY_TEN


def test_a_payment_keeps_what_another_one_waits_for(counter):
    sale = counter.sell()
    begin(counter, sale)
    with account_scope(counter.account_id):
        second = Payment.objects.create(
            account_id=counter.account_id,
            order=sale.order,
            booking=sale.bookings[0],
            client=sale.order.client,
            practitioner=counter.studio.practitioner,
            start_time=MONDAY_TEN,
            amount_cents=sale.payment.amount_cents,
            currency=sale.payment.currency,
            method="bank_transfer",
            reference="X-1",
        )
    stop(counter, sale)
    assert counter.state(sale) == ("cancelled", "unpaid", 0, "held")

    with account_scope(counter.account_id):
        lapse_payment(second)
    assert counter.session(sale).status == "cancelled"


# -- an answer that is lost


FAULTS = ["hang", "reset_after", "error_after", "garbage", "error_before", "reset_before", "drip"]


@pytest.fixture
def impatient(monkeypatch):
    """Calls are given up after half a second instead of twenty."""
    wire._client.cache_clear()
    monkeypatch.setattr(wire, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(wire, "WHOLE_SECONDS", 0.5)
    yield
    wire._client.cache_clear()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", FAULTS)
def test_an_answer_to_begin_that_is_lost(counter, kind):
    sale = counter.sell()
    counter.fake.fault("/v1/payment_intents", kind, seconds=5)

    assert begin(counter, sale).failure == "provider_unavailable"
    payment = counter.payment(sale)
    assert (payment.status, payment.checks, payment.provider_ref) == ("unknown", 1, "")
    assert counter.events("payment.unknown") == ["payment.unknown"]

    assert recheck(counter, sale, after=5 * MINUTE) == "requires_action"  # the reconciler
    assert begin(counter, sale).client_secret  # the client's repetition
    counter.fake.confirm(counter.payment(sale).provider_ref)
    assert recheck(counter, sale) == "succeeded"
    assert amounts(counter.fake.charges) == [sale.order.total_amount_cents]
    assert len(counter.fake.intents) == 1
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", FAULTS)
def test_an_answer_to_fetch_that_is_lost(counter, kind):
    sale = counter.sell()
    pay(counter, sale)
    counter.fake.fault("/v1/payment_intents/*", kind, seconds=5)

    assert recheck(counter, sale) == "requires_action"
    assert recheck(counter, sale, after=5 * MINUTE) == "succeeded"
    assert counter.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert amounts(counter.fake.charges) == [sale.order.total_amount_cents]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", FAULTS)
def test_an_answer_to_cancel_that_is_lost(counter, kind):
    sale = counter.sell()
    begin(counter, sale)
    counter.fake.fault("/v1/payment_intents/*/cancel", kind, seconds=5)

    assert recheck(counter, sale, after=15 * MINUTE) == "requires_action"
    assert counter.session(sale).status == "draft"  # silence holds nothing
    assert recheck(counter, sale, after=20 * MINUTE) == "cancelled"
    assert counter.state(sale) == ("cancelled", "unpaid", 0, "cancelled")
    assert counter.fake.charges == []


def test_silence_ends_with_staff(counter):
    sale = counter.sell(start_time=None, package=counter.studio.package)
    counter.fake.fault("*", "error_before", times=100)
    with account_scope(counter.account_id):
        Payment.objects.filter(pk=sale.payment.pk).update(expires_at=None)
    at, planned = timezone.now(), []
    begin(counter, sale)
    for _ in range(7):
        next_check_at = counter.payment(sale).next_check_at
        planned.append(round((next_check_at - at) / MINUTE))
        at = next_check_at
        recheck_payment(counter.account_id, sale.payment.pk, at=at)

    assert planned == [5, 60, *[24 * 60] * 5]
    payment = counter.payment(sale)
    assert (payment.status, payment.review, payment.next_check_at) == ("unknown", "no_answer", None)
    assert counter.events("payment.unanswered") == ["payment.unanswered"]
    with account_scope(counter.account_id):
        assert not due_payments(at + timedelta(days=99)).exists()

    counter.fake.faults.clear()
    assert recheck(counter, sale) == "requires_action"
    assert counter.payment(sale).review == ""


# -- PayPal: the client approves, we capture


@pytest.fixture
def paypal(studio, paypal_fake):
    set_up(studio.account, "paypal", paypal_fake.credentials)
    return Counter(studio, paypal_fake, "paypal")


def test_an_approved_payment_is_captured(paypal):
    sale = paypal.sell()
    begun = begin_payment(paypal.account_id, sale.payment.pk, return_url="https://studio.example/back")
    assert begun.approve_url
    assert begun.client_secret == ""
    assert recheck(paypal, sale) == "requires_action"

    paypal.fake.approve(paypal.payment(sale).provider_ref)

    assert recheck(paypal, sale) == "succeeded"
    assert recheck(paypal, sale) == "succeeded"
    assert paypal.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
    assert len(paypal.fake.charges) == 1
    assert paypal.payment(sale).payee == paypal.fake.credentials["merchant_id"]


def test_an_approval_that_comes_too_late_is_not_captured(paypal):
    sale = paypal.sell()
    begin(paypal, sale)
    paypal.fake.approve(paypal.payment(sale).provider_ref)

    assert recheck(paypal, sale, after=15 * MINUTE) == "cancelled"
    assert (paypal.state(sale)[3], paypal.fake.charges) == ("cancelled", [])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", FAULTS)
def test_an_answer_to_capture_that_is_lost(paypal, kind):
    sale = paypal.sell()
    begin(paypal, sale)
    paypal.fake.approve(paypal.payment(sale).provider_ref)
    paypal.fake.fault("/v2/checkout/orders/*/capture", kind, seconds=5)

    assert recheck(paypal, sale) == "requires_action"
    assert recheck(paypal, sale, after=5 * MINUTE) == "succeeded"
    assert len(paypal.fake.charges) == 1
    assert paypal.state(sale) == ("succeeded", "paid", sale.order.total_amount_cents, "confirmed")
