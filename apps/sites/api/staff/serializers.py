from typing import Any, ClassVar

from django.core.validators import URLValidator
from rest_framework import serializers

from apps.core.api.fields import OneLineField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.sites.api.addressing import CustomerOfAccount
from apps.sites.models import Site, SiteOwnership, SiteTransfer

MOST_CENTS = 1_000_000_000
"""The highest price of a site, in cents."""


class SiteSerializer(ResourceSerializer):
    """A website. `site_id` (a UUID) names it everywhere; `id` is its number in the event log. Amounts are cents of `currency`."""

    currency = serializers.CharField(source="account.currency", read_only=True)
    site_title = OneLineField(max_length=200)
    site_url = serializers.CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        validators=[URLValidator(schemes=["http", "https"])],
        help_text="Where it is; http or https. It is printed, never called.",
    )
    sale_price_cents = Computed(
        lambda price, monthly: monthly if price is None else price,
        needs=["price_cents", "monthly_amount_cents"],
        schema=serializers.IntegerField(read_only=True),
        help_text="What a checkout of this site costs now, before tax where prices are without it.",
    )

    class Meta:
        model = Site
        fields: ClassVar = [
            "id",
            "site_id",
            "slug",
            "site_title",
            "site_url",
            "status",
            "subscription_status",
            "monthly_amount_cents",
            "price_cents",
            "sale_price_cents",
            "currency",
            "created_at",
            "updated_at",
        ]
        read_only_fields: ClassVar = ["site_id"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "slug": {"help_text": "Short name, unique in the account: letters, digits, - and _."},
            "status": {"help_text": "`archived` takes it out of use: its owners see it no more, and it cannot be sold."},
            "monthly_amount_cents": {"max_value": MOST_CENTS, "help_text": "What it costs a month; 9900 unless you say otherwise."},
            "price_cents": {"max_value": MOST_CENTS, "help_text": "One-off price when it is sold; null: the first month's amount."},
        }


class SiteOwnerSerializer(ResourceSerializer):
    """To whom a site belongs, or belonged until `ended_at`. `customer` is the person's id in addresses of owners."""

    site_id = serializers.UUIDField(source="site.site_id", read_only=True)
    full_name = serializers.CharField(source="client.full_name", read_only=True)
    email = serializers.CharField(source="client.email", read_only=True)

    class Meta:
        model = SiteOwnership
        fields: ClassVar = [
            "id",
            "site_id",
            "customer",
            "client",
            "full_name",
            "email",
            "role",
            "is_primary",
            "acquired_at",
            "ended_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "is_primary": {"help_text": "Whether this is the customer's default site at your business; each has exactly one."}
        }


class SiteOwnerInput(InputSerializer):
    """Who gets the site: somebody with a login who is a client of yours."""

    customer = CustomerOfAccount()
    role = serializers.ChoiceField(choices=SiteOwnership.Role.choices, default=SiteOwnership.Role.OWNER)
    is_primary = serializers.BooleanField(default=False, help_text="Make it their primary site. Their first one is that in any case.")


class SiteTransferInput(InputSerializer):
    """Who is to have the site, and, where it has several owners, whose ownership is given up for it."""

    customer = CustomerOfAccount()
    from_customer = CustomerOfAccount(required=False, allow_null=True, default=None)


class SiteTransferSerializer(ResourceSerializer):
    """An offer of a site to a new owner, who has to agree before `expires_at`."""

    site_id = serializers.UUIDField(source="site.site_id", read_only=True)
    from_client_name = serializers.CharField(source="from_client.full_name", read_only=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True)

    class Meta:
        model = SiteTransfer
        fields: ClassVar = [
            "id",
            "site_id",
            "from_client",
            "from_client_name",
            "client",
            "client_name",
            "status",
            "expires_at",
            "decided_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class NothingToSay(InputSerializer):
    """Nothing to send."""
