from typing import Any, ClassVar

from rest_framework import serializers

from apps.clients.models import Client
from apps.clients.services import create_client, update_client
from apps.core.api.reading import ResourceSerializer

MAX_TAGS = 50
MAX_CUSTOM_FIELDS = 100
MAX_KEY = 64
MAX_TEXT = 2_000


class CustomFieldsField(serializers.JSONField):
    """An object of up to 100 fields: texts, numbers, true, false, null, or a list of them."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Send an object.")
        if len(data) > MAX_CUSTOM_FIELDS:
            raise serializers.ValidationError(f"A client has at most {MAX_CUSTOM_FIELDS} custom fields.")
        wrong = {}
        for key, value in data.items():
            if not 0 < len(key) <= MAX_KEY:
                wrong[key[:MAX_KEY]] = [f"A name has 1 to {MAX_KEY} characters."]
            elif not _is_simple(value) and not (
                isinstance(value, list) and len(value) <= MAX_CUSTOM_FIELDS and all(map(_is_simple, value))
            ):
                wrong[key] = [f"Send a text of up to {MAX_TEXT} characters, a number, true, false, null, or a list of them."]
        if wrong:
            raise serializers.ValidationError(wrong)
        return data


def _is_simple(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= MAX_TEXT)


class ClientSerializer(ResourceSerializer):
    """A person in this account's CRM. Only full_name is required, and the custom fields that the account requires.

    ``customer`` is their login, when they have one; ``consents`` is {purpose: {granted, at}}, the latest of what consents/ lists.
    """

    tags = serializers.ListField(child=serializers.CharField(max_length=50), max_length=MAX_TAGS, required=False)
    custom_fields = CustomFieldsField(required=False)

    class Meta:
        model = Client
        fields: ClassVar = [
            "id",
            "full_name",
            "email",
            "phone_number",
            "stage",
            "source",
            "owner",
            "tags",
            "custom_fields",
            "consents",
            "customer",
            "tax_id",
            "tax_code",
            "billing_address",
            "blocked_at",
            "blocked_reason",
            "created_at",
            "updated_at",
        ]
        read_only_fields: ClassVar = ["consents", "customer", "blocked_at", "blocked_reason"]

    def validate_tags(self, tags: list[str]) -> list[str]:
        """Each once, in the order given."""
        return list(dict.fromkeys(tags))

    def create(self, validated_data: dict[str, Any]) -> Client:
        return create_client(is_complete=True, **validated_data)

    def update(self, instance: Client, validated_data: dict[str, Any]) -> Client:
        return update_client(instance, **validated_data)
