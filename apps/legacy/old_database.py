"""Reading a database of the old project, in which a customer *is* a user (multi-table inheritance, source 001)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from apps.core.errors import Invalid


class OldDatabase:
    """One read-only snapshot: every question sees the same moment, and nothing can be written."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self.connection = connection

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table on the search path; empty when there is no such table."""
        found = self.connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped", [table]
        )
        return frozenset(row["attname"] for row in found)

    def count(self, table: str) -> int:
        """How many rows a table has; 0 when there is no such table."""
        if not self.columns(table):
            return 0
        return self.rows(sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(table)))[0]["n"]

    def rows(self, query: sql.Composed) -> list[dict[str, Any]]:
        """Everything a query finds."""
        return self.connection.execute(query).fetchall()

    def values(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """A few columns of all rows."""
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(table))
        return [tuple(row[column] for column in columns) for row in self.rows(query)]

    def batches(self, table: str, key: str, size: int) -> Iterator[list[dict[str, Any]]]:
        """All rows in the order of ``key``, at most ``size`` at a time."""
        query = sql.SQL("SELECT * FROM {0} WHERE {1} > %s ORDER BY {1} LIMIT %s").format(sql.Identifier(table), sql.Identifier(key))
        last = -(2**63)
        while batch := self.connection.execute(query, [last, size]).fetchall():
            yield batch
            last = batch[-1][key]

    def batches_by_text(self, table: str, key: str, size: int = 1000) -> Iterator[list[dict[str, Any]]]:
        """All rows in the order of a key that is no number (a UUID)."""
        order = sql.SQL("SELECT * FROM {0} ORDER BY {1}::text LIMIT %s OFFSET %s").format(sql.Identifier(table), sql.Identifier(key))
        start = 0
        while batch := self.connection.execute(order, [size, start]).fetchall():
            yield batch
            start += size


@contextmanager
def opened(dsn: str) -> Iterator[OldDatabase]:
    """Raises Invalid when the database cannot be reached; the DSN, which may hold a password, is never repeated."""
    try:
        connection = psycopg.connect(dsn, row_factory=dict_row, application_name="clientele_legacy", connect_timeout=10)
    except psycopg.OperationalError as error:
        raise Invalid(f"The old database cannot be reached: {error}".strip()) from error
    except psycopg.ProgrammingError:
        raise Invalid("The DSN of the old database is not one: postgresql://user@host:port/name, or key=value pairs.") from None
    with connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SET LOCAL TimeZone = 'UTC'")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield OldDatabase(connection)
