from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.fields import OneLineField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.notifications.adapters.sms import CREDENTIALS
from apps.notifications.models import Delivery, Kind, SenderIdentity
from apps.notifications.models.deliveries import OUTWARD_CHOICES


class DeliverySerializer(ResourceSerializer):
    """One mail or short message, and what became of it. What it says is not shown; its subject is, until it is emptied after 30 days."""

    type = serializers.ChoiceField(source="kind", choices=Kind.choices, read_only=True)
    channel = serializers.ChoiceField(choices=OUTWARD_CHOICES, read_only=True)
    last_error = serializers.CharField(source="error", read_only=True, help_text="Why the last attempt failed; empty when it did not.")

    class Meta:
        model = Delivery
        fields: ClassVar = [
            "id",
            "type",
            "channel",
            "client",
            "user",
            "address",
            "language",
            "timezone",
            "subject",
            "state",
            "attempts",
            "next_attempt_at",
            "sent_at",
            "message_id",
            "last_error",
            "created_at",
            "updated_at",
        ]
        read_only_fields: ClassVar = fields


class SenderIdentitySerializer(ResourceSerializer):
    """In whose name the account writes."""

    has_sms_credentials = Computed(
        bool,
        needs=["sms_credentials"],
        schema=serializers.BooleanField(read_only=True),
        help_text="Whether credentials are kept; they are never shown.",
    )

    class Meta:
        model = SenderIdentity
        fields: ClassVar = ["sender_name", "reply_to", "sms_provider", "sms_sender", "has_sms_credentials"]
        read_only_fields: ClassVar = fields


class SenderIdentityInput(InputSerializer):
    """What to change."""

    sender_name = OneLineField(
        max_length=100, required=False, allow_blank=True, help_text="Shown as the sender; empty: the account's name."
    )
    reply_to = serializers.EmailField(max_length=254, required=False, allow_blank=True, help_text="Where answers to mails go.")
    sms_provider = serializers.ChoiceField(choices=SenderIdentity.SmsProvider.choices, required=False, allow_blank=True)
    sms_sender = serializers.RegexField(
        r"\A(\+[1-9][0-9]{6,14}|[A-Za-z0-9 ]{1,11})?\Z",
        max_length=20,
        required=False,
        allow_blank=True,
        help_text="A number with its country code, or a name of up to eleven letters and digits, that short messages come from.",
    )
    sms_credentials = serializers.DictField(
        child=serializers.CharField(max_length=200),
        required=False,
        help_text="; ".join(f"{name}: {', '.join(keys)}" for name, keys in CREDENTIALS.items()) + ". Kept encrypted, never shown again.",
    )

    def validate_sms_credentials(self, value: dict[str, Any]) -> dict[str, str]:
        return {str(name): str(secret) for name, secret in value.items()}
