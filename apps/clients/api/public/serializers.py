from rest_framework import serializers

from apps.core.api.reading import InputSerializer


class AskForLinkInput(InputSerializer):
    """Where the link goes."""

    email = serializers.EmailField(max_length=254, help_text="The address that the business knows you by.")


class OpenLinkInput(InputSerializer):
    """What the mailed link carries."""

    token = serializers.CharField(max_length=500, help_text="The last part of the link's address.")


class CloseAccessInput(InputSerializer):
    """Nothing to send."""


class GuestTokenSerializer(serializers.Serializer):
    """The only time that the token itself is shown."""

    token = serializers.CharField(help_text="Send it as `Authorization: Guest …` to `/api/customer/`.")
    expires_at = serializers.DateTimeField()


class AcceptedSerializer(serializers.Serializer):
    """The same answer for every address."""

    message = serializers.CharField()
