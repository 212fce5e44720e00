"""Money that came in, and what it settles."""

from datetime import datetime

from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from apps.bookings.models import Booking
from apps.core.db import joined
from apps.core.errors import InvalidTransition
from apps.core.events import emit
from apps.orders.models import Order
from apps.orders.services import payment_status_of
from apps.payments.models import Payment


@joined
def create_payment(*, order: Order, method: str, amount_cents: int, at: datetime | None = None) -> Payment:
    """Expect ``amount_cents`` for an order by cash or bank transfer; it stays pending until it is marked as received.

    A bank transfer is told apart by its reference, the order's number.
    """
    reference = order.number if method == Payment.Method.BANK_TRANSFER else ""
    return Payment.objects.create(
        account_id=order.account_id,
        order=order,
        client_id=order.payer_id or order.client_id,
        amount_cents=amount_cents,
        currency=order.currency,
        method=method,
        reference=reference,
    )


@joined
def mark_received(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Settle the full amount of a pending payment and, when the order is paid with it, its sessions.

    Locks order, then payment. Raises InvalidTransition when it is not pending.
    """
    at = at or timezone.now()
    order = Order.objects.select_for_update(no_key=True).get(pk=payment.order_id)
    payment = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
    if payment.status != Payment.Status.PENDING:
        raise InvalidTransition("This payment has been settled or cancelled already.", allowed_actions=[])
    payment.status = Payment.Status.SUCCEEDED
    payment.captured_cents = payment.amount_cents
    payment.received_at = at
    payment.save(update_fields=["status", "captured_cents", "received_at", "updated_at"])
    emit("payment.succeeded", payment, changes={"status": ["pending", "succeeded"], "captured_cents": [0, payment.captured_cents]})
    record_paid(order, payment.captured_cents)
    return payment


@joined
def cancel_pending_payments(order: Order) -> int:
    """Expect nothing more for an order that was cancelled; returns how many payments were still pending."""
    order = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if order.status != Order.Status.CANCELLED:  # reopened in the meantime
        return 0
    pending = list(Payment.objects.select_for_update(no_key=True).filter(order=order, status=Payment.Status.PENDING).order_by("pk"))
    for payment in pending:
        payment.status = Payment.Status.CANCELLED
        payment.save(update_fields=["status", "updated_at"])
        emit("payment.cancelled", payment, changes={"status": ["pending", "cancelled"]})
    return len(pending)


def record_paid(order: Order, cents: int) -> None:
    """Add money to a locked order, derive its payment_status, and mark every session paid once it is paid in full."""
    before = order.payment_status
    order.paid_cents += cents
    order.payment_status = payment_status_of(order)
    order.save(update_fields=["paid_cents", "payment_status", "updated_at"])
    if before == order.payment_status:
        return
    if order.payment_status in (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID):
        sessions = list(order.bookings.select_for_update(no_key=True).filter(payment_status="unpaid").order_by("pk"))  # type: ignore[attr-defined]
        for session in sessions:
            session.payment_status = Booking.PaymentStatus.PAID
        if sessions:
            bulk_update_with_history(sessions, Booking, ["payment_status"], manager=Booking._base_manager)
        emit("order.paid", order, changes={"payment_status": [before, order.payment_status]})
