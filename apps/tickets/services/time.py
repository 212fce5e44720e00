"""Staff time on a ticket: a session of the client's package that took place."""

from datetime import datetime, timedelta

from django.utils import timezone

from apps.bookings.errors import NoSessionsLeft
from apps.bookings.selectors import next_session
from apps.bookings.services.claims import Override, lock_practitioners
from apps.bookings.services.endings import complete_booking
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.slots import offers_of
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import current_actor, emit
from apps.orders.models import Order
from apps.tickets.models import Ticket, TicketTime
from apps.tickets.services.tickets import lock_ticket


@joined
def log_time(
    ticket: Ticket,
    *,
    practitioner: Practitioner,
    start_time: datetime,
    order: Order | None = None,
    service: Service | None = None,
    minutes: int | None = None,
    note: str = "",
    at: datetime | None = None,
) -> TicketTime:
    """Work on a ticket from ``start_time`` (aware, over by now) uses up the client's next session; emits ``ticket.time_logged``.

    The session is taken from ``order``, or from the client's packages in the order in which they are used up, of ``service`` when one is
    given, else of any that the practitioner offers. It is scheduled and completed by the services of bookings, with an override: work that
    was done is recorded, whatever the hours say. ``minutes`` is what it really took, at most the session (default). Raises NoSessionsLeft,
    Invalid, and what scheduling raises even then (OrderFrozen, PackageExpired, PackagePaused, InvalidTransition).
    """
    at = at or timezone.now()
    if order is not None and order.client_id != ticket.client_id:
        raise Invalid(fields={"order": ["This order is not the client's."]})
    _queue_up(ticket, practitioner, at)
    booking = next_session(client_id=ticket.client_id, service=service, order=order)
    if booking is None:
        raise NoSessionsLeft
    terms, offers = offers_of(booking.account_id, booking.service_id, practitioner.pk)
    if terms is None or not offers:
        raise Invalid(fields={"practitioner": ["This practitioner does not offer the service of this session."]})
    length = offers[0].duration_minutes
    if minutes is not None and minutes > length:
        raise Invalid(fields={"minutes": [f"A session has {length} minutes. Log the rest with another one."]})
    if start_time + timedelta(minutes=minutes or length) > at:
        raise Invalid(fields={"start_time": ["This is not over yet."]})
    why = Override(f"Ticket {ticket.number}")
    booking = schedule_booking(booking, practitioner=practitioner, start_time=start_time, override=why, at=at)
    booking = complete_booking(booking, override=why, at=at)
    ticket = lock_ticket(ticket)
    entry = TicketTime.objects.create(
        account_id=ticket.account_id,
        ticket=ticket,
        client_id=ticket.client_id,
        booking=booking,
        minutes=minutes or length,
        note=note,
        logged_by_id=current_actor().actor_id,
    )
    emit(
        "ticket.time_logged",
        ticket,
        changes={
            "time": [None, entry.pk],
            "booking": [None, booking.pk],
            "practitioner": [None, practitioner.pk],
            "minutes": [None, entry.minutes],
        },
    )
    return entry


def _queue_up(ticket: Ticket, practitioner: Practitioner, at: datetime) -> None:
    """Two who log at once take one session after the other. By the order of locks: practitioner, client, then what scheduling locks."""
    lock_practitioners([practitioner.pk], at)
    Client.objects.select_for_update(no_key=True).only("id").get(pk=ticket.client_id)
