"""The states of a refund, and what each step means for its payment, its order and the books. Every row here is locked by the caller."""

import logging
import uuid
from datetime import datetime
from typing import NamedTuple

from apps.core.errors import InvalidTransition
from apps.core.events import current_actor, emit
from apps.orders.models import Order
from apps.orders.services import lock_order
from apps.payments.models import PROVIDERS, LedgerTransaction, Payment, Refund, WalletLot
from apps.payments.services.collecting import FIRST_CHECK, record_refunded
from apps.payments.services.ledger import post_refund, reverse
from apps.payments.services.settling import RECHECKS
from apps.payments.services.wallet import give_credit, return_credit
from apps.users.models import User

logger = logging.getLogger(__name__)

Method, Status = Payment.Method, Refund.Status
ON_ITS_WAY = (Status.REQUESTED, Status.PENDING, Status.UNKNOWN)
"""States in which a refund's money is set aside on its payment."""


def allowed_refund_actions(method: str, status: str) -> list[str]:
    """What may be done with a refund in this state, as the last part of the action's address."""
    if status == Status.REQUESTED:
        return ["approve", "cancel"]
    if method in PROVIDERS:
        return ["check"] if status in (Status.PENDING, Status.UNKNOWN) else []
    return ["mark-sent", "cancel"] if status == Status.PENDING else []


def require(action: str, refund: Refund) -> None:
    """Raise InvalidTransition unless the refund's state allows it."""
    actions = allowed_refund_actions(refund.method, refund.status)
    if action not in actions:
        raise InvalidTransition(allowed_actions=actions)


def lock_payment(payment: Payment) -> tuple[Order, Payment]:
    """The order that a payment is for, and the payment."""
    order = lock_order(payment.order_id)
    return order, lock_row(payment.pk)


def lock_row(payment_id: int) -> Payment:
    """The payment of a locked order, locked: whoever gives money of it back, or holds it, waits here for the others."""
    return Payment.objects.select_for_update(no_key=True).get(pk=payment_id)


class Locked(NamedTuple):
    """A refund with what it changes, locked in the order of everybody: order, payment, refund."""

    order: Order
    payment: Payment
    refund: Refund


def lock_refund(refund: Refund) -> Locked:
    """Lock the order, the payment and the refund itself."""
    order = lock_order(refund.order_id)
    payment = lock_row(refund.payment_id)
    return Locked(order, payment, Refund.objects.select_for_update(no_key=True).get(pk=refund.pk))


def open_refund(
    order: Order,
    payment: Payment,
    *,
    amount_cents: int,
    group: uuid.UUID,
    reason: str,
    to_wallet: bool,
    needed: bool,
    requested_by: User | None,
    at: datetime,
) -> Refund:
    """Set the money aside on its locked payment and write the refund; send it off unless somebody has to approve it."""
    payment.refunding_cents += amount_cents
    payment.save(update_fields=["refunding_cents", "updated_at"])
    refund = Refund.objects.create(
        account_id=payment.account_id,
        payment=payment,
        order=order,
        client_id=payment.client_id,
        group=group,
        amount_cents=amount_cents,
        currency=payment.currency,
        method=Method.WALLET if to_wallet else payment.method,
        status=Status.REQUESTED,
        reason=reason,
        requested_by_id=requested_by.pk if requested_by else current_actor().actor_id,
    )
    emit("refund.requested", refund, changes={"amount_cents": [None, amount_cents], "status": [None, refund.status]})
    if not needed:
        send_off(Locked(order, payment, refund), at=at)
    return refund


def send_off(locked: Locked, *, at: datetime) -> None:
    """Nobody has to agree (any more): what is in our own hands is done now, the rest is on its way."""
    refund = locked.refund
    if refund.method in (Method.CASH, Method.WALLET):
        succeed(locked, at=at)
        return
    before, refund.status = refund.status, Status.PENDING
    refund.next_check_at = at + FIRST_CHECK if refund.method in PROVIDERS else None
    refund.save(update_fields=["status", "next_check_at", "updated_at"])
    emit("refund.pending", refund, changes={"status": [before, refund.status]})


