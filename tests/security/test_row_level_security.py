"""The database's own word on separation (AC4, I34 to I38): asked of the catalogue and of every table, as our role."""

import pytest
from django.db import ProgrammingError, connection, transaction
from psycopg.errors import InsufficientPrivilege

from apps.core.checks import UNBOUND_ROLE, refuse_unbound_role
from apps.core.db import rows
from apps.core.doctor import findings, invariants
from apps.core.tenancy import account_scope, platform_scope
from tests.security.worlds import tenant_models, tenant_tables, thaw

pytestmark = pytest.mark.django_db

NOT_ALLOWED = InsufficientPrivilege.sqlstate


def _count(table: str, where: str = "true") -> int:
    return rows(f"SELECT count(*) FROM {connection.ops.quote_name(table)} WHERE {where}")[0][0]


def test_every_table_with_account_id_has_a_model():
    assert set(tenant_tables()) == {model._meta.db_table for model in tenant_models()}


def test_without_a_scope_no_table_shows_a_row(two_worlds):
    seen = {table: _count(table) for table in tenant_tables()}
    with platform_scope("control"):
        there = {table: _count(table) for table in tenant_tables()}

    assert seen == dict.fromkeys(tenant_tables(), 0)
    assert [table for table, count in there.items() if count < 2] == []


def test_in_the_scope_of_one_account_no_table_shows_a_row_of_another(two_worlds):
    for world in two_worlds:
        with account_scope(world.account):
            own = {table: _count(table, f"account_id = {world.account.pk}") for table in tenant_tables()}
            foreign = {table: _count(table, f"account_id <> {world.account.pk}") for table in tenant_tables()}

        assert foreign == dict.fromkeys(tenant_tables(), 0)
        assert [table for table, count in own.items() if not count] == []


@pytest.mark.parametrize("scope_name", ["none", "ours"])
def test_no_table_takes_a_row_for_another_account(two_worlds, scope_name):
    ours, theirs = two_worlds
    refused = {}

    for model in tenant_models():
        table = model._meta.db_table
        thaw(table)
        pk = model._meta.pk.column
        columns = ", ".join(connection.ops.quote_name(f.column) for f in model._meta.concrete_fields if not f.generated)
        with platform_scope("a row of theirs, to be written again"):
            row = rows(f"SELECT to_jsonb(t)::text FROM {table} t WHERE account_id = {theirs.account.pk} LIMIT 1")[0][0]
        insert = (
            f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} "
            f"FROM jsonb_populate_record(NULL::{table}, %s::jsonb || '{{\"{pk}\": 999999999}}')"
        )
        for statement, params in ((insert, [row]), (f"UPDATE {table} SET account_id = {theirs.account.pk}", [])):
            if statement.startswith("UPDATE") and scope_name == "none":
                continue  # no row is in sight: an UPDATE changes none, and says nothing
            try:
                with transaction.atomic():
                    if scope_name == "none":
                        rows(statement + " RETURNING 1", params)
                    else:
                        with account_scope(ours.account):
                            rows(statement + " RETURNING 1", params)
                    transaction.set_rollback(True)
                refused[table, statement[:6]] = "taken"
            except ProgrammingError as error:
                refused[table, statement[:6]] = error.__cause__.sqlstate

    wanted = ("INSERT", "UPDATE") if scope_name == "ours" else ("INSERT",)
    assert refused == {(model._meta.db_table, verb): NOT_ALLOWED for model in tenant_models() for verb in wanted}


@pytest.mark.parametrize("statement", ["UPDATE {table} SET account_id = account_id", "DELETE FROM {table}"])
def test_no_statement_reaches_a_row_of_another_account(two_worlds, statement):
    ours, theirs = two_worlds
    touched = {}
    for table in tenant_tables():
        sql = statement.format(table=table) + f" WHERE account_id = {theirs.account.pk}"
        with account_scope(ours.account), connection.cursor() as cursor:
            cursor.execute(sql)
            touched[table] = cursor.rowcount

    assert touched == dict.fromkeys(tenant_tables(), 0)


OF_THE_KERNEL = {"I29", "I34", "I35", "I36", "I37", "I38"}


def _broken() -> set[str]:
    """What the doctor finds, of the kernel's own invariants: rows of factories are no sound business."""
    with platform_scope("doctor"):
        return {one.code for one, found in findings() if found} & OF_THE_KERNEL


def test_the_doctor_finds_nothing_on_sound_data(two_worlds):
    assert _broken() == set()
    assert {one.code for one in invariants()} >= OF_THE_KERNEL


SEEDED = {
    "I29": [
        "INSERT INTO core_idempotencykey (account_id, key, request_hash, response, created_at, updated_at)"
        " VALUES ({account}, 'k', '', '', now() - interval '6 min', now())"
    ],
    "I34 no policy": ["CREATE TABLE leak (id int, account_id bigint)"],
    "I34 not forced": [
        "CREATE TABLE leak (id int, account_id bigint)",
        "ALTER TABLE leak ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY tenant ON leak USING (false)",
    ],
    "I34 taken off": ["SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE packages_package NO FORCE ROW LEVEL SECURITY"],
    "I35": [
        "SET CONSTRAINTS ALL IMMEDIATE",
        "ALTER TABLE packages_packageitem ADD FOREIGN KEY (service_id) REFERENCES catalog_service (id)",
    ],
    "I37 view": ["CREATE VIEW leak AS SELECT * FROM packages_package"],
    "I37 materialized": ["CREATE MATERIALIZED VIEW leak AS SELECT * FROM packages_package"],
    "I37 definer": ["CREATE FUNCTION leak() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"],
    "I38": ["SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE packages_package ADD CONSTRAINT later CHECK (price_cents >= 0) NOT VALID"],
}


@pytest.mark.parametrize("name", SEEDED)
def test_the_doctor_finds_what_was_broken(account, name):
    """The negative control of each invariant: the same query finds the seeded violation."""
    with platform_scope("sabotage"), connection.cursor() as cursor:
        for sql in SEEDED[name]:
            cursor.execute(sql.format(account=account.pk))

    assert _broken() == {name[:3]}


def test_a_view_that_asks_as_the_caller_is_sound(two_worlds):
    ours, _ = two_worlds
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW fine WITH (security_invoker = true) AS SELECT * FROM packages_package")

    assert _broken() == set()
    assert _count("fine") == 0
    with account_scope(ours.account):
        assert _count("fine", f"account_id <> {ours.account.pk}") == 0


def test_our_role_cannot_step_around_row_level_security():
    assert rows(UNBOUND_ROLE) == []
    refuse_unbound_role()
