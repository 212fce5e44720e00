"""Duplicates, and making one client of two."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.api.staff.serializers import ClientSerializer
from apps.clients.duplicates import Duplicate, possible_duplicates
from apps.clients.models import Client, ClientMerge
from apps.clients.services.merging import CHOOSABLE, MERGED, merge_clients, quote_merge, undo_merge
from apps.core.api.doors import ListMixin, RetrieveMixin, valid_pk
from apps.core.api.fields import StrictIntegerField
from apps.core.api.listing import FilterSet, FlagFilter, ScopedChoiceFilter
from apps.core.api.reading import InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.core.errors import NotFound

WHY = ("same_email", "same_phone", "same_name")


class DuplicateSerializer(serializers.Serializer):
    """A client who may be the same person."""

    client = serializers.IntegerField(source="client_id")
    full_name = serializers.CharField()
    why = serializers.ListField(child=serializers.ChoiceField(choices=WHY))


class DuplicatesSerializer(serializers.Serializer):
    """Up to ten, likeliest first."""

    results = DuplicateSerializer(many=True)


class ClientEnteredSerializer(ClientSerializer):
    """A client that was just entered or changed, with clients who may be the same person."""

    possible_duplicates = DuplicateSerializer(many=True, read_only=True)

    class Meta(ClientSerializer.Meta):
        fields: ClassVar = [*ClientSerializer.Meta.fields, "possible_duplicates"]


class FieldChoicesField(serializers.DictField):
    """{field: id of the client whose value it takes}."""

    child = StrictIntegerField()


class MergeQuoteInput(InputSerializer):
    """Who is merged into this client, and which values are kept where they differ."""

    other = ScopedRelatedField(model=Client, help_text="Becomes a redirect to this client; everything of theirs moves here.")
    fields_ = FieldChoicesField(
        required=False,
        help_text=f"By field, the id of the client whose value is kept: {', '.join(CHOOSABLE)}. Left out: this client's, or the other's "
        "where this one has none; tags and custom_fields of both.",
    )

    def get_fields(self) -> dict[str, Any]:
        """``fields`` is a word of the framework's own, which a class body cannot use."""
        declared = super().get_fields()
        return {("fields" if name == "fields_" else name): one for name, one in declared.items()}


class MergeInput(MergeQuoteInput):
    """What was quoted; with ``quote`` it happens only if everything is still as it was then."""

    quote = serializers.CharField(required=False, max_length=1000, help_text="The `token` of a quote.")


@extend_schema_field({"type": "object", "additionalProperties": {"type": "object"}})
class MergedFieldsField(serializers.DictField):
    """{field: {value, from, client, other}}."""


class ConflictSerializer(serializers.Serializer):
    """Two sessions that overlap."""

    booking = serializers.IntegerField()
    other = serializers.IntegerField()
    start_time = serializers.DateTimeField()
    is_blocking = serializers.BooleanField(help_text="Both are places under one name in the same session: cancel or rename one first.")


