"""Chargebacks (rules.md §5): the client's bank takes money back until it is decided.

While a dispute is open its money can neither be refunded nor spent, and unused sessions of the order (and of those they were given away
to) cannot be scheduled. What took place stays as it is. A dispute that is won restores all of that; one that is lost is a refund nobody
of us decided, and the order thaws when it has been paid again. Locks: orders by id, payment, dispute.
"""

import uuid
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from apps.core.db import joined
from apps.core.errors import InvalidTransition
from apps.core.events import emit
from apps.orders.models import Order
from apps.orders.services import lock_orders
from apps.payments.adapters.base import DisputeAnswer, DisputeState
from apps.payments.models import Book, Dispute, LedgerTransaction, Payment, Refund
from apps.payments.services.collecting import record_refunded
from apps.payments.services.ledger import Leg, book_of, post, post_refund
from apps.payments.services.refund_states import Locked, lock_row, take_back
from apps.payments.services.settling import put_aside

Status = Dispute.Status
EXCEEDS = "dispute_exceeds_refundable"


@joined
def settle_dispute(*, provider: str, answer: DisputeAnswer, at: datetime | None = None) -> Dispute | None:
    """Make a dispute what its provider says it is, in the scope of the account; says nothing new when it is that already.

    None for a payment that is not ours. Only what had not gone back before is held: a claim beyond that is put before staff
    (``review`` of the payment). Raises InvalidTransition when the payment has not been settled itself yet: ask again afterwards.
    """
    at = at or timezone.now()
    reference = Q(provider_ref=answer.charge_reference) | Q(capture_ref=answer.charge_reference)
    found = Payment.objects.filter(reference, method=provider).first() if answer.charge_reference else None
    if found is None:
        return None
    orders = _lock_tree(found.order_id)
    order = orders[found.order_id]
    payment = lock_row(found.pk)
    if payment.status != Payment.Status.SUCCEEDED:
        raise InvalidTransition("The disputed payment has not been settled yet.")
    dispute = Dispute.objects.select_for_update(no_key=True).filter(provider_ref=answer.reference).first()
    if dispute is None:
        if answer.currency.upper() != payment.currency:
            put_aside(payment, "dispute_currency_mismatch")
            return None
        dispute = _begin(order, payment, answer)
        _freeze(orders, at)
    if dispute.status == Status.OPEN and answer.state != DisputeState.OPEN:
        _decide(order, payment, dispute, Status(answer.state.value), at)
        if dispute.status == Status.WON:
            _thaw(orders, order)
    elif dispute.status == Status.LOST and answer.state == DisputeState.WON:
        _win_appeal(order, payment, dispute, at)
        _thaw(orders, order)
    return dispute


@joined
def thaw_paid_order(order: Order) -> bool:
    """An order whose dispute was lost has been paid again: its sessions can be used. Whether there was anything to do."""
    root_id = order.parent_id or order.pk
    orders = _lock_tree(root_id)
    root = orders[root_id]
    if root.frozen_at is None or root.payment_status not in (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID):
        return False
    return _thaw(orders, root)


def _lock_tree(root_id: int) -> dict[int, Order]:
    """The order and those its sessions were given away to. They are younger, so this is the order of ids; the first lock keeps new
    ones from appearing."""
    root = lock_orders([root_id])
    return root | lock_orders(Order.objects.filter(parent_id=root_id).values_list("pk", flat=True))


def _begin(order: Order, payment: Payment, answer: DisputeAnswer) -> Dispute:
    """Hold what is disputed: the payment, the books."""
    held = min(answer.amount_cents, payment.refundable_cents)
    payment.disputed_cents += held
    payment.save(update_fields=["disputed_cents", "updated_at"])
    if held < answer.amount_cents:
        put_aside(payment, EXCEEDS)
    dispute = Dispute.objects.create(
        account_id=payment.account_id,
        payment=payment,
        order=order,
        client_id=payment.client_id,
        provider_ref=answer.reference,
        amount_cents=held,
        currency=payment.currency,
        reason=answer.reason[:100],
    )
    changes = {"status": [None, dispute.status], "amount_cents": [None, held], "claimed_cents": [None, answer.amount_cents]}
    emit("dispute.opened", dispute, changes={**changes, "reason": [None, dispute.reason]})
    _post(order, payment, held, "Dispute")
    return dispute


