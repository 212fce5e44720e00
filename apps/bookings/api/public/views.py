from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import PublicDoor
from apps.bookings.api.slots import answer_slots
from apps.bookings.api.staff.serializers.slots import SlotSerializer
from apps.catalog.models import Practitioner, Service
from apps.core.errors import Invalid, UnknownField
from apps.core.parsing import parse_integer

PARAMETERS = ("service", "practitioner", "from", "to", "timezone", "party")


class PublicSlotListSerializer(serializers.Serializer):
    """Bookable starts, in the asked time zone."""

    timezone = serializers.CharField()
    slots = SlotSerializer(many=True)


class PublicSlotViewSet(PublicDoor):
    """When a service can be booked."""

    serializer_class = PublicSlotListSerializer
    max_age = 0

    @extend_schema(
        parameters=[
            OpenApiParameter("service", int, required=True),
            OpenApiParameter("practitioner", str, description="An id, or `any` (default)."),
            OpenApiParameter("from", OpenApiTypes.DATE, required=True, description="First local date."),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True, description="Last local date, exclusive; at most 62 days later."),
            OpenApiParameter("timezone", str, description="IANA zone of the dates and of the answer; the business's by default."),
            OpenApiParameter("party", int, description="Seats needed together; 1 by default."),
        ],
        responses=PublicSlotListSerializer,
        examples=[
            OpenApiExample(
                "A Monday",
                value={
                    "timezone": "Europe/Berlin",
                    "slots": [
                        {
                            "start": "2026-11-23T10:00:00+01:00",
                            "end": "2026-11-23T11:00:00+01:00",
                            "bookable_until": "2026-11-23T10:00:00+01:00",
                            "practitioner": 7,
                            "seats_left": 1,
                            "price_cents": 5000,
                            "currency": "EUR",
                        }
                    ],
                },
                response_only=True,
            )
        ],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every start listed here can be booked now. Send `start` as `start_time`, with its `practitioner`, to `checkout/`."""
        query = request.query_params
        unknown = [name for name in query if name not in PARAMETERS]
        if unknown:
            raise UnknownField(fields={name: ["There is no such parameter."] for name in unknown})
        _must_be_offered(Service, query.get("service"), "service")
        _must_be_offered(Practitioner, query.get("practitioner"), "practitioner")
        return Response(answer_slots(self.account, query, timezone.now(), online=True))


def _must_be_offered(model: Any, text: str | None, name: str) -> None:
    """What is no longer offered does not exist here; how an id has to be written is for the question itself to say."""
    try:
        pk = parse_integer(text)
    except ValueError:
        return
    if not model.objects.filter(pk=pk, is_active=True).exists():
        raise Invalid(fields={name: [f'Invalid pk "{text}" - object does not exist.']})
