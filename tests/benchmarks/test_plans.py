"""How PostgreSQL answers the hot questions at 100,000 bookings: the shape of its plans, as the application's role under
row-level security, for the very SQL that the application sends. No times: shapes do not depend on the machine."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
import pytest
from django.db import connection, transaction

from apps.core.tenancy import account_scope
from benchmarks import load
from benchmarks.limit import thin
from benchmarks.run import FIRST, LAST, comparable
from tests.conftest import ApiClient

pytestmark = pytest.mark.slow

SIZE = load.Size(bookings=100_000, accounts=50)
BIG = 1
"""The account with 10,000 of the bookings."""
HOST = "testserver"


@pytest.fixture(scope="module")
def _loaded(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The rows of the benchmark, for this module only."""
    with django_db_blocker.unblock():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")  # one statement writes 100,000 rows, on any machine
            cursor.execute("SET LOCAL default_statistics_target = 1000")  # every row is looked at: no plan depends on a sample
            load.load(connection.connection, SIZE)
            for table in load.ANALYZED:
                cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")  # nor on another one that is taken meanwhile
        yield
        with connection.cursor() as cursor:
            for table in load.ANALYZED:
                cursor.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")
            cursor.execute("TRUNCATE accounts_account, users_user CASCADE")
        connection.close()


@pytest.fixture
def big(_loaded: None, db: None) -> ApiClient:
    """The owner of the big account."""
    return ApiClient(load.token(BIG))


@dataclass
class Plan:
    """One plan, flattened to its nodes."""

    sql: str
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def scans(self, table: str) -> list[tuple[str, str, str]]:
        """(node type, index, index condition) of every node that reads a table."""
        found = [node for node in self.nodes if node.get("Relation Name") == table]
        return [(node["Node Type"], node.get("Index Name", ""), node.get("Index Cond", "")) for node in found]

    @property
    def sorts(self) -> list[str]:
        return [node["Node Type"] for node in self.nodes if "Sort" in node["Node Type"]]


@contextmanager
def sent() -> Iterator[list[tuple[str, Any]]]:
    """The statements that go to the database inside, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements


def plans_of(client: ApiClient, path: str, table: str) -> list[Plan]:
    """The plans of the request's statements that read ``table``: with the values at hand, and for any values."""
    with sent() as statements:
        response = client.get(path)
    assert response.status_code == 200, response.content
    wanted = [(sql, params) for sql, params in statements if f'FROM "{table}"' in sql]
    assert wanted, f"no statement of {path} reads {table}"
    with account_scope(load.account_id(BIG)):
        return [explain(sql, params, generic=generic) for sql, params in wanted for generic in (False, True)]


def explain(sql: str, params: Any, *, generic: bool) -> Plan:
    """EXPLAIN the way the statement runs: prepared. ``generic`` is the plan that PostgreSQL keeps after five executions."""
    raw = connection.connection
    with psycopg.ClientCursor(raw) as cursor, raw.transaction(force_rollback=True):
        cursor.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        places = iter(range(1, len(params) + 1))
        numbered = "".join(part if i == 0 else f"${next(places)}{part}" for i, part in enumerate(sql.split("%s")))
        cursor.execute(f"PREPARE explained AS {numbered}")
        values = ", ".join(["%s"] * len(params))
        (found,) = cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE explained({values})", params).fetchone()
        cursor.execute("DEALLOCATE explained")
    plan = Plan(sql)
    waiting = [(found if isinstance(found, list) else json.loads(found))[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        plan.nodes.append(node)
        waiting += node.get("Plans", [])
    return plan


def assert_reads(plan: Plan, table: str, index: str, *columns: str) -> None:
    """The table is read by this index alone, and the index is entered by these columns."""
    for kind, used, condition in plan.scans(table):
        assert "Seq Scan" not in kind
        if kind != "Bitmap Heap Scan":
            assert used == index, f"{used} instead of {index}"
            for column in columns:
                assert column in condition, condition
    used = {node.get("Index Name") for node in plan.nodes}
    assert index in used, f"{index} is not used:\n{plan.nodes}"


def cursor_behind(row: int, table: str = "bookings_booking") -> str:
    """The query of the page behind a row of the big account's newest-first list."""
    with account_scope(load.account_id(BIG)), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT created_at, id FROM {table} WHERE account_id = %s ORDER BY created_at DESC, id DESC OFFSET %s LIMIT 1",
            [load.account_id(BIG), row],
        )
        link = thin.next_link("", "/", "", *cursor.fetchone()).decode().strip('"')
    return link.rpartition("?")[2]


def slots_path(practitioner: Any) -> str:
    return f"/api/slots/?service={load.service_id(BIG, 1)}&practitioner={practitioner}&from={FIRST}&to={LAST}"


@pytest.mark.parametrize("row", [None, 50, 9_000])
def test_bookings_are_read_in_the_order_of_their_index(big, row):
    query = f"?{cursor_behind(row)}" if row else ""

    for plan in plans_of(big, f"/api/bookings/{query}", "bookings_booking"):
        assert_reads(plan, "bookings_booking", "bookings_booking_recent", "account_id", *(["created_at", "id"] if row else []))
        assert plan.sorts == []


def test_bookings_of_a_client_are_read_by_client(big):
    with account_scope(load.account_id(BIG)), connection.cursor() as cursor:
        cursor.execute("SELECT min(id) FROM clients_client WHERE account_id = %s", [load.account_id(BIG)])
        (client_id,) = cursor.fetchone()

    for plan in plans_of(big, f"/api/bookings/?client={client_id}", "bookings_booking"):
        assert_reads(plan, "bookings_booking", "bookings_booking_by_client", "account_id", "client_id")


@pytest.mark.parametrize("row", [None, 1_500])
def test_orders_are_read_in_the_order_of_their_index(big, row):
    query = f"?{cursor_behind(row, 'orders_order')}" if row else ""

    for plan in plans_of(big, f"/api/orders/{query}", "orders_order"):
        assert_reads(plan, "orders_order", "orders_order_recent", "account_id")
        assert plan.sorts == []
    for plan in plans_of(big, f"/api/orders/{query}", "bookings_booking"):
        assert_reads(plan, "bookings_booking", "bookings_booking_unique_position", "order_id")


def test_clients_are_read_in_the_order_of_their_index(big):
    for plan in plans_of(big, "/api/clients/", "clients_client"):
        assert_reads(plan, "clients_client", "clients_client_recent", "account_id")
        assert plan.sorts == []


@pytest.mark.parametrize("practitioner", [load.practitioner_id(BIG, 3), "any"])
def test_busy_times_are_read_by_practitioner_and_time(big, practitioner):
    for plan in plans_of(big, slots_path(practitioner), "bookings_booking"):
        assert_reads(plan, "bookings_booking", "bookings_booking_busy", "account_id", "practitioner_id", "busy_from")


def test_a_missing_index_is_noticed(big):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP INDEX bookings_booking_recent")

    with pytest.raises(AssertionError):
        test_bookings_are_read_in_the_order_of_their_index(big, None)


@pytest.mark.parametrize("path", [*thin.LISTS, slots_path(load.practitioner_id(BIG, 3)), slots_path("any")])
def test_the_thin_server_answers_what_we_answer(big, path):
    ours = big.get(path)
    path, _, query = path.partition("?")
    digest = hashlib.sha256(load.token(BIG).encode()).hexdigest()
    with connection.connection.cursor() as cursor:
        status, made = thin.answer(cursor, path, query, digest, host=HOST)

    assert (status, ours.status_code) == ("200 OK", 200)
    assert comparable(orjson.loads(made)) == comparable(ours.json())
