from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import Membership
from apps.accounts.policy import allows
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.api.staff.blocking import BlockActions
from apps.clients.api.staff.care import CareActions
from apps.clients.api.staff.merging import MergeActions
from apps.clients.api.staff.serializers import ClientSerializer
from apps.clients.api.staff.subjects import SubjectActions
from apps.clients.models import Client, Segment
from apps.clients.search import containing, find
from apps.clients.segments import within
from apps.clients.services import delete_client
from apps.core.api.doors import ResourceMixin
from apps.core.api.events import TimelineSerializer
from apps.core.api.listing import FilterSet, FlagFilter, ScopedChoiceFilter, page_of
from apps.core.api.schema import paged
from apps.core.models import Event


class ClientFilter(FilterSet):
    stage = filters.ChoiceFilter(choices=Client.Stage.choices)
    tag = filters.CharFilter(method="with_tag")
    source = filters.CharFilter()
    owner = ScopedChoiceFilter(model=Membership)
    has_login = FlagFilter(method="with_login")
    is_blocked = FlagFilter(method="blocked")
    segment = ScopedChoiceFilter(model=Segment, method="of_segment", help_text="Who belongs to this segment now.")

    def with_login(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        return queryset.filter(customer__isnull=not value)

    def blocked(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        return queryset.filter(blocked_at__isnull=not value)

    def of_segment(self, queryset: QuerySet, name: str, segment_id: int) -> QuerySet:
        segment = Segment.objects.get(pk=segment_id)
        return within(queryset, segment.conditions, account=self.request.parser_context["view"].account, at=timezone.now())

    def with_tag(self, queryset: QuerySet, name: str, tag: str) -> QuerySet:
        return queryset.filter(tags__contains=[tag])


class ClientViewSet(MergeActions, SubjectActions, CareActions, BlockActions, ResourceMixin, OwnClientsViewSet):
    """Clients and leads of the account, without those that were merged into another.

    `?search=` finds by name, e-mail address or phone number, also with one letter wrong, missing, too much or swapped: the best finds
    first, on one page of at most `page_size` (`next` is null; the other filters narrow it). With `?ordering=` those that contain every
    word are listed in that order instead, page by page.
    """

    model = Client
    client_path = "pk"
    serializer_class = ClientSerializer
    filterset_class = ClientFilter
    search_fields = ("full_name", "email", "phone_number")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "full_name": "full_name"}

    idempotent = frozenset({"merge"})

    ranked = staticmethod(find)

    def search(self, clients: QuerySet, text: str) -> QuerySet:
        return containing(clients, text)

    @classmethod
    def narrow(cls, clients: Any) -> QuerySet:
        return clients.current()

    def perform_create(self, serializer: Any) -> Client:
        """Who sees only their own clients becomes the owner of those they enter."""
        mine = self.sees_own_clients_only and not serializer.validated_data.get("owner")
        return serializer.save(account_id=self.account.pk, **({"owner": self.membership} if mine else {}))

    def perform_destroy(self, client: Client) -> None:
        delete_client(client)

    @paged(TimelineSerializer)
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        """What happened with this client and those merged into them, newest first (pages by `cursor`). Who may not see payments does not see them here either."""
        client = self.get_object()
        events = Event.objects.filter(client_id__in=client.all_ids)
        if not allows(self.membership.role, "payment", "list"):
            events = events.exclude(subject_type__startswith="payments.")
        return Response(page_of(request, events, TimelineSerializer))
