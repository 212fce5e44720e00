"""What becomes of a payment that somebody else decides about: one function for webhook, browser, poll and staff.

``settle_payment`` gets what the provider says now and may be told the same any number of times, in any order. Locks: practitioner
(when a start may have to be claimed again), order, session, payment.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.selectors import setting
from apps.bookings.models import Booking, Side
from apps.bookings.models import Status as BookingStatus
from apps.bookings.services.claims import lock_practitioners
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import confirm_booking, extend_hold, release_hold, schedule_booking
from apps.core.db import joined
from apps.core.errors import DomainError, InvalidTransition
from apps.core.events import emit
from apps.orders.models import ONLINE, Order
from apps.orders.services import lock_order
from apps.payments.adapters.base import Charge, ChargeState
from apps.payments.errors import AmountMismatch
from apps.payments.models import OPEN, PROVIDERS, Payment
from apps.payments.services.collecting import take_in
from apps.payments.services.unpaid import give_up_sale, take_up_sale
from apps.payments.services.wallet import release_credit

logger = logging.getLogger(__name__)

Method, Status = Payment.Method, Payment.Status
FORGOTTEN = "not_found"
START_LOST = "Its start was taken before the money came."
RECHECKS = (timedelta(minutes=5), timedelta(hours=1), *(timedelta(days=1),) * 5)
"""When a payment of unknown state is asked about again; after the last one it is for staff to look at."""
POLLS = ((timedelta(hours=1), timedelta(minutes=5)), (timedelta(days=1), timedelta(hours=1)), (timedelta(days=90), timedelta(days=1)))
"""(age of the payment, how often one that is known to be open is looked at): events may get lost, all of them."""
SAID = ("status", "failure", "review", "provider_ref", "capture_ref", "payee")
"""What a provider's answer can change of a payment that is still open."""
LEAD = timedelta(seconds=90)
"""So long before it runs out a wait is prolonged, so that nobody takes the start in between."""


@joined
def settle_payment(payment: Payment, *, charge: Charge, payee: str = "", at: datetime | None = None) -> Payment:
    """Make a payment what its provider says it is; says nothing new when it is that already.

    What contradicts the payment (amount, currency, payee, account, order, reference) is put aside for staff and changes nothing else.
    ``payee`` is who has to get the money, as far as the account's credentials tell. Money for a payment that nobody waited for any more
    is taken in, too: its start is claimed again, or the account's ``late_money`` says what becomes of it.
    """
    at = at or timezone.now()
    order, payment = _lock(payment, at)
    if payment.status == Status.SUCCEEDED:
        return _look_again(payment, charge)
    contradiction = _contradiction(payment, charge, payee)
    if contradiction:
        return put_aside(payment, contradiction)
    if charge.state == ChargeState.SUCCEEDED:
        payment.is_late = _came_late(order, payment)
        payment.provider_ref, payment.capture_ref = charge.reference, charge.capture_reference
        payment.payee = charge.payee or payment.payee
        take_in(order, payment, at=at)
        _book(order, payment, at)
    elif payment.status in OPEN:
        _follow(payment, charge, at)
    return payment


