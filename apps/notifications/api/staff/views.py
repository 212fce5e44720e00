from typing import Any, ClassVar

from django.db.models import BigIntegerField, QuerySet
from django_filters import rest_framework as filters
from django_scopes import scope
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, Listing, ScopedChoiceFilter
from apps.core.compiled import Param
from apps.notifications.api.filters import NotificationFilter
from apps.notifications.api.serializers import (
    MarkedSerializer,
    NothingSerializer,
    NotificationSerializer,
    PreferencesSerializer,
    UnreadCountSerializer,
)
from apps.notifications.api.staff.serializers import DeliverySerializer, SenderIdentityInput, SenderIdentitySerializer
from apps.notifications.models import Delivery, Kind, Notification, SenderIdentity
from apps.notifications.models.deliveries import OUTWARD_CHOICES
from apps.notifications.preferences import table_of
from apps.notifications.services.identity import change_identity, identity
from apps.notifications.services.reading import choose, delete_notification, mark_all_read, mark_read, unread_count
from apps.notifications.services.sending import retry_delivery


class NotificationViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """What the caller was told in this account, newest first."""

    model = Notification
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilter
    orderings: ClassVar[dict[str, str]] = {}
    default_ordering = "-id"
    http_method_names: ClassVar = ["get", "post", "patch", "delete", "head", "options"]

    def narrow_for_request(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(user_id=self.caller.pk)

    def listing(self) -> Listing:
        """The SQL is kept, with the caller as a parameter of it."""
        parameters = {"account_id": BigIntegerField(), "user_id": BigIntegerField()}
        return Listing(
            view=type(self),
            model=Notification,
            serializer_class=self.serializer_class,
            base=self.get_queryset,
            kept=lambda: Notification.objects.filter(user_id=Param("user_id", parameters["user_id"])),
            filterset_class=self.filterset_class,
            orderings={"id": "id"},
            default_ordering=self.default_ordering,
            search=None,
            scope_values={"account_id": self.account.pk, "user_id": self.caller.pk},
            scoped=lambda: scope(account=Param("account_id", parameters["account_id"])),
        )

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take it out of the list for good."""
        delete_notification(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        request=NothingSerializer, responses=NotificationSerializer, description="Mark it as read. Repeating it changes nothing."
    )
    @action(detail=True, methods=["post"])
    def read(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        notification = self.get_object()
        mark_read(notification)
        return Response(self.represent(notification.pk))

    @extend_schema(request=NothingSerializer, responses=MarkedSerializer, description="Mark everything of this account as read.")
    @action(detail=False, methods=["post"], url_path="read-all", filterset_class=None)
    def read_all(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        return Response({"count": mark_all_read(user_id=self.caller.pk, account_ids=[self.account.pk])})

    @extend_schema(responses=UnreadCountSerializer, filters=False, description="For a badge; counts to 1000 at most.")
    @action(detail=False, methods=["get"], url_path="unread-count", filterset_class=None)
    def unread_count(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(unread_count(self.get_queryset()))


class PreferencesView(StaffViewSet):
    """What the caller is told, and how. Everything is told inside the product, mails go out for what concerns money or time; SMS are off
    but for reminders that a rule of the business sends. The choice holds for all accounts of the caller."""

    model = Notification
    serializer_class = PreferencesSerializer

    @extend_schema(responses=PreferencesSerializer)
    def retrieve(self, request: Request) -> Response:
        return Response({"preferences": table_of(self.caller.pk)})

    @extend_schema(request=PreferencesSerializer, responses=PreferencesSerializer)
    def partial_update(self, request: Request) -> Response:
        choose(user_id=self.caller.pk, choices=self.validated(PreferencesSerializer, request)["preferences"])
        return Response({"preferences": table_of(self.caller.pk)})


class DeliveryFilter(FilterSet):
    state = filters.ChoiceFilter(choices=Delivery.State.choices)
    channel = filters.ChoiceFilter(choices=OUTWARD_CHOICES)
    type = filters.ChoiceFilter(field_name="kind", choices=Kind.choices)
    client = ScopedChoiceFilter(model=Client, field_name="client_id")

    class Meta:
        model = Delivery
        fields: ClassVar[list[str]] = []


class DeliveryViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Mails and short messages that the account has sent, is sending, or could not send."""

    model = Delivery
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    orderings: ClassVar[dict[str, str]] = {"created_at": "created_at"}
    http_method_names: ClassVar = ["get", "post", "head", "options"]

    @extend_schema(
        request=NothingSerializer,
        responses=DeliverySerializer,
        description="Send what has failed, or waits for its next attempt, again now. 409 `invalid_transition` for what was sent.",
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.validated(NothingSerializer, request)
        delivery = self.get_object()
        retry_delivery(delivery)
        return Response(self.represent(delivery.pk))


class SenderIdentityView(StaffViewSet):
    """In whose name mails and short messages of the account are sent."""

    model = SenderIdentity
    serializer_class = SenderIdentitySerializer

    def retrieve(self, request: Request) -> Response:
        return Response(_shown(identity()))

    @extend_schema(request=SenderIdentityInput, responses=SenderIdentitySerializer)
    def partial_update(self, request: Request) -> Response:
        values = self.validated(SenderIdentityInput, request)
        credentials = values.pop("sms_credentials", None)
        return Response(_shown(change_identity(credentials=credentials, **values)))


def _shown(found: SenderIdentity) -> dict[str, Any]:
    """There may be no row yet, so no plan of columns."""
    named = {name: getattr(found, name) for name in ("sender_name", "reply_to", "sms_provider", "sms_sender")}
    return {**named, "has_sms_credentials": bool(found.sms_credentials)}
