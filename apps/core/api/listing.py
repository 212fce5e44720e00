"""Lists: declared filters, an allowlist of orderings, and keyset pages by row comparison."""

import base64
import binascii
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from django import forms
from django.db import models
from django.db.models import F, QuerySet
from django.utils.dateparse import parse_datetime
from django_filters import rest_framework as filters

from apps.core import compiled
from apps.core.api import reading
from apps.core.errors import Invalid, UnknownField
from apps.core.parsing import DAY, parse_day, parse_instant, parse_integer

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100
RESERVED = {"page_size", "cursor", "ordering", "search"}
PARAMETERISED = {"exact", "gt", "gte", "lt", "lte"}


class _ScopedChoice(forms.Field):
    """The id of a row in reach; becomes the id. What is missing or foreign is refused in the same words."""

    def __init__(self, *, model: type[models.Model], **kwargs: Any) -> None:
        self.model = model
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        try:
            pk = parse_integer(value)
        except ValueError:
            pk = None
        if pk is None or not self.model.objects.filter(pk=pk).exists():  # type: ignore[attr-defined]
            raise forms.ValidationError(f'Invalid pk "{value}" - object does not exist.')
        return pk


class ScopedChoiceFilter(filters.Filter):
    """``?practitioner=<id>``: an id of ``model``, looked up when the request is inside its scope (one statement)."""

    field_class = _ScopedChoice


class _Instant(forms.Field):
    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return parse_instant(value)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class InstantFilter(filters.Filter):
    """An RFC 3339 instant; the offset is required."""

    field_class = _Instant


class _Day(forms.Field):
    def to_python(self, value: Any) -> date | None:
        if value in self.empty_values:
            return None
        try:
            return parse_day(value)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class DayFilter(filters.Filter):
    """A local date, YYYY-MM-DD."""

    field_class = _Day


class _Moment(forms.Field):
    """An instant, or a local date that stands for its first moment in ``zone``; becomes aware UTC."""

    def __init__(self, *, zone: str, **kwargs: Any) -> None:
        self.zone = zone
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            if DAY.fullmatch(value):
                return datetime.combine(parse_day(value), time(), ZoneInfo(self.zone)).astimezone(UTC)
            return parse_instant(value)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class MomentFilter(filters.Filter):
    """``?from=`` and ``?to=`` over instants: RFC 3339, or a local date that begins in the time zone of the caller's account."""

    field_class = _Moment

    @property
    def field(self) -> forms.Field:
        request = getattr(self.parent, "request", None)
        account = getattr(request.parser_context["view"], "account", None) if request is not None else None
        self.extra["zone"] = account.timezone if account is not None else "UTC"
        return super().field


class _Flag(forms.Field):
    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value not in ("true", "false"):
            raise forms.ValidationError("Send true or false.")
        return value == "true"


class FlagFilter(filters.Filter):
    """``true`` or ``false``; anything else is refused instead of ignored."""

    field_class = _Flag


class FilterSet(filters.FilterSet):
    """Declared filters; ``updated_since`` comes with every resource."""

    updated_since = InstantFilter(field_name="updated_at", lookup_expr="gte", help_text="Changed at or after this instant.")

    def parameters(self) -> dict[str, Any] | None:
        """{lookup: Param} of the filters in use when all of them can be parameters of one compiled query, else None."""
        found = {}
        for name, value in self.used().items():
            declared = self.filters[name]
            if declared.method or declared.distinct or declared.exclude or declared.lookup_expr not in PARAMETERISED:
                return None
            found[f"{declared.field_name}__{declared.lookup_expr}"] = (name, getattr(value, "pk", value))
        return found

    def used(self) -> dict[str, Any]:
        """The filters that the request really uses, with their cleaned values."""
        return {n: v for n, v in self.form.cleaned_data.items() if v not in (None, "", []) and n in self.filters}


@dataclass(frozen=True)
class Ordering:
    """``names`` are non-null columns and end with the primary key; all run in one direction."""

    names: tuple[str, ...]
    descending: bool

    @property
    def terms(self) -> list[str]:
        return [f"-{n}" if self.descending else n for n in self.names]

    def reversed(self) -> "Ordering":
        return Ordering(self.names, not self.descending)


