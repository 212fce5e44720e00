"""calendar-feeds/ for the business."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Role
from apps.accounts.policy import MANAGERS
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import InputSerializer, NothingToSay, ScopedRelatedField
from apps.core.errors import NotAllowed
from apps.integrations.api.feeds import DETAIL_HELP, FeedSerializer, MadeFeedSerializer, with_address
from apps.integrations.models import CalendarFeed
from apps.integrations.services.feeds import make_feed, revoke_feed, rotate_feed


class FeedInput(InputSerializer):
    """Whose sessions are to be read: name either a practitioner or a client."""

    practitioner = ScopedRelatedField(model=Practitioner, required=False)
    client = ScopedRelatedField(model=Client, required=False)
    detail = serializers.ChoiceField(choices=CalendarFeed.Detail.choices, default=CalendarFeed.Detail.FULL, help_text=DETAIL_HELP)
    label = serializers.CharField(max_length=100, allow_blank=True, default="")  # type: ignore[assignment]  # a word of fields, too


class FeedFilter(FilterSet):
    practitioner = ScopedChoiceFilter(model=Practitioner)
    client = ScopedChoiceFilter(model=Client)
    detail = filters.ChoiceFilter(choices=CalendarFeed.Detail.choices)

    class Meta:
        model = CalendarFeed
        fields: ClassVar[list[str]] = []


class CalendarFeedViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Secret addresses at which a calendar program reads the sessions of a practitioner or a client.

    From 30 days ago to a year ahead; cancelled sessions stay 30 days. An address dies when its practitioner is switched off, its
    client is archived or merged, and when somebody who was shown it leaves the business.
    """

    model = CalendarFeed
    serializer_class = FeedSerializer
    filterset_class = FeedFilter
    http_method_names: ClassVar = ["get", "post", "delete", "head", "options"]

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return queryset.filter(revoked_at=None)

    @extend_schema(request=FeedInput, responses={201: MadeFeedSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a feed; its `url` is in this answer only. Practitioners make their own and those of clients. 409 `too_many_feeds`."""
        data = self.validated(FeedInput, request)
        self._refuse_of_others(data.get("practitioner"))
        feed, token = make_feed(**data)
        return Response(self._with_address(feed, token), status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revoke a feed: its address answers 404 from now on."""
        revoke_feed(self._mine())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingToSay, responses=MadeFeedSerializer)
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Give a feed another address, which is in this answer only; the old one answers 404 from now on."""
        feed = self._mine()
        self.validated(NothingToSay, request)
        feed, token = rotate_feed(feed)
        return Response(self._with_address(feed, token))

    def _with_address(self, feed: CalendarFeed, token: str) -> dict[str, Any]:
        return with_address(self.represent(feed.pk), self.account.slug, token, self.request)

    def _mine(self) -> CalendarFeed:
        feed: CalendarFeed = self.get_object()
        self._refuse_of_others(feed.practitioner)
        return feed

    def _refuse_of_others(self, practitioner: Practitioner | None) -> None:
        """A practitioner's feed is for managers and for themself."""
        if practitioner is None or Role(self.membership.role) in MANAGERS:
            return
        if practitioner.member_id != self.membership.pk:  # type: ignore[attr-defined]
            raise NotAllowed
