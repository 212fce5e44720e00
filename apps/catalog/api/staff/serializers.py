from typing import Any, ClassVar

from rest_framework import serializers

from apps.catalog.api.staff.shapes import MAX_CENTS, CancellationPolicySerializer, LimitsSerializer, ServiceLimitsSerializer
from apps.catalog.models import DAY_MINUTES, Offering, Practitioner, Service
from apps.catalog.ratings import rating_average
from apps.core.api.fields import ShapedField
from apps.core.api.reading import Computed, ResourceSerializer

PRICE: dict[str, Any] = {"max_value": MAX_CENTS, "help_text": "Cents of the account's currency."}
DURATION: dict[str, Any] = {"min_value": 1, "max_value": 7 * DAY_MINUTES, "help_text": "Minutes, up to 7 days."}
BUFFER: dict[str, Any] = {"max_value": DAY_MINUTES, "help_text": "Minutes the practitioner stays occupied."}


class ServiceSerializer(ResourceSerializer):
    """Something a client can book. Only name, duration_minutes and price_cents are required."""

    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of price_cents.")
    limits = ShapedField(ServiceLimitsSerializer, required=False)
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
            "online_capacity",
            "min_attendees",
            "min_attendees_hours",
            "min_notice_minutes",
            "horizon_days",
            "horizon_in_working_days",
            "season_from",
            "season_to",
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
            "online_capacity": {"max_value": 1000, "help_text": "Seats that clients may book themselves, at most `capacity`; null: all."},
            "min_attendees": {
                "min_value": 1,
                "max_value": 1000,
                "help_text": "An occurrence with fewer does not take place; at most `capacity`.",
            },
            "min_attendees_hours": {"max_value": 365 * 24, "help_text": "How many hours before the start that is decided."},
            "horizon_days": {"min_value": 1, "max_value": 3650, "help_text": "How many days ahead clients may book; null: no limit."},
            "horizon_in_working_days": {"help_text": "Count `horizon_days` from Monday to Friday only, in the account's time zone."},
            "season_from": {"help_text": "First local day of sessions, in the account's time zone; null: no beginning."},
            "season_to": {"help_text": "Last local day of sessions, inclusive; not before `season_from`; null: no end."},
            "tax_rate": {"min_value": 0, "max_value": 100},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Rules between fields, of what is sent together with what is stored."""
        attrs = super().validate(attrs)
        stored = self.instance or Service()

        def value(name: str) -> Any:
            return attrs.get(name, getattr(stored, name))

        refused: dict[str, str] = {}
        if value("season_from") and value("season_to") and value("season_to") < value("season_from"):
            refused["season_to"] = "The season cannot end before it begins."
        if value("online_capacity") is not None and value("online_capacity") > value("capacity"):
            refused["online_capacity"] = f"Clients cannot book more seats than there are ({value('capacity')})."
        if value("min_attendees") > value("capacity"):
            refused["min_attendees"] = f"There are not so many seats ({value('capacity')})."
        if refused:
            raise serializers.ValidationError(refused)
        return attrs


class PractitionerSerializer(ResourceSerializer):
    """Someone who gives sessions. Without a timezone they get the account's."""

    limits = ShapedField(LimitsSerializer, required=False)
    rating_average = Computed(
        rating_average,
        needs=["rating_total", "rating_count"],
        schema=serializers.FloatField(read_only=True, allow_null=True),
        help_text="Of the published reviews, 1 to 5 with one decimal; null without any.",
    )

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
            "rating_average",
            "rating_count",
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
            "weight",
            "is_active",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "price_cents": PRICE,
            "duration_minutes": DURATION,
            "weight": {
                "min_value": 1,
                "max_value": 100,
                "help_text": "Share of the sessions of clients who take anybody: with 2 twice as many as with 1.",
            },
        }
