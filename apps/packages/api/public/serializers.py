from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.reading import Computed, FromChildren, ResourceSerializer
from apps.packages.api.staff.serializers import PackageItemSerializer
from apps.packages.api.staff.shapes import ExpirySerializer
from apps.packages.models import Package


def _as_it_is(expiry: dict[str, Any]) -> dict[str, Any]:
    return expiry


class PublicPackageSerializer(ResourceSerializer):
    """A bundle of sessions at one price. `POST checkout/` sells it, with a time for its first session or without."""

    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of price_cents.")
    expiry = Computed(
        _as_it_is,
        needs=["expiry"],
        schema=ExpirySerializer(read_only=True),
        help_text="When it runs out, if not after `valid_days`; empty with neither: never.",
    )
    items = PackageItemSerializer(many=True, read_only=True, help_text="In booking order.")
    total_sessions = FromChildren(
        lambda package: sum(item["quantity"] for item in package["items"]), schema=serializers.IntegerField(read_only=True)
    )

    class Meta:
        model = Package
        fields: ClassVar = [
            "id",
            "package_name",
            "description",
            "price_cents",
            "currency",
            "valid_days",
            "expiry",
            "transferable",
            "items",
            "total_sessions",
        ]
        read_only_fields = fields