class MergeQuoteSerializer(serializers.Serializer):
    """What a merge would do. Send `token` as `quote` within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    client = serializers.IntegerField(help_text="Who stays.")
    other = serializers.IntegerField(help_text="Who becomes a redirect.")
    fields_ = MergedFieldsField(
        help_text=f"Of {', '.join(MERGED)}: the `value` afterwards, whose it is (`from`: an id, or null when it is made of both), and what "
        "`client` and `other` have now."
    )
    rows = serializers.DictField(child=serializers.IntegerField(), help_text="How many rows move, by table and column.")
    staying = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Rows that keep the other's id for good (books, invoices, feeds). Lists of money of the client that stays include them.",
    )
    conflicts = ConflictSerializer(many=True, help_text="Sessions to come that overlap.")

    def get_fields(self) -> dict[str, Any]:
        declared = super().get_fields()
        return {("fields" if name == "fields_" else name): one for name, one in declared.items()}


class ClientMergeSerializer(ResourceSerializer):
    """A merge: `loser` became a redirect to `winner`. `undone_at` is set once it was taken back."""

    class Meta:
        model = ClientMerge
        fields: ClassVar = ["id", "winner", "loser", "merged_at", "merged_by", "undone_at", "created_at", "updated_at"]
        read_only_fields = fields


class MergeActions:
    """Of a client: who may be the same person, and merging them."""

    def get_object(self: Any) -> Any:
        try:
            return super().get_object()  # type: ignore[misc]
        except NotFound:
            raise self._moved(self.kwargs["pk"]) from None

    def represent(self: Any, pk: Any, serializer_class: Any = None) -> dict[str, Any]:
        try:
            return super().represent(pk, serializer_class)  # type: ignore[misc]
        except NotFound:
            raise self._moved(pk) from None

    def _moved(self: Any, pk: Any) -> NotFound:
        """404, with the id of the client that this one was merged into, when it was."""
        into = Client.objects.filter(pk=valid_pk(Client, pk)).values_list("merged_into_id", flat=True).first()
        is_seen = into is not None and self.get_queryset().filter(pk=into).exists()
        return NotFound("This client was merged into another.", merged_into=into) if is_seen else NotFound()

    @extend_schema(responses={201: ClientEnteredSerializer})
    def create(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Enter a client. `possible_duplicates` are clients who may be the same person: nothing is done about them by itself."""
        return self._with_duplicates(super().create(request, *args, **kwargs))  # type: ignore[misc]

    @extend_schema(responses=ClientEnteredSerializer)
    def partial_update(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a client. `possible_duplicates` are clients who may be the same person."""
        return self._with_duplicates(super().partial_update(request, *args, **kwargs))  # type: ignore[misc]

    def _with_duplicates(self: Any, response: Response) -> Response:
        client = Client.objects.get(pk=response.data["id"])
        response.data["possible_duplicates"] = told(possible_duplicates(client, among=self.get_queryset()))
        return response

    @extend_schema(responses=DuplicatesSerializer)
    @action(detail=True, methods=["get"])
    def duplicates(self: Any, request: Request, pk: str) -> Response:
        """Clients who may be the same person: same mailbox (what follows a `+` does not count), phone number or name."""
        return Response({"results": told(possible_duplicates(self.get_object(), among=self.get_queryset()))})

    @extend_schema(request=MergeQuoteInput, responses=MergeQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="merge/quote")
    def quote_merge(self: Any, request: Request, pk: str) -> Response:
        """What merging `other` into this client would do: the value of each field, rows that move, sessions that clash. Nothing changes."""
        client = self.get_object()
        return Response(quote_merge(client, **self.validated(MergeQuoteInput, request)))

    @extend_schema(request=MergeInput, responses={201: ClientMergeSerializer})
    @action(detail=True, methods=["post"])
    def merge(self: Any, request: Request, pk: str) -> Response:
        """Merge `other` into this client; the answer's `id` is what `merges/{id}/undo/` takes.

        Afterwards `clients/{other}/` answers 404 with `merged_into`, the id of this client. Bookings, orders, payments, credit and notes
        move here; invoices and the books keep the old id, and show up in this client's lists. 409 `quote_stale` (with the new quote),
        `merge_conflict` (both have a place in the same session).
        """
        client = self.get_object()
        merge = merge_clients(client, **self.validated(MergeInput, request))
        return Response(ClientMergeSerializer(merge).data, status=status.HTTP_201_CREATED)


def told(found: list[Duplicate]) -> list[dict[str, Any]]:
    """Duplicates as JSON."""
    return [{"client": one.client_id, "full_name": one.full_name, "why": list(one.why)} for one in found]


class ClientMergeFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client, field_name="winner_id", help_text="Merged into this client.")
    undone = FlagFilter(field_name="undone_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = ClientMerge
        fields: ClassVar[list[str]] = []


class NothingToSay(InputSerializer):
    """No fields."""


class ClientMergeViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Merges of clients, newest first."""

    model = ClientMerge
    serializer_class = ClientMergeSerializer
    filterset_class = ClientMergeFilter
    idempotent = frozenset({"undo"})

    @extend_schema(request=NothingToSay, responses=ClientMergeSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Take two clients apart again: what was moved goes back, and fields that nobody has changed since become what they were.

        409 `merge_changed` with `rows` (moved rows that were changed since, by table), `invalid_transition` when it was undone already.
        """
        merge = self.get_object()
        self.validated(NothingToSay, request)
        undo_merge(merge)
        return Response(self.represent(merge.pk))


__all__ = ["ClientMergeViewSet", "MergeActions"]
