"""Whose client somebody is: of the member who is their owner, and of every practitioner who has had a session with them.

Sessions lie on a higher floor, which registers what it knows (``apps.bookings``).
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet

from apps.clients.models import Client

SETTING = "practitioners_see_own_clients"

_known_by: list[Callable[[Any], QuerySet]] = []


def knows_clients(ids_of: Callable[[Any], QuerySet]) -> Callable[[Any], QuerySet]:
    """Register a queryset of ids of clients, made of a member's id (or the placeholder of one)."""
    _known_by.append(ids_of)
    return ids_of


def of_member(rows: QuerySet, path: str, member: Any) -> QuerySet:
    """Those of these rows whose client (the column at ``path``) is the member's own."""
    own = Q(**{f"{path}__in": Client.objects.filter(owner_id=member).order_by().values("pk")})
    for ids_of in _known_by:
        own |= Q(**{f"{path}__in": ids_of(member)})
    return rows.filter(own)