@dataclass(frozen=True)
class Cursor:
    """A place between two rows: the ordering's values of the row before (or, when ``backwards``, after) it."""

    values: tuple[Any, ...]
    backwards: bool

    def encode(self, ordering: Ordering) -> str:
        data = [",".join(ordering.terms), self.backwards, *self.values]
        return base64.urlsafe_b64encode(orjson.dumps(data)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, ordering: Ordering, fields: list[models.Field]) -> "Cursor":
        """Raises Invalid for anything this API did not hand out for the same ordering."""
        try:
            terms, backwards, *values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if terms != ",".join(ordering.terms) or len(values) != len(fields) or not isinstance(backwards, bool):
                raise ValueError
            return cls(tuple(_value(f, v) for f, v in zip(fields, values, strict=True)), backwards)
        except (ValueError, TypeError, KeyError, binascii.Error, UnicodeError) as error:
            raise Invalid(fields={"cursor": ["This cursor is not valid here. Start from the first page."]}) from error


def refuse_parameters(query: Iterable[str], declared: Collection[str]) -> None:
    """Raise ``unknown_field`` for everything in a query that is not declared: a filter with a typing error would find too much."""
    if unknown := sorted(set(query) - set(declared)):
        raise UnknownField(fields={name: ["There is no such filter."] for name in unknown})


def _value(field: models.Field, value: Any) -> Any:
    if isinstance(field, models.DateTimeField):
        parsed = parse_datetime(value)
        if not isinstance(parsed, datetime) or parsed.tzinfo is None:
            raise ValueError
        return parsed
    if isinstance(field, models.IntegerField):
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise ValueError
        return value
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return field.to_python(value)


