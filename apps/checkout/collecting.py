"""Collecting what an order still lacks: the next instalment, the balance, or another try with another method."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.accounts.selectors import setting
from apps.bookings.models import Booking, Side
from apps.bookings.models import Status as BookingStatus
from apps.bookings.services.scheduling import extend_hold
from apps.checkout.services import business_days_after, refuse_method
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.orders.models import Order
from apps.payments.errors import NothingToPay
from apps.payments.models import OPEN, PROVIDERS, Payment
from apps.payments.services import create_payment
from apps.payments.services.deposits import next_due
from apps.payments.services.settling import claim_start, lock_with_starts
from apps.payments.services.wallet import release_credit, spend_credit


@joined
def collect(order: Order, *, method: str, amount_cents: int | None = None, by: str = Side.PROVIDER, at: datetime | None = None) -> Payment:
    """Expect ``amount_cents`` (default: what is due next) of an order by ``method``; wallet credit is spent at once.

    It takes the place of payments that are still open, and of the start that is held for them: those by hand are cancelled now, a
    provider's by the reconciler. The very same provider payment that is open already is simply returned.
    Raises NothingToPay, Invalid (more than is owed), MethodNotOffered, ProviderOff, InsufficientFunds, NoWallet.
    """
    at = at or timezone.now()
    order = lock_with_starts(order, at)
    owed = order.balance_due_cents
    if not owed or order.status == Order.Status.CANCELLED:
        raise NothingToPay
    refuse_method(order.account, method=method, by=by)
    amount = amount_cents if amount_cents is not None else min(owed, next_due(order))
    if not 1 <= amount <= owed:
        raise Invalid(fields={"amount_cents": [f"Between 1 and {owed} cents can be paid."]})
    opened = list(
        Payment.objects.select_for_update(no_key=True).filter(order=order, status__in=OPEN).order_by("pk").prefetch_related("booking")
    )
    for payment in opened:
        if (payment.method, payment.amount_cents) == (method, amount) and method in PROVIDERS:
            return payment
    held = next((_Held(one.booking, one.practitioner_id, one.start_time, one.expires_at) for one in opened if one.booking), None)
    # A site that a client has ordered waits no longer for their choosing another way to pay; what staff expect waits for them.
    keeps = order.site_id is not None and by == Side.CLIENT
    until = next((one.expires_at for one in opened if one.expires_at), None) if keeps else None
    for payment in opened:
        _give_way(payment, at)
    if method == Payment.Method.WALLET:
        payment = spend_credit(order=order, amount_cents=amount, reserve=False, at=at)
    else:
        payment = create_payment(order=order, method=method, amount_cents=amount, expires_at=until, at=at)
    if held is not None:
        _take_over(order, payment, held, at)
        if payment.method == Payment.Method.WALLET or (by == Side.PROVIDER and method not in PROVIDERS):
            claim_start(order, payment, at=at)  # paid, or staff see to it: as in a sale
    return payment


@dataclass(frozen=True, slots=True)
class _Held:
    """The start that is held for an open payment, and how long."""

    booking: Booking
    practitioner_id: int | None
    start_time: datetime | None
    until: datetime | None


def _take_over(order: Order, payment: Payment, held: _Held, at: datetime) -> None:
    """The start waits for this payment now: a provider's until the same moment (nobody holds it longer by changing their mind), a bank
    transfer's as long as transfers take.
    """
    payment.booking, payment.practitioner_id, payment.start_time = held.booking, held.practitioner_id, held.start_time
    if payment.status in OPEN:
        keep = payment.method in PROVIDERS and held.until is not None and held.until > at
        payment.expires_at = held.until if keep else _until(order, payment.method, at)
        if payment.method in PROVIDERS and payment.next_check_at is not None and payment.expires_at is not None:
            payment.next_check_at = min(payment.next_check_at, payment.expires_at)
    payment.save(update_fields=["booking", "practitioner", "start_time", "expires_at", "next_check_at", "updated_at"])
    if payment.expires_at is not None and held.booking.status == BookingStatus.HELD:
        extend_hold(held.booking, until=payment.expires_at, at=at)


def _give_way(payment: Payment, at: datetime) -> None:
    """An open payment whose place another one takes; its start is the other one's now."""
    if payment.status == Payment.Status.AUTHORIZED:
        release_credit(payment, at=at)
        return
    payment.booking = payment.practitioner = payment.start_time = None
    if payment.method in PROVIDERS and payment.provider_ref:
        payment.expires_at = payment.next_check_at = at
        payment.save(update_fields=["booking", "practitioner", "start_time", "expires_at", "next_check_at", "updated_at"])
        return
    before, payment.status = payment.status, Payment.Status.CANCELLED
    payment.expires_at = payment.next_check_at = None
    payment.save(update_fields=["booking", "practitioner", "start_time", "status", "expires_at", "next_check_at", "updated_at"])
    emit("payment.cancelled", payment, changes={"status": [before, payment.status]})


def _until(order: Order, method: str, at: datetime) -> datetime | None:
    if method in PROVIDERS:
        return at + timedelta(minutes=setting(order.account, "hold_minutes"))
    days = setting(order.account, "bank_transfer_hold_days")
    return (
        business_days_after(at, days=days, zone=ZoneInfo(order.account.timezone))
        if method == Payment.Method.BANK_TRANSFER and days
        else None
    )
