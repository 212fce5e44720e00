"""Reading fast: a serializer's fields compiled to a column plan and one function from row to dict.

Fields are declared once, as usual, so OpenAPI and permissions stay true. Reads then skip model instances: the columns come
from one query (``values_list``) and a generated function shapes each row. Lists also keep their compiled SQL per shape of
the request (filters, ordering, page size), never per value; see docs/adr/0006-reading.md for what that is worth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import QuerySet
from django_scopes import scope
from phonenumber_field.modelfields import PhoneNumberField
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from apps.core.api.fields import DayField, InstantField, PhoneField, StrictIntegerField, WallTimeField
from apps.core.compiled import InParam, Param, run
from apps.core.models import TenantModel
from apps.core.tenancy import current_account_id


class Computed(serializers.Field):
    """A read-only field made in Python from the other columns of its row.

    ``make`` gets the values of ``needs`` (ORM paths) in order. ``schema`` is the field OpenAPI shows.
    """

    def __init__(self, make: Callable[..., Any], *, needs: Sequence[str], schema: serializers.Field, **kwargs: Any) -> None:
        self.make, self.needs, self.schema = make, tuple(needs), schema
        super().__init__(read_only=True, source="*", **kwargs)

    def __deepcopy__(self, memo: Any) -> "Computed":
        return Computed(self.make, needs=self.needs, schema=self.schema, help_text=self.help_text)


class FromChildren(serializers.Field):
    """A read-only field made from the finished dict of its row, nested lists included (counts of sessions, for example)."""

    def __init__(self, make: Callable[[dict[str, Any]], Any], *, schema: serializers.Field, **kwargs: Any) -> None:
        self.make, self.schema = make, schema
        super().__init__(read_only=True, source="*", **kwargs)

    def __deepcopy__(self, memo: Any) -> "FromChildren":
        return FromChildren(self.make, schema=self.schema, help_text=self.help_text)


@dataclass(frozen=True)
class Children:
    """A nested list: rows of ``plan`` whose ``parent`` column is the id of the outer row, in ``order``."""

    name: str
    plan: "Plan"
    model: type[models.Model]
    parent: str
    order: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What to select and how to turn one row into a dict. ``columns`` are ORM paths; columns[0] is the primary key."""

    columns: tuple[str, ...]
    shape: Callable[[Sequence[Any]], dict[str, Any]]
    children: tuple[Children, ...] = ()
    finish: tuple[tuple[str, Callable[[dict[str, Any]], Any]], ...] = ()
    converters: dict[str, Callable[[Any], Any]] = field(default_factory=dict)


def _hhmm(value: Any) -> str:
    return value.strftime("%H:%M")


def _converter(declared: serializers.Field) -> Callable[[Any], Any] | None:
    if isinstance(declared, serializers.TimeField):
        return _hhmm
    if isinstance(declared, serializers.ImageField | serializers.FileField):
        return declared.to_representation
    custom = getattr(declared, "convert_column", None)
    return custom if callable(custom) else None


class _Compiler:
    """Collects columns and writes the source of the shaping function."""

    def __init__(self) -> None:
        self.columns: list[str] = ["pk"]
        self.names: dict[str, Any] = {}

    def column(self, path: str) -> str:
        path = "pk" if path == "id" else path
        if path not in self.columns:
            self.columns.append(path)
        return f"r[{self.columns.index(path)}]"

    def call(self, function: Callable[..., Any], *arguments: str) -> str:
        name = f"f{len(self.names)}"
        self.names[name] = function
        return f"{name}({', '.join(arguments)})"

    def value(self, declared: serializers.Field, prefix: str) -> str | None:
        if isinstance(declared, Computed):
            return self.call(declared.make, *(self.column(prefix + need) for need in declared.needs))
        path = prefix + str(declared.source).replace(".", "__")
        if isinstance(declared, ResourceSerializer):
            inner = self.dict_of(declared, path + "__")
            return f"({inner} if {self.column(path + '_id')} is not None else None)"
        if isinstance(declared, serializers.RelatedField):
            path += "_id"
        column = self.column(path + getattr(declared, "column_suffix", ""))
        convert = _converter(declared)
        if convert is None:
            return column
        return f"(None if {column} is None else {self.call(convert, column)})"

    def dict_of(self, serializer: "ResourceSerializer", prefix: str = "") -> str:
        parts = []
        for name, declared in serializer.fields.items():
            if declared.write_only:
                continue
            if isinstance(declared, serializers.ListSerializer | FromChildren):
                parts.append(f"{name!r}: None")  # filled afterwards; the key keeps its place
                continue
            parts.append(f"{name!r}: {self.value(declared, prefix)}")
        return "{" + ", ".join(parts) + "}"


@cache
def plan_of(serializer_class: type["ResourceSerializer"]) -> Plan:
    """The plan of a serializer class, compiled once per process."""
    serializer = serializer_class()
    compiler = _Compiler()
    source = compiler.dict_of(serializer)
    children, finish = [], []
    for name, declared in serializer.fields.items():
        if isinstance(declared, serializers.ListSerializer):
            child_class: Any = type(declared.child)
            meta = child_class.Meta
            children.append(Children(name, plan_of(child_class), meta.model, meta.parent, tuple(meta.order)))
        elif isinstance(declared, FromChildren):
            finish.append((name, declared.make))
    # The source is made from our own class definitions only, never from input.
    shape = eval(f"lambda r: {source}", compiler.names)  # noqa: S307
    return Plan(tuple(compiler.columns), shape, tuple(children), tuple(finish))


