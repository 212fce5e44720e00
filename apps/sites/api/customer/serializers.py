from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.reading import InputSerializer, ResourceSerializer
from apps.sites.models import SiteOwnership, SiteTransfer


class OwnSiteSerializer(ResourceSerializer):
    """A site of yours (source 003)."""

    site_id = serializers.UUIDField(source="site.site_id", read_only=True)
    slug = serializers.CharField(source="site.slug", read_only=True)
    site_title = serializers.CharField(source="site.site_title", read_only=True)
    site_url = serializers.CharField(source="site.site_url", read_only=True)
    status = serializers.CharField(source="site.status", read_only=True)
    subscription_status = serializers.CharField(source="site.subscription_status", read_only=True)

    class Meta:
        model = SiteOwnership
        fields: ClassVar = ["site_id", "slug", "site_title", "site_url", "status", "subscription_status", "is_primary", "acquired_at"]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "is_primary": {"help_text": "Your default site at its business; with sites at several businesses each of them has one."}
        }


class OwnSitesSerializer(serializers.Serializer):
    """Everything you own: primary sites first, then as you acquired them."""

    sites = OwnSiteSerializer(many=True)
    total = serializers.IntegerField()
    has_multiple_sites = serializers.BooleanField()


class OwnTransferSerializer(ResourceSerializer):
    """A site that you are offered. Accept or decline it at `my-sites/<site_id>/`, before `expires_at`."""

    account_slug = serializers.CharField(source="account.slug", read_only=True, help_text="What `?account=` takes.")
    account_name = serializers.CharField(source="account.name", read_only=True)
    site_id = serializers.UUIDField(source="site.site_id", read_only=True)
    slug = serializers.CharField(source="site.slug", read_only=True)
    site_title = serializers.CharField(source="site.site_title", read_only=True)
    site_url = serializers.CharField(source="site.site_url", read_only=True)
    monthly_amount_cents = serializers.IntegerField(source="site.monthly_amount_cents", read_only=True)
    currency = serializers.CharField(source="account.currency", read_only=True)

    class Meta:
        model = SiteTransfer
        fields: ClassVar = [
            "id",
            "account_slug",
            "account_name",
            "site_id",
            "slug",
            "site_title",
            "site_url",
            "monthly_amount_cents",
            "currency",
            "status",
            "expires_at",
            "decided_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class NothingToSay(InputSerializer):
    """Nothing to send."""
