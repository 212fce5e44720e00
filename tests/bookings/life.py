"""Sessions brought into any state by the services themselves, and everything that must stay as it is when a change is refused."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.bookings.models import Booking, Status
from apps.bookings.services.endings import cancel_booking, check_in, complete_booking, mark_no_show
from apps.bookings.services.scheduling import Override, confirm_booking, hold_booking, schedule_booking
from apps.core.db import rows
from apps.core.doctor import invariants
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import Order, OrderLine
from apps.payments.services import mark_received
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.scheduling import WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW, Studio

SOON = NOW + timedelta(minutes=1)
TUESDAY_TEN = MONDAY_TEN + timedelta(days=1)
FOR_WORKERS = frozenset({"I40", "I40.waiting", "I80.due", "I81.due"})
"""What only holds while a worker runs: here nobody sends what was written at NOW, and the queue outlives the tests."""


def do(studio: Studio, service: Callable[..., Any], booking: Booking, **options: Any) -> Any:
    """Call a service in the account's scope and a transaction of its own, at NOW unless ``at`` says otherwise."""
    with account_scope(studio.account), transaction.atomic():
        return service(booking, **{"at": NOW, **options})


def book(studio: Studio, booking: Booking | None = None, start: datetime = MONDAY_TEN, **options: Any) -> Booking:
    """A confirmed session of the studio's practitioner (a fresh single one unless given)."""
    booking = booking or studio.draft()
    return do(studio, schedule_booking, booking, **{"practitioner": studio.practitioner, "start_time": start, **options})


def bring(studio: Studio, status: str, booking: Booking | None = None) -> Booking:
    """A session in this state, by the way that the services take; its time is MONDAY_TEN where it has one."""
    booking = booking or studio.draft()
    slot = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN}
    if status == Status.HELD:
        return do(studio, hold_booking, booking, **slot)
    if status == Status.PENDING:
        return do(studio, schedule_booking, booking, **slot)
    if status == Status.CANCELLED:
        return do(studio, cancel_booking, booking)
    if status == Status.FORFEITED:
        with account_scope(studio.account):
            booking.status = Status.FORFEITED
            booking.save(update_fields=["status"])
        return booking
    if status == Status.DRAFT:
        return booking
    booking = do(studio, schedule_booking, booking, **slot)
    if booking.status == Status.PENDING:
        booking = do(studio, confirm_booking, booking)
    if status == Status.CHECKED_IN:
        return do(studio, check_in, booking, at=MONDAY_TEN)
    if status == Status.COMPLETED:
        return do(studio, complete_booking, booking, at=MONDAY_TEN + timedelta(hours=1))
    if status == Status.NO_SHOW:
        return do(studio, mark_no_show, booking, at=MONDAY_TEN + timedelta(hours=1))
    assert status == Status.CONFIRMED
    return booking


def second_practitioner(studio: Studio) -> Any:
    """Another one who gives the studio's service at the studio's hours."""
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    for weekday in range(5):
        WeeklyHoursFactory(account=studio.account, practitioner=other, weekday=weekday)
    return other


def pay(studio: Studio, sale: Any) -> None:
    """Mark the sale's payment as received at NOW."""
    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)


def row_of(studio: Studio, booking: Booking) -> Booking:
    """The session as it is stored now."""
    with account_scope(studio.account):
        return Booking.objects.select_related("order").get(pk=booking.pk)


def money(studio: Studio, order: Order) -> dict[str, Any]:
    """The sums of an order as they are stored now, its states, and its lines as (kind, cents)."""
    with account_scope(studio.account):
        stored = Order.objects.get(pk=order.pk)
        return {
            "total": stored.total_amount_cents,
            "paid": stored.paid_cents,
            "payment_status": stored.payment_status,
            "status": stored.status,
            "lines": list(OrderLine.objects.filter(order=order).order_by("position").values_list("kind", "amount_cents")),
        }


def everything(studio: Studio) -> dict[str, Any]:
    """All that a change of a session may write: rows, histories, orders, lines, events."""
    with account_scope(studio.account):
        return {
            "bookings": list(Booking.objects.order_by("pk").values()),
            "history": list(Booking.history.order_by("history_id").values_list("history_id", "id", "status")),
            "orders": list(Order.objects.order_by("pk").values()),
            "lines": list(OrderLine.objects.order_by("pk").values()),
            "events": list(Event.objects.order_by("pk").values_list("pk", "type")),
        }


def events_of(studio: Studio, booking: Booking) -> list[Event]:
    """What the log says about a session, oldest first."""
    with account_scope(studio.account):
        return list(Event.objects.filter(subject_type="bookings.booking", subject_id=booking.pk).order_by("pk"))


def broken(*codes: str) -> dict[str, list[Any]]:
    """{code: rows} of the invariants that do not hold, of those named or of all."""
    with platform_scope("test"):
        asked = ((code, find) for code, find in at_this_moment() if code in codes or not (codes or code in FOR_WORKERS))
        return {code: found for code, find in asked if (found := find())}


def at_this_moment() -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    """Every invariant, asked by this process's clock: the database's does not travel."""
    now = f"timestamptz '{timezone.now().isoformat()}'"
    for one in invariants():
        find = one.find
        if isinstance(find, partial) and find.func is rows:
            find = partial(rows, find.args[0].replace("now()", now))
        yield one.code, find


__all__ = [
    "SOON",
    "TUESDAY_TEN",
    "Override",
    "at_this_moment",
    "book",
    "bring",
    "broken",
    "do",
    "events_of",
    "everything",
    "money",
    "pay",
    "row_of",
]
