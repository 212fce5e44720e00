"""Staff's view of webhooks: where they go, and what became of each."""

from typing import Any, ClassVar

import orjson
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.core.api.doors import ListMixin, RetrieveMixin, valid_pk
from apps.core.api.fields import InstantField, OneLineField, StrictIntegerField
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import Computed, InputSerializer, NothingToSay, ResourceSerializer, represent
from apps.core.events import event_type
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.services.deliveries import REPLAY_DAYS, ping_endpoint, replay_delivery, replay_events
from apps.integrations.services.endpoints import (
    change_endpoint,
    create_endpoint,
    pause_endpoint,
    public_types,
    remove_endpoint,
    resume_endpoint,
    rotate_secret,
)

TYPES_HELP = "Types of docs/events.md, for example `booking.confirmed`; empty: everything that may leave."


class WebhookEndpointSerializer(ResourceSerializer):
    """An address of yours that is told what happens. Its signing secret is shown only when it is made.

    `paused`: by staff (`by_hand`), because it failed for too long (`failing`), or because we do not call its address (the other codes);
    `disabled`: it answered 410. What happens while it is not active is not sent by itself: resume it, then `replay/`,
    which without `from` sends what it has missed since ``missed_since``.
    """

    class Meta:
        model = WebhookEndpoint
        fields: ClassVar = [
            "id",
            "url",
            "description",
            "event_types",
            "state",
            "state_reason",
            "state_since",
            "missed_since",
            "failing_since",
            "consecutive_failures",
            "previous_secret_until",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class NewSecretSerializer(WebhookEndpointSerializer):
    """An endpoint with the secret that was made just now. Keep it: it is not shown again."""

    secret = serializers.CharField(read_only=True, help_text="Begins with `whsec_`; libraries for Standard Webhooks take it as it is.")

    class Meta(WebhookEndpointSerializer.Meta):
        fields: ClassVar = [*WebhookEndpointSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class TypesField(serializers.ListField):
    """Names of event types."""

    child = serializers.CharField(max_length=64)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, help_text=TYPES_HELP, **kwargs)


class WebhookEndpointInput(InputSerializer):
    """Where to send, and what."""

    url = OneLineField(max_length=2000, help_text="http or https on its usual port, at an address of the open internet.")
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    event_types = TypesField(required=False)


class WebhookEndpointChange(InputSerializer):
    """What to change; deliveries that wait go to the new address."""

    url = OneLineField(max_length=2000, required=False)
    description = serializers.CharField(max_length=200, required=False, allow_blank=True)
    event_types = TypesField(required=False)


class RotationInput(InputSerializer):
    """For how long the secret before this one signs, too."""

    overlap_hours = StrictIntegerField(min_value=0, max_value=168, default=24, help_text="0: at once only the new one.")


class ReplayInput(InputSerializer):
    """Which events to send again."""

    to = InstantField(required=False, help_text="Until before this instant; default: now.")
    event_types = TypesField(required=False)
    undelivered_only = serializers.BooleanField(default=True, help_text="Off: also what the endpoint has accepted once.")

    def get_fields(self) -> dict[str, Any]:
        since = InstantField(
            required=False,
            help_text=f"From this instant on, at most {REPLAY_DAYS} days ago; default: `missed_since`.",
        )
        return {"from": since, **super().get_fields()}


class ReplayedSerializer(serializers.Serializer):
    """How much is sent again."""

    deliveries = serializers.IntegerField(help_text="New deliveries, each with the event id it had before.")


class EventTypeSerializer(serializers.Serializer):
    """An event type that an endpoint can be told of."""

    type = serializers.CharField()
    subject = serializers.CharField(help_text="What it is about.")
    says = serializers.CharField()


class WebhookDeliverySerializer(ResourceSerializer):
    """One event for one endpoint, and how the last attempt to send it ended. What the receiver answered is not kept, only its status.

    `pending` is tried again at ``next_attempt_at``, up to eleven times in 72 hours; `cancelled`: its endpoint was stopped before.
    """

    class Meta:
        model = WebhookDelivery
        fields: ClassVar = [
            "id",
            "endpoint",
            "event_id",
            "event_type",
            "number",
            "state",
            "attempts",
            "next_attempt_at",
            "last_attempt_at",
            "last_status",
            "last_error",
            "duration_ms",
            "delivered_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "event_id": {"help_text": "The event's `sequence`; the receiver sees it as `webhook-id: evt_<event_id>`."},
            "number": {"help_text": "1, and one more for each replay."},
            "last_error": {"help_text": "`refused` (see the status), `redirect`, `gone`, `timeout`, `unreachable`, `name_not_found` …"},
        }


class SentSerializer(WebhookDeliverySerializer):
    """A delivery with what is sent."""

    body = Computed(
        orjson.loads,
        needs=["body"],
        schema=serializers.DictField(read_only=True),
        help_text="The body, byte by byte the same for every attempt: the event as `events/` shows it, its `id` and the account.",
    )

    class Meta(WebhookDeliverySerializer.Meta):
        fields: ClassVar = [*WebhookDeliverySerializer.Meta.fields, "body"]
        read_only_fields = fields


class WebhookEndpointFilter(FilterSet):
    state = filters.ChoiceFilter(choices=WebhookEndpoint.State.choices)

    class Meta:
        model = WebhookEndpoint
        fields: ClassVar[list[str]] = []


class WebhookDeliveryFilter(FilterSet):
    endpoint = ScopedChoiceFilter(model=WebhookEndpoint)
    state = filters.ChoiceFilter(choices=WebhookDelivery.State.choices)
    event_type = filters.CharFilter()

    class Meta:
        model = WebhookDelivery
        fields: ClassVar[list[str]] = []


class WebhookEndpointViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Where events of the account are sent, signed as the Standard Webhooks say."""

    model = WebhookEndpoint
    serializer_class = WebhookEndpointSerializer
    filterset_class = WebhookEndpointFilter
    http_method_names: ClassVar = ["get", "post", "patch", "delete", "head", "options"]
    idempotent = frozenset({"ping", "replay"})

    @extend_schema(request=WebhookEndpointInput, responses={201: NewSecretSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add an endpoint. The answer holds its `secret`, which is not shown again; verify every webhook with it.

        400 for an address that cannot be called and for unknown types; 409 `too_many_endpoints`.
        """
        endpoint, secret = create_endpoint(**self.validated(WebhookEndpointInput, request))
        return Response({**self.represent(endpoint.pk), "secret": secret}, status=status.HTTP_201_CREATED)

    @extend_schema(request=WebhookEndpointChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change where events go, or which."""
        endpoint = self.get_object()
        change_endpoint(endpoint, **self.validated(WebhookEndpointChange, request))
        return Response(self.represent(endpoint.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove an endpoint, and the record of what was sent to it."""
        remove_endpoint(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=RotationInput, responses=NewSecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Make a new secret, which is not shown again. Until `previous_secret_until` both sign: a receiver may know either."""
        endpoint = self.get_object()
        _, secret = rotate_secret(endpoint, **self.validated(RotationInput, request))
        return Response({**self.represent(endpoint.pk), "secret": secret})

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Send nothing there for now; what waits is cancelled. 409 `invalid_transition` when it is not active."""
        endpoint = self.get_object()
        self.validated(NothingToSay, request)
        pause_endpoint(endpoint)
        return Response(self.represent(endpoint.pk))

    @extend_schema(request=NothingToSay)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Send what happens from now on; what was missed is for `replay/`. 409 `invalid_transition` when it is active."""
        endpoint = self.get_object()
        self.validated(NothingToSay, request)
        resume_endpoint(endpoint)
        return Response(self.represent(endpoint.pk))

    @extend_schema(request=NothingToSay, responses={201: SentSerializer})
    @action(detail=True, methods=["post"])
    def ping(self, request: Request, pk: str) -> Response:
        """Send the event `webhook.test` to this endpoint alone, once; read the delivery to see what came of it. 409 `endpoint_not_active`."""
        endpoint = self.get_object()
        self.validated(NothingToSay, request)
        sent = WebhookDelivery.objects.filter(pk=ping_endpoint(endpoint).pk)
        return Response(represent(SentSerializer, sent)[0], status=status.HTTP_201_CREATED)

    @extend_schema(request=ReplayInput, responses=ReplayedSerializer)
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Send the events of a time again; without one, what it missed by being stopped.

        They keep their ids: a receiver drops what it knows.

        What is on its way is left alone. 400 for more events than fit into one call; 409 `endpoint_not_active`.
        """
        endpoint = self.get_object()
        data = self.validated(ReplayInput, request)
        return Response({"deliveries": replay_events(endpoint, since=data.pop("from", None), until=data.pop("to", None), **data)})

    @extend_schema(responses=EventTypeSerializer(many=True))
    @action(detail=False, methods=["get"], url_path="event-types")
    def event_types(self, request: Request) -> Response:
        """What an endpoint can be told of."""
        known = [event_type(name) for name in public_types()]
        return Response([{"type": one.name, "subject": one.subject, "says": one.says} for one in known])


class WebhookDeliveryViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """What was sent, for 30 days."""

    model = WebhookDelivery
    serializer_class = WebhookDeliverySerializer
    filterset_class = WebhookDeliveryFilter
    idempotent = frozenset({"replay"})

    @extend_schema(responses=SentSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One delivery, with its body."""
        return Response(self.represent(valid_pk(self.model, self.kwargs["pk"]), SentSerializer))

    @extend_schema(request=NothingToSay, responses={201: SentSerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Send this body again now, under the same event id, as a new delivery.

        409 `invalid_transition` while the event is on its way to the endpoint, `endpoint_not_active`.
        """
        delivery = self.get_object()
        self.validated(NothingToSay, request)
        return Response(self.represent(replay_delivery(delivery).pk, SentSerializer), status=status.HTTP_201_CREATED)
