"""Giving money back (rules.md §5).

A refund belongs to one payment and never exceeds what of it came in and is neither back, on its way back, nor in dispute: the payment is
locked, and its row says so itself. Cash and wallet credit go back at once; a bank transfer waits until staff have sent it; a provider is
told outside the transaction (``execute_refund``) and its answer written by ``settle_refund``, which may be called any number of times.
Locks: order, payments by id, wallet.
"""

import uuid
from datetime import datetime
from typing import Any

from django.db.models import F, Sum
from django.utils import timezone

from apps.accounts.selectors import setting
from apps.core import quotes
from apps.core.db import joined, outside_transactions
from apps.core.errors import Invalid, InvalidTransition, NotFound
from apps.core.events import current_actor, emit
from apps.core.money import split
from apps.core.tenancy import account_scope
from apps.core.vault import VaultClosed
from apps.orders.fees import price_parts
from apps.orders.models import Order, OrderLine
from apps.orders.services import add_line, lock_order
from apps.payments.adapters.base import (
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RefundAnswer,
    RefundRequest,
    RefundState,
)
from apps.payments.errors import NeedsSecondPerson, ProviderOff, RefundExceedsCaptured
from apps.payments.models import PROVIDERS, LedgerTransaction, Payment, Refund
from apps.payments.services.gifts import refuse_gift_refund
from apps.payments.services.providers import connection_of
from apps.payments.services.refund_states import (
    ON_ITS_WAY,
    Locked,
    allowed_refund_actions,
    let_go,
    lock_payment,
    lock_refund,
    open_refund,
    put_aside,
    require,
    send_off,
    succeed,
    take_back,
    wait,
)
from apps.payments.services.wallet import wallet_of
from apps.users.models import User

Method, Status = Payment.Method, Refund.Status


# -- how much, and where to


def overpaid_cents(order: Order) -> int:
    """What a locked order was paid beyond its total and is not on its way back, or in dispute, yet."""
    taken = Payment.objects.filter(order_id=order.pk).aggregate(cents=Sum(F("refunding_cents") + F("disputed_cents")))["cents"] or 0
    return max(0, order.paid_cents - order.refunded_cents - order.total_amount_cents - taken)


def allocate(order: Order, amount_cents: int) -> list[tuple[Payment, int]]:
    """(payment, cents) over what may go back of a locked order's payments: proportional, cents left over to the largest remainders.

    Raises RefundExceedsCaptured, and what ``refuse_gift_refund`` raises.
    """
    locked = Payment.objects.select_for_update(no_key=True).filter(order_id=order.pk, status=Payment.Status.SUCCEEDED).order_by("pk")
    tenders = [payment for payment in locked if payment.refundable_cents > 0]
    refundable = sum(payment.refundable_cents for payment in tenders)
    if amount_cents > refundable:
        raise RefundExceedsCaptured(refundable_cents=refundable)
    if not amount_cents:
        return []
    refuse_gift_refund(order, amount_cents=amount_cents, whole_cents=refundable)
    parts = split(amount_cents, [payment.refundable_cents for payment in tenders])
    return [(payment, part) for payment, part in zip(tenders, parts, strict=True) if part]


# -- asking for one


@joined
def quote_refund(
    payment: Payment,
    *,
    amount_cents: int | None = None,
    currency: str | None = None,
    reduces_price: bool = False,
    to_wallet: bool = False,
    at: datetime | None = None,
) -> dict[str, Any]:
    """What ``request_refund`` with the same arguments would do, with a token; raises what it would raise."""
    at = at or timezone.now()
    order, payment = lock_payment(payment)
    amount = _amount(order, payment, amount_cents, currency)
    if to_wallet:
        wallet_of(payment.client)
    return quotes.offer("payment.refund", **_about(order, payment, amount, reduces_price, to_wallet, at))


