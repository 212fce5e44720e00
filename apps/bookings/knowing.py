"""A practitioner knows the clients they have had sessions with."""

from typing import Any

from django.db.models import QuerySet

from apps.bookings.models import Booking
from apps.clients.visibility import knows_clients


@knows_clients
def clients_with_sessions(member: Any) -> QuerySet:
    """The clients of every session with this member as its practitioner, whatever became of it."""
    return Booking.objects.filter(practitioner__member_id=member).order_by().values("client_id")
