"""Lists of clients that come in and go out as files."""

from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Membership, Role
from apps.clients.importing.columns import CUSTOM, FIELDS
from apps.clients.importing.writing import TYPES, table
from apps.clients.models import Client, ClientExport, ClientImport, ClientImportRow, Segment
from apps.clients.models.imports import Format
from apps.clients.services.exports import fetch_export, request_export
from apps.clients.services.import_undo import undo_import
from apps.clients.services.imports import allowed_actions, cancel_import, commit_import, preview_import, upload_import
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.files import HEADERS, download
from apps.core.api.limits import Allowance
from apps.core.api.listing import FilterSet, page_of
from apps.core.api.multipart import AnyAnswer, FormParser
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.core.api.schema import paged
from apps.core.errors import NotFound

EXPORTS = Allowance("client-export", 5)
HOUR = 3600


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class MappingField(serializers.DictField):
    """{column: field}."""

    child = serializers.CharField(max_length=100)


MAPPING = (
    f"Which column is which field: {', '.join(FIELDS)}, or `{CUSTOM}<key>`; columns that are left out are not read. A name is needed: "
    "`full_name`, or `first_name` and `last_name`."
)


class ClientImportSerializer(ResourceSerializer):
    """A file of people and how far it was read in. `total` is null while it is not known how many rows there are; `done` of them have been
    `created`, `updated`, `skipped` or `bad`. After an undo, `removed`, `restored` and `left` say what became of them."""

    columns = serializers.JSONField(read_only=True, help_text="The header.")
    sample = serializers.JSONField(read_only=True, help_text="The first rows, as lists of texts.")
    mapping = serializers.JSONField(read_only=True, help_text=f"Proposed by the header, until you commit another. {MAPPING}")
    allowed_actions = Computed(
        allowed_actions, needs=["state"], schema=serializers.ListField(child=serializers.CharField(), read_only=True)
    )

    class Meta:
        model = ClientImport
        fields: ClassVar = [
            "id",
            "name",
            "format",
            "size",
            "state",
            "allowed_actions",
            "columns",
            "sample",
            "mapping",
            "on_duplicate",
            "total",
            "done",
            "created",
            "updated",
            "skipped",
            "bad",
            "removed",
            "restored",
            "left",
            "failure",
            "started_at",
            "finished_at",
            "uploaded_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ClientImportUpload(InputSerializer):
    """A file of people, sent as `multipart/form-data`."""

    file = serializers.FileField(
        allow_empty_file=True,  # reading it says so in the words of tables
        help_text="CSV (comma, semicolon, tab or bar; UTF-8, UTF-16 or Windows-1252) or XLSX (its first sheet) with a header. At most 20 MB "
        "and 200,000 rows. Formulas are not calculated: they are texts.",
    )


class MappingInput(InputSerializer):
    """What the columns are."""

    mapping = MappingField(help_text=MAPPING)


class CommitInput(MappingInput):
    """What the columns are, and what becomes of people who are clients already."""

    on_duplicate = serializers.ChoiceField(
        choices=ClientImport.OnDuplicate.choices,
        default=ClientImport.OnDuplicate.SKIP,
        help_text="Somebody with the same e-mail, the same phone number and name, or (without either) the same name: leave them as they are, "
        "fill in what the row says, or enter them a second time (which an e-mail forbids: such a row is bad).",
    )


class PreviewCountsSerializer(serializers.Serializer):
    """How many of the rows looked at are what."""

    new = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    bad = serializers.IntegerField()


class PreviewRowSerializer(serializers.Serializer):
    """What a row says by this mapping."""

    line = serializers.IntegerField(help_text="Its place in the file; the header counts.")
    state = serializers.ChoiceField(choices=["new", "duplicate", "bad"])
    reason = serializers.CharField(help_text="Why it is bad.")
    client = serializers.IntegerField(allow_null=True, help_text="Who they are already.")
    values = serializers.DictField(help_text="What would be stored, by field.")


class PreviewSerializer(serializers.Serializer):
    """What the first rows (up to 200) would become. Nothing was written."""

    mapping = MappingField()
    looked_at = serializers.IntegerField()
    counts = PreviewCountsSerializer()
    rows = PreviewRowSerializer(many=True)


class ClientImportRowSerializer(ResourceSerializer):
    """What became of one row: `client` is who it is, `reason` says why it is bad (or was left by an undo), `raw` are the cells of a bad one.
    `duplicates` are clients with the same phone number under another name."""

    duplicates = serializers.JSONField(read_only=True, help_text="Ids of clients.")
    raw = serializers.JSONField(read_only=True, help_text="A list of texts.")

    class Meta:
        model = ClientImportRow
        fields: ClassVar = ["id", "line", "state", "client", "reason", "duplicates", "raw", "created_at", "updated_at"]
        read_only_fields = fields


class RowFilter(FilterSet):
    state = filters.ChoiceFilter(choices=ClientImportRow.State.choices)

    class Meta:
        model = ClientImportRow
        fields: ClassVar[list[str]] = []


ROWS: dict[str, Any] = {"filterset_class": RowFilter, "orderings": ("id", "line"), "default_ordering": "line"}


class NothingToSay(InputSerializer):
    """No fields."""


class ClientImportUploadViewSet(StaffViewSet):
    """Imports begin here."""

    model = ClientImport
    serializer_class = ClientImportSerializer
    parser_classes = (FormParser,)

    @extend_schema(request=ClientImportUpload, responses={201: ClientImportSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Upload a file of people. The answer has its columns, first rows and a proposed `mapping`; nothing is read in before
        `client-imports/{id}/commit/`. 400 `not_a_table`, 413 `import_too_large`."""
        file = self.validated(ClientImportUpload, request)["file"]
        source = upload_import(account=self.account, name=file.name, content=file.read())
        return Response(self.represent(source.pk), status=status.HTTP_201_CREATED)


class ClientImportFilter(FilterSet):
    state = filters.ChoiceFilter(choices=ClientImport.State.choices)

    class Meta:
        model = ClientImport
        fields: ClassVar[list[str]] = []


class ClientImportViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Imports of clients: `preview` → `commit` → read `done` of `total` until `state` is `done` → `rows/?state=bad`; `undo` takes it back."""

    model = ClientImport
    serializer_class = ClientImportSerializer
    filterset_class = ClientImportFilter

    @extend_schema(request=MappingInput, responses=PreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, pk: str) -> Response:
        """What the first 200 rows are by this mapping: new, duplicate or bad, and why. Writes nothing."""
        source = self.get_object()
        return Response(preview_import(source, account=self.account, **self.validated(MappingInput, request)))

    @extend_schema(request=CommitInput, responses=ClientImportSerializer)
    @action(detail=True, methods=["post"])
    def commit(self, request: Request, pk: str) -> Response:
        """Read the file in, in the background; rows that are bad do not hold up the others. 409 `invalid_transition` when it was started."""
        source = self.get_object()
        commit_import(source, **self.validated(CommitInput, request))
        return Response(self.represent(source.pk))

    @extend_schema(request=NothingToSay, responses=ClientImportSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop within moments. What was read in stays; `undo` takes it back."""
        source = self.get_object()
        self.validated(NothingToSay, request)
        cancel_import(source)
        return Response(self.represent(source.pk))

    @extend_schema(request=NothingToSay, responses=ClientImportSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take an import back, in the background: people it entered go unless somebody has used or changed them since, and fields it changed
        become what they were unless somebody has changed them since. `rows/?state=left` says what stayed, and why."""
        source = self.get_object()
        self.validated(NothingToSay, request)
        undo_import(source)
        return Response(self.represent(source.pk))

    @paged(ClientImportRowSerializer, **ROWS)
    @action(detail=True, methods=["get"], filterset_class=RowFilter)
    def rows(self, request: Request, pk: str) -> Response:
        """What became of the rows, in their order (pages by `cursor`)."""
        found = ClientImportRow.objects.filter(source=self.get_object())
        return Response(page_of(request, found, ClientImportRowSerializer, **ROWS))

    @extend_schema(responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, description="The file, as an attachment.")})
    @action(detail=True, methods=["get"], url_path="bad-rows", content_negotiation_class=AnyAnswer)
    def bad_rows(self, request: Request, pk: str) -> HttpResponseBase:
        """The bad rows as CSV, with line and reason in front of their own cells: mend them and upload the file again."""
        source = self.get_object()
        bad = ClientImportRow.objects.filter(source=source, state=ClientImportRow.State.BAD).order_by("line")
        found = ([line, reason, *raw] for line, reason, raw in bad.values_list("line", "reason", "raw").iterator())
        content, _ = table("csv", ["line", "reason", *source.columns], found)
        disposition = f'attachment; filename="import-{source.pk}-bad-rows.csv"'
        return HttpResponse(content, content_type=TYPES[Format.CSV], headers={**HEADERS, "Content-Disposition": disposition})


class ClientExportSerializer(ResourceSerializer):
    """A list of clients as a file. While `state` is `ready` it can be fetched, once, until `expires_at`."""

    filters = serializers.JSONField(read_only=True)

    class Meta:
        model = ClientExport
        fields: ClassVar = [
            "id",
            "format",
            "filters",
            "state",
            "rows",
            "size",
            "ready_at",
            "expires_at",
            "fetched_at",
            "requested_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ClientExportInput(InputSerializer):
    """Which clients; without filters, all of them."""

    format = serializers.ChoiceField(choices=Format.choices, default=Format.CSV)
    stage = serializers.ChoiceField(choices=Client.Stage.choices, required=False)
    tag = serializers.CharField(max_length=50, required=False)
    source = serializers.CharField(max_length=50, required=False)  # type: ignore[assignment]  # the word is DRF's own, too
    owner = ScopedRelatedField(model=Membership, required=False)
    segment = ScopedRelatedField(model=Segment, required=False)
    search = serializers.CharField(max_length=200, required=False)


class ClientExportRequestViewSet(StaffViewSet):
    """Exports begin here."""

    model = ClientExport
    serializer_class = ClientExportSerializer

    @extend_schema(operation_id="client_exports_create", request=ClientExportInput, responses={201: ClientExportSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have a list of clients made, in the background. Owners and managers are told. 429 `rate_limited` after five in an hour."""
        asked = self.validated(ClientExportInput, request)
        format = asked.pop("format")
        EXPORTS.take(str(self.account.pk), seconds=HOUR)
        filters = {name: getattr(value, "pk", value) for name, value in asked.items()}
        export = request_export(account=self.account, format=format, filters=filters)
        return Response(self.represent(export.pk), status=status.HTTP_201_CREATED)


class ClientExportViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Lists of clients that somebody has asked for."""

    model = ClientExport
    serializer_class = ClientExportSerializer

    @extend_schema(
        request=NothingToSay,
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file, as an attachment."),
            302: OpenApiResponse(description="With S3: `Location` serves the file for five minutes. Do not send the token there."),
        },
    )
    @action(detail=True, methods=["post"], content_negotiation_class=AnyAnswer)
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """The file, once: for who has asked for it, and owners. 409 `export_gone` when it is not ready, was fetched, or its day is over."""
        export = self.get_object()
        self.validated(NothingToSay, request)
        if export.requested_by_id != self.caller.pk and self.membership.role != Role.OWNER:
            raise NotFound
        return download(fetch_export(export), name=f"clients.{export.format}", content_type=TYPES[Format(export.format)])


__all__ = ["ClientExportRequestViewSet", "ClientExportViewSet", "ClientImportUploadViewSet", "ClientImportViewSet"]
