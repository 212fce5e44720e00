"""Calendar feeds as every door shows them, and the address that is said once."""

from typing import Any, ClassVar

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request

from apps.core.api.reading import ResourceSerializer
from apps.integrations.models import CalendarFeed

ONCE = "The secret address of the calendar. It is shown in this answer only; whoever knows it can read the calendar."


class FeedSerializer(ResourceSerializer):
    """A calendar feed. Its address was shown when it was made, and cannot be read again: `rotate/` gives it another."""

    class Meta:
        model = CalendarFeed
        fields: ClassVar = ["id", "practitioner", "client", "detail", "label", "last_read_at", "created_at", "updated_at"]
        read_only_fields = fields


class MadeFeedSerializer(FeedSerializer):
    """A calendar feed with its address."""

    url = serializers.URLField(read_only=True, help_text=ONCE)

    class Meta(FeedSerializer.Meta):
        fields: ClassVar = [*FeedSerializer.Meta.fields, "url"]
        read_only_fields = fields


DETAIL_HELP = "`full` names service and people; `busy` only says when."


def with_address(shown: dict[str, Any], slug: str, token: str, request: Request) -> dict[str, Any]:
    """The feed as it is shown, and where it is from now on."""
    path = reverse("public-calendar", kwargs={"slug": slug, "secret": token}).removesuffix("/")  # it looks like the file that it is
    return {**shown, "url": request.build_absolute_uri(path)}
