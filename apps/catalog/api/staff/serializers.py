from typing import Any, ClassVar

from rest_framework import serializers

from apps.catalog.api.staff.shapes import MAX_CENTS, CancellationPolicySerializer, LimitsSerializer
from apps.catalog.models import DAY_MINUTES, Offering, Practitioner, Service
from apps.core.api.fields import ShapedField
from apps.core.api.reading import ResourceSerializer

PRICE: dict[str, Any] = {"max_value": MAX_CENTS, "help_text": "Cents of the account's currency."}
DURATION: dict[str, Any] = {"min_value": 1, "max_value": 7 * DAY_MINUTES, "help_text": "Minutes, up to 7 days."}
BUFFER: dict[str, Any] = {"max_value": DAY_MINUTES, "help_text": "Minutes the practitioner stays occupied."}


class ServiceSerializer(ResourceSerializer):
    """Something a client can book. Only name, duration_minutes and price_cents are required."""

    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of price_cents.")
    limits = ShapedField(LimitsSerializer, required=False)
    cancellation_policy = ShapedField(CancellationPolicySerializer, required=False)

    class Meta:
        model = Service
        fields: ClassVar = [
            "id",
            "name",
            "description",
            "category",
            "duration_minutes",
            "price_cents",
            "currency",
            "buffer_before_minutes",
            "buffer_after_minutes",
            "slot_step_minutes",
            "capacity",
            "min_notice_minutes",
            "horizon_days",
            "requires_approval",
            "tax_rate",
            "cancellation_policy",
            "limits",
            "is_active",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "description": {"max_length": 10_000},
            "duration_minutes": DURATION,
            "price_cents": PRICE,
            "buffer_before_minutes": BUFFER,
            "buffer_after_minutes": BUFFER,
            "slot_step_minutes": {"min_value": 1, "max_value": DAY_MINUTES},
            "capacity": {"min_value": 1, "max_value": 1000},
            "min_notice_minutes": {"max_value": 365 * DAY_MINUTES, "help_text": "Minutes between booking and start."},
            "horizon_days": {"min_value": 1, "max_value": 3650},
            "tax_rate": {"min_value": 0, "max_value": 100},
        }


class PractitionerSerializer(ResourceSerializer):
    """Someone who gives sessions. Without a timezone they get the account's."""

    limits = ShapedField(LimitsSerializer, required=False)

    class Meta:
        model = Practitioner
        fields: ClassVar = [
            "id",
            "display_name",
            "timezone",
            "member",
            "headline",
            "bio",
            "limits",
            "is_active",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"bio": {"max_length": 10_000}, "timezone": {"required": False}}

    def create(self, validated_data: dict[str, Any]) -> Practitioner:
        validated_data.setdefault("timezone", self.context["account"].timezone)
        return super().create(validated_data)


class OfferingSerializer(ResourceSerializer):
    """A practitioner offers a service; price and duration only where they differ from the service's."""

    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True)
    service_name = serializers.CharField(source="service.name", read_only=True)

    class Meta:
        model = Offering
        fields: ClassVar = [
            "id",
            "practitioner",
            "practitioner_name",
            "service",
            "service_name",
            "price_cents",
            "duration_minutes",
            "is_active",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"price_cents": PRICE, "duration_minutes": DURATION}
