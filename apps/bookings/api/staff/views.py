from typing import Any, ClassVar

from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.bookings.api.slots import answer_slots
from apps.bookings.api.staff.serializers import BookingSerializer, ScheduleInput, SlotListSerializer
from apps.bookings.models import Booking, Status
from apps.bookings.services import Override, schedule_booking
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, InstantFilter, ScopedChoiceFilter
from apps.orders.models import Order


class BookingFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)
    payment_status = filters.ChoiceFilter(choices=Booking.PaymentStatus.choices)
    practitioner = ScopedChoiceFilter(model=Practitioner)
    client = ScopedChoiceFilter(model=Client)
    order = ScopedChoiceFilter(model=Order)

    class Meta:
        model = Booking
        fields: ClassVar[list[str]] = []


# ``from`` is a word of Python's; a class body cannot say it.
BookingFilter.base_filters["from"] = InstantFilter(field_name="start_time", lookup_expr="gte", help_text="Starts at or after this instant.")
BookingFilter.base_filters["to"] = InstantFilter(field_name="start_time", lookup_expr="lt", help_text="Starts before this instant.")


class BookingViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Sessions of the account. They are made by a checkout; here they get their time."""

    model = Booking
    serializer_class = BookingSerializer
    filterset_class = BookingFilter
    idempotent = frozenset({"schedule"})

    @extend_schema(request=ScheduleInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def schedule(self, request: Request, pk: str) -> Response:
        """Give a draft session its practitioner and start.

        409 `slot_taken` (with `alternatives`), `outside_hours`, `notice_too_short`, `beyond_horizon`, `already_scheduled`,
        `package_expired`, `package_paused`, `invalid_transition`.
        """
        booking = self.get_object()
        data = self.validated(ScheduleInput, request)
        override = Override(data["reason"]) if data["override"] else None
        schedule_booking(booking, practitioner=data["practitioner"], start_time=data["start_time"], override=override)
        return Response(self.represent(booking.pk))


class SlotViewSet(StaffViewSet):
    """Bookable starts: opening hours minus bookings."""

    serializer_class = SlotListSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter("service", int, required=True),
            OpenApiParameter("practitioner", str, description="An id, or `any` (default)."),
            OpenApiParameter("from", OpenApiTypes.DATE, required=True, description="First local date."),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True, description="Last local date, exclusive; at most 62 days later."),
            OpenApiParameter("timezone", str, description="IANA zone of the dates and of the answer; the account's by default."),
            OpenApiParameter("party", int, description="Seats needed together; 1 by default."),
        ],
        responses=SlotListSerializer,
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every start listed here can be booked now."""
        return Response(answer_slots(self.account, request.query_params, timezone.now()))
