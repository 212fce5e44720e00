from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Membership
from apps.accounts.policy import allows
from apps.clients.api.staff.serializers import ClientSerializer
from apps.clients.models import Client
from apps.clients.services import delete_client
from apps.core.api.doors import ResourceMixin
from apps.core.api.events import TimelineSerializer
from apps.core.api.listing import FilterSet, Listing, ScopedChoiceFilter
from apps.core.models import Event


class ClientFilter(FilterSet):
    stage = filters.ChoiceFilter(choices=Client.Stage.choices)
    tag = filters.CharFilter(method="with_tag")
    owner = ScopedChoiceFilter(model=Membership)

    def with_tag(self, queryset: QuerySet, name: str, tag: str) -> QuerySet:
        return queryset.filter(tags__contains=[tag])


class ClientViewSet(ResourceMixin, StaffViewSet):
    """Clients and leads of the account, without those that were merged into another."""

    model = Client
    serializer_class = ClientSerializer
    filterset_class = ClientFilter
    search_fields = ("full_name", "email", "phone_number")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "full_name": "full_name"}

    @classmethod
    def narrow(cls, clients: Any) -> QuerySet:
        return clients.current()

    def perform_destroy(self, client: Client) -> None:
        delete_client(client)

    @extend_schema(responses=TimelineSerializer(many=True))
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        """What happened with this client, newest first (pages by `cursor`). Who may not see payments does not see them here either."""
        client = self.get_object()
        events = Event.objects.filter(client_id=client.pk)
        if not allows(self.membership.role, "payment", "list"):
            events = events.exclude(subject_type__startswith="payments.")
        page = Listing(
            view=None,
            model=Event,
            serializer_class=TimelineSerializer,
            base=lambda: events,
            filterset_class=None,
            orderings={"id": "id"},
            default_ordering="-id",
            search=None,
            scope_values={},
            scoped=lambda: None,
        )
        return Response(page.page(request))