@joined
def request_refund(
    payment: Payment,
    *,
    amount_cents: int | None = None,
    currency: str | None = None,
    reason: str = "",
    reduces_price: bool = False,
    to_wallet: bool = False,
    quote: str | None = None,
    requested_by: User | None = None,
    at: datetime | None = None,
) -> Refund:
    """Give ``amount_cents`` of a payment back (default: all that may go back), to where it came from or into the client's credit.

    The price stays, so what went back is a balance due again, unless ``reduces_price`` takes off the order what it is not overpaid by;
    the price stays reduced when the refund fails or is cancelled. Above the account's ``refund_approval_above_cents`` the refund waits
    for a second person. One by a provider is ``pending`` until ``execute_refund``.
    Raises InvalidTransition (the payment did not succeed), Invalid, RefundExceedsCaptured, GiftCodeRedeemed, NoWallet, QuoteStale.
    """
    at = at or timezone.now()
    order, payment = lock_payment(payment)
    amount = _amount(order, payment, amount_cents, currency)
    quotes.uphold(quote, "payment.refund", **_about(order, payment, amount, reduces_price, to_wallet, at))
    off_price = amount - overpaid_cents(order) if reduces_price else 0
    for cents, tax, rate in price_parts(order, off_price) if off_price > 0 else ():
        about: Any = {"amount_cents": -cents, "tax_cents": -tax, "tax_rate": rate}
        add_line(order, kind=OrderLine.Kind.ADJUSTMENT, description="Price reduction", **about)
    needed = needs_approval(order, amount)
    if to_wallet:
        wallet_of(payment.client)  # refused now rather than when it is approved
    return open_refund(
        order,
        payment,
        amount_cents=amount,
        group=uuid.uuid4(),
        reason=reason,
        to_wallet=to_wallet,
        needed=needed,
        requested_by=requested_by,
        at=at,
    )


@joined
def refund_order_money(
    order: Order,
    *,
    amount_cents: int,
    reason: str = "",
    to_wallet: bool = False,
    group: uuid.UUID | None = None,
    requested_by: User | None = None,
    at: datetime | None = None,
) -> list[Refund]:
    """Give money of an order back over its payments, as ``allocate`` says and raises; one ``group``. Raises NoWallet, too."""
    at = at or timezone.now()
    order = lock_order(order.pk)
    group = group or uuid.uuid4()
    if to_wallet:
        wallet_of(order.payer or order.client)
    needed = needs_approval(order, amount_cents)
    return [
        open_refund(
            order,
            payment,
            amount_cents=part,
            group=group,
            reason=reason,
            to_wallet=to_wallet,
            needed=needed,
            requested_by=requested_by,
            at=at,
        )
        for payment, part in allocate(order, amount_cents)
    ]


def needs_approval(order: Order, amount_cents: int) -> bool:
    """Whether giving back this much, with what one person alone has given back of the order before, takes a second one here."""
    limit = setting(order.account, "refund_approval_above_cents")
    if not limit:
        return False
    alone = Refund.objects.filter(order_id=order.pk, approved_by=None, dispute=None, status__in=(*ON_ITS_WAY, Refund.Status.SUCCEEDED))
    before = alone.exclude(status=Refund.Status.REQUESTED).aggregate(cents=Sum("amount_cents"))["cents"] or 0
    return bool(before + amount_cents > limit)


def _amount(order: Order, payment: Payment, amount_cents: int | None, currency: str | None) -> int:
    """What is to go back of a locked payment."""
    if payment.status != Payment.Status.SUCCEEDED:
        raise InvalidTransition("Only a payment that succeeded can be refunded.")
    if currency is not None and currency != payment.currency:
        raise Invalid(fields={"currency": [f"This payment is in {payment.currency}."]})
    if amount_cents is not None and amount_cents < 1:
        raise Invalid(fields={"amount_cents": ["Send at least one cent."]})
    amount = payment.refundable_cents if amount_cents is None else amount_cents
    if not 1 <= amount <= payment.refundable_cents:
        raise RefundExceedsCaptured(refundable_cents=payment.refundable_cents)
    refuse_gift_refund(order, amount_cents=amount, whole_cents=payment.refundable_cents)
    return amount


def _about(order: Order, payment: Payment, amount: int, reduces_price: bool, to_wallet: bool, at: datetime) -> dict[str, Any]:
    method = Method.WALLET if to_wallet else payment.method
    off_price = max(0, amount - overpaid_cents(order)) if reduces_price else 0
    result = {
        "refund_cents": amount,
        "fee_cents": 0,
        "currency": payment.currency,
        "per_tender": [{"payment": payment.pk, "method": method, "amount_cents": amount}],
        "sessions": [],
        "balance_due_cents": max(0, order.balance_due_cents + amount - off_price - max(0, _surplus(order))),
        "needs_approval": needs_approval(order, amount),
    }
    inputs = {"payment": payment.pk, "reduces_price": reduces_price, "to_wallet": to_wallet}
    return {"account_id": payment.account_id, "inputs": inputs, "result": result, "at": at}