def _decide(order: Order, payment: Payment, dispute: Dispute, status: Status, at: datetime) -> None:
    payment.disputed_cents -= dispute.amount_cents
    dispute.status, dispute.closed_at = status, at
    dispute.save(update_fields=["status", "closed_at", "updated_at"])
    lost = status == Status.LOST
    if lost:
        payment.refunded_cents += dispute.amount_cents
    payment.save(update_fields=["disputed_cents", "refunded_cents", "updated_at"])
    emit(f"dispute.{status}", dispute, changes={"status": [Status.OPEN, status]})
    if not lost:
        _post(order, payment, -dispute.amount_cents, "Dispute won")
    elif dispute.amount_cents:
        refund = Refund.objects.create(
            account_id=payment.account_id,
            payment=payment,
            order=order,
            client_id=payment.client_id,
            dispute=dispute,
            group=uuid.uuid4(),
            amount_cents=dispute.amount_cents,
            currency=dispute.currency,
            method=payment.method,
            status=Refund.Status.SUCCEEDED,
            reason="Dispute lost",
            completed_at=at,
        )
        emit("refund.succeeded", refund, changes={"status": [None, refund.status], "amount_cents": [0, refund.amount_cents]})
        post_refund(refund)
        record_refunded(order, refund.amount_cents)


def _win_appeal(order: Order, payment: Payment, dispute: Dispute, at: datetime) -> None:
    """What was lost has been won after all: the money is back where it was before the dispute, in the books, too."""
    refund = Refund.objects.filter(dispute=dispute, status=Refund.Status.SUCCEEDED).first()
    dispute.status, dispute.closed_at = Status.WON, at
    dispute.save(update_fields=["status", "closed_at", "updated_at"])
    emit("dispute.won", dispute, changes={"status": [Status.LOST, Status.WON]})
    if refund is not None:
        take_back(Locked(order, payment, refund), failure="dispute_won")
        _post(order, payment, -dispute.amount_cents, "Dispute won")


def _post(order: Order, payment: Payment, cents: int, memo: str) -> None:
    """Out of the provider's book into what it holds back, or (negative) in again."""
    post(
        account_id=payment.account_id,
        kind=LedgerTransaction.Kind.DISPUTE,
        currency=payment.currency,
        order_id=order.pk,
        client_id=payment.client_id,
        payment_id=payment.pk,
        memo=memo,
        legs=[Leg(Book.DISPUTED, cents, order.pk), Leg(book_of(payment.method), -cents, order.pk)],
    )


def _freeze(orders: dict[int, Order], at: datetime) -> None:
    for order in orders.values():
        if order.frozen_at is None:
            order.frozen_at = at
            order.save(update_fields=["frozen_at", "updated_at"])
            emit("order.frozen", order, changes={"frozen_at": [None, at.isoformat()]})


def _thaw(orders: dict[int, Order], root: Order) -> bool:
    """Unless another dispute about the same order is open, or was lost and has not been paid again."""
    disputes = Dispute.objects.filter(order_id=root.pk)
    owed = root.balance_due_cents > 0 and disputes.filter(status=Status.LOST).exists()
    if owed or disputes.filter(status=Status.OPEN).exists():
        return False
    for order in orders.values():
        if order.frozen_at is not None:
            before, order.frozen_at = order.frozen_at, None
            order.save(update_fields=["frozen_at", "updated_at"])
            emit("order.thawed", order, changes={"frozen_at": [before.isoformat(), None]})
    return True
