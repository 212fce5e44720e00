"""How a test with real transactions leaves the database: empty, by deleting the few rows there are.

Django's way, TRUNCATE, makes new files for every table and index (over a thousand), and then fills permissions and content types again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

from apps.core.tenancy import platform_scope

KEPT = frozenset({"location_country", "django_content_type", "auth_permission"})
"""What migrations and ``post_migrate`` wrote."""
REFERENCES = """
    SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid
"""
GUARDED = """
    SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 8 > 0
"""  # triggers that look at DELETE
_by_truncate = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


@cache
def _tables() -> tuple[str, ...]:
    """Every table, those that refer to others before those that they refer to."""
    wanted = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    with connection.cursor() as cursor:
        cursor.execute(REFERENCES)
        to: dict[str, set[str]] = {}
        for source, target in cursor.fetchall():
            to.setdefault(target, set()).add(source)
    done: list[str] = []

    def add(table: str, path: tuple[str, ...] = ()) -> None:
        for source in sorted(to.get(table, ())):
            if source not in path and source not in done:
                add(source, (*path, table))
        if table in wanted and table not in done:
            done.append(table)

    for table in sorted(wanted):
        add(table)
    return tuple(done)


@cache
def _guarded() -> frozenset[str]:
    with connection.cursor() as cursor:
        cursor.execute(GUARDED)
        return frozenset(table for (table,) in cursor.fetchall())


def _filled() -> list[str]:
    """The tables that have rows."""
    quoted = [(table, connection.ops.quote_name(table)) for table in _tables()]
    with platform_scope("tests"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {name})" for table, name in quoted))
        found = {table for (table,) in cursor.fetchall()}
    return [table for table in _tables() if table in found]


@contextmanager
def _unguarded(tables: list[str]) -> Iterator[None]:
    """Rows that are never deleted can be, inside."""
    guarded = [connection.ops.quote_name(table) for table in tables if table in _guarded()]

    def switch(how: str) -> None:
        if guarded:
            with connection.cursor() as cursor:
                cursor.execute(";".join(f"ALTER TABLE {table} {how} TRIGGER USER" for table in guarded))

    switch("DISABLE")
    yield
    switch("ENABLE")


def empty(case: Any) -> None:
    """Delete every row; where something refuses that, Django's way."""
    filled = _filled()
    with _unguarded(filled), platform_scope("tests"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in filled:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
    if _filled():
        _by_truncate(case)
