"""Collecting what an order lacks: another payment takes the place of the open one, and of the start that is held for it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from apps.bookings.models import Side
from apps.checkout.collecting import collect
from apps.core.tenancy import account_scope
from apps.payments.models import Payment, Provider
from apps.payments.services import mark_received
from apps.payments.services.settling import end_covered_payments
from apps.payments.services.wallet import give_credit
from tests.bookings.owned import fresh
from tests.payments.counter import Counter, set_up
from tests.payments.refunding import do, unsound
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def counter(studio):
    """A client's purchase of a start by card, which holds it; no provider is called here."""
    set_up(studio.account, Provider.STRIPE, {"publishable_key": "pk", "secret_key": "sk", "webhook_secret": "wh"})
    set_up(studio.account, Provider.PAYPAL, {"client_id": "c", "client_secret": "s", "merchant_id": "m", "webhook_id": "w"})
    return Counter(studio, None, "stripe")


def again(counter, sale, method, **options):
    return do(counter.studio, collect, sale.order, method=method, **options)


def held(payment):
    return payment.booking_id, payment.practitioner_id, payment.start_time


def test_another_provider_gets_the_start_until_the_same_moment(counter):
    sale = counter.sell()
    first = counter.payment(sale)
    start = held(first)

    second = again(counter, sale, "paypal", by=Side.CLIENT)

    assert held(counter.payment(second)) == start
    assert start == (sale.bookings[0].pk, counter.studio.practitioner.pk, MONDAY_TEN)
    assert (counter.payment(second).expires_at, counter.session(sale).hold_expires_at) == (first.expires_at, first.expires_at)
    assert held(counter.payment(sale)) == (None, None, None)
    assert (counter.payment(sale).status, counter.session(sale).status) == ("cancelled", "held")


def test_one_that_its_provider_knows_is_stopped_soon_and_holds_nothing_any_more(counter):
    sale = counter.sell()
    with account_scope(counter.account_id):
        Payment.objects.filter(pk=sale.payment.pk).update(provider_ref="pi_1", status="requires_action")

    second = again(counter, sale, "paypal", by=Side.CLIENT)

    first = counter.payment(sale)
    assert (first.status, first.next_check_at, held(first)) == ("requires_action", NOW, (None, None, None))
    assert held(counter.payment(second))[0] == sale.bookings[0].pk


def test_a_transfer_holds_the_start_as_long_as_transfers_take(counter):
    sale = counter.sell()

    second = counter.payment(again(counter, sale, "bank_transfer"))

    assert second.expires_at is None or second.expires_at > NOW + timedelta(hours=1)
    assert counter.session(sale).status == "confirmed"  # staff see to it, as in a sale


@pytest.mark.parametrize("method", ["cash", "wallet"])
def test_staff_confirm_the_start_by_collecting_at_the_desk(counter, method):
    become(counter.studio)
    do(
        counter.studio,
        give_credit,
        client=counter.studio.client,
        amount_cents=5000,
        currency="EUR",
        source="goodwill",
        from_book="goodwill",
        at=NOW,
    )
    sale = counter.sell()

    again(counter, sale, method)

    assert counter.session(sale).status == "confirmed"
    assert unsound() == []


def test_when_it_is_paid_nothing_else_is_waited_for(counter):
    sale = counter.sell(method="bank_transfer")
    with account_scope(counter.account_id):
        other = Payment.objects.create(
            account=counter.studio.account,
            order=sale.order,
            client=counter.studio.client,
            amount_cents=5000,
            currency="EUR",
            method="cash",
            status="pending",
        )
    do(counter.studio, mark_received, other)

    with account_scope(counter.account_id):
        end_covered_payments(sale.order)

    assert counter.payment(sale).status == "cancelled"
    assert counter.session(sale).status == "confirmed"
    assert fresh(counter.studio, sale.order).payment_status == "paid"
    assert unsound() == []
