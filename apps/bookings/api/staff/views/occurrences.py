from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.policy import allows
from apps.bookings.api.staff.serializers.occurrences import (
    CancelledOccurrenceSerializer,
    CancelOccurrenceInput,
    CancelOccurrenceQuoteSerializer,
    MoveOccurrenceInput,
    OccurrenceInput,
    OccurrenceListSerializer,
    OccurrenceQuery,
    OccurrenceSerializer,
)
from apps.bookings.occurrences import A_MOMENT, Occurrence, occurrences
from apps.bookings.services.occurrences import cancel_occurrence, move_occurrence, quote_cancel_occurrence
from apps.catalog.models import Practitioner
from apps.clients.api.own import KnowsOwnClients
from apps.core.errors import Invalid, NotAllowed, NotFound
from apps.scheduling.hours import local_to_instant

MAX_DAYS = 62


class OccurrenceViewSet(KnowsOwnClients):
    """Group occurrences: classes and courses, with who attends them. Names of attendees are shown at this door only."""

    serializer_class = OccurrenceListSerializer
    idempotent = frozenset({"move", "cancel"})

    @extend_schema(
        parameters=[
            OpenApiParameter("service", int),
            OpenApiParameter("practitioner", int),
            OpenApiParameter("from", OpenApiTypes.DATE, required=True, description="First local date in the account's time zone."),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True, description="Last local date, exclusive; at most 62 days later."),
        ],
        responses=OccurrenceListSerializer,
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Occurrences that start in these days and have at least one booking, past ones included; starts that are still empty are slots."""
        query = OccurrenceQuery(data=request.query_params.dict(), context=self.get_serializer_context())
        query.is_valid(raise_exception=True)
        wanted, zone = query.validated_data, ZoneInfo(self.account.timezone)
        since, until = _range(wanted["from"], wanted["to"], zone)
        found = occurrences(self.account, since, until, service=wanted["service"], practitioner=wanted["practitioner"])
        shown = [_shown(one, zone) for one in found if self._may_see(one.practitioner)]
        return Response({"timezone": zone.key, "occurrences": shown})

    def _may_see(self, practitioner_id: int) -> bool:
        """Who sees only their own clients sees their own occurrences only."""
        return not self.sees_own_clients_only or practitioner_id in self._own_practitioners

    @cached_property
    def _own_practitioners(self) -> set[int]:
        return set(Practitioner.objects.filter(member=self.membership).values_list("pk", flat=True))

    def _wanted(self, serializer_class: Any, request: Request) -> dict[str, Any]:
        """Validated input about an occurrence in sight; another one is like a missing one."""
        data = self.validated(serializer_class, request)
        if not self._may_see(data["practitioner"].pk):
            raise NotFound
        return data

    @extend_schema(request=MoveOccurrenceInput, responses=OccurrenceSerializer)
    @action(detail=False, methods=["post"])
    def move(self, request: Request) -> Response:
        """Move everybody to another start, and perhaps practitioner: all or nobody. Seats, orders, money and history stay.

        A move by more than the setting `free_cancellation_after_move_minutes` opens free cancellation. 409 as for
        `bookings/{id}/schedule/`, and `invalid_transition` when somebody has checked in.
        """
        data = self._wanted(MoveOccurrenceInput, request)
        if data["override"] and not allows(self.membership.role, "booking-override", "use"):
            raise NotAllowed("Your role does not allow overrides.")
        move_occurrence(**data)
        start, practitioner = data["new_start_time"], data["new_practitioner"] or data["practitioner"]
        moved = occurrences(self.account, start, start + A_MOMENT, service=data["service"], practitioner=practitioner)
        return Response(_shown(moved[0], ZoneInfo(self.account.timezone)))

    @extend_schema(request=CancelOccurrenceInput, responses=CancelledOccurrenceSerializer)
    @action(detail=False, methods=["post"])
    def cancel(self, request: Request) -> Response:
        """Cancel the whole occurrence: every session goes back to its client for nothing.

        409 `invalid_transition` when somebody has checked in, `quote_stale` (with the new quote).
        """
        return Response(cancel_occurrence(**self._wanted(CancelOccurrenceInput, request)))

    @extend_schema(request=OccurrenceInput, responses=CancelOccurrenceQuoteSerializer)
    @action(detail=False, methods=["post"], url_path="cancel/quote")
    def quote_cancel(self, request: Request) -> Response:
        """What cancelling the whole occurrence would do; nothing is changed."""
        return Response(quote_cancel_occurrence(**self._wanted(OccurrenceInput, request)))


def _range(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants at which these local days begin."""
    if last <= first:
        raise Invalid(fields={"to": ["This must lie after from."]})
    if last - first > timedelta(days=MAX_DAYS):
        raise Invalid(fields={"to": [f"Ask for at most {MAX_DAYS} days."]})
    since, until = (local_to_instant(datetime.combine(day, time()), zone) for day in (first, last))
    return since, until


def _shown(one: Occurrence, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "service": one.service,
        "service_name": one.service_name,
        "practitioner": one.practitioner,
        "practitioner_name": one.practitioner_name,
        "start_time": one.start_time.astimezone(zone),
        "end_time": one.end_time.astimezone(zone),
        "capacity": one.capacity,
        "taken": one.taken,
        "held": one.held,
        "seats_left": one.seats_left,
        "oversold": one.oversold,
        "minimum": one.minimum,
        "below_minimum": one.below_minimum,
        "decided_at": one.decided_at.astimezone(zone),
        "bookings": [asdict(attendee) for attendee in one.bookings],
    }
