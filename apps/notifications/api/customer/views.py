from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.notifications.api.filters import NotificationFilter
from apps.notifications.api.serializers import (
    MarkedSerializer,
    NothingSerializer,
    NotificationSerializer,
    PreferencesSerializer,
    UnreadCountSerializer,
)
from apps.notifications.models import Notification
from apps.notifications.preferences import table_of
from apps.notifications.services.reading import choose, delete_notification, mark_all_read, mark_read, unread_count
from apps.users.api.doors import CustomerDoor


class OwnNotificationFilter(ClientFilterSet, NotificationFilter):
    class Meta(NotificationFilter.Meta):
        pass


class OwnNotificationViewSet(ListMixin, RetrieveMixin, ClientDoor):
    """What the caller was told by all businesses whose client they are, newest first."""

    model = Notification
    serializer_class = NotificationSerializer
    filterset_class = OwnNotificationFilter
    orderings: ClassVar[dict[str, str]] = {}
    default_ordering = "-id"
    http_method_names: ClassVar = ["get", "post", "delete", "head", "options"]

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.customer.user_id)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take it out of the list for good."""
        notification = self.get_object()
        with self.inside(notification):
            delete_notification(notification)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=NothingSerializer, responses=NotificationSerializer, description="Mark it as read. Repeating it changes nothing."
    )
    @action(detail=True, methods=["post"])
    def read(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        notification = self.get_object()
        with self.inside(notification):
            mark_read(notification)
        return Response(self.represent(notification.pk))

    @extend_schema(
        request=NothingSerializer, responses=MarkedSerializer, description="Mark everything as read, or with `?account=` one account's."
    )
    @action(detail=False, methods=["post"], url_path="read-all", filterset_class=None)
    def read_all(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        accounts = sorted({client.account_id for client in self.clients})
        return Response({"count": mark_all_read(user_id=self.customer.user_id, account_ids=accounts)})

    @extend_schema(responses=UnreadCountSerializer, filters=False, description="For a badge; counts to 1000 at most.")
    @action(detail=False, methods=["get"], url_path="unread-count", filterset_class=None)
    def unread_count(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(unread_count(self.get_queryset()))


class OwnPreferencesView(CustomerDoor):
    """What the caller is told, and how, by all businesses."""

    model = Notification
    serializer_class = PreferencesSerializer

    @extend_schema(responses=PreferencesSerializer)
    def retrieve(self, request: Request) -> Response:
        return Response({"preferences": table_of(self.customer.user_id)})

    @extend_schema(request=PreferencesSerializer, responses=PreferencesSerializer)
    def partial_update(self, request: Request) -> Response:
        choose(user_id=self.customer.user_id, choices=self.validated(PreferencesSerializer, request)["preferences"])
        return Response({"preferences": table_of(self.customer.user_id)})
