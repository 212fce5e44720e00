"""A package that a client owns and has paid, and what became of it."""

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.bookings.models import Booking, Status
from apps.bookings.services.scheduling import schedule_booking
from apps.core.doctor import findings
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import Order
from apps.payments.services import mark_received
from tests.studio import MONDAY_TEN, NOW, Studio

PACKAGE_CODES = ("I06", "I06.lines", "I06.sessions", "I19", "I47")


def own(studio: Studio, *, paid: bool = True, at: datetime = NOW, **terms: Any) -> Order:
    """Sell the studio's package under these terms (fields of Package), and take the money."""
    with account_scope(studio.account):
        for name, value in terms.items():
            setattr(studio.package, name, value)
        studio.package.save()
        sale = studio.sell(at=at)
        if paid and sale.payment:
            mark_received(sale.payment, at=at)
    return fresh(studio, sale.order)


def fresh(studio: Studio, order: Order) -> Order:
    """The order as the database has it."""
    with account_scope(studio.account):
        return Order.objects.select_related("account").get(pk=order.pk)


def do(studio: Studio, use_case: Any, /, *args: Any, **options: Any) -> Any:
    """Call a service in the account's scope, in a savepoint, at NOW unless ``at`` says otherwise."""
    with account_scope(studio.account), transaction.atomic():
        return use_case(*args, **{"at": NOW, **options})


def sessions(studio: Studio, order: Order) -> list[Booking]:
    with account_scope(studio.account):
        return list(Booking.objects.filter(order_id=order.pk).order_by("position"))


def states(studio: Studio, order: Order) -> list[str]:
    return [one.status for one in sessions(studio, order)]


def book(studio: Studio, order: Order, position: int = 1, start: datetime = MONDAY_TEN, **options: Any) -> Booking:
    """Schedule one session of an order."""
    booking = sessions(studio, order)[position - 1]
    return do(studio, schedule_booking, booking, **{"practitioner": studio.practitioner, "start_time": start, **options})


def events(studio: Studio, prefix: str = "order.") -> list[str]:
    with account_scope(studio.account):
        return list(Event.objects.filter(type__startswith=prefix).order_by("pk").values_list("type", flat=True))


def broken(*codes: str) -> list[str]:
    """Which of these invariants (default: those of packages that do not look at the clock) do not hold."""
    with platform_scope("test"):
        return [one.code for one, found in findings() if found and one.code in (codes or PACKAGE_CODES)]


def drafts(order: Order) -> list[str]:
    return [Status.DRAFT] * order.package_metadata["total_sessions"]
