from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.bookings.api.slots import answer_slots
from apps.bookings.api.staff.serializers.slots import SlotListSerializer


class SlotViewSet(StaffViewSet):
    """Bookable starts: opening hours minus bookings."""

    serializer_class = SlotListSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter("service", int, required=True),
            OpenApiParameter("practitioner", str, description="An id, or `any` (default)."),
            OpenApiParameter("from", OpenApiTypes.DATE, description="First local date. Required unless `explain` is sent."),
            OpenApiParameter(
                "to", OpenApiTypes.DATE, description="Last local date, exclusive; at most 62 days later. Required unless `explain` is sent."
            ),
            OpenApiParameter("timezone", str, description="IANA zone of the dates and of the answer; the account's by default."),
            OpenApiParameter("party", int, description="Seats needed together; 1 by default."),
            OpenApiParameter("client", int, description="Keep to the limits of the service for this client, too."),
            OpenApiParameter(
                "booking",
                int,
                description="A booking that is to be moved: its own time is free for it. Its client is the default of `client`.",
            ),
            OpenApiParameter(
                "explain",
                OpenApiTypes.DATETIME,
                description="A start with its offset: answers `bookable`, all `reasons` against it and the `nearest` bookable starts.",
            ),
        ],
        responses=SlotListSerializer,
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every start listed here can be booked now; of any other, `explain` says why not."""
        return Response(answer_slots(self.account, request.query_params, timezone.now()))
