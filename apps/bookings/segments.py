"""Segments of clients by their sessions."""

from typing import Any

from django.db.models import Max, Q

from apps.bookings.models import Booking
from apps.bookings.models.booking import ACTIVE, Status
from apps.clients.segments import Moment, condition, ids, instant_of, point_in_time, truth

HAPPENED = (*ACTIVE, Status.COMPLETED, Status.NO_SHOW)


@condition("has_upcoming", **{"is": truth})
def _has_upcoming(op: str, value: Any, moment: Moment) -> Q:
    """A session that lies ahead."""
    ahead = Q(pk__in=Booking.objects.filter(status__in=ACTIVE, start_time__gt=moment.at).values("client_id"))
    return ahead if value else ~ahead


@condition("last_booking", before=point_in_time, after=point_in_time)
def _last_booking(op: str, value: Any, moment: Moment) -> Q:
    """When the latest session that has begun began; who never had one is not found."""
    begun = Booking.objects.filter(status__in=HAPPENED, start_time__lte=moment.at).order_by()
    latest = begun.values("client_id").annotate(latest=Max("start_time"))
    instant = instant_of(value, moment)
    found = latest.filter(latest__lt=instant) if op == "before" else latest.filter(latest__gte=instant)
    return Q(pk__in=found.values("client_id"))


@condition("booked_with", **{"in": ids})
def _booked_with(op: str, value: Any, moment: Moment) -> Q:
    """A session, of whatever time, with one of these practitioners."""
    return Q(pk__in=Booking.objects.filter(status__in=HAPPENED, practitioner_id__in=value).values("client_id"))