def _surplus(order: Order) -> int:
    return order.paid_cents - order.refunded_cents - order.total_amount_cents


# -- its life


@joined
def approve_refund(refund: Refund, *, approved_by: User | None = None, at: datetime | None = None) -> Refund:
    """The second person agrees; the refund goes off as it would have gone without the limit.

    Raises InvalidTransition, NeedsSecondPerson (whoever asked for it, or nobody in particular, cannot agree).
    """
    at = at or timezone.now()
    locked = lock_refund(refund)
    refund = locked.refund
    require("approve", refund)
    approver = approved_by.pk if approved_by else current_actor().actor_id
    if approver is None or approver == refund.requested_by_id:
        raise NeedsSecondPerson
    refund.approved_by_id = approver
    refund.save(update_fields=["approved_by", "updated_at"])
    emit("refund.approved", refund, changes={"approved_by": [None, approver]})
    send_off(locked, at=at)
    return refund


@joined
def mark_sent(refund: Refund, *, at: datetime | None = None) -> Refund:
    """The bank transfer back has been made. Raises InvalidTransition for everything else."""
    at = at or timezone.now()
    locked = lock_refund(refund)
    require("mark-sent", locked.refund)
    succeed(locked, at=at)
    return locked.refund


@joined
def cancel_refund(refund: Refund, *, at: datetime | None = None) -> Refund:
    """Do not send it after all: one that waits for approval, or a bank transfer that was not sent. Raises InvalidTransition."""
    locked = lock_refund(refund)
    require("cancel", locked.refund)
    let_go(locked, status=Status.CANCELLED)
    return locked.refund


# -- what a provider says


@joined
def settle_refund(refund: Refund, *, answer: RefundAnswer, at: datetime | None = None) -> Refund:
    """Make a refund what its provider says it is; says nothing new when it is that already.

    An answer about another refund is written to the log and changes nothing but the refund's ``failure``. A refund that came back
    after it had succeeded is taken back in the books, too.
    """
    at = at or timezone.now()
    locked = lock_refund(refund)
    _, payment, refund = locked
    contradiction = _contradiction(payment, refund, answer)
    if contradiction:
        return put_aside(refund, contradiction)
    refund.provider_ref = answer.reference
    if answer.state == RefundState.FAILED and refund.status in ON_ITS_WAY:
        let_go(locked, status=Status.FAILED, failure=answer.failure or "failed")
    elif answer.state == RefundState.FAILED and refund.status == Status.SUCCEEDED:
        take_back(locked, failure=answer.failure or "failed")
    elif answer.state == RefundState.SUCCEEDED and refund.status in ON_ITS_WAY:
        succeed(locked, at=at)
    elif answer.state == RefundState.SUCCEEDED and refund.status != Status.SUCCEEDED:
        taken_back = LedgerTransaction.objects.filter(refund_id=refund.pk).exists()  # it had succeeded, failed, and succeeds again
        if taken_back or payment.refundable_cents < refund.amount_cents:  # thought failed, and the money has gone elsewhere since
            return put_aside(refund, "succeeded_after_all")
        succeed(locked, at=at)
    elif answer.state == RefundState.PENDING and refund.status in (Status.PENDING, Status.UNKNOWN):
        wait(refund, status=Status.PENDING, at=at)
    return refund


