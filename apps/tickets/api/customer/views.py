"""tickets/ of the caller."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.models import Side
from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.files import download
from apps.core.api.listing import one_page, page_of
from apps.core.api.multipart import AnyAnswer, FormParser
from apps.core.api.reading import NothingToSay
from apps.core.api.schema import on_one_page, paged
from apps.tickets.api.customer.serializers import (
    OwnTicketAttachmentSerializer,
    OwnTicketAttachmentUpload,
    OwnTicketCategorySerializer,
    OwnTicketInput,
    OwnTicketMessageInput,
    OwnTicketMessageSerializer,
    OwnTicketSerializer,
)
from apps.tickets.api.words import SAID
from apps.tickets.lifecycle import BY_CLIENTS
from apps.tickets.models import Status, Ticket, TicketAttachment, TicketCategory, TicketMessage
from apps.tickets.selectors import chosen_ownership, shown_to_client
from apps.tickets.services import add_attachment, add_message, open_ticket, step

ACCOUNT = OpenApiParameter("account", str, description="Slug of one of your businesses; without it, all of them.")


class OwnTicketFilter(ClientFilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)
    site_id = filters.UUIDFilter(field_name="site__site_id", help_text="One of your sites.")

    class Meta:
        model = Ticket
        fields: ClassVar[list[str]] = []


class OwnMessageFilter(ClientFilterSet):
    class Meta:
        model = TicketMessage
        fields: ClassVar[list[str]] = []


class OwnTicketViewSet(ListMixin, RetrieveMixin, ClientDoor):
    """What you have asked businesses for. Tickets about a site are shown as long as you own it; they never go over to a new owner."""

    model = Ticket
    serializer_class = OwnTicketSerializer
    filterset_class = OwnTicketFilter

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return shown_to_client(queryset)

    def offered(self, actions: list[str]) -> list[str]:
        return [one for one in actions if one in BY_CLIENTS]

    @extend_schema(request=OwnTicketInput, responses={201: OwnTicketSerializer}, parameters=[ACCOUNT])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask the business that keeps your site for something. With one site it is about that one.

        400 `no_site` (you own none), `site_selection_required` (you own several and named none; with `sites` to choose from),
        403 `site_not_owned`.
        """
        data = self.validated(OwnTicketInput, request)
        ownership = chosen_ownership(self.customer, site_id=data.pop("site_id"))
        with self.inside(ownership):
            ticket = open_ticket(self.client_at(ownership), ownership=ownership, by=Side.CLIENT, **data)
        return Response(self.represent(ticket.pk), status=status.HTTP_201_CREATED)

    @extend_schema(request=NothingToSay, responses=OwnTicketSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """It is settled. 409 `invalid_transition`."""
        return self._stepped("close")

    @extend_schema(request=NothingToSay, responses=OwnTicketSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Take it up again, within 14 days of its end: 409 `reopening_over` (with `possible_until`), `invalid_transition`."""
        return self._stepped("reopen")

    def _stepped(self, name: str) -> Response:
        ticket = self.get_object()
        self.validated(NothingToSay, self.request)
        with self.inside(ticket):
            step(ticket, action=name, by=Side.CLIENT)
        return Response(self.represent(ticket.pk))

    @paged(OwnTicketMessageSerializer, filterset_class=OwnMessageFilter, **SAID)
    @action(detail=True, methods=["get"], filterset_class=OwnMessageFilter)
    def messages(self, request: Request, pk: str) -> Response:
        """What you and the business have written, oldest first (pages by `cursor`, `?ordering=-id` for the newest first)."""
        said = _said(self.get_object())
        return Response(page_of(request, said, OwnTicketMessageSerializer, filterset_class=OwnMessageFilter, **SAID))

    @extend_schema(request=OwnTicketMessageInput, responses={201: OwnTicketMessageSerializer})
    @messages.mapping.post
    def add_message(self, request: Request, pk: str) -> Response:
        """Write to the business. It takes a resolved ticket up again, within 14 days of its end.

        409 `invalid_transition` when the ticket is closed (`reopen/` it), `reopening_over`, `limit_reached`.
        """
        ticket, data = self.get_object(), self.validated(OwnTicketMessageInput, request)
        with self.inside(ticket):
            message = add_message(ticket, body=data["body"], by=Side.CLIENT)
        found = reading.represent(OwnTicketMessageSerializer, _said(ticket).filter(pk=message.pk))
        return Response(found[0], status=status.HTTP_201_CREATED)

    @on_one_page(OwnTicketAttachmentSerializer)
    @action(detail=True, methods=["get"], parser_classes=[FormParser])
    def attachments(self, request: Request, pk: str) -> Response:
        """The files that you and the business have put to the ticket, newest first: one page."""
        return Response(one_page(reading.represent(OwnTicketAttachmentSerializer, _sent(self.get_object()).order_by("-pk"))))

    @extend_schema(request=OwnTicketAttachmentUpload, responses={201: OwnTicketAttachmentSerializer})
    @attachments.mapping.post
    def add_attachment(self, request: Request, pk: str) -> Response:
        """Put a file to your ticket, as `multipart/form-data`.

        400 `file_type_refused`, 413 `file_too_large` (over 10 MiB) or `payload_too_large` (the whole form), 409 `invalid_transition` (the
        ticket is closed), `limit_reached` with `rule` `attachments_per_ticket` (twenty) or `document_quota_mb`, 503 `file_not_scanned` or
        `storage_unavailable`.
        """
        ticket, data = self.get_object(), self.validated(OwnTicketAttachmentUpload, request)
        file = data["file"]
        with self.inside(ticket):
            attachment = add_attachment(ticket, name=file.name, content=file.read(), by=Side.CLIENT)
        found = reading.represent(OwnTicketAttachmentSerializer, _sent(ticket).filter(pk=attachment.pk))
        return Response(found[0], status=status.HTTP_201_CREATED)

    @on_one_page(OwnTicketCategorySerializer, [ACCOUNT])
    def categories(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The kinds of questions that your businesses know. A ticket for one that has none takes any words."""
        known = TicketCategory.objects.filter(is_active=True).order_by("account__slug", "name", "pk")
        return Response(one_page([{"account_slug": slug, "name": name} for slug, name in known.values_list("account__slug", "name")]))


def _said(ticket: Ticket) -> QuerySet[TicketMessage]:
    """The messages that the client of a ticket reads; the table's policy says the same."""
    return TicketMessage.objects.filter(ticket=ticket, is_internal=False)


def _sent(ticket: Ticket) -> QuerySet[TicketAttachment]:
    """The files that the client of a ticket sees; the table's policy says the same."""
    return TicketAttachment.objects.filter(ticket=ticket, is_internal=False)


class OwnTicketAttachmentViewSet(RetrieveMixin, ClientDoor):
    """One file of a ticket of yours."""

    model = TicketAttachment
    serializer_class = OwnTicketAttachmentSerializer

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return shown_to_client(queryset.filter(is_internal=False), "ticket__")

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
