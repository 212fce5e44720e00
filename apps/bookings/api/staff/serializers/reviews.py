from typing import ClassVar

from rest_framework import serializers

from apps.bookings.api.reviews import PlainTextField
from apps.bookings.models import Review
from apps.bookings.services.reviews import review_actions
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer


class ReviewSerializer(ResourceSerializer):
    """A client's rating (1 to 5) of one completed session. ``comment`` and ``reply`` are plain text; escape them where you show them."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True)
    service = serializers.IntegerField(source="booking.service_id", read_only=True)
    service_name = serializers.CharField(source="booking.service.name", read_only=True)
    allowed_actions = Computed(
        review_actions,
        needs=["status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What the state allows now.",
    )

    class Meta:
        model = Review
        fields: ClassVar = [
            "id",
            "booking",
            "client",
            "client_name",
            "practitioner",
            "practitioner_name",
            "service",
            "service_name",
            "rating",
            "comment",
            "status",
            "published_at",
            "reply",
            "replied_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class NothingInput(InputSerializer):
    """An action without anything to say."""


class ReplyInput(InputSerializer):
    """The business's answer; an empty one takes it back."""

    reply = PlainTextField(allow_blank=True)
