from datetime import datetime
from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.cancellation import free_until
from apps.bookings.lifecycle import allowed_actions
from apps.bookings.models import ACTIVE, Booking, Status
from apps.core.api.reading import Computed, ResourceSerializer


def _free_until(
    status: str,
    start_time: datetime | None,
    booked_at: datetime | None,
    late_seconds: int | None,
    free_cancellation: bool,
    policy: dict[str, Any],
) -> datetime | None:
    if start_time is None or status not in ACTIVE:
        return None
    if free_cancellation or (status != Status.CONFIRMED and late_seconds is None):
        return start_time
    return free_until(policy.get("rules", {}), start=start_time, booked_at=booked_at, late_seconds=late_seconds)


class BookingSerializer(ResourceSerializer):
    """One session of an order. A draft has no time yet; ``price_cents`` is its share of the order's price."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True, allow_null=True)
    service_name = serializers.CharField(source="service.name", read_only=True)
    free_until = Computed(
        _free_until,
        needs=["status", "start_time", "booked_at", "late_seconds", "free_cancellation", "policy"],
        schema=serializers.DateTimeField(read_only=True, allow_null=True),
        help_text="Until when the client may cancel for nothing; null when that is over, or when there is no time yet.",
    )
    allowed_actions = Computed(
        allowed_actions,
        needs=["status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What the state allows now.",
    )

    class Meta:
        model = Booking
        fields: ClassVar = [
            "id",
            "order",
            "client",
            "client_name",
            "practitioner",
            "practitioner_name",
            "service",
            "service_name",
            "position",
            "status",
            "payment_status",
            "start_time",
            "end_time",
            "timezone",
            "seat",
            "attendee_name",
            "allocation",
            "price_cents",
            "tax_cents",
            "currency",
            "version",
            "hold_expires_at",
            "free_until",
            "fee_cents",
            "is_granted",
            "overlap_allowed",
            "override_reason",
            "series",
            "original_start",
            "cancelled_at",
            "cancelled_side",
            "cancelled_late",
            "cancel_reason",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        parent = "order_id"
        order = ("position",)