def succeed(locked: Locked, *, at: datetime) -> None:
    """The money is back: refund, payment, order and books."""
    order, payment, refund = locked
    if refund.status in ON_ITS_WAY:
        payment.refunding_cents -= refund.amount_cents
    payment.refunded_cents += refund.amount_cents
    payment.save(update_fields=["refunding_cents", "refunded_cents", "updated_at"])
    before, refund.status = refund.status, Status.SUCCEEDED
    refund.completed_at, refund.next_check_at, refund.failure = at, None, ""
    refund.save(update_fields=["status", "completed_at", "next_check_at", "failure", "provider_ref", "updated_at"])
    emit("refund.succeeded", refund, changes={"status": [before, refund.status], "amount_cents": [0, refund.amount_cents]})
    record_refunded(order, refund.amount_cents)
    post_refund(refund)
    if payment.method == Method.WALLET:
        return_credit(payment, amount_cents=refund.amount_cents, at=at)
    elif refund.method == Method.WALLET:
        give_credit(
            client=refund.client,
            amount_cents=refund.amount_cents,
            currency=refund.currency,
            source=WalletLot.Source.REFUND,
            reason=refund.reason,
            is_cashable=True,  # it was money, and may become money again
            from_book="",  # the refund's own entry says it
            refund=refund,
            order_id=order.pk,
            at=at,
        )


def let_go(locked: Locked, *, status: str, failure: str = "") -> None:
    """It has not happened and will not: the money that was set aside can be refunded again."""
    _, payment, refund = locked
    payment.refunding_cents -= refund.amount_cents
    payment.save(update_fields=["refunding_cents", "updated_at"])
    before, refund.status = refund.status, status
    refund.failure, refund.next_check_at = failure[:100], None
    refund.save(update_fields=["status", "failure", "next_check_at", "provider_ref", "updated_at"])
    changes = {"status": [before, refund.status], **({"failure": [None, refund.failure]} if failure else {})}
    emit(f"refund.{status}", refund, changes=changes)


def put_aside(refund: Refund, why: str) -> Refund:
    """What the provider says cannot be: it is not asked again, and staff have to look at it."""
    if refund.failure != why:
        before, refund.failure = refund.failure, why
        refund.next_check_at = None
        refund.save(update_fields=["failure", "next_check_at", "updated_at"])
        logger.error("refund %s contradicts its provider: %s", refund.pk, why)
        emit("refund.quarantined", refund, changes={"failure": [before, why]})
    return refund


def wait(refund: Refund, *, status: str, failure: str = "", at: datetime) -> None:
    """It is not decided; the provider is asked again at growing distances, and in the end staff have to."""
    before, refund.status, refund.failure = refund.status, status, failure[:100]
    left = RECHECKS[refund.checks :]
    refund.next_check_at = at + left[0] if left else None
    refund.checks = min(refund.checks + 1, len(RECHECKS))
    refund.save(update_fields=["status", "failure", "next_check_at", "checks", "provider_ref", "updated_at"])
    if before != status or not left:
        emit(f"refund.{status}", refund, changes={"status": [before, status], **({} if left else {"gave_up": [False, True]})})


def take_back(locked: Locked, *, failure: str) -> None:
    """The money came back from the client's bank: the refund did not happen after all."""
    order, payment, refund = locked
    payment.refunded_cents -= refund.amount_cents
    payment.save(update_fields=["refunded_cents", "updated_at"])
    refund.status, refund.failure, refund.next_check_at = Status.FAILED, failure[:100], None
    refund.save(update_fields=["status", "failure", "next_check_at", "updated_at"])
    emit("refund.failed", refund, changes={"status": [Status.SUCCEEDED, Status.FAILED], "failure": [None, refund.failure]})
    record_refunded(order, -refund.amount_cents)
    reverse(LedgerTransaction.objects.get(refund_id=refund.pk), memo=refund.failure)
