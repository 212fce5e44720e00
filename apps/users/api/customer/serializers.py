import re
from typing import Any, ClassVar

from django.conf import settings
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers

from apps.core.api.fields import DayField, OneLineField, PhoneField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.core.zones import validate_zone
from apps.users.api.fields import CountryField
from apps.users.models import Address, Customer
from apps.users.services import update_profile
from apps.users.services.pictures import FOLDER

USERNAME = re.compile(r"[\w.+-]{1,150}")


class AddressSerializer(ResourceSerializer):
    """A postal address of the caller."""

    country = CountryField()

    class Meta:
        model = Address
        fields: ClassVar = [
            "id",
            "label",
            "line1",
            "line2",
            "city",
            "region",
            "postal_code",
            "country",
            "created_at",
            "updated_at",
        ]


class OwnAddressField(ScopedRelatedField):
    """One of the caller's own addresses; somebody else's does not exist."""

    def get_queryset(self) -> Any:
        return Address.objects.filter(user_id=self.context["request"].user.pk)


def where_the_picture_is(name: str) -> str | None:
    """The address of the caller's own picture; of one that was imported, its place in the old storage."""
    if name.startswith(f"{FOLDER}/"):
        return reverse("customer-picture")
    return default_storage.url(name) if name else None


class PictureInput(InputSerializer):
    """A picture, sent as `multipart/form-data`."""

    file = serializers.FileField(
        allow_empty_file=True,  # the check of pictures says it in its own words
        help_text="PNG, JPEG or WebP, at most 10 MB. It is scaled down to 1024 pixels, and loses all but them.",
    )


class ProfileSerializer(ResourceSerializer):
    """The caller's own data. E-mail is changed through the sign-in API, because the new address must be proved."""

    email = serializers.EmailField(source="user.email", read_only=True)
    username = serializers.CharField(source="user.username", max_length=150, required=False, allow_null=True, allow_blank=True)
    language = serializers.ChoiceField(source="user.language", choices=settings.LANGUAGES, required=False)
    timezone = serializers.CharField(
        source="user.timezone",
        max_length=64,
        required=False,
        allow_blank=True,
        help_text="IANA name of the zone in which messages show times; empty: the zone of the session, else of the account.",
    )
    full_name = OneLineField(max_length=255, required=False, allow_blank=True)
    phone_number = PhoneField(required=False, allow_null=True, allow_blank=True)
    birth_date = DayField(required=False, allow_null=True)
    country = CountryField(required=False, allow_null=True)
    primary_address = OwnAddressField(model=Address, required=False, allow_null=True)
    image = Computed(
        where_the_picture_is,
        needs=["image"],
        schema=serializers.CharField(allow_null=True, read_only=True),
        help_text="Where you read the picture (`me/image/`); null without one. It is set and removed there, too.",
    )

    class Meta:
        model = Customer
        fields: ClassVar = [
            "id",
            "email",
            "username",
            "full_name",
            "phone_number",
            "gender",
            "birth_date",
            "image",
            "country",
            "language",
            "timezone",
            "is_verified",
            "primary_address",
        ]
        read_only_fields: ClassVar = ["is_verified"]

    def validate_username(self, value: str | None) -> str | None:
        if value and not USERNAME.fullmatch(value):
            raise serializers.ValidationError("Letters, digits and . + - _ only.")
        return value or None

    def validate_timezone(self, value: str) -> str:
        if value:
            validate_zone(value)
        return value

    def validate_phone_number(self, value: Any) -> Any:
        return value or None

    def validate_birth_date(self, value: Any) -> Any:
        if value is not None and value > timezone.now().date():
            raise serializers.ValidationError("A date of birth lies in the past.")
        return value

    def update(self, instance: Customer, validated_data: dict[str, Any]) -> Customer:
        login = validated_data.pop("user", {})
        return update_profile(customer=instance, login=login, **validated_data)
