"""What cancelled orders mean for payments that were expected."""

import pytest

from apps.bookings.services.endings import cancel_booking
from apps.core.events import deliver
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.payments.models import Payment
from apps.payments.services import cancel_pending_payments, mark_received


@pytest.fixture
def cancelled(studio):
    sale = studio.sell(service=studio.service)
    with account_scope(studio.account):
        cancel_booking(sale.bookings[0])
        sale.order.refresh_from_db()
    return sale


def test_a_cancelled_order_expects_no_money_any_more(studio, cancelled):
    with account_scope(studio.account):
        event = Event.objects.get(type="order.cancelled")
    for _ in range(2):  # at least once
        deliver(account_id=studio.account.pk, event_id=event.pk, handler="apps.payments.handlers.stop_expecting_money")

    with account_scope(studio.account):
        assert list(Payment.objects.values_list("status", flat=True)) == ["cancelled"]
        assert Event.objects.filter(type="payment.cancelled").count() == 1
    assert (cancelled.order.status, cancelled.order.total_amount_cents, cancelled.order.payment_status) == ("cancelled", 0, "unpaid")


def test_money_that_came_in_stays(studio):
    sale = studio.sell(service=studio.service)
    with account_scope(studio.account):
        mark_received(sale.payment)
        cancel_booking(sale.bookings[0])
        sale.order.refresh_from_db()
        cancel_pending_payments(sale.order)

        assert Payment.objects.get().status == "succeeded"
    assert (sale.order.payment_status, sale.order.paid_cents, sale.order.total_amount_cents) == ("overpaid", 5000, 0)


def test_an_order_that_is_not_cancelled_keeps_its_pending_payment(studio):
    sale = studio.sell()

    with account_scope(studio.account):
        assert cancel_pending_payments(sale.order) == 0
        assert Payment.objects.get().status == "pending"
