"""Keeping an order's caches true: its total and payment status from its lines and payments, its status from its sessions."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, F, Max, QuerySet, Sum

from apps.core.compiled import InParam, Param, run
from apps.core.errors import NotFound
from apps.core.events import emit
from apps.core.tenancy import current_account_id
from apps.orders.models import SPENT, Order, OrderLine
from apps.orders.validity import expires_at, moved_by_days


def lock_order(order_id: int) -> Order:
    """The order, locked until the transaction ends (lock order: practitioner → client → order → booking)."""
    found = lock_orders([order_id])
    if not found:
        raise NotFound
    return found[order_id]


def lock_orders(order_ids: Iterable[int]) -> dict[int, Order]:
    """Several orders, locked by id."""
    found = run("orders.lock", _orders, {"account": current_account_id(), "ids": sorted(set(order_ids))})
    return {order.pk: order for order in found}


def _orders() -> QuerySet:
    mine = Order._base_manager.filter(account_id=Param("account", BigIntegerField()))
    wanted = mine.filter(InParam(F("pk"), Param("ids", ArrayField(BigIntegerField()))))
    return wanted.select_for_update(of=("self",), no_key=True).select_related("account").order_by("pk")


def add_line(
    order: Order, *, kind: str, description: str, amount_cents: int, tax_cents: int = 0, tax_rate: Decimal | None = None
) -> OrderLine:
    """One more line on a locked order: signed cents, ``tax_cents`` of which are tax.

    The order's sums and payment status follow, and ``order.changed`` says so; ``order.paid`` (or ``overpaid``) when that pays it.
    """
    before, was = order.total_amount_cents, order.payment_status
    last = order.lines.aggregate(last=Max("position"))["last"] or 0  # type: ignore[attr-defined]
    line = OrderLine.objects.create(
        account_id=order.account_id,
        order=order,
        position=last + 1,
        kind=kind,
        description=description[:255],
        unit_price_cents=amount_cents,
        amount_cents=amount_cents,
        tax_cents=tax_cents,
        tax_rate=tax_rate,
    )
    order.total_amount_cents += amount_cents
    order.tax_cents += tax_cents
    order.payment_status = payment_status_of(order)
    order.save(update_fields=["total_amount_cents", "tax_cents", "payment_status", "updated_at"])
    emit("order.changed", order, changes={"total_amount_cents": [before, order.total_amount_cents], "line": [None, description[:255]]})
    if was != order.payment_status:  # its price has come down to what was paid, or gone up beyond it
        emit(f"order.{order.payment_status}", order, changes={"payment_status": [was, order.payment_status]})
    return line


def sold_for(order: Order) -> int:
    """What was to be paid for the sessions of an order at its sale, before anything was taken back or charged on top (cents)."""
    if order.prices_include_tax:
        return order.subtotal_cents - order.discount_cents
    sold = order.lines.filter(kind__in=[OrderLine.Kind.ITEM, OrderLine.Kind.DISCOUNT])  # type: ignore[attr-defined]
    return sold.aggregate(cents=Sum("amount_cents"))["cents"] or 0


def activate_on(order: Order, *, rule: str, at: datetime) -> None:
    """Start the validity of a locked order whose package counts from this moment (``first_scheduled``, ``first_completed``)."""
    expiry = order.package_metadata.get("expiry") or {}
    if order.activated_at is not None or expiry.get("rule") != rule:
        return
    zone = ZoneInfo(order.account.timezone)
    order.activated_at = at
    order.expires_at = expires_at(expiry, at, zone)
    _add_planned_pauses(order, at.astimezone(zone).date(), zone)
    order.save(update_fields=["activated_at", "expires_at", "updated_at"])
    emit("order.activated", order, changes={"expires_at": [None, order.expires_at and order.expires_at.isoformat()]})


def _add_planned_pauses(order: Order, today: date, zone: ZoneInfo) -> None:
    """Days of rest that were planned before the validity began lengthen it, too; an open pause does so when it is resumed."""
    if order.expires_at is None:
        return
    for pause in order.pauses.filter(last_day__gte=today).order_by("first_day"):  # type: ignore[attr-defined]
        assert pause.last_day is not None  # noqa: S101  filtered above
        pause.days_added = (pause.last_day - max(pause.first_day, today)).days + 1
        pause.save(update_fields=["days_added", "updated_at"])
        order.expires_at = moved_by_days(order.expires_at, pause.days_added, zone)


def payment_status_of(order: Order) -> str:
    """What the sums of an order say about it."""
    kept = order.paid_cents - order.refunded_cents
    if order.paid_cents and kept == 0:
        return Order.PaymentStatus.REFUNDED
    if kept > order.total_amount_cents:
        return Order.PaymentStatus.OVERPAID
    if kept == order.total_amount_cents:
        # Nothing to pay because everything was cancelled before it was paid is not a payment.
        return (
            Order.PaymentStatus.UNPAID if order.subtotal_cents > order.discount_cents and not order.paid_cents else Order.PaymentStatus.PAID
        )
    return Order.PaymentStatus.PART_PAID if kept > 0 else Order.PaymentStatus.UNPAID


def derive_status(order: Order, at: datetime) -> None:
    """Set the status of a locked order from its sessions and dates; emits ``order.<status>`` when it changed.

    Sessions left: paused while a pause covers today, expired past its end, otherwise active. None left: cancelled when all were,
    expired when what was left was forfeited, otherwise completed (also when all were given to another client).
    """
    statuses = set(order.bookings.values_list("status", flat=True))  # type: ignore[attr-defined]
    status = _status(order, statuses, at)
    if status == order.status:
        return
    before, order.status = order.status, status
    order.save(update_fields=["status", "updated_at"])
    reopened = "resumed" if before == Order.Status.PAUSED else "reopened"
    emit(f"order.{reopened if status == Order.Status.ACTIVE else status}", order, changes={"status": [before, status]})


def _status(order: Order, statuses: set[str], at: datetime) -> str:
    if statuses - set(SPENT):
        if order.is_resting(at):  # before the end: a pause that is still open moves it once it is over
            return Order.Status.PAUSED
        expired = order.expires_at is not None and at >= order.expires_at and not statuses - {*SPENT, "draft"}
        return Order.Status.EXPIRED if expired else Order.Status.ACTIVE
    if statuses == {"cancelled"}:
        return Order.Status.CANCELLED
    return Order.Status.EXPIRED if "forfeited" in statuses else Order.Status.COMPLETED
