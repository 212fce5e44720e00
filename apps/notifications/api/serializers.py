from typing import ClassVar

from rest_framework import serializers

from apps.core.api.reading import InputSerializer, ResourceSerializer
from apps.notifications.models import Channel, Kind, Notification


class NotificationSerializer(ResourceSerializer):
    """One message to the caller, in the words and the times of day that they had chosen when it was written."""

    account = serializers.SlugField(source="account.slug", read_only=True, help_text="Whose business it is about.")
    type = serializers.ChoiceField(
        source="kind", choices=Kind.choices, read_only=True, help_text="What it is about: to filter and to pick an icon by."
    )
    action_url = serializers.CharField(read_only=True, help_text="Path of the frontend where it can be acted on; empty without one.")
    # The name hides Serializer.data, which a row that is never written through it has no use for.
    data = serializers.JSONField(  # type: ignore[assignment]
        read_only=True, help_text="Ids of what it is about (booking, order, payment …) and the event that caused it."
    )

    class Meta:
        model = Notification
        fields: ClassVar = ["id", "account", "type", "title", "message", "action_url", "data", "read_at", "created_at", "updated_at"]
        read_only_fields: ClassVar = fields


class UnreadCountSerializer(serializers.Serializer):
    """Unread notifications, counted up to 1000."""

    count = serializers.IntegerField()
    is_capped = serializers.BooleanField(help_text="True when there are more than that.")


class MarkedSerializer(serializers.Serializer):
    """How many were marked."""

    count = serializers.IntegerField()


class NothingSerializer(InputSerializer):
    """No input."""


class PreferenceSerializer(InputSerializer):
    """Which channels a type uses."""

    type = serializers.ChoiceField(choices=Kind.choices)
    in_app = serializers.BooleanField(required=False, help_text="In the list of notifications.")
    email = serializers.BooleanField(required=False)
    sms = serializers.BooleanField(required=False, help_text="Only where the business has set up short messages.")


class PreferencesSerializer(InputSerializer):
    """All types; a change names only what it changes. They hold for all accounts of a person."""

    preferences = PreferenceSerializer(many=True, max_length=len(Kind) * len(Channel))  # type: ignore[call-arg]  # many takes it
