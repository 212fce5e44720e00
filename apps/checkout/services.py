"""Selling: the only way an order comes into being."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from simple_history.utils import bulk_create_with_history

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Booking
from apps.bookings.services.claims import lock_practitioners
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.slots import offers_of
from apps.catalog.models import Practitioner, Service
from apps.checkout.errors import NotForSale, PackageEmpty
from apps.clients.models import Client
from apps.core.db import joined, next_number
from apps.core.errors import Invalid
from apps.core.events import current_actor, emit
from apps.orders.models import Order, OrderLine
from apps.orders.validity import expires_at
from apps.packages.models import Package
from apps.packages.selectors import PlannedSession, session_plan
from apps.payments.models import Payment
from apps.payments.services import create_payment, record_paid
from apps.users.models import User


@dataclass(frozen=True, slots=True)
class Sale:
    """An order with its sessions in order and the payment that is expected for it (None when it is free)."""

    order: Order
    bookings: list[Booking]
    payment: Payment | None


@joined
def sell(
    *,
    account: Account,
    client: Client,
    method: str,
    package: Package | None = None,
    service: Service | None = None,
    practitioner: Practitioner | None = None,
    start_time: datetime | None = None,
    quantity: int = 1,
    collect: bool = True,
    placed_by: User | None = None,
    at: datetime | None = None,
) -> Sale:
    """Sell a package or a single service to a client: one order, n draft sessions that share its price in cents, one payment.

    The price comes from the catalogue (for a single service given by ``practitioner``, from the offering). With a
    ``start_time`` (aware) the first session is scheduled at once and confirmed; without one everything stays draft. Cash and
    bank transfer stay pending until ``mark_received``; a free order is paid by itself. ``quantity`` sessions of a single service go
    into one order. Without ``collect`` the order is only reserved for somebody who has not agreed yet: no payment is expected.
    Raises PackageEmpty, NotForSale, Invalid, and everything ``schedule_booking`` raises; then nothing is written.
    """
    at = at or timezone.now()
    if (package is None) == (service is None):
        raise Invalid(fields={"package": ["Send either a package or a service."]})
    if start_time is not None and practitioner is None:
        raise Invalid(fields={"practitioner": ["A start time needs a practitioner."]})
    if start_time is not None and practitioner is not None:
        lock_practitioners([practitioner.pk], at)  # before the series of order numbers: whoever sells an offer has both, in this order
    plan = _plan(package, service, practitioner, quantity)
    order = _place(account, client, package, service, plan, placed_by, at)
    bookings = _draft(order, plan, at)
    payment = None
    if order.total_amount_cents and collect:
        payment = create_payment(order=order, method=method, amount_cents=order.total_amount_cents)
    placed = "order.placed" if collect else "order.reserved"
    emit(placed, order, changes={"total_amount_cents": [None, order.total_amount_cents], "sessions": [None, len(bookings)]})
    if not order.total_amount_cents:
        record_paid(order, 0)
    if start_time is not None and practitioner is not None:
        bookings[0] = schedule_booking(bookings[0], practitioner=practitioner, start_time=start_time, at=at)
    return Sale(order, bookings, payment)


def _plan(package: Package | None, service: Service | None, practitioner: Practitioner | None, quantity: int) -> list[PlannedSession]:
    """The sessions of what is sold. Raises NotForSale, PackageEmpty, Invalid."""
    if package is not None:
        if not package.is_active:
            raise NotForSale
        plan = session_plan(package)
        if not plan:
            raise PackageEmpty
        return plan
    assert service is not None  # noqa: S101  sell() has checked
    if not service.is_active:
        raise NotForSale
    price = service.price_cents
    if practitioner is not None:
        _, offers = offers_of(service.account_id, service.pk, practitioner.pk)
        if not offers:
            raise Invalid(fields={"practitioner": ["This practitioner does not offer this service."]})
        price = offers[0].price_cents
    return [PlannedSession(position, service, price) for position in range(1, quantity + 1)]


def _place(
    account: Account,
    client: Client,
    package: Package | None,
    service: Service | None,
    plan: list[PlannedSession],
    placed_by: User | None,
    at: datetime,
) -> Order:
    """Write the order with its line and the snapshot of what was sold."""
    total = sum(session.price_cents for session in plan)
    name = package.package_name if package else plan[0].service.name
    number = f"{setting(account, 'order_number_prefix')}{next_number(account.pk, 'orders'):06d}"
    expiry = _expiry(package)
    counts_from_now = expiry.get("rule") not in ("first_scheduled", "first_completed")
    order = Order.objects.create(
        account=account,
        number=number,
        client=client,
        order_type=Order.Type.PACKAGE if package else Order.Type.SERVICE,
        package=package,
        service=service,
        subtotal_cents=total,
        total_amount_cents=total,
        currency=account.currency,
        package_metadata=_snapshot(name, package, plan),
        activated_at=at if counts_from_now else None,
        expires_at=expires_at(expiry, at, ZoneInfo(account.timezone)) if counts_from_now else None,
        placed_by=placed_by,
        source=current_actor().source,
    )
    OrderLine.objects.create(
        account=account, order=order, position=1, description=name, quantity=1, unit_price_cents=total, amount_cents=total
    )
    return order


def _snapshot(name: str, package: Package | None, plan: list[PlannedSession]) -> dict[str, Any]:
    """What the client bought, kept apart from the catalogue. ``session_value_cents`` is the first session's share."""
    counts: dict[int, dict[str, Any]] = {}
    for session in plan:
        service = session.service
        line = counts.setdefault(
            service.pk, {"service": service.pk, "name": service.name, "list_price_cents": service.price_cents, "quantity": 0}
        )
        line["quantity"] += 1
    return {
        "name": name,
        "total_sessions": len(plan),
        "session_value_cents": plan[0].price_cents,
        "price_cents": sum(session.price_cents for session in plan),
        "items": list(counts.values()),
        "valid_days": package.valid_days if package else None,
        "expiry": _expiry(package),
        "transferable": package.transferable if package else False,
        "transfer_fee_cents": package.transfer_fee_cents if package else 0,
        "max_transfers": package.max_transfers if package else None,
        "max_pauses_per_year": package.max_pauses_per_year if package else None,
        "max_pause_days": package.max_pause_days if package else None,
    }


def _expiry(package: Package | None) -> dict[str, Any]:
    """When what is sold runs out, as {rule, amount, unit, date}; empty without an end. ``valid_days`` is the short way to say it."""
    if package is None:
        return {}
    days = {"rule": "purchase", "amount": package.valid_days, "unit": "days"} if package.valid_days else {}
    return package.expiry or days


def _draft(order: Order, plan: list[PlannedSession], at: datetime) -> list[Booking]:
    """All sessions of an order with one statement, and their history with another; each keeps the policy it was sold under."""
    sessions = [
        Booking(
            account_id=order.account_id,
            order=order,
            client_id=order.client_id,
            service=session.service,
            position=session.position,
            price_cents=session.price_cents,
            currency=order.currency,
            policy={"rules": session.service.cancellation_policy, "agreed_at": at.isoformat()},
        )
        for session in plan
    ]
    return bulk_create_with_history(sessions, Booking, default_user=order.placed_by)
