"""Queries compiled once: SQL kept per shape of a question, executed with the values of each asking.

Compiling a queryset costs more than executing it on the hot paths. ``Param`` stands in a queryset for a value that is given
at execution; ``run`` compiles what ``build`` makes the first time a shape is seen, and from then on only executes.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection, models
from django.db.models import BooleanField, Expression, Func, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from psycopg.adapt import Loader
from psycopg.sql import Literal
from psycopg.types.datetime import TimestamptzLoader


class Param(Expression):
    """A placeholder in a compiled query; its value is given at execution."""

    def __init__(self, name: str, output_field: models.Field) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        target = getattr(self.output_field, "target_field", self.output_field)
        # varchar(n) would cut the value off silently.
        kind = "text" if isinstance(target, models.CharField) else target.cast_db_type(connection)
        return f"%s::{kind}", [Bound(self.name, target)]


@dataclass(frozen=True)
class Bound:
    """Stands among the compiled parameters for the value called ``name``."""

    name: str
    field: models.Field


class InParam(Func):
    """column = ANY (parameter)"""

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = BooleanField()


class Row(Func):
    """(a, b): a row for row comparison."""

    template = "(%(expressions)s)"
    output_field = BooleanField()


class RowBefore(Func):
    """(a, b) < (c, d)"""

    template = "%(expressions)s"
    arg_joiner = " < "
    output_field = BooleanField()


class RowAfter(RowBefore):
    """(a, b) > (c, d)"""

    arg_joiner = " > "


class JsonLoader(Loader):
    """jsonb through orjson."""

    def load(self, data: Any) -> Any:
        return orjson.loads(data)


@dataclass(frozen=True)
class CompiledQuery:
    sql: str
    params: tuple[Bound, ...]
    convert: Callable[[Iterable[Any]], Iterable[Any]]

    def rows(self, values: dict[str, Any]) -> list[Any]:
        """Execute with these values."""
        arguments = [p.field.get_db_prep_value(values[p.name], connection, prepared=False) for p in self.params]
        with connection.cursor() as cursor:
            # Django's own loaders are slow Python code per value. Sessions are in UTC, so psycopg's compiled one says the same.
            cursor.adapters.register_loader(TIMESTAMPTZ, TimestamptzLoader)
            cursor.adapters.register_loader(JSONB, JsonLoader)
            cursor.execute(self.sql, arguments)
            return list(self.convert(cursor.fetchall()))


TIMESTAMPTZ, JSONB = 1184, 3802
"""PostgreSQL's numbers of the types."""
MAX_SHAPES = 2_000
_compiled: dict[Any, CompiledQuery] = {}


def run(shape: Any, build: Callable[[], QuerySet], values: dict[str, Any]) -> list[Any]:
    """What the queryset that ``build`` makes with Params yields: tuples of ``values_list``, or model instances.

    Compiled the first time this ``shape`` is seen.
    """
    query = _compiled.get(shape)
    if query is None:
        if len(_compiled) >= MAX_SHAPES:
            _compiled.clear()
        query = _compiled[shape] = _compile(build())
    return query.rows(values)


def _compile(queryset: QuerySet) -> CompiledQuery:
    compiler = queryset.query.get_compiler(queryset.db)
    sql, params = compiler.as_sql()
    converters = compiler.get_converters([select[0] for select in compiler.select])
    converters = {i: found for i, found in converters.items() if not isinstance(found[1].output_field, models.JSONField)}
    make = _instances(compiler, queryset.db) if issubclass(queryset._iterable_class, ModelIterable) else None

    def convert(rows: Iterable[Any]) -> Iterable[Any]:
        rows = compiler.apply_converters(rows, converters) if converters else rows
        return map(make, rows) if make else rows

    return CompiledQuery(*_with_constants(sql, params), convert)


def _with_constants(sql: str, params: Iterable[Any]) -> tuple[str, tuple[Bound, ...]]:
    """Write what is the same at every asking into the SQL: a plan kept for all values can then use partial indexes."""
    connection.ensure_connection()
    given = iter(params)
    bound: list[Bound] = []

    def place(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%%"
        param = next(given)
        if isinstance(param, Bound):
            bound.append(param)
            return "%s"
        return Literal(param).as_string(connection.connection).replace("%", "%%")

    return re.sub("%[%s]", place, sql), tuple(bound)


def _instances(compiler: Any, db: str) -> Callable[[Any], models.Model]:
    """From a row to its model instance with ``select_related`` and annotations, as Django's ModelIterable does it."""
    columns = compiler.klass_info["select_fields"]
    model, first, end = compiler.klass_info["model"], columns[0], columns[-1] + 1
    names = [column[0].target.attname for column in compiler.select[first:end]]
    populators = get_related_populators(compiler.klass_info, compiler.select, db)  # type: ignore[call-arg]  # stubs of Django 6

    def make(row: Any) -> models.Model:
        made = model.from_db(db, names, row[first:end])
        for populator in populators:
            populator.populate(row, made)
        for name, position in compiler.annotation_col_map.items():
            setattr(made, name, row[position])
        return made

    return make
