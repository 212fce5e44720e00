"""Classes to join, move and cancel: what the tests of occurrences share."""

from datetime import timedelta

from django.db import transaction

from apps.bookings.models import Booking
from apps.bookings.services.scheduling import schedule_booking
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.clients import ClientFactory
from factories.scheduling import WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW

ELEVEN = MONDAY_TEN + timedelta(hours=1)
TOMORROW = MONDAY_TEN + timedelta(days=1)


def draft(studio, client=None, **what):
    what = what or {"service": studio.service}
    return studio.sell(client=client or ClientFactory(account=studio.account), **what).bookings[0]


def join(studio, booking=None, start=MONDAY_TEN, action=schedule_booking, **options):
    booking = booking or draft(studio)
    with account_scope(studio.account), transaction.atomic():
        joined = action(booking, **{"practitioner": studio.practitioner, "start_time": start, "at": NOW, **options})
        assert joined.client  # read inside the scope: tests name the person
    return joined


def run(studio, service, start=MONDAY_TEN, **options):
    """Call a service about the occurrence at ``start``."""
    about = {"service": studio.service, "practitioner": studio.practitioner, "start_time": start}
    with account_scope(studio.account), transaction.atomic():
        return service(**{**about, "at": NOW, "reason": "the room floods", **options})


def rows(studio):
    """Everything that a move or a cancellation may change, by booking."""
    columns = ("pk", "status", "start_time", "end_time", "busy_from", "busy_until", "seat", "practitioner", "version", "free_cancellation")
    with account_scope(studio.account):
        return list(Booking.objects.order_by("pk").values_list(*columns))


def seats_at(studio, start):
    with account_scope(studio.account):
        return sorted(Booking.objects.active().filter(start_time=start).values_list("seat", flat=True))


def events_of(studio, event_type):
    with account_scope(studio.account):
        return list(Event.objects.filter(type=event_type).order_by("pk"))


def other_service(studio, **options):
    service = ServiceFactory(account=studio.account, **options)
    OfferingFactory(account=studio.account, service=service, practitioner=studio.practitioner)
    return service


def second_practitioner(studio):
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    WeeklyHoursFactory(account=studio.account, practitioner=other, weekday=0, start="09:00", end="17:00")
    return other
