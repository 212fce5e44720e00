"""Giving unused sessions of a package to another client (rules.md §2): the rows move, their value and the money do not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from apps.accounts.selectors import setting
from apps.bookings.errors import LimitReached, NoSessionsLeft, PackagePaused, PaymentRequired
from apps.bookings.models import Booking, BookingDocument, Status
from apps.bookings.services.claims import refuse_frozen
from apps.bookings.services.packages import allowed_order_actions, lock_package, refuse_expired
from apps.clients.models import Client
from apps.core import quotes
from apps.core.db import joined, next_number
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import current_actor, emit
from apps.orders.fees import fee_rate, tax_of_fee
from apps.orders.models import Order, OrderLine
from apps.orders.services import add_line, derive_status

SETTLED = (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID)
NOT_THERE = "These are not unscheduled, paid-for sessions of this order: {}."


@joined
def quote_transfer(
    order: Order,
    *,
    to_client: Client,
    sessions: Sequence[int] | None = None,
    count: int | None = None,
    override: bool = False,
    at: datetime | None = None,
) -> dict[str, Any]:
    """What ``transfer_sessions`` with the same arguments would move and cost, with a token; raises what it raises."""
    return _transfer(order, to_client=to_client, sessions=sessions, count=count, override=override, at=at)[1]


@joined
def transfer_sessions(
    order: Order,
    *,
    to_client: Client,
    sessions: Sequence[int] | None = None,
    count: int | None = None,
    reason: str = "",
    override: bool = False,
    quote: str | None = None,
    at: datetime | None = None,
) -> Order:
    """Move unscheduled sessions (by id, or the next ``count``) to another client; returns the new order that holds them.

    Every transfer makes an order of its own below the order that was paid: it costs nothing, keeps the end of validity and the payer,
    and can be given on, or back, the same way. A session's price moves with its row. Granted sessions stay with whom they were
    granted to, and sessions with documents with the person the documents are about. A fee of the package becomes a line of the
    giver's order. ``override`` (with a ``reason``) gives away what the package does not allow to.
    Raises PaymentRequired, InvalidTransition, OrderFrozen, PackagePaused, PackageExpired, LimitReached (``transfers``), NoSessionsLeft,
    Invalid, QuoteStale.
    """
    if override and not reason:
        raise Invalid(fields={"reason": ["An override needs a reason."]})
    about: Any = {"to_client": to_client, "sessions": sessions, "count": count, "override": override, "at": at}
    moved = _transfer(order, commit=True, reason=reason, quote=quote, **about)[0]
    assert moved is not None  # noqa: S101  a commit makes one
    return moved


def _transfer(
    order: Order,
    *,
    to_client: Client,
    sessions: Sequence[int] | None,
    count: int | None,
    override: bool,
    at: datetime | None,
    commit: bool = False,
    reason: str = "",
    quote: str | None = None,
) -> tuple[Order | None, dict[str, Any]]:
    at = at or timezone.now()
    if (sessions is None) == (count is None):
        raise Invalid(fields={"sessions": ["Send either sessions or count."]})
    root, order = _lock(order, at)
    if to_client.pk == order.client_id:
        raise Invalid(fields={"client": ["These sessions are this client's already."]})
    if to_client.merged_into_id is not None:
        raise Invalid(fields={"client": ["This client was merged into another one."]})
    if order.payment_status not in SETTLED:
        raise PaymentRequired(balance_due_cents=order.balance_due_cents)
    moving = _chosen(order, sessions, count)
    _refuse_against_terms(root, order, to_client, len(moving), override=override)
    fee = order.package_metadata.get("transfer_fee_cents") or 0
    result = {
        "client": to_client.pk,
        "fee_cents": fee,
        "value_cents": sum(one.price_cents for one in moving),
        "currency": order.currency,
        "package_expires_at": order.expires_at,
        "sessions": [{"id": one.pk, "outcome": "transferred", "service": one.service_id, "price_cents": one.price_cents} for one in moving],
    }
    inputs = {"order": order.pk, "client": to_client.pk, "sessions": sessions and sorted(sessions), "count": count, "override": override}
    about: Any = {"account_id": order.account_id, "inputs": inputs, "result": result, "at": at}
    if not commit:
        return None, quotes.offer("order.transfer", **about)
    quotes.uphold(quote, "order.transfer", **about)
    child = _child(root, order, to_client, moving)
    _move(moving, order, child)
    if fee:
        rate = fee_rate(order)
        what = f"Transfer to {child.number}"
        add_line(order, kind=OrderLine.Kind.FEE, description=what, amount_cents=fee, tax_cents=tax_of_fee(fee, rate), tax_rate=rate)
    ids = [one.pk for one in moving]
    why = {"reason": ["", reason], **({"override": [False, True]} if override else {})}
    emit("order.transferred", order, changes={"to_order": [None, child.pk], "sessions": [ids, []], "fee_cents": [0, fee], **why})
    emit("order.transferred", child, changes={"from_order": [None, order.pk], "sessions": [[], ids], **why})
    derive_status(order, at)
    return child, result


def _lock(order: Order, at: datetime) -> tuple[Order, Order]:
    """Root and order, locked. A pause is not got around by giving the sessions away."""
    if order.order_type == Order.Type.PACKAGE and order.status == Order.Status.PAUSED:
        raise PackagePaused
    root, order = lock_package(order, "transfer")
    refuse_frozen(order)
    if order.is_resting(at):
        raise PackagePaused
    refuse_expired(order, at)
    return root, order


def _chosen(order: Order, sessions: Sequence[int] | None, count: int | None) -> list[Booking]:
    """The sessions to move, locked, in order. Raises Invalid for ids that are not among them, NoSessionsLeft for too high a count."""
    with_documents = Exists(BookingDocument.objects.filter(booking_id=OuterRef("pk")))
    free = Booking.objects.filter(order_id=order.pk, status=Status.DRAFT, is_granted=False).exclude(with_documents)
    # FOR UPDATE, not NO KEY: (order, position) is a unique key, and documents must not be added meanwhile
    found = {one.pk: one for one in free.select_for_update(of=("self",)).order_by("pk")}
    in_order = sorted(found.values(), key=lambda one: one.position)
    if sessions is None:
        if not 1 <= (count or 0) <= len(in_order):
            raise NoSessionsLeft(f"{len(in_order)} sessions of this order can be given away.", available=len(in_order))
        return in_order[:count]
    missing = sorted(set(sessions) - found.keys())
    if missing or not sessions:
        raise Invalid(fields={"sessions": [NOT_THERE.format(", ".join(map(str, missing))) if missing else "Name at least one session."]})
    return [one for one in in_order if one.pk in set(sessions)]


def _refuse_against_terms(root: Order, order: Order, to_client: Client, count: int, *, override: bool) -> None:
    """What the terms of sale say. Giving sessions back to the buyer is always possible and uses up nothing."""
    if override or to_client.pk == root.client_id:
        return
    terms = order.package_metadata
    if not terms.get("transferable"):
        actions = allowed_order_actions(order.order_type, order.status)
        raise InvalidTransition("This package cannot be given to somebody else.", rule="transferable", allowed_actions=actions)
    most = terms.get("max_transfers")
    if most is not None:
        given = root.transfers.exclude(client_id=root.client_id).values_list("package_metadata__total_sessions", flat=True)  # type: ignore[attr-defined]
        if sum(given) + count > most:
            raise LimitReached(f"{most} sessions of this package can be given away.", rule="transfers", limit=most)


def _child(root: Order, order: Order, to_client: Client, moving: list[Booking]) -> Order:
    """The order of the sessions that moved: without a price, below the order that was paid."""
    number = f"{setting(order.account, 'order_number_prefix')}{next_number(order.account_id, 'orders'):06d}"
    return Order.objects.create(
        account_id=order.account_id,
        number=number,
        client=to_client,
        payer_id=root.payer_id or root.client_id,
        order_type=Order.Type.PACKAGE,
        package_id=order.package_id,
        subtotal_cents=0,
        total_amount_cents=0,
        currency=order.currency,
        prices_include_tax=root.prices_include_tax,
        tax_rounding=root.tax_rounding,
        tax_code=to_client.tax_code,
        package_metadata={**order.package_metadata, "total_sessions": len(moving), "transferred_from": order.number},
        activated_at=order.activated_at,
        expires_at=order.expires_at,
        payment_status=Order.PaymentStatus.PAID,
        parent=root,
        placed_by_id=current_actor().actor_id,
        source=current_actor().source,
    )


def _move(moving: list[Booking], order: Order, child: Order) -> None:
    """Move the rows with one statement, and one for their history."""
    before = {one.pk: one.position for one in moving}
    for position, one in enumerate(moving, start=1):
        one.order, one.client_id, one.position = child, child.client_id, position
        one.version += 1
        one.updated_at = timezone.now()
    fields = ["order", "client", "position", "version", "updated_at"]
    bulk_update_with_history(moving, Booking, fields, manager=Booking._base_manager)
    for one in moving:
        changes = {
            "order": [order.pk, child.pk],
            "client": [order.client_id, child.client_id],
            "position": [before[one.pk], one.position],
        }
        emit("booking.transferred", one, changes=changes)
