from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.fields import ShapedField, StrictIntegerField
from apps.core.api.reading import FromChildren, ResourceSerializer
from apps.packages.api.staff.shapes import ExpirySerializer
from apps.packages.models import Package, PackageItem
from apps.packages.services import create_package, update_package


class PackageItemSerializer(ResourceSerializer):
    service_name = serializers.CharField(source="service.name", read_only=True)
    quantity = StrictIntegerField(min_value=1, max_value=500, default=1, help_text="Sessions of this service.")

    class Meta:
        model = PackageItem
        fields: ClassVar = ["service", "service_name", "quantity"]
        parent = "package_id"
        order = ("position",)


class PackageSerializer(ResourceSerializer):
    """A bundle of sessions. Only package_name is required; without items it cannot be sold yet."""

    account_name = serializers.CharField(source="account.name", read_only=True)
    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of price_cents.")
    expiry = ShapedField(
        ExpirySerializer, required=False, help_text="When it runs out; {} for never. The long form of valid_days: send one of the two."
    )
    items = PackageItemSerializer(  # type: ignore[call-arg]  # max_length goes to the list
        many=True, required=False, max_length=100, help_text="In booking order; sending it replaces all."
    )
    total_sessions = FromChildren(
        lambda package: sum(item["quantity"] for item in package["items"]), schema=serializers.IntegerField(read_only=True)
    )

    class Meta:
        model = Package
        fields: ClassVar = [
            "id",
            "account",
            "account_name",
            "package_name",
            "description",
            "price_cents",
            "currency",
            "valid_days",
            "expiry",
            "transferable",
            "transfer_fee_cents",
            "max_transfers",
            "max_pauses_per_year",
            "max_pause_days",
            "is_public",
            "is_active",
            "items",
            "total_sessions",
            "created_at",
            "updated_at",
        ]
        read_only_fields: ClassVar = ["account"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "price_cents": {"max_value": 10**12},
            "valid_days": {"min_value": 1, "max_value": 36_500},
            "transferable": {"help_text": "Whether unused sessions may be given to another client."},
            "transfer_fee_cents": {"max_value": 10**12, "help_text": "What the giver pays for each transfer."},
            "max_transfers": {"max_value": 50_000},
            "max_pauses_per_year": {"max_value": 366},
            "max_pause_days": {"min_value": 1, "max_value": 3_660},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        expiry, valid_days = (attrs.get(name, getattr(self.instance, name, None)) for name in ("expiry", "valid_days"))
        if expiry and valid_days:
            raise serializers.ValidationError({"expiry": ["Send either expiry or valid_days; clear the other with {} or null."]})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Package:
        return create_package(**validated_data)

    def update(self, instance: Package, validated_data: dict[str, Any]) -> Package:
        return update_package(instance, **validated_data)
