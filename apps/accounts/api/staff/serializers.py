from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from apps.accounts.models import Invitation, Membership, Role
from apps.accounts.settings_keys import KEYS, Key
from apps.core.api.fields import StrictIntegerField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer


class MemberSerializer(ResourceSerializer):
    """Somebody who works in the account."""

    email = serializers.EmailField(source="user.email", read_only=True)
    full_name = serializers.CharField(source="user.customer.full_name", read_only=True, allow_null=True)

    class Meta:
        model = Membership
        fields: ClassVar = ["id", "user", "email", "full_name", "role", "is_active", "created_at", "updated_at"]
        read_only_fields: ClassVar = ["user"]


def _state(accepted_at: Any, revoked_at: Any, expires_at: Any) -> str:
    if accepted_at:
        return "accepted"
    if revoked_at:
        return "revoked"
    return "expired" if expires_at <= timezone.now() else "open"


class InvitationSerializer(ResourceSerializer):
    """An offer of a membership. The token is in the mail and nowhere else."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=Role.choices)
    status = Computed(
        _state,
        needs=["accepted_at", "revoked_at", "expires_at"],
        schema=serializers.ChoiceField(choices=["open", "accepted", "revoked", "expired"], read_only=True),
    )

    class Meta:
        model = Invitation
        fields: ClassVar = ["id", "email", "role", "status", "expires_at", "invited_by", "accepted_at", "revoked_at", "created_at"]
        read_only_fields: ClassVar = ["expires_at", "invited_by", "accepted_at", "revoked_at"]


class TextSetting(serializers.CharField):
    """Text as it is: a number is not text here."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class BooleanSetting(serializers.BooleanField):
    """true or false, and none of the words that mean them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def _field(key: Key) -> serializers.Field:
    if isinstance(key.default, bool):
        return BooleanSetting(required=False, help_text=key.help_text)
    if isinstance(key.default, int):
        return StrictIntegerField(required=False, min_value=key.minimum, max_value=key.maximum, help_text=key.help_text)
    if key.choices:
        return serializers.ChoiceField(required=False, choices=key.choices, help_text=key.help_text)
    return TextSetting(required=False, allow_blank=True, max_length=key.max_length, help_text=key.help_text)


class SettingsSerializer(InputSerializer):
    """The settings of the account, all of them with their values; the list is closed."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {name: _field(key) for name, key in KEYS.items()}
