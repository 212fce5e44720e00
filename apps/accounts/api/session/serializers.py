from typing import ClassVar

from django.conf import settings
from rest_framework import serializers

from apps.accounts.models import Account, ApiToken, validate_zone
from apps.core.api.reading import InputSerializer, ResourceSerializer
from apps.users.api.fields import CountryField


class SignInSerializer(InputSerializer):
    """Input of auth/tokens/."""

    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    mfa_code = serializers.CharField(max_length=64, required=False, help_text="TOTP or recovery code, when the user has a second factor.")
    # The name hides Field.label, which a serializer at the top has no use for.
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=100, required=False, allow_blank=True, default="", help_text="What this device is called."
    )


class ClaimInput(InputSerializer):
    """Input of auth/claim/."""

    key = serializers.CharField(max_length=500, help_text="The last part of the address in the mail.")
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class ClaimedSerializer(serializers.Serializer):
    """Whose login it is."""

    email = serializers.EmailField()


class NewTokenSerializer(serializers.Serializer):
    """The only time that the token itself is shown."""

    id = serializers.UUIDField()
    token = serializers.CharField(help_text="Send it as `Authorization: Token …`.")
    expires_at = serializers.DateTimeField()


class TokenSerializer(ResourceSerializer):
    """A token of the caller, without its secret."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    created_at = serializers.DateTimeField(source="created", read_only=True)
    expires_at = serializers.DateTimeField(source="expiry", read_only=True)

    class Meta:
        model = ApiToken
        fields: ClassVar = ["id", "label", "created_at", "last_used_at", "expires_at"]


class TokenListSerializer(serializers.Serializer):
    """All of them: a user has at most a hundred."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = TokenSerializer(many=True)


class MyAccountSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()
    timezone = serializers.CharField()
    currency = serializers.CharField()


class MyMembershipSerializer(serializers.Serializer):
    account = MyAccountSerializer()
    role = serializers.CharField()


class MyCustomerSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    full_name = serializers.CharField()
    phone_number = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)
    is_verified = serializers.BooleanField()


class MeSerializer(serializers.Serializer):
    """Who is signed in, and where they work."""

    id = serializers.IntegerField()
    email = serializers.EmailField()
    language = serializers.CharField()
    timezone = serializers.CharField(help_text="IANA name; empty: times are shown in the zone of the account.")
    customer = MyCustomerSerializer(allow_null=True)
    memberships = MyMembershipSerializer(many=True)


class MyLoginSerializer(InputSerializer):
    """How the caller reads. The rest of a person is changed at customer/me/."""

    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)
    timezone = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="IANA name; empty: times are shown in the zone of the account."
    )

    def validate_timezone(self, value: str) -> str:
        if value:
            validate_zone(value)
        return value


class NewAccountSerializer(InputSerializer):
    """Input of accounts/."""

    name = serializers.CharField(max_length=200)
    slug = serializers.SlugField(max_length=63, required=False, help_text="Made from the name when left out.")
    timezone = serializers.CharField(max_length=64, validators=[validate_zone], help_text="IANA name, for example Europe/Berlin.")
    currency = serializers.RegexField(r"\A[A-Z]{3}\Z", help_text="ISO 4217, for example EUR.")
    country = CountryField()


class AccountSerializer(ResourceSerializer):
    """A business. The currency stays as it was: prices and orders are kept in it."""

    country = CountryField(required=False)

    class Meta:
        model = Account
        fields: ClassVar = ["id", "slug", "name", "timezone", "currency", "country", "status", "created_at", "updated_at"]
        read_only_fields: ClassVar = ["currency", "status"]


class AcceptInvitationSerializer(InputSerializer):
    """Input of invitations/accept/."""

    token = serializers.CharField(max_length=500)