@joined
def accept_refunds(payment: Payment, *, refunded_cents: int, at: datetime | None = None) -> Payment:
    """Staff have looked at a payment that came in and was put aside. ``refunded_cents`` is what its provider has given back of it in
    all: what we do not know of becomes a refund here, too. Raises RefundExceedsCaptured (a dispute holds the rest).
    """
    at = at or timezone.now()
    order, payment = lock_payment(payment)
    unknown = refunded_cents - payment.refunded_cents - payment.refunding_cents
    if unknown > payment.refundable_cents:
        raise RefundExceedsCaptured(refundable_cents=payment.refundable_cents)
    if unknown > 0:
        refund = Refund.objects.create(
            account_id=payment.account_id,
            payment=payment,
            order=order,
            client_id=payment.client_id,
            group=uuid.uuid4(),
            amount_cents=unknown,
            currency=payment.currency,
            method=payment.method,
            status=Refund.Status.UNKNOWN,
            reason="Refunded at the provider",
            requested_by_id=current_actor().actor_id,
        )
        payment.refunding_cents += unknown
        succeed(Locked(order, payment, refund), at=at)
    before, payment.review = payment.review, ""
    payment.save(update_fields=["review", "updated_at"])
    emit("payment.reviewed", payment, changes={"review": [before, ""]})
    return payment


def _contradiction(payment: Payment, refund: Refund, answer: RefundAnswer) -> str:
    """In which word the provider's answer is not about this refund; '' when it is."""
    if answer.currency.upper() != refund.currency:
        return "currency_mismatch"
    if answer.amount_cents != refund.amount_cents:
        return "amount_mismatch"
    if answer.charge_reference and answer.charge_reference not in (payment.provider_ref, payment.capture_ref):
        return "payment_mismatch"
    if refund.provider_ref and answer.reference != refund.provider_ref:
        return "reference_mismatch"
    if answer.metadata.get("refund", str(refund.pk)) != str(refund.pk):
        return "refund_mismatch"
    return ""


def execute_refund(account_id: int, refund_id: int, *, at: datetime | None = None) -> str:
    """Tell the provider to make a refund, or ask it what became of it; returns the refund's state. Call outside transactions.

    The key is the same every time, so that it is made once. No answer leaves it ``unknown`` to be asked about again; a refusal ends it
    and frees its money. Credentials the provider does not know say nothing about whether an earlier call has come through.
    """
    with account_scope(account_id):
        refund = Refund.objects.select_related("payment").filter(pk=refund_id).first()
    if refund is None:
        raise NotFound
    if refund.method not in PROVIDERS or refund.status not in (Status.PENDING, Status.UNKNOWN):
        return refund.status
    try:
        with outside_transactions():
            adapter = connection_of(account_id, refund.method, even_inactive=True).adapter
            answer = adapter.fetch_refund(refund.provider_ref) if refund.provider_ref else adapter.refund(_request_of(refund))
    except (ProviderUnavailable, ProviderMisconfigured, ProviderOff, VaultClosed) as error:
        return _note(account_id, refund, error.code, at)
    except ProviderRefused as error:
        return _note(account_id, refund, error.code, at, refused=not refund.provider_ref)
    with account_scope(account_id):
        return settle_refund(refund, answer=answer, at=at).status


def _request_of(refund: Refund) -> RefundRequest:
    payment = refund.payment
    return RefundRequest(
        key=refund.key,
        reference=payment.provider_ref,
        capture_reference=payment.capture_ref,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        metadata={
            "account": str(refund.account_id),
            "order": str(refund.order_id),
            "payment": str(payment.pk),
            "refund": str(refund.pk),
        },
    )


def _note(account_id: int, refund: Refund, failure: str, at: datetime | None, *, refused: bool = False) -> str:
    with account_scope(account_id):
        return note_no_answer(refund, failure=failure, refused=refused, at=at).status


@joined
def note_no_answer(refund: Refund, *, failure: str, refused: bool, at: datetime | None = None) -> Refund:
    """Write that a provider gave no answer (it may have happened), or that it ``refused`` (it has not)."""
    at = at or timezone.now()
    locked = lock_refund(refund)
    refund = locked.refund
    if refund.status in (Status.PENDING, Status.UNKNOWN):  # nobody else has settled it meanwhile
        if refused:
            let_go(locked, status=Status.FAILED, failure=failure)
        else:
            wait(refund, status=Status.UNKNOWN, failure=failure, at=at)
    return refund


__all__ = [
    "allocate",
    "allowed_refund_actions",
    "approve_refund",
    "cancel_refund",
    "execute_refund",
    "mark_sent",
    "needs_approval",
    "note_no_answer",
    "overpaid_cents",
    "quote_refund",
    "refund_order_money",
    "request_refund",
    "require",
    "settle_refund",
]
