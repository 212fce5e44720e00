"""How an account sorts its clients: custom fields, segments, tags."""

from typing import Any, ClassVar

from django.db.models import Count, Func, TextField
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.api.own import KnowsOwnClients
from apps.clients.models import Client, CustomField, Segment
from apps.clients.segments import MAX_CONDITIONS, checked, within
from apps.core.api.doors import ResourceMixin
from apps.core.api.fields import OneLineField
from apps.core.api.listing import FilterSet, FlagFilter, one_page, refuse_parameters
from apps.core.api.reading import ResourceSerializer
from apps.core.api.schema import on_one_page
from apps.core.errors import Invalid

MAX_FIELDS, MAX_OPTIONS, MAX_SEGMENTS = 100, 100, 200
MOST_TAGS = 1_000
MOST_COUNTED = 10_000


class CustomFieldSerializer(ResourceSerializer):
    """A declared field of ``custom_fields``: values are checked by its kind. ``key`` and ``kind`` stay as they were made.

    Kinds: text, number, integer, boolean, date (YYYY-MM-DD), choice (one of ``options``), choices (a list of them).
    """

    key = OneLineField(max_length=64, help_text="Its name in custom_fields.")
    label = OneLineField(max_length=100)  # type: ignore[assignment]  # the field has the name of an attribute of DRF's
    options = serializers.ListField(child=OneLineField(max_length=100), max_length=MAX_OPTIONS, required=False)

    class Meta:
        model = CustomField
        fields: ClassVar = [
            "id",
            "key",
            "label",
            "kind",
            "options",
            "is_required",
            "is_active",
            "position",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"position": {"max_value": 10_000}}

    def validate_options(self, options: list[str]) -> list[str]:
        """Each once, in the order given."""
        return list(dict.fromkeys(options))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fixed = [name for name in ("key", "kind") if self.instance and name in attrs and attrs[name] != getattr(self.instance, name)]
        if fixed:
            raise serializers.ValidationError({name: ["This stays as it was made; add another field instead."] for name in fixed})
        return attrs


class CustomFieldFilter(FilterSet):
    is_active = FlagFilter()


class CustomFieldViewSet(ResourceMixin, StaffViewSet):
    """What the account wants to know about its clients. Deleting a field leaves the values where they are, unchecked."""

    model = CustomField
    serializer_class = CustomFieldSerializer
    filterset_class = CustomFieldFilter
    orderings: ClassVar[dict[str, str]] = {"position": "position", "created_at": "created_at", "updated_at": "updated_at"}
    default_ordering = "position"

    def perform_create(self, serializer: Any) -> CustomField:
        if CustomField.objects.count() >= MAX_FIELDS:
            raise Invalid(f"An account has at most {MAX_FIELDS} custom fields.")
        return serializer.save(account_id=self.account.pk)


CONDITION_SCHEMA = {
    "type": "array",
    "maxItems": MAX_CONDITIONS,
    "items": {
        "type": "object",
        "required": ["field", "op", "value"],
        "properties": {
            "field": {"type": "string", "example": "tags"},
            "op": {"type": "string", "example": "any"},
            "value": {"description": "Its type depends on field and op.", "example": ["vip"]},
        },
    },
}


@extend_schema_field(CONDITION_SCHEMA)
class ConditionsField(serializers.JSONField):
    """The conditions of a segment, each {field, op, value}."""

    def to_internal_value(self, data: Any) -> Any:
        return checked(super().to_internal_value(data))


class SegmentSerializer(ResourceSerializer):
    """A saved selection: clients for whom every condition holds at the moment of asking."""

    name = OneLineField(max_length=100)
    conditions = ConditionsField()

    class Meta:
        model = Segment
        fields: ClassVar = ["id", "name", "conditions", "created_at", "updated_at"]


class CountSerializer(serializers.Serializer):
    count = serializers.IntegerField(help_text=f"At most {MOST_COUNTED}.")
    is_capped = serializers.BooleanField(help_text="There are more.")


class SegmentViewSet(ResourceMixin, KnowsOwnClients):
    """Saved selections of clients; `clients/?segment=<id>` lists who belongs to one.

    `conditions` is a list of {field, op, value}. Fields: stage, source, owner, tags, has_login, has_email, is_blocked, created,
    has_upcoming, last_booking, booked_with, has_package, spent (cents), and custom_fields.<key>. Points in time are a date, an instant,
    or {"days_ago": n}. What a field takes is said when it is not taken.
    """

    model = Segment
    serializer_class = SegmentSerializer
    search_fields = ("name",)
    orderings: ClassVar[dict[str, str]] = {"name": "name", "created_at": "created_at", "updated_at": "updated_at"}
    default_ordering = "name"

    def perform_create(self, serializer: Any) -> Segment:
        if Segment.objects.count() >= MAX_SEGMENTS:
            raise Invalid(f"An account has at most {MAX_SEGMENTS} segments.")
        return serializer.save(account_id=self.account.pk)

    @extend_schema(responses=CountSerializer)
    @action(detail=True)
    def count(self, request: Request, pk: str) -> Response:
        """How many clients belong to it now, counted up to 10,000."""
        segment = self.get_object()
        clients = within(self.clients_in_sight(), segment.conditions, account=self.account, at=timezone.now())
        found = clients.order_by()[: MOST_COUNTED + 1].count()
        return Response({"count": min(found, MOST_COUNTED), "is_capped": found > MOST_COUNTED})


class TagSerializer(serializers.Serializer):
    tag = serializers.CharField()
    count = serializers.IntegerField(help_text="Clients that carry it.")


class TagViewSet(KnowsOwnClients):
    """The tags in use."""

    model = Client

    @on_one_page(TagSerializer)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every tag with the number of clients that carry it, the most used first: one page, at most 1,000."""
        refuse_parameters(request.query_params, ())
        tags = self.clients_in_sight().annotate(tag=Func("tags", function="unnest", output_field=TextField()))
        found = tags.order_by().values("tag").annotate(count=Count("pk")).order_by("-count", "tag")[:MOST_TAGS]
        return Response(one_page(list(found)))
