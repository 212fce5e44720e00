"""tickets/ and what belongs to them, for the business."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Membership
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.models import Client
from apps.core.api import reading
from apps.core.api.doors import ListMixin, ResourceMixin, RetrieveMixin
from apps.core.api.files import download
from apps.core.api.listing import FilterSet, FlagFilter, ScopedChoiceFilter, one_page, page_of
from apps.core.api.multipart import AnyAnswer, FormParser
from apps.core.api.reading import NothingToSay
from apps.core.api.schema import on_one_page, paged
from apps.core.errors import Invalid
from apps.tickets.api.staff.serializers import (
    SlaTargetSerializer,
    SupportHoursSerializer,
    TicketAssignInput,
    TicketAttachmentSerializer,
    TicketAttachmentUpload,
    TicketCategorySerializer,
    TicketChange,
    TicketInput,
    TicketMessageInput,
    TicketMessageSerializer,
    TicketSerializer,
    TicketTimeInput,
    TicketTimeSerializer,
)
from apps.tickets.api.words import SAID
from apps.tickets.models import (
    Priority,
    SlaTarget,
    Status,
    SupportHours,
    Ticket,
    TicketAttachment,
    TicketCategory,
    TicketMessage,
    TicketTime,
)
from apps.tickets.models.ticket import UNSOLVED
from apps.tickets.services import (
    add_attachment,
    add_message,
    assign_ticket,
    change_ticket,
    current_ownership,
    delete_attachment,
    log_time,
    open_ticket,
    step,
)


class TicketFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)
    is_open = FlagFilter(method="unsolved", help_text="Whether it is neither resolved nor closed.")
    priority = filters.ChoiceFilter(choices=Priority.choices)
    assignee = ScopedChoiceFilter(model=Membership)
    is_assigned = FlagFilter(method="assigned", help_text="Whether somebody looks after it.")
    site_id = filters.UUIDFilter(field_name="site__site_id", help_text="The site's UUID.")
    client = ScopedChoiceFilter(model=Client)
    category = filters.CharFilter(help_text="By name.")
    overdue = FlagFilter(method="late", help_text="Whether a due time of it has passed.")

    class Meta:
        model = Ticket
        fields: ClassVar[list[str]] = []

    def unsolved(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        return queryset.filter(status__in=UNSOLVED) if value else queryset.exclude(status__in=UNSOLVED)

    def assigned(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        return queryset.filter(assignee__isnull=not value)

    def late(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        late = Ticket.objects.overdue(timezone.now()).order_by().values("pk")
        return queryset.filter(pk__in=late) if value else queryset.exclude(pk__in=late)


class TicketViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """What clients ask for, with its messages, files and time."""

    model = Ticket
    serializer_class = TicketSerializer
    filterset_class = TicketFilter
    orderings: ClassVar = {**StaffViewSet.orderings, "number": "number", "opened_at": "opened_at"}
    search_fields = ("subject", "description", "client__full_name")
    idempotent = frozenset({"log_time"})

    @extend_schema(request=TicketInput, responses={201: TicketSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Open a ticket for a client, who is told. A site has to be one that they own now."""
        data = self.validated(TicketInput, request)
        client, site = data.pop("client"), data.pop("site_id")
        if not self.clients_in_sight().filter(pk=client.pk).exists():
            raise Invalid(fields={"client": [f'Invalid pk "{client.pk}" - object does not exist.']})
        ownership = current_ownership(site, client=client) if site is not None else None
        ticket = open_ticket(client, ownership=ownership, **data)
        return Response(self.represent(ticket.pk), status=status.HTTP_201_CREATED)

    @extend_schema(request=TicketChange, responses=TicketSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change subject, category or priority."""
        ticket = self.get_object()
        change_ticket(ticket, **self.validated(TicketChange, request))
        return Response(self.represent(ticket.pk))

    @extend_schema(request=TicketAssignInput, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Say who looks after the ticket. They are told what the client writes, and when it is overdue; without anybody the managers are."""
        ticket = self.get_object()
        assign_ticket(ticket, **self.validated(TicketAssignInput, request))
        return Response(self.represent(ticket.pk))

    @extend_schema(request=NothingToSay, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Somebody works on it. 409 `invalid_transition`."""
        return self._stepped("start")

    @extend_schema(request=NothingToSay, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def wait(self, request: Request, pk: str) -> Response:
        """It is the client's turn; the clock stands still until they write, or somebody starts again. 409 `invalid_transition`."""
        return self._stepped("wait")

    @extend_schema(request=NothingToSay, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """It is solved. What the client writes within 14 days takes it up again. 409 `invalid_transition`."""
        return self._stepped("resolve")

    @extend_schema(request=NothingToSay, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """It is over: nobody writes to it unless it is reopened. 409 `invalid_transition`."""
        return self._stepped("close")

    @extend_schema(request=NothingToSay, responses=TicketSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Take a resolved or closed ticket up again; its clock goes on where it stopped. 409 `invalid_transition`."""
        return self._stepped("reopen")

    def _stepped(self, name: str) -> Response:
        ticket = self.get_object()
        self.validated(NothingToSay, self.request)
        step(ticket, action=name)
        return Response(self.represent(ticket.pk))

    @paged(TicketMessageSerializer, **SAID)
    @action(detail=True, methods=["get"], filterset_class=None)
    def messages(self, request: Request, pk: str) -> Response:
        """What was said, oldest first (pages by `cursor`, `?ordering=-id` for the newest first), internal messages included."""
        said = TicketMessage.objects.filter(ticket=self.get_object())
        return Response(page_of(request, said, TicketMessageSerializer, **SAID))

    @extend_schema(request=TicketMessageInput, responses={201: TicketMessageSerializer})
    @messages.mapping.post
    def add_message(self, request: Request, pk: str) -> Response:
        """Write to the client, who is told; or, `internal`, to the other staff. The first answer starts an open ticket.

        409 `invalid_transition` when the ticket is closed, `limit_reached` with `rule` `messages_per_ticket`.
        """
        ticket, data = self.get_object(), self.validated(TicketMessageInput, request)
        message = add_message(ticket, body=data["body"], is_internal=data["internal"])
        found = TicketMessage.objects.filter(pk=message.pk)
        return Response(reading.represent(TicketMessageSerializer, found)[0], status=status.HTTP_201_CREATED)

    @on_one_page(TicketAttachmentSerializer)
    @action(detail=True, methods=["get"], parser_classes=[FormParser])
    def attachments(self, request: Request, pk: str) -> Response:
        """The files of a ticket, newest first, internal ones included: one page."""
        found = TicketAttachment.objects.filter(ticket=self.get_object()).order_by("-pk")
        return Response(one_page(reading.represent(TicketAttachmentSerializer, found)))

    @extend_schema(request=TicketAttachmentUpload, responses={201: TicketAttachmentSerializer})
    @attachments.mapping.post
    def add_attachment(self, request: Request, pk: str) -> Response:
        """Put a file to a ticket, as `multipart/form-data`.

        400 `file_type_refused`, 413 `file_too_large` (over 10 MiB) or `payload_too_large` (the whole form), 409 `invalid_transition` (the
        ticket is closed), `limit_reached` with `rule` `attachments_per_ticket` (twenty) or `document_quota_mb`, 503 `file_not_scanned` or
        `storage_unavailable`.
        """
        ticket, data = self.get_object(), self.validated(TicketAttachmentUpload, request)
        file = data["file"]
        attachment = add_attachment(ticket, name=file.name, content=file.read(), is_internal=data["internal"])
        found = TicketAttachment.objects.filter(pk=attachment.pk)
        return Response(reading.represent(TicketAttachmentSerializer, found)[0], status=status.HTTP_201_CREATED)

    @on_one_page(TicketTimeSerializer)
    @action(detail=True, methods=["get"])
    def times(self, request: Request, pk: str) -> Response:
        """The work on a ticket and the sessions that it used up: one page."""
        found = TicketTime.objects.filter(ticket=self.get_object()).order_by("pk")
        return Response(one_page(reading.represent(TicketTimeSerializer, found)))

    @extend_schema(request=TicketTimeInput, responses={201: TicketTimeSerializer})
    @action(detail=True, methods=["post"], url_path="log-time")
    def log_time(self, request: Request, pk: str) -> Response:
        """Record work that was done: the client's next session is used up by it, as a completed session of that practitioner.

        409 `no_sessions_left`, `order_frozen`, `package_expired`, `package_paused`, `invalid_transition` (the order is closed).
        """
        ticket, data = self.get_object(), self.validated(TicketTimeInput, request)
        entry = log_time(ticket, **data)
        found = TicketTime.objects.filter(pk=entry.pk)
        return Response(reading.represent(TicketTimeSerializer, found)[0], status=status.HTTP_201_CREATED)


class TicketAttachmentViewSet(RetrieveMixin, OwnClientsViewSet):
    """One file of a ticket: what is known about it, and the file."""

    model = TicketAttachment
    serializer_class = TicketAttachmentSerializer

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete a file for good."""
        delete_attachment(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file, as an attachment."),
            302: OpenApiResponse(description="With S3: `Location` serves the file for five minutes. Do not send the token there."),
        }
    )
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswer)
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """The file itself, under its name and with its `content_type`; 409 `file_missing` when the storage has lost it."""
        attachment = self.get_object()
        return download(attachment.storage_key, name=attachment.name, content_type=attachment.content_type)


class TicketCategoryViewSet(ResourceMixin, StaffViewSet):
    """The kinds of questions that tickets can be about."""

    model = TicketCategory
    serializer_class = TicketCategorySerializer


class SlaTargetViewSet(ResourceMixin, StaffViewSet):
    """How soon you promise to answer and to solve."""

    model = SlaTarget
    serializer_class = SlaTargetSerializer


class SupportHoursViewSet(ResourceMixin, StaffViewSet):
    """When your support is open: the hours that promises count."""

    model = SupportHours
    serializer_class = SupportHoursSerializer