def finish_rows(plan: Plan, results: list[dict[str, Any]], ids: list[Any]) -> list[dict[str, Any]]:
    """Add nested lists (one query each, whatever the number of rows) and the fields made from them."""
    for children in plan.children:
        by_parent: dict[Any, list[dict[str, Any]]] = {i: [] for i in ids}
        for row in _children_of(children, ids) if ids else ():
            by_parent[row[-1]].append(children.plan.shape(row))
        for result, i in zip(results, ids, strict=True):
            result[children.name] = by_parent[i]
    for name, make in plan.finish:
        for result in results:
            result[name] = make(result)
    return results


def _children_of(children: Children, ids: list[Any]) -> list[Any]:
    """The rows of a nested list for all outer rows; the parent's id comes last."""
    columns = (*children.plan.columns, children.parent)

    def build() -> QuerySet:
        wanted = InParam(models.F(children.parent), Param("ids", ArrayField(models.BigIntegerField())))
        return children.model._base_manager.filter(wanted).order_by(*children.order).values_list(*columns)

    return run(("children", children.model, columns, children.order), build, {"ids": ids})


def represent(serializer_class: type["ResourceSerializer"], queryset: QuerySet) -> list[dict[str, Any]]:
    """The rows of a queryset as the serializer shows them."""
    plan = plan_of(serializer_class)
    return shape_rows(plan, list(queryset.values_list(*plan.columns)))


def shape_rows(plan: Plan, rows: list[Any]) -> list[dict[str, Any]]:
    """Rows of the plan's columns as dicts, nested lists included."""
    return finish_rows(plan, [plan.shape(row) for row in rows], [row[0] for row in rows])


INTEGERS = (
    models.BigIntegerField,
    models.IntegerField,
    models.PositiveBigIntegerField,
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.SmallIntegerField,
)


class ResourceSerializer(serializers.ModelSerializer):
    """One serializer per resource: validates input, and its readable fields are the plan for output.

    Unknown and read-only keys in the input are refused (``unknown_field``). Related rows are found inside the scope.
    Nested lists need ``Meta.parent`` (the column that holds the outer id) and ``Meta.order`` on the child.
    """

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        **dict.fromkeys(INTEGERS, StrictIntegerField),
        models.DateField: DayField,
        models.DateTimeField: InstantField,
        models.TimeField: WallTimeField,
        PhoneNumberField: PhoneField,
    }

    def to_internal_value(self, data: Any) -> Any:
        refuse_unknown(self, data)
        return super().to_internal_value(data)

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        """Writes only the columns that were sent, so that two people who change different fields both keep theirs."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        if validated_data:
            instance.save(update_fields=[*validated_data, "updated_at"])
        return instance

    def to_representation(self, instance: Any) -> Any:
        rows = represent(type(self), type(instance)._base_manager.filter(pk=instance.pk))
        return rows[0]

    def get_unique_together_validators(self) -> list[Any]:
        """The database refuses duplicates by named constraint; asking first would only add a query and a race."""
        return []

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        kwargs["validators"] = [v for v in kwargs.get("validators", ()) if not isinstance(v, UniqueValidator)] or None
        if kwargs["validators"] is None:
            del kwargs["validators"]
        return field_class, kwargs

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        field_class, kwargs = super().build_relational_field(field_name, relation_info)
        kwargs.pop("validators", None)
        if not kwargs.get("read_only"):
            kwargs["queryset"] = relation_info.related_model._base_manager.none()
            return ScopedRelatedField, kwargs
        return field_class, kwargs


class ScopedRelatedField(serializers.PrimaryKeyRelatedField):
    """A related row of the same account, looked up when the request is inside its scope; a foreign one does not exist."""

    def __init__(self, *, model: type[models.Model] | None = None, **kwargs: Any) -> None:
        if model is not None and not kwargs.get("read_only"):
            kwargs["queryset"] = model._base_manager.none()
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet:
        related: Any = super().get_queryset()
        return related.model.objects.all()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("incorrect_type", data_type=type(data).__name__)
        try:
            if not -(2**63) <= int(data) < 2**63 or str(int(data)) != str(data):
                self.fail("does_not_exist", pk_value=data)
        except ValueError:
            self.fail("incorrect_type", data_type=type(data).__name__)
        model, account_id = self.get_queryset().model, current_account_id()
        if account_id is None or type(self).get_queryset is not ScopedRelatedField.get_queryset or not issubclass(model, TenantModel):
            return self._known(super().to_internal_value(data), data)

        def build() -> QuerySet:
            with scope(account=Param("account_id", models.BigIntegerField())):
                return model.objects.filter(pk=Param("pk", models.BigIntegerField()))

        found = run(("related", model), build, {"account_id": account_id, "pk": int(data)})
        if not found:
            self.fail("does_not_exist", pk_value=data)
        return self._known(found[0], data)

    def _known(self, row: models.Model, data: Any) -> models.Model:
        view = self.context.get("view")
        if view is not None and not view.knows(row):
            self.fail("does_not_exist", pk_value=data)
        return row


class InputSerializer(serializers.Serializer):
    """Input of an action; unknown keys are refused."""

    def to_internal_value(self, data: Any) -> Any:
        refuse_unknown(self, data)
        return super().to_internal_value(data)


class NothingToSay(InputSerializer):
    """Nothing to send."""


def refuse_unknown(serializer: serializers.Serializer, data: Any) -> None:
    """Raise ``unknown_field`` for keys that are not fields or may not be written (mass assignment, typing errors)."""
    if isinstance(data, dict):
        known = {name for name, declared in serializer.fields.items() if not declared.read_only}
        unknown = [str(key) for key in data if key not in known]
        if unknown:
            message = serializers.ErrorDetail("This field does not exist or cannot be written.", code="unknown_field")
            raise serializers.ValidationError({key: [message] for key in unknown})
