"""The rights of a person at the staff door: an archive of what is kept, and erasure."""

from typing import Any, ClassVar

from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.models import Client, Erasure, SubjectExport
from apps.clients.services.archives import take_archive
from apps.clients.services.subjects import ask_for_archive, erase_client, hold_client, lift_hold, withdraw_erasure
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.fields import DayField
from apps.core.api.files import download
from apps.core.api.limits import Allowance
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.multipart import AnyAnswer
from apps.core.api.reading import InputSerializer, NothingToSay, ResourceSerializer, represent

HOUR = 3600
ARCHIVES = Allowance("archives", 20)
"""Per member and hour: each one is everything about somebody."""
ARCHIVE_FIELDS = ("id", "state", "size", "ready_at", "expires_at", "fetched_at", "created_at")
FILE = {
    (200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, description="The archive, as an attachment."),
    302: OpenApiResponse(description="With S3: `Location` serves the file for five minutes. Do not send the token there."),
}


class SubjectExportSerializer(ResourceSerializer):
    """An archive (ZIP of JSON lists and files) of everything the account keeps about a client. `ready` ones can be fetched once, within a
    week."""

    class Meta:
        model = SubjectExport
        fields: ClassVar = ["client", "requested_by", *ARCHIVE_FIELDS]
        read_only_fields = fields


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "blanked": {"type": "object", "additionalProperties": {"type": "integer"}},
            "dropped": {"type": "object", "additionalProperties": {"type": "integer"}},
            "kept": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"rows": {"type": "integer"}, "because": {"type": "string"}},
                },
            },
        },
    }
)
class CertificateField(serializers.JSONField):
    """What became of what, by table."""


class ErasureSerializer(ResourceSerializer):
    """The erasure of a client. `waiting` for its `obstacles` to pass, or `done` with its certificate: rows whose texts were blanked, rows
    that were dropped, and rows that are kept until `kept_until`, and why."""

    certificate = CertificateField(read_only=True)

    class Meta:
        model = Erasure
        fields: ClassVar = [
            "id",
            "client",
            "state",
            "reason",
            "obstacles",
            "certificate",
            "erased_at",
            "kept_until",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ErasureInput(InputSerializer):
    """Why, and what to do while it is not possible."""

    reason = serializers.CharField(
        required=False, max_length=200, help_text="For example: asked by mail on 3 March. Do not name the person."
    )
    wait = serializers.BooleanField(default=False, help_text="Instead of a refusal: erase as soon as nothing forbids it any more.")


class LegalHoldInput(InputSerializer):
    """Why a client must not be erased."""

    reason = serializers.CharField(max_length=500)
    until = DayField(required=False, help_text="The last day of it; left out: until it is lifted.")


class SubjectActions:
    """Of a client: an archive, an erasure, and what forbids it."""

    @extend_schema(request=NothingToSay, responses={202: SubjectExportSerializer})
    @action(detail=True, methods=["post"])
    def export(self: Any, request: Request, pk: str) -> Response:
        """Have an archive made of everything that is kept about this person. Read `subject-exports/{id}/` until it is `ready`.

        429 `rate_limited` beyond twenty an hour.
        """
        client = self.get_object()
        self.validated(NothingToSay, request)
        ARCHIVES.take(f"user {self.caller.pk}", seconds=HOUR)
        made = SubjectExport.objects.filter(pk=ask_for_archive(client).pk)
        return Response(represent(SubjectExportSerializer, made)[0], status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=ErasureInput, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def erase(self: Any, request: Request, pk: str) -> Response:
        """Erase this person: their record names nobody any more, notes, documents and messages go, records of business stay for the law.

        There is no way back. Sent again, it answers with the same certificate. 409 `erasure_refused` with `reasons` while a session lies
        ahead, money is not settled or a legal hold exists; with `wait` the erasure is kept in mind instead and done once it is possible.
        """
        client = self.get_object()
        done = Erasure.objects.filter(pk=erase_client(client, **self.validated(ErasureInput, request)).pk)
        return Response(represent(ErasureSerializer, done)[0])

    @extend_schema(request=LegalHoldInput, responses={204: None}, methods=["POST"])
    @extend_schema(request=None, responses={204: None}, methods=["DELETE"])
    @action(detail=True, methods=["post", "delete"], url_path="legal-hold")
    def legal_hold(self: Any, request: Request, pk: str) -> Response:
        """POST: forbid that this person is erased (a dispute before a court, for example). DELETE: allow it again."""
        client: Client = self.get_object()
        if request.method == "DELETE":
            lift_hold(client)
        else:
            hold_client(client, **self.validated(LegalHoldInput, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SubjectExportViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Archives of single clients that somebody has asked for."""

    model = SubjectExport
    serializer_class = SubjectExportSerializer

    @extend_schema(request=NothingToSay, responses=FILE)
    @action(detail=True, methods=["post"], content_negotiation_class=AnyAnswer)
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """The archive, once. 409 `export_gone` when it is not ready, was fetched, or its week is over."""
        export = self.get_object()
        self.validated(NothingToSay, request)
        key = take_archive(export)
        return download(key, name=f"client-{export.client_id}.zip", content_type="application/zip")


class ErasureFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client)
    state = filters.ChoiceFilter(choices=Erasure.State.choices)

    class Meta:
        model = Erasure
        fields: ClassVar[list[str]] = []


class ErasureViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Erasures that were done or that wait, with their certificates."""

    model = Erasure
    serializer_class = ErasureSerializer
    filterset_class = ErasureFilter

    @extend_schema(request=NothingToSay, responses=ErasureSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back an erasure that still waits. 409 `invalid_transition` for one that does not."""
        erasure = self.get_object()
        self.validated(NothingToSay, request)
        withdraw_erasure(erasure)
        return Response(self.represent(erasure.pk))


__all__ = ["ErasureViewSet", "SubjectActions", "SubjectExportViewSet"]
