"""Reading sessions across orders."""

from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.bookings.models import Booking, Status
from apps.catalog.models import Service
from apps.orders.models import Order, PackagePause


def next_session(*, client_id: int, service: Service | None = None, order: Order | None = None) -> Booking | None:
    """The unscheduled session that is used next when nobody chooses (rules.md §2), of one service or order when given; None without one.

    Earliest expiry first, then what was granted, then the position. Over all orders only active ones count; of a named ``order``
    whatever its state, so that scheduling can say what is in the way.
    """
    if order is None:
        waiting = Booking.objects.to_consume().filter(client_id=client_id)
    else:
        waiting = Booking.objects.filter(order_id=order.pk, status=Status.DRAFT).order_by("-is_granted", "position")
    if service is not None:
        waiting = waiting.filter(service_id=service.pk)
    return waiting.first()


def overdue_orders(at: datetime) -> QuerySet[Order]:
    """Orders whose end has passed and that still have unscheduled sessions, by id. An open pause will move the end: no end yet."""
    return Order.objects.filter(_has_drafts(), ~_has_pause(Q(last_day=None)), expires_at__lte=at).order_by("pk")


def expiring_orders(at: datetime, before: datetime) -> QuerySet[Order]:
    """Orders that end soon with unscheduled sessions, of which the client has not been warned yet, by id."""
    soon = Order.objects.filter(_has_drafts(), ~_has_pause(Q(last_day=None)), status__in=[Order.Status.ACTIVE, Order.Status.PAUSED])
    return soon.filter(expires_at__gt=at, expires_at__lte=before, expiry_warned_at=None).order_by("pk")


def orders_out_of_step(today: date) -> QuerySet[Order]:
    """Orders whose status has not followed the beginning or the end of a pause yet, by id. ``today``: the account's local day."""
    resting = _has_pause(Q(last_day=None) | Q(last_day__gte=today), first_day__lte=today)
    wrong = Q(status=Order.Status.PAUSED) & ~Q(resting) | Q(status=Order.Status.ACTIVE) & Q(resting)
    return Order.objects.filter(wrong).order_by("pk")


def _has_drafts() -> Exists:
    return Exists(Booking.objects.filter(order_id=OuterRef("pk"), status=Status.DRAFT))


def _has_pause(*conditions: Q, **fields: date) -> Exists:
    return Exists(PackagePause.objects.filter(*conditions, order_id=OuterRef("pk"), **fields))
