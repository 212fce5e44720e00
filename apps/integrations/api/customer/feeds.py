"""calendar-feeds/ for clients: their own sessions in their own calendar."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.reading import InputSerializer, NothingToSay, ResourceSerializer
from apps.integrations.api.feeds import DETAIL_HELP, ONCE, with_address
from apps.integrations.models import CalendarFeed
from apps.integrations.services.feeds import make_feed, revoke_feed, rotate_feed


class OwnFeedSerializer(ResourceSerializer):
    """A calendar feed of your sessions at one business. `account` is its slug."""

    account = serializers.CharField(source="account.slug", read_only=True)
    account_name = serializers.CharField(source="account.name", read_only=True)

    class Meta:
        model = CalendarFeed
        fields: ClassVar = ["id", "account", "account_name", "detail", "label", "last_read_at", "created_at", "updated_at"]
        read_only_fields = fields


class OwnMadeFeedSerializer(OwnFeedSerializer):
    """A calendar feed with its address."""

    url = serializers.URLField(read_only=True, help_text=ONCE)

    class Meta(OwnFeedSerializer.Meta):
        fields: ClassVar = [*OwnFeedSerializer.Meta.fields, "url"]
        read_only_fields = fields


class OwnFeedInput(InputSerializer):
    """How much the calendar says."""

    detail = serializers.ChoiceField(choices=CalendarFeed.Detail.choices, default=CalendarFeed.Detail.FULL, help_text=DETAIL_HELP)
    label = serializers.CharField(max_length=100, allow_blank=True, default="")  # type: ignore[assignment]  # a word of fields, too


class OwnFeedFilter(ClientFilterSet):
    class Meta:
        model = CalendarFeed
        fields: ClassVar[list[str]] = []


class OwnCalendarFeedViewSet(ListMixin, RetrieveMixin, ClientDoor):
    """Secret addresses at which your calendar program reads your sessions, one business each."""

    model = CalendarFeed
    serializer_class = OwnFeedSerializer
    filterset_class = OwnFeedFilter
    http_method_names: ClassVar = ["get", "post", "delete", "head", "options"]

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(revoked_at=None)

    @extend_schema(
        request=OwnFeedInput,
        responses={201: OwnMadeFeedSerializer},
        parameters=[OpenApiParameter("account", str, description="Slug of the business; needed when you are a client of several.")],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a feed of your sessions at one business; its `url` is in this answer only. 409 `too_many_feeds`."""
        data = self.validated(OwnFeedInput, request)
        client = self.client_at()
        with self.inside(client):
            feed, token = make_feed(client=client, by_member=False, **data)
        return Response(with_address(self.represent(feed.pk), client.account.slug, token, request), status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revoke a feed: its address answers 404 from now on."""
        feed = self.get_object()
        with self.inside(feed):
            revoke_feed(feed)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingToSay, responses=OwnMadeFeedSerializer)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Give a feed another address, which is in this answer only; the old one answers 404 from now on."""
        feed = self.get_object()
        self.validated(NothingToSay, request)
        with self.inside(feed):
            feed, token = rotate_feed(feed, by_member=False)
        return Response(with_address(self.represent(feed.pk), self.client_at(feed).account.slug, token, request))
