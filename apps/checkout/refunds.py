"""Refunding what an order has not given yet (rules.md §2 and §5).

Unused sessions leave the order: drafts at once, scheduled ones after they were cancelled under their policy. By then the order is overpaid,
and that is what goes back over the payments it was paid with. Nothing is worked out twice: a quote does all of it in a savepoint that is
rolled back, so the commit cannot come to other numbers. Locks: orders by id, sessions by id, payments by id, wallet.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.selectors import setting
from apps.bookings.lifecycle import TRANSITIONS
from apps.bookings.models import TIMELESS, Booking, Side, Status
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.packages import allowed_order_actions, change_states
from apps.checkout.errors import NothingToRefund
from apps.core import quotes
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.money import half_up
from apps.orders.fees import fee_rate, sold_rate, tax_of_fee
from apps.orders.models import Order, OrderLine
from apps.orders.services import add_line, lock_orders
from apps.orders.tax import tax_of_gross, tax_on_net
from apps.payments.errors import RefundExceedsCaptured
from apps.payments.models import Payment, Refund
from apps.payments.services.refunds import allocate, needs_approval, overpaid_cents, refund_order_money
from apps.payments.services.unpaid import void_sale
from apps.payments.services.wallet import wallet_of

TENDERS, WALLET = "tenders", "wallet"
NOT_UNUSED = "These are not unused sessions of this order: {}."
NOT_HANDED_OVER = "The sale of the site was taken back."
LIST_PRICE = "Used sessions of {} at list price"


@dataclass(frozen=True, slots=True)
class Refunding:
    """What is asked for. ``sessions`` are ids (None: everything that is unused), ``amount_cents`` is a cap below what would go back."""

    sessions: Sequence[int] | None = None
    by: str = Side.CLIENT
    fee_cents: int = 0
    amount_cents: int | None = None
    to: str = TENDERS

    def inputs(self, order: Order) -> dict[str, Any]:
        """What a quote is bound to."""
        sessions = None if self.sessions is None else sorted(self.sessions)
        return {"order": order.pk, "sessions": sessions, "by": self.by, "fee": self.fee_cents, "cap": self.amount_cents, "to": self.to}


class _TakenBack(Exception):
    """Ends the savepoint of a quote."""


def order_actions(order_type: str, status: str, total: int, paid: int, refunded: int) -> list[str]:
    """What may be done with an order in this state, as the last part of the action's address."""
    kept = paid - refunded
    unused = order_type != Order.Type.GIFT and status in (Order.Status.ACTIVE, Order.Status.PAUSED, Order.Status.EXPIRED)
    money = {"pay": kept < total and status != Order.Status.CANCELLED, "refund": unused or kept > total}
    return [*allowed_order_actions(order_type, status), *(name for name, allowed in money.items() if allowed)]


@joined
def quote_order_refund(order: Order, *, asked: Refunding, at: datetime | None = None) -> dict[str, Any]:
    """What ``refund_order`` would do with the same words, with a token; nothing is changed, and it raises what that would raise."""
    at = at or timezone.now()
    result: dict[str, Any] = {}
    try:
        with transaction.atomic():
            result = _settle(order, asked, "", at)[1]
            raise _TakenBack
    except _TakenBack:
        return quotes.offer("order.refund", account_id=order.account_id, inputs=asked.inputs(order), result=result, at=at)


@joined
def refund_order(
    order: Order, *, asked: Refunding, reason: str = "", quote: str | None = None, at: datetime | None = None
) -> tuple[list[Refund], dict[str, Any]]:
    """Void unused sessions of an order and give back what it is overpaid by then; returns (refunds of one group, what a quote says).

    The sale of a site that was not handed over is voided as a whole, paid or not; then the site can be sold again.
    The sessions of an order that came by a transfer were paid on the order they came from: the money goes back to who paid. What was
    earned (and fees) beyond what was paid stays a balance due. An order that is overpaid without any unused session gives just that
    back. A provider's refunds are still to be executed (``execute_refund``).
    Raises NothingToRefund, RefundExceedsCaptured (a cap above what would go back), Invalid, NoWallet, QuoteStale.
    """
    at = at or timezone.now()
    payer, result = _settle(order, asked, reason, at)
    quotes.uphold(quote, "order.refund", account_id=order.account_id, inputs=asked.inputs(order), result=result, at=at)
    cents = result["refund_cents"]
    if not cents:
        return [], result
    return refund_order_money(payer, amount_cents=cents, reason=reason, to_wallet=asked.to == WALLET, group=uuid.uuid4(), at=at), result