@dataclass
class Listing:
    """One list request. ``base`` makes the narrowed queryset.

    The SQL is kept under ``view``, so ``base`` must not depend on the request, or ``kept`` makes the same with parameters (their values
    are in ``scope_values``); without a view nothing is kept.
    ``search`` applies free text to a queryset; ``ranked`` finds the keys of the best that many instead, unless an ordering is asked for:
    then there is one page and no next one. ``orderings`` maps what ``?ordering=`` accepts to a non-null column.
    """

    view: Hashable | None
    model: type[models.Model]
    serializer_class: type[reading.ResourceSerializer]
    base: Callable[[], QuerySet]
    filterset_class: type[FilterSet] | None
    orderings: Mapping[str, str]
    default_ordering: str
    search: Callable[[QuerySet, str], QuerySet] | None
    scope_values: dict[str, Any]
    scoped: Callable[[], Any]
    kept: Callable[[], QuerySet] | None = None
    ranked: Callable[[QuerySet, str, int], list[Any]] | None = None

    def page(self, request: Any) -> dict[str, Any]:
        """The answer: {next, previous, results}. Raises UnknownField or Invalid for parameters that are not declared."""
        query = request.query_params
        declared = self.filterset_class.base_filters if self.filterset_class else {}
        refuse_parameters(query, {*declared, *RESERVED} if self.search else {*declared, *RESERVED} - {"search"})
        if any("\0" in v for values in query.lists() for v in values[1]):
            raise Invalid(fields={"query": ["NUL characters are not allowed."]})
        size = self._page_size(query.get("page_size"))
        ordering = self._ordering(query.get("ordering"))
        fields = [_field(self.model, name) for name in ordering.names]
        cursor = Cursor.decode(query["cursor"], ordering, fields) if query.get("cursor") else None
        text = (query.get("search") or "").strip()
        if text and self.ranked is not None and not query.get("ordering"):
            return one_page(self._best(self.ranked, request, text, size))
        rows = self._rows(request, ordering, fields, cursor, size)
        more = len(rows) > size
        rows = rows[:size]
        if cursor and cursor.backwards:
            rows.reverse()
        plan = reading.plan_of(self.serializer_class)
        results = reading.finish_rows(plan, [plan.shape(row) for row in rows], [row[0] for row in rows])
        backwards = bool(cursor and cursor.backwards)
        has_next, has_previous = (True, more) if backwards else (more, cursor is not None)
        keys = [row[len(plan.columns) :] for row in rows]
        return {
            "next": self._link(request, Cursor(tuple(keys[-1]), False), ordering) if keys and has_next else None,
            "previous": self._link(request, Cursor(tuple(keys[0]), True), ordering) if keys and has_previous else None,
            "results": results,
        }

    def _best(self, ranked: Callable[[QuerySet, str, int], list[Any]], request: Any, text: str, size: int) -> list[dict[str, Any]]:
        """The best finds of a ranked search, in that order."""
        filterset = self._filterset(request)
        queryset = filterset.filter_queryset(self.base()) if filterset else self.base()
        keys = ranked(queryset, text, size)
        found = {row["id"]: row for row in reading.represent(self.serializer_class, self.base().filter(pk__in=keys))} if keys else {}
        return [found[key] for key in keys if key in found]

    def _rows(self, request: Any, ordering: Ordering, fields: list[models.Field], cursor: Cursor | None, size: int) -> list[Any]:
        plan = reading.plan_of(self.serializer_class)
        filterset = self._filterset(request)
        parameters = filterset.parameters() if filterset else {}
        text = (request.query_params.get("search") or "").strip()
        shown = ordering.reversed() if cursor and cursor.backwards else ordering

        def ordered(queryset: QuerySet, comparison: list[Any]) -> QuerySet:
            if cursor:
                compare = compiled.RowBefore if shown.descending else compiled.RowAfter
                queryset = queryset.filter(compare(compiled.Row(*map(F, ordering.names)), compiled.Row(*comparison)))
            # Every key is selected again behind the plan's columns, so that the cursor can be made from any row.
            keys = {f"_key{i}": F(name) for i, name in enumerate(ordering.names)}
            return queryset.annotate(**keys).order_by(*shown.terms).values_list(*plan.columns, *keys)[: size + 1]

        if parameters is None or text or self.view is None:
            queryset = filterset.filter_queryset(self.base()) if filterset else self.base()
            if text and self.search:
                queryset = self.search(queryset, text)
            params = [models.Value(v, output_field=f) for v, f in zip(cursor.values, fields, strict=True)] if cursor else []
            return list(ordered(queryset, params))

        def build() -> QuerySet:
            with self.scoped():
                queryset = (self.kept or self.base)()
                for lookup, (name, _) in parameters.items():
                    column = lookup.rpartition("__")[0]
                    queryset = queryset.filter(**{lookup: compiled.Param(f"filter_{name}", _field(self.model, column))})
                return ordered(queryset, [compiled.Param(f"cursor_{i}", f) for i, f in enumerate(fields)])

        shape = (self.view, tuple(sorted(parameters)), shown.terms[0], cursor is not None, size)
        values = dict(self.scope_values)
        values.update({f"filter_{name}": value for name, value in parameters.values()})
        values.update({f"cursor_{i}": value for i, value in enumerate(cursor.values if cursor else ())})
        return compiled.run(shape, build, values)

    def _filterset(self, request: Any) -> FilterSet | None:
        if self.filterset_class is None or not self.filterset_class.base_filters.keys() & request.query_params.keys():
            return None  # building the form costs more than the query
        filterset = self.filterset_class(request.query_params, queryset=self.model._base_manager.none(), request=request)
        if not filterset.is_valid():
            raise Invalid(fields={name: [str(e) for e in errors] for name, errors in filterset.errors.items()})
        return filterset

    def _page_size(self, text: str | None) -> int:
        if not text:
            return DEFAULT_PAGE_SIZE
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE_SIZE):
            raise Invalid(fields={"page_size": [f"Send a number from 1 to {MAX_PAGE_SIZE}."]})
        return int(text)

    def _ordering(self, text: str | None) -> Ordering:
        text = text or self.default_ordering
        name = text.removeprefix("-")
        if name not in self.orderings:
            allowed = ", ".join(sorted(self.orderings))
            raise Invalid(fields={"ordering": [f"Order by one of: {allowed}; put a minus in front for descending."]})
        column = self.orderings[name]
        names = (column,) if column == "id" else (column, "id")
        return Ordering(names, text.startswith("-"))

    def _link(self, request: Any, cursor: Cursor, ordering: Ordering) -> str:
        query = {k: v for k, v in request.query_params.items() if k != "cursor"}
        query["cursor"] = cursor.encode(ordering)
        return request.build_absolute_uri(f"{request.path}?{urlencode(query)}")


def page_of(
    request: Any,
    rows: QuerySet,
    serializer_class: type[reading.ResourceSerializer],
    *,
    filterset_class: type[FilterSet] | None = None,
    orderings: Collection[str] = ("id",),
    default_ordering: str = "-id",
) -> dict[str, Any]:
    """A page of the rows that belong to one other; ``schema.paged`` describes it with the same options. Its SQL is not kept."""
    return Listing(
        view=None,
        model=rows.model,
        serializer_class=serializer_class,
        base=lambda: rows,
        filterset_class=filterset_class,
        orderings={name: name for name in orderings},
        default_ordering=default_ordering,
        search=None,
        scope_values={},
        scoped=lambda: None,
    ).page(request)


def one_page(results: list[Any]) -> dict[str, Any]:
    """Few rows, as lists are answered."""
    return {"next": None, "previous": None, "results": results}


def _field(model: type[models.Model], path: str) -> models.Field:
    """The model field at the end of an ORM path; ``client`` and ``client_id`` both mean the key."""
    field: Any = None
    for part in path.split("__"):
        field = model._meta.pk if part == "pk" else model._meta.get_field(part)
        if field.is_relation:
            model = field.related_model
    return getattr(field, "target_field", field)