@joined
def mark_received(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Cash is in the till, or the transfer has arrived: settle the full amount of a pending payment.

    A transfer that was not expected any more is taken in as late money. Raises InvalidTransition for what settles by itself.
    """
    at = at or timezone.now()
    order, payment = _lock(payment, at)
    late = payment.method == Method.BANK_TRANSFER and payment.status == Status.CANCELLED
    if payment.method not in (Method.CASH, Method.BANK_TRANSFER) or (payment.status != Status.PENDING and not late):
        raise InvalidTransition("This payment has been settled or cancelled already.", allowed_actions=[])
    payment.is_late = _came_late(order, payment)
    take_in(order, payment, at=at)
    _book(order, payment, at)
    return payment


def _came_late(order: Order, payment: Payment) -> bool:
    """Whether nobody waited for this money any more: the payment had ended, or its order was cancelled or is paid already."""
    return payment.status not in OPEN or order.status == Order.Status.CANCELLED or not order.balance_due_cents


def lock_with_starts(order: Order, at: datetime) -> Order:
    """Lock an order whose open payments may hold starts: first the practitioners of those, as everybody does."""
    held = Payment.objects.filter(order_id=order.pk, status__in=OPEN, booking__isnull=False)
    found = held.values_list("practitioner_id", "booking__practitioner_id")
    lock_practitioners({pk for pair in found for pk in pair if pk is not None}, at)
    return lock_order(order.pk)


def _lock(payment: Payment, at: datetime) -> tuple[Order, Payment]:
    """Everything that settling may write, in the order in which everybody locks."""
    payment = Payment.objects.select_related("booking").get(pk=payment.pk)
    if payment.booking is not None and payment.status != Status.SUCCEEDED:
        # Where its start was held, and where it is held now that it was moved.
        lock_practitioners({pk for pk in (payment.practitioner_id, payment.booking.practitioner_id) if pk is not None}, at)
    order = lock_order(payment.order_id)
    return order, Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)


def _contradiction(payment: Payment, charge: Charge, payee: str) -> str:
    """In which word the provider's answer is not about this payment; '' when it is."""
    if charge.state == ChargeState.CANCELLED and charge.failure == FORGOTTEN and charge.reference == payment.provider_ref:
        return ""  # the provider has nothing left to compare
    expected = {"account": str(payment.account_id), "order": str(payment.order_id), "payment": str(payment.pk)}
    for name, value in expected.items():
        if charge.metadata.get(name) != value:
            return f"{name}_mismatch"
    if charge.currency.upper() != payment.currency:
        return "currency_mismatch"
    if charge.amount_cents != payment.amount_cents:
        return "amount_mismatch"
    if charge.state == ChargeState.SUCCEEDED and charge.captured_cents != payment.amount_cents:
        return "amount_mismatch"
    if charge.payee and charge.payee != (payee or payment.payee or charge.payee):
        return "payee_mismatch"
    if payment.provider_ref and charge.reference != payment.provider_ref:
        return "reference_mismatch"
    return ""


def _look_again(payment: Payment, charge: Charge) -> Payment:
    """Nothing more happens to a payment that has come in, but what its provider says may be more than we know."""
    if charge.reference != payment.provider_ref:
        return put_aside(payment, "paid_twice") if charge.captured_cents else payment
    if charge.refunded_cents > payment.refunded_cents + payment.refunding_cents:
        return put_aside(payment, "refunded_elsewhere")
    return payment


def put_aside(payment: Payment, why: str) -> Payment:
    """What the provider says of a locked payment cannot be, or is more than we know: staff have to look at it."""
    if payment.review != why:
        before, payment.review = payment.review, why
        payment.save(update_fields=["review", "updated_at"])
        logger.error("payment %s contradicts its provider: %s", payment.pk, why)
        emit("payment.quarantined", payment, changes={"review": [before, why]})
    return payment


def _follow(payment: Payment, charge: Charge, at: datetime) -> None:
    """A state short of success."""
    states = {
        ChargeState.REQUIRES_ACTION: Status.REQUIRES_ACTION,
        ChargeState.APPROVED: Status.REQUIRES_ACTION,
        ChargeState.PROCESSING: Status.PENDING,
        ChargeState.FAILED: Status.FAILED,
        ChargeState.CANCELLED: Status.CANCELLED,
    }
    known = [getattr(payment, name) for name in SAID]
    before, failed_before = payment.status, payment.failure
    payment.status, payment.failure, payment.review = states[charge.state], charge.failure[:100], ""
    payment.provider_ref = charge.reference
    payment.capture_ref = charge.capture_reference or payment.capture_ref
    payment.payee = payment.payee or charge.payee
    if known == [getattr(payment, name) for name in SAID]:
        return
    ended = payment.status not in OPEN
    if ended:
        payment.next_check_at = payment.expires_at = None
    payment.save(
        update_fields=["status", "failure", "review", "provider_ref", "capture_ref", "payee", "next_check_at", "expires_at", "updated_at"]
    )
    if before != payment.status or failed_before != payment.failure:
        changes = {"status": [before, payment.status], **({"failure": [failed_before, payment.failure]} if payment.failure else {})}
        failed = payment.failure and payment.status != Status.CANCELLED
        emit("payment.failed" if failed else f"payment.{payment.status}", payment, changes=changes)
    if ended:
        let_go(payment, at)


@joined
def refuse_payment(payment: Payment, *, code: str, at: datetime | None = None) -> Payment:
    """The provider did not want to hear of this payment, so nothing can come of it. Says nothing about one that was begun."""
    at = at or timezone.now()
    _, payment = _lock(payment, at)
    if payment.status in OPEN and not payment.provider_ref:
        payment.failure = code[:100]
        _end(payment, Status.FAILED, at, failure=["", payment.failure])
    return payment


def _end(payment: Payment, status: str, at: datetime, **changes: Any) -> None:
    """Stop waiting for a locked payment without an answer of a provider."""
    before, payment.status = payment.status, status
    payment.next_check_at = payment.expires_at = None
    payment.save(update_fields=["status", "failure", "next_check_at", "expires_at", "updated_at"])
    emit(f"payment.{status}", payment, changes={"status": [before, status], **changes})
    let_go(payment, at)


def let_go(payment: Payment, at: datetime) -> None:
    """Nobody waits for this payment any more: the start that was held for it is free again, and so is the credit that was set aside.

    Unless another payment of the order is still waited for. What was sold online and has got no money at all is not sold any more.
    """
    others = Payment.objects.filter(order_id=payment.order_id, status__in=OPEN).exclude(method=Method.WALLET).exclude(pk=payment.pk)
    waiting = list(others.values_list("booking_id", flat=True))
    if payment.booking_id not in waiting:
        release_start(payment, at)
    if waiting:
        return
    for reserved in (
        Payment.objects.select_for_update(no_key=True).filter(order_id=payment.order_id, status=Status.AUTHORIZED).order_by("pk")
    ):
        release_credit(reserved, at=at)
    give_up_sale(payment.order, at=at)


def release_start(payment: Payment, at: datetime) -> None:
    """Free the start that is held for a payment; what the session holds by now for another reason stays."""
    held = Booking.objects.filter(pk=payment.booking_id, status=BookingStatus.HELD, start_time=payment.start_time)
    booking = held.filter(practitioner_id=payment.practitioner_id).first()
    if booking is not None:
        release_hold(booking, at=at, why="unpaid")


# -- what was waited for


def _book(order: Order, payment: Payment, at: datetime) -> None:
    """Confirm the start that was held for this money, or try to claim it again; then say what is left over."""
    if payment.is_late:
        take_up_sale(order, at=at)
    if not claim_start(order, payment, at=at):
        payment.is_late = True
        payment.save(update_fields=["is_late", "updated_at"])
        _void_lost(order, payment, at)
    order.refresh_from_db(fields=["payment_status"])
    if payment.is_late or order.payment_status == Order.PaymentStatus.OVERPAID:
        emit("payment.left_over", payment, changes={"is_late": [None, payment.is_late], "payment_status": [None, order.payment_status]})


def claim_start(order: Order, payment: Payment, *, at: datetime) -> bool:
    """Confirm the start that a locked payment waits with, if it has one; False when somebody else has that time by now."""
    if payment.booking_id is None or payment.start_time is None:
        return True
    try:
        with transaction.atomic():
            _claim(order, payment, at)
    except DomainError as refusal:
        changes = {"start_time": [payment.start_time.isoformat(), None], "why": [None, refusal.code]}
        emit("payment.start_lost", payment, changes=changes)
        return False
    return True


def _claim(order: Order, payment: Payment, at: datetime) -> None:
    """The held start becomes the session's. A hold that has lapsed still has its time if nobody took it since."""
    booking = Booking.objects.select_related("account", "practitioner").get(pk=payment.booking_id)
    practitioner, start_time = payment.practitioner, payment.start_time
    if booking.status == BookingStatus.HELD and booking.hold_expires_at is not None and booking.hold_expires_at <= at:
        practitioner, start_time = booking.practitioner, booking.start_time
        booking = release_hold(booking, at=at, why="lapsed")
    if booking.status == BookingStatus.HELD:
        confirm_booking(booking, by=Side.SYSTEM if order.source in ONLINE else Side.PROVIDER, at=at)
    elif booking.status == BookingStatus.DRAFT and practitioner is not None and start_time is not None:
        schedule_booking(booking, practitioner=practitioner, start_time=start_time, by=Side.SYSTEM, at=at)


def _void_lost(order: Order, payment: Payment, at: datetime) -> None:
    """A single session that can have no other start, by the account's wish: its price comes off, so that the money is left over."""
    booking = Booking.objects.filter(pk=payment.booking_id, status=BookingStatus.DRAFT).first()
    if booking is not None and order.order_type == Order.Type.SERVICE and late_money(order) != "keep":
        cancel_booking(booking, by=Side.SYSTEM, reason=START_LOST, void=True, at=at)


# -- waiting


def due_payments(at: datetime) -> QuerySet[Payment]:
    """Payments to look at now: their next check is due, or their wait is over and nobody has looked since."""
    over = Q(expires_at__lte=at, checks=0, review="")
    return Payment.objects.filter(Q(next_check_at__lte=at) | over, status__in=OPEN)


def is_over(payment: Payment, at: datetime) -> bool:
    """Whether nobody waits for a payment any longer."""
    return payment.expires_at is not None and payment.expires_at <= at


@joined
def plan_check(payment: Payment, *, at: datetime) -> None:
    """The provider has answered: say when it is asked again. One that contradicts it waits for staff; one that is open after months
    is stopped, and what cannot be stopped waits for staff, too.
    """
    pause = next((pause for age, pause in POLLS if at - payment.created_at < age), None)
    if pause is None and not payment.extended and not payment.review:
        end_waiting(payment, at=at)
        return
    payment = Payment.objects.select_for_update(no_key=True).get(pk=payment.pk)
    if payment.status not in OPEN:
        return
    if pause is None and not payment.review:
        put_aside(payment, "still_open")
    next_check_at = None if payment.review or pause is None else _before_end(payment, at + pause, at)
    if (payment.checks, payment.next_check_at) != (0, next_check_at):
        payment.checks, payment.next_check_at = 0, next_check_at
        payment.save(update_fields=["checks", "next_check_at", "updated_at"])


def _before_end(payment: Payment, wanted: datetime, at: datetime) -> datetime:
    """``wanted``, or the moments that matter before it: shortly before the wait is over, and its end."""
    ends = [payment.expires_at - LEAD, payment.expires_at] if payment.expires_at else []
    return min([wanted, *(end for end in ends if end > at)])


@joined
def note_silence(payment: Payment, *, at: datetime | None = None) -> Payment:
    """The provider gave no answer: ask again later, a few times, and then leave it to staff. A start is not held by silence."""
    at = at or timezone.now()
    _, payment = _lock(payment, at)
    if payment.status not in OPEN:
        return payment
    before = payment.status
    if payment.status in (Status.NEW, Status.PENDING):
        payment.status = Status.UNKNOWN
    if payment.checks < len(RECHECKS):
        planned = at + RECHECKS[payment.checks]
        payment.next_check_at = _before_end(payment, planned, at)
        payment.checks += payment.next_check_at == planned
        happened = "" if before == payment.status else "payment.unknown"
    else:
        payment.next_check_at, payment.review, happened = None, "no_answer", "payment.unanswered"
    payment.save(update_fields=["status", "next_check_at", "checks", "review", "updated_at"])
    if happened:
        emit(happened, payment, changes={"status": [before, payment.status]})
    if is_over(payment, at):
        release_start(payment, at)
    return payment


@joined
def wait_longer(payment: Payment, *, at: datetime) -> Payment:
    """The money is on its way when the wait is about to end: once, wait for hold_minutes more, and hold the start as long."""
    order, payment = _lock(payment, at)
    if payment.status not in OPEN or payment.extended or payment.expires_at is None or payment.expires_at > at + LEAD:
        return payment
    before = payment.expires_at
    payment.extended = True
    payment.expires_at = max(before, at) + timedelta(minutes=setting(order.account, "hold_minutes"))
    payment.next_check_at = _before_end(payment, at + POLLS[0][1], at)
    payment.save(update_fields=["extended", "expires_at", "next_check_at", "updated_at"])
    emit("payment.extended", payment, changes={"expires_at": [before.isoformat(), payment.expires_at.isoformat()]})
    booking = Booking.objects.filter(pk=payment.booking_id, status=BookingStatus.HELD, start_time=payment.start_time).first()
    if booking is not None:
        extend_hold(booking, until=payment.expires_at, at=at)
    return payment


@joined
def stop_holding(payment: Payment, *, at: datetime) -> Payment:
    """The wait is over, and the provider cannot stop the money that is on its way: free the start; should it come, it is claimed again."""
    _, payment = _lock(payment, at)
    if payment.status in OPEN and is_over(payment, at):
        before = payment.expires_at
        payment.expires_at = None
        payment.save(update_fields=["expires_at", "updated_at"])
        emit("payment.overdue", payment, changes={"expires_at": [before and before.isoformat(), None]})
        release_start(payment, at)
    return payment


@joined
def lapse_payment(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Stop waiting for a payment by hand, or for one that its provider has never heard of. Others are cancelled at the provider first
    (``recheck_payment``), and what it answers is settled. Says nothing when it is not waiting any more.
    """
    at = at or timezone.now()
    _, payment = _lock(payment, at)
    if payment.status == Status.AUTHORIZED:
        release_credit(payment, at=at)
    elif payment.status in OPEN and not (payment.method in PROVIDERS and payment.provider_ref):
        _end(payment, Status.CANCELLED, at)
    return payment


@joined
def end_waiting(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Nobody wants this money any more: cancel the payment, or have it stopped at its provider by ``recheck_payment``, soon or now.

    Says nothing when it is not waited for.
    """
    at = at or timezone.now()
    payment = lapse_payment(payment, at=at)
    if payment.status in OPEN:
        payment.expires_at = payment.next_check_at = at
        payment.extended, payment.checks = True, 0  # it gets no more time
        payment.save(update_fields=["expires_at", "next_check_at", "extended", "checks", "updated_at"])
    return payment


@joined
def cancel_pending_payments(order: Order) -> int:
    """Expect nothing more for an order that was cancelled; returns how many payments were still open.

    One that its provider knows about is cancelled there by the next run of the reconciler, which is told to hurry.
    """
    at = timezone.now()
    order = lock_with_starts(order, at)
    if order.status != Order.Status.CANCELLED:  # reopened in the meantime
        return 0
    opened = list(Payment.objects.select_for_update(no_key=True).filter(order=order, status__in=OPEN).order_by("pk"))
    for payment in opened:
        end_waiting(payment, at=at)
    return len(opened)


@joined
def end_covered_payments(order: Order) -> int:
    """Expect nothing more for an order that is paid: a start that is held for it is its session's; returns how many were still open."""
    at = timezone.now()
    order = lock_with_starts(order, at)
    if order.balance_due_cents:  # a price has changed in the meantime
        return 0
    opened = list(Payment.objects.select_for_update(no_key=True).filter(order=order, status__in=OPEN).order_by("pk"))
    for payment in opened:
        claim_start(order, payment, at=at)
        end_waiting(payment, at=at)
    return len(opened)


@joined
def accept_amount(payment: Payment, *, charge: Charge, payee: str = "", at: datetime | None = None) -> Payment:
    """What came in is what was meant, say staff: the payment takes over the amount and is settled, if the order needs that much.

    Raises InvalidTransition unless the amount is all that contradicts, AmountMismatch for more than is still to be paid.
    """
    at = at or timezone.now()
    order, payment = _lock(payment, at)
    meant = replace(charge, amount_cents=payment.amount_cents, captured_cents=payment.amount_cents)
    contradiction = _contradiction(payment, meant, payee)
    if payment.review != "amount_mismatch" or charge.state != ChargeState.SUCCEEDED or contradiction:
        raise InvalidTransition("Only money that came in with another amount can be accepted.", allowed_actions=[])
    if not 0 < charge.captured_cents <= order.balance_due_cents:
        raise AmountMismatch("More came in than is still to be paid.", captured_cents=charge.captured_cents)
    before, payment.amount_cents = payment.amount_cents, charge.captured_cents
    payment.save(update_fields=["amount_cents", "updated_at"])
    emit("payment.accepted", payment, changes={"amount_cents": [before, payment.amount_cents]})
    return settle_payment(payment, charge=replace(charge, amount_cents=charge.captured_cents), payee=payee, at=at)


def late_money(order: Order) -> str:
    """What this account does with money that came too late."""
    return str(setting(order.account, "late_money"))
