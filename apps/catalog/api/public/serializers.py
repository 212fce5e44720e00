from typing import Any, ClassVar

from rest_framework import serializers

from apps.catalog.api.staff.shapes import CancellationPolicySerializer
from apps.catalog.models import Offering, Practitioner, Service
from apps.catalog.ratings import rating_average
from apps.core.api.reading import Computed, FromChildren, ResourceSerializer


def _as_it_is(policy: dict[str, Any]) -> dict[str, Any]:
    return policy


class PublicServiceSerializer(ResourceSerializer):
    """Something that can be booked: `GET slots/?service=<id>` says when, `POST checkout/` books it."""

    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of price_cents.")
    cancellation_policy = Computed(
        _as_it_is,
        needs=["cancellation_policy"],
        schema=CancellationPolicySerializer(read_only=True),
        help_text="The terms that a booking agrees to. Empty: free until the start.",
    )

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
            "tax_rate",
            "capacity",
            "min_notice_minutes",
            "horizon_days",
            "season_from",
            "season_to",
            "requires_approval",
            "cancellation_policy",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "price_cents": {"help_text": "The list price; a practitioner may have one of their own."},
            "capacity": {"help_text": "Seats of one occurrence; 1 is an individual session."},
            "requires_approval": {"help_text": "A booking is a request until the business confirms it."},
        }


def _own(own: int | None, common: int) -> int:
    return common if own is None else own


class PublicOfferSerializer(ResourceSerializer):
    """A service that a practitioner gives, at what it costs and lasts with them."""

    service_name = serializers.CharField(source="service.name", read_only=True)
    duration_minutes = Computed(
        _own, needs=["duration_minutes", "service__duration_minutes"], schema=serializers.IntegerField(read_only=True)
    )
    price_cents = Computed(_own, needs=["price_cents", "service__price_cents"], schema=serializers.IntegerField(read_only=True))
    currency = serializers.CharField(source="account.currency", read_only=True)

    class Meta:
        model = Offering
        fields: ClassVar = ["service", "service_name", "duration_minutes", "price_cents", "currency"]
        read_only_fields = fields


class OfferOfSomebodySerializer(PublicOfferSerializer):
    """The same, with the practitioner by whom it is sorted into the list."""

    class Meta(PublicOfferSerializer.Meta):
        fields: ClassVar = ["practitioner", *PublicOfferSerializer.Meta.fields]
        read_only_fields = fields


class PublicPractitionerSerializer(ResourceSerializer):
    """Somebody who gives sessions, and which."""

    rating_average = Computed(
        rating_average,
        needs=["rating_total", "rating_count"],
        schema=serializers.FloatField(read_only=True, allow_null=True),
        help_text="Of the published reviews, 1 to 5 with one decimal; null without any.",
    )
    services = FromChildren(lambda practitioner: [], schema=PublicOfferSerializer(many=True, read_only=True))

    class Meta:
        model = Practitioner
        fields: ClassVar = ["id", "display_name", "headline", "bio", "timezone", "rating_average", "rating_count", "services"]
        read_only_fields = fields
