from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.api.staff.serializers.documents import DocumentChange, DocumentSerializer, DocumentUpload
from apps.bookings.models import BookingDocument
from apps.bookings.services.documents import add_document, delete_document, update_document
from apps.clients.api.own import OwnClientsViewSet
from apps.core.api import reading
from apps.core.api.doors import RetrieveMixin
from apps.core.api.files import download
from apps.core.api.listing import one_page
from apps.core.api.multipart import AnyAnswer, FormParser
from apps.core.api.schema import on_one_page


class DocumentActions:
    """The documents of one session, at the session's own address."""

    @on_one_page(DocumentSerializer)
    @action(detail=True, methods=["get"], parser_classes=[FormParser])
    def documents(self: Any, request: Request, pk: str) -> Response:
        """The documents of a session, newest first, shared or not: one page, as a session has at most twenty."""
        booking = self.get_object()
        found = BookingDocument.objects.filter(booking_id=booking.pk).order_by("-created_at", "-id")
        return Response(one_page(reading.represent(DocumentSerializer, found)))

    @extend_schema(request=DocumentUpload, responses={201: DocumentSerializer})
    @documents.mapping.post
    def add_document(self: Any, request: Request, pk: str) -> Response:
        """Upload a file for a session as `multipart/form-data`.

        400 `file_type_refused` (its kind is not kept, or name and content do not agree), 413 `file_too_large` (over 10 MiB)
        or `payload_too_large` (the whole form), 409 `limit_reached` with `rule` `documents_per_booking` (twenty) or
        `document_quota_mb` (a setting of the account), 503 `file_not_scanned` or `storage_unavailable`. Images lose everything but their pixels.
        """
        booking = self.get_object()
        data = self.validated(DocumentUpload, request)
        file = data.pop("file")
        document = add_document(booking, name=file.name, content=file.read(), **data)
        found = BookingDocument.objects.filter(pk=document.pk)
        return Response(reading.represent(DocumentSerializer, found)[0], status=status.HTTP_201_CREATED)


class DocumentViewSet(RetrieveMixin, OwnClientsViewSet):
    """One document: what is known about it, and its file."""

    model = BookingDocument
    serializer_class = DocumentSerializer

    @extend_schema(request=DocumentChange, responses=DocumentSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Rename a document (the extension stays), put it into another kind, or share it with the client or not."""
        document = self.get_object()
        update_document(document, **self.validated(DocumentChange, request))
        return Response(self.represent(document.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a document for good; its file follows within moments."""
        delete_document(self.get_object())
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
        document = self.get_object()
        return download(document.storage_key, name=document.name, content_type=document.content_type)
