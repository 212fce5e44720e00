"""Expecting money and taking it in. Locks: order, sessions, payments (by id), wallet."""

from datetime import datetime, timedelta

from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from apps.bookings.models import Booking
from apps.core.db import joined
from apps.core.events import emit
from apps.orders.models import Order
from apps.orders.services import payment_status_of
from apps.payments.models import PROVIDERS, Payment
from apps.payments.services.ledger import post_payment

Method, Status = Payment.Method, Payment.Status
FIRST_CHECK = timedelta(minutes=5)
SETTLED = (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID)


@joined
def create_payment(
    *,
    order: Order,
    method: str,
    amount_cents: int,
    booking: Booking | None = None,
    expires_at: datetime | None = None,
    at: datetime | None = None,
) -> Payment:
    """Expect ``amount_cents`` for an order. Cash and bank transfer are ``pending`` until they are marked as received; a provider's
    payment is ``new`` until ``begin_payment`` has told the provider, outside this transaction.

    ``booking`` is the session whose start is held until the money is here, ``expires_at`` how long. A bank transfer is told apart by
    its reference, the order's number (a further one of the same order by a suffix). For wallet credit there is ``spend_credit``.
    """
    at = at or timezone.now()
    online = method in PROVIDERS
    return Payment.objects.create(
        account_id=order.account_id,
        order=order,
        booking=booking,
        practitioner_id=booking.practitioner_id if booking else None,
        start_time=booking.start_time if booking else None,
        client_id=order.payer_id or order.client_id,
        amount_cents=amount_cents,
        currency=order.currency,
        method=method,
        status=Status.NEW if online else Status.PENDING,
        reference=_reference(order) if method == Method.BANK_TRANSFER else "",
        expires_at=expires_at,
        next_check_at=min([at + FIRST_CHECK, *([expires_at] if expires_at else [])]) if online else None,
    )


def _reference(order: Order) -> str:
    if order._state.adding or (not order.paid_cents and not Payment.objects.filter(order=order).exists()):
        return order.number
    taken = Payment.objects.filter(order=order, method=Method.BANK_TRANSFER).count()
    return f"{order.number}-{taken + 1}" if taken else order.number


def take_in(order: Order, payment: Payment, *, at: datetime) -> None:
    """Write that all of a payment has come in (both rows locked): the payment, the books, the order, and its sessions once it is paid.

    Wallet credit that was set aside for the same order comes in with it.
    """
    _received(order, payment, at)
    reserved = Payment.objects.select_for_update(no_key=True).filter(order=order, status=Status.AUTHORIZED).order_by("pk")
    for other in reserved if payment.status == Status.SUCCEEDED and payment.method != Method.WALLET else ():
        _received(order, other, at)


def _received(order: Order, payment: Payment, at: datetime) -> None:
    before, payment.status = payment.status, Status.SUCCEEDED
    payment.captured_cents, payment.received_at = payment.amount_cents, at
    payment.next_check_at = payment.expires_at = None
    payment.failure = payment.review = ""
    payment.save(
        update_fields=[
            "status",
            "captured_cents",
            "received_at",
            "next_check_at",
            "expires_at",
            "failure",
            "review",
            "provider_ref",
            "capture_ref",
            "payee",
            "is_late",
            "updated_at",
        ]
    )
    emit("payment.succeeded", payment, changes={"status": [before, payment.status], "captured_cents": [0, payment.captured_cents]})
    post_payment(payment)
    record_paid(order, payment.captured_cents)


def record_paid(order: Order, cents: int) -> None:
    """Add money to a locked order, derive its payment_status, and mark every session paid once it is paid in full."""
    order.paid_cents += cents
    derive_payment_status(order, "paid_cents")


def record_refunded(order: Order, cents: int) -> None:
    """The mirror image of ``record_paid``: money of a locked order has gone back (or, negative, has come back after all)."""
    order.refunded_cents += cents
    derive_payment_status(order, "refunded_cents")


def derive_payment_status(order: Order, *changed: str) -> None:
    """Write the sums of a locked order and what follows from them; its sessions follow, too (rules.md §0)."""
    before, order.payment_status = order.payment_status, payment_status_of(order)
    order.save(update_fields=[*changed, "payment_status", "updated_at"])
    if before == order.payment_status:
        return
    if order.payment_status == Order.PaymentStatus.REFUNDED:
        _mark_sessions(order, Booking.PaymentStatus.REFUNDED)
    elif order.payment_status not in SETTLED:
        _mark_sessions(order, Booking.PaymentStatus.UNPAID, of=Booking.PaymentStatus.PAID)
    emit(f"order.{order.payment_status}", order, changes={"payment_status": [before, order.payment_status]})


def mark_sessions_paid(order: Order) -> None:
    """All sessions of a locked order are paid: its money came in, or its price came down to it."""
    _mark_sessions(order, Booking.PaymentStatus.PAID)


def _mark_sessions(order: Order, status: str, *, of: str | None = None) -> None:
    """Give the sessions of a locked order this payment status: all of them, or those that have the status ``of``."""
    others = order.bookings.select_for_update(no_key=True).exclude(payment_status=status)  # type: ignore[attr-defined]
    sessions = list((others.filter(payment_status=of) if of else others).order_by("pk"))
    for session in sessions:
        session.payment_status = status
    if sessions:
        bulk_update_with_history(sessions, Booking, ["payment_status"], manager=Booking._base_manager)


__all__ = ["create_payment", "derive_payment_status", "mark_sessions_paid", "record_paid", "record_refunded", "take_in"]
