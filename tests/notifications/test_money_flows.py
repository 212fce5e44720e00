"""Messages about money: what is paid at a provider, what goes back, and what managers have to look at."""

from datetime import datetime
from typing import Any

import pytest
import time_machine

from apps.bookings.models import Side
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import schedule_booking
from apps.checkout.refunds import Refunding, refund_order
from apps.core.tenancy import account_scope
from apps.notifications.models import Kind
from apps.orders.models import Order
from apps.payments.adapters.base import DisputeAnswer, DisputeState
from apps.payments.models import Payment, Refund
from apps.payments.services.disputes import settle_dispute
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.refund_states import let_go, lock_refund
from apps.payments.services.refunds import execute_refund, request_refund
from apps.payments.services.settling import put_aside
from tests.notifications.hearing import employ, hear, kinds, told, written
from tests.payments.counter import Counter, set_up
from tests.payments.refunding import do, paid
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def counter(studio: Studio, stripe_fake: Any) -> Counter:
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


def pay_by_card(counter: Counter, start_time: datetime | None = MONDAY_TEN, **options: Any) -> Any:
    sale = counter.sell(start_time=start_time, **options)
    hear(counter.studio)
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)
    recheck_payment(counter.account_id, sale.payment.pk)
    hear(counter.studio)
    return sale


def test_a_sale_with_a_start_by_card_is_one_message(counter: Counter) -> None:
    practitioner = employ(counter.studio)

    pay_by_card(counter)

    assert {"order.placed", "booking.held", "payment.succeeded", "order.paid", "booking.confirmed"} <= set(counter.events())
    assert kinds(counter.studio, counter.studio.client) == [Kind.BOOKING_CONFIRMED]
    text = written(counter.studio, counter.studio.client)[0].text
    cents = counter.studio.service.price_cents
    assert f"We received {cents / 100:.2f}\u00a0EUR. Thank you." in text
    assert [kind for kind, _ in told(counter.studio, practitioner)] == [Kind.BOOKING_CONFIRMED]


def test_a_package_without_a_start_by_card_is_one_message(counter: Counter) -> None:
    pay_by_card(counter, start_time=None, package=counter.studio.package)

    assert kinds(counter.studio) == [Kind.PAYMENT_RECEIVED]


def test_cancelling_with_a_refund_is_one_message(counter: Counter) -> None:
    sale = pay_by_card(counter)
    studio = counter.studio

    with account_scope(studio.account):
        order = Order.objects.get(pk=sale.order.pk)
    made, _ = do(studio, refund_order, order, asked=Refunding(by=Side.PROVIDER, sessions=[sale.bookings[0].pk]))
    hear(studio)
    execute_refund(studio.account.pk, made[0].pk)
    hear(studio)

    assert {"booking.cancelled", "refund.pending", "refund.succeeded", "order.refunded"} <= set(counter.events())
    assert kinds(studio, studio.client) == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_CANCELLED]
    cents = studio.service.price_cents
    assert f"{cents / 100:.2f}\u00a0EUR is on its way back to you." in written(studio, studio.client)[1].text


def test_a_refund_in_cash_is_one_message(studio: Studio) -> None:
    payment = paid(studio)
    hear(studio)
    with account_scope(studio.account):
        order = Order.objects.get(pk=payment.order_id)

    do(studio, refund_order, order, asked=Refunding(by=Side.PROVIDER))
    hear(studio)

    assert kinds(studio) == [Kind.ORDER_PLACED, Kind.PAYMENT_RECEIVED, Kind.REFUND_SENT]
    assert "100.00\u00a0EUR for " in written(studio)[2].text


def test_money_that_does_not_come_gives_the_time_back_in_one_message(counter: Counter) -> None:
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)

    with time_machine.travel(NOW.replace(hour=12), tick=True):
        recheck_payment(counter.account_id, sale.payment.pk)
        hear(counter.studio)

    assert {"booking.hold_released", "booking.cancelled", "order.cancelled"} <= set(counter.events())
    assert kinds(counter.studio) == [Kind.BOOKING_HOLD_LAPSED]


def test_managers_hear_of_trouble_with_money_and_clients_do_not(studio: Studio) -> None:
    owner = employ(studio, "owner")
    desk = employ(studio, "front_desk")
    payment = paid(studio)
    hear(studio)
    before = len(written(studio))

    with account_scope(studio.account):
        Payment.objects.filter(pk=payment.pk).update(method="stripe", provider_ref="pi_1", capture_ref="ch_1")
        row = Payment.objects.select_related("order").get(pk=payment.pk)
        put_aside(row, "amount_mismatch")
    words = {"reference": "dp_1", "amount_cents": 4000, "currency": "EUR", "charge_reference": "pi_1", "reason": "fraudulent"}
    do(studio, settle_dispute, provider="stripe", answer=DisputeAnswer(**words, state=DisputeState("open")))
    hear(studio)

    assert [kind for kind, _ in told(studio, owner)] == [Kind.PAYMENT_REVIEW, Kind.DISPUTE_OPENED]
    assert told(studio, desk) == []
    assert [one.user_id for one in written(studio)[before:]] == [owner.pk, owner.pk]
    assert "amount_mismatch" in told(studio, owner)[0][1]


def test_a_refund_that_fails_is_told_to_the_client_and_to_managers(studio: Studio) -> None:
    owner = employ(studio, "owner")
    payment = paid(studio, method="bank_transfer")
    hear(studio)

    with account_scope(studio.account):
        row = Payment.objects.get(pk=payment.pk)
        refund = request_refund(row, amount_cents=1000, reason="Sorry", at=NOW)
    with account_scope(studio.account):
        let_go(lock_refund(refund), status=Refund.Status.FAILED, failure="account_closed")
    hear(studio)

    assert [kind for kind, _ in told(studio, owner)] == [Kind.REFUND_FAILED]
    assert kinds(studio, studio.client)[-1] == Kind.REFUND_FAILED


def test_cancelling_a_session_of_a_package_says_nothing_about_money(studio: Studio) -> None:
    payment = paid(studio)
    hear(studio)
    with account_scope(studio.account):
        booking = Order.objects.get(pk=payment.order_id).bookings.order_by("position").first()

    do(studio, schedule_booking, booking, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    do(studio, cancel_booking, booking, by=Side.PROVIDER)
    hear(studio)

    assert kinds(studio)[-2:] == [Kind.BOOKING_CONFIRMED, Kind.BOOKING_CANCELLED]
    assert "EUR" not in written(studio)[-1].text
