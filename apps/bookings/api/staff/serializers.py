from typing import ClassVar

from rest_framework import serializers

from apps.bookings.models import Booking
from apps.bookings.services import allowed_actions
from apps.catalog.models import Practitioner
from apps.core.api.fields import InstantField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField


class BookingSerializer(ResourceSerializer):
    """One session of an order. A draft has no time yet; ``price_cents`` is its share of the order's price."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True, allow_null=True)
    service_name = serializers.CharField(source="service.name", read_only=True)
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
            "price_cents",
            "tax_cents",
            "currency",
            "version",
            "hold_expires_at",
            "overlap_allowed",
            "override_reason",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        parent = "order_id"
        order = ("position",)


class ScheduleInput(InputSerializer):
    """A session gets its time. ``override`` bends notice, horizon, hours and overlap, and needs a reason."""

    practitioner = ScopedRelatedField(model=Practitioner)
    start_time = InstantField()
    override = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        if attrs["override"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["An override needs a reason."]})
        return attrs


class SlotSerializer(serializers.Serializer):
    start = serializers.DateTimeField(help_text="With the offset of the asked time zone.")
    end = serializers.DateTimeField()
    practitioner = serializers.IntegerField()
    seats_left = serializers.IntegerField()
    price_cents = serializers.IntegerField()
    currency = serializers.CharField()
    bookable_until = serializers.DateTimeField(help_text="When the minimum notice runs out.")


class SlotListSerializer(serializers.Serializer):
    """Bookable starts, in the asked time zone."""

    timezone = serializers.CharField()
    slots = SlotSerializer(many=True)