def _settle(order: Order, asked: Refunding, reason: str, at: datetime) -> tuple[Order, dict[str, Any]]:
    """Void the sessions and write fee and surcharge; (the locked order that was paid, what goes back of it and why)."""
    root_id = order.parent_id or order.pk
    locked = lock_orders({order.pk, root_id})
    order = locked[order.pk]
    chosen = _chosen(order, asked.sessions, at)
    fees_before = _fees(locked)
    outcomes = [_void(session, asked.by, reason, at) for session in chosen]
    voided = order.order_type == Order.Type.SITE and order.status == Order.Status.ACTIVE
    if voided:
        void_sale(order, because=NOT_HANDED_OVER)
    locked = lock_orders(locked)  # the endings have written lines on their own copies
    order, payer = locked[order.pk], locked[root_id]
    most = sum(one["back_cents"] for one in outcomes) or overpaid_cents(payer)
    if asked.fee_cents > most:
        raise Invalid(fields={"fee_cents": [f"Not more than what is given up for it: {most} cents."]})
    if asked.fee_cents:
        rate = fee_rate(payer)
        tax = tax_of_fee(asked.fee_cents, rate)
        about: Any = {"amount_cents": asked.fee_cents, "tax_cents": tax, "tax_rate": rate}
        add_line(payer, kind=OrderLine.Kind.FEE, description=f"Refund of {order.number}", **about)
    surcharge = _at_list_price(order, payer, at)
    refund = overpaid_cents(payer)
    if not refund and not chosen and not voided:
        raise NothingToRefund
    if asked.amount_cents is not None:
        if asked.amount_cents > refund:
            raise RefundExceedsCaptured(refundable_cents=refund)
        refund = asked.amount_cents
    if refund and asked.to == WALLET:
        wallet_of(payer.payer or payer.client)
    return payer, {
        "refund_cents": refund,
        "fee_cents": _fees(locked) - fees_before,
        "surcharge_cents": surcharge,
        "currency": payer.currency,
        "per_tender": [
            {"payment": payment.pk, "method": Payment.Method.WALLET if asked.to == WALLET else payment.method, "amount_cents": cents}
            for payment, cents in allocate(payer, refund)
        ],
        "sessions": outcomes,
        "balance_due_cents": payer.balance_due_cents,
        "needs_approval": needs_approval(payer, refund),
    }


# -- sessions


def _chosen(order: Order, ids: Sequence[int] | None, at: datetime) -> list[Booking]:
    """The unused sessions that are meant, by id; by setting forfeited ones, too."""
    forfeited = (Status.FORFEITED,) if setting(order.account, "refund_forfeited") else ()
    sessions = Booking.objects.filter(order_id=order.pk).order_by("pk")
    unused = {one.pk: one for one in sessions if one.status in forfeited or _is_unused(one, at)}
    if ids is None:
        return list(unused.values())
    missing = sorted(set(ids) - unused.keys())
    if missing or not ids:
        raise Invalid(fields={"sessions": [NOT_UNUSED.format(", ".join(map(str, missing))) if missing else "Name at least one session."]})
    return [unused[pk] for pk in sorted(set(ids))]


def _void(session: Booking, by: str, reason: str, at: datetime) -> dict[str, Any]:
    """Take a session off its order, through the states it takes by hand; what became of it."""
    forfeited = session.status == Status.FORFEITED
    if forfeited:
        row = list(Booking.objects.select_for_update(no_key=True).filter(pk=session.pk))
        change_states(row, action="unforfeit", status=Status.DRAFT, event="booking.unforfeited", at=at)
    elif session.status != Status.DRAFT:
        session = cancel_booking(session, by=by, reason=reason, at=at)
    if forfeited or session.status == Status.DRAFT:
        session = cancel_booking(session, by=by, reason=reason, void=True, at=at)
    back = session.consequence.get("price_back_cents", 0)
    outcome = "refunded" if back or not session.price_cents else "consumed"
    return {"id": session.pk, "outcome": outcome, "price_cents": session.price_cents, "back_cents": back}


def _fees(orders: dict[int, Order]) -> int:
    lines = OrderLine.objects.filter(order_id__in=orders, kind=OrderLine.Kind.FEE).values_list("amount_cents", flat=True)
    return sum(lines)


# -- used sessions at their list price


def _at_list_price(order: Order, payer: Order, at: datetime) -> int:
    """By setting, used sessions of a package that is wound up cost their list price instead of their share: one more line.

    Nobody pays more than they have: it comes out of what would go back, and is never a balance due.
    """
    if order.order_type != Order.Type.PACKAGE or setting(order.account, "refund_used_at") != "list":
        return 0
    sessions = list(Booking.objects.filter(order_id=order.pk))
    if any(_is_unused(session, at) for session in sessions):
        return 0
    terms = {item["service"]: item for item in order.package_metadata.get("items", [])}
    extra = extra_tax = 0
    for session in sessions:
        item = terms.get(session.service_id)
        if item is None or session.is_granted or not _is_used(session):
            continue
        rate = sold_rate(payer, session.service_id)
        listed = item["list_price_cents"]
        gross = listed if payer.prices_include_tax else listed + tax_on_net(listed, rate)
        extra += gross - session.price_cents
        extra_tax += tax_of_gross(gross, rate) - session.tax_cents
    description = LIST_PRICE.format(order.number)
    charged = payer.lines.filter(description=description).values_list("amount_cents", "tax_cents")  # type: ignore[attr-defined]
    extra -= sum(cents for cents, _ in charged)
    extra_tax -= sum(cents for _, cents in charged)
    kept = min(extra, overpaid_cents(payer))
    if kept <= 0:
        return 0
    tax = half_up(extra_tax * kept, extra)
    add_line(payer, kind=OrderLine.Kind.ADJUSTMENT, description=description, amount_cents=kept, tax_cents=tax)
    return kept


def _is_unused(session: Booking, at: datetime) -> bool:
    """It has no time, or one to come. A session whose start has passed is not unused, even if nobody has closed it yet."""
    waits = session.status in TRANSITIONS["cancel"].sources
    return waits and (session.status == Status.DRAFT or (session.start_time is not None and session.start_time > at))


def _is_used(session: Booking) -> bool:
    """It took place, is taking place, or was used up by an absence or a late cancellation."""
    if session.status in (Status.CANCELLED, Status.NO_SHOW):
        return not session.consequence.get("price_back_cents")
    return session.status not in TIMELESS
