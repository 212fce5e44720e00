"""Many rows with one statement each: what the ORM does row by row in Python takes most of the time of an import."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection

from apps.clients.models import Client, ClientImportRow
from apps.core.db import rows
from apps.core.events import emit_many

DRAW = "SELECT nextval(pg_get_serial_sequence('clients_client', 'id')) FROM generate_series(1, %s)"
# Columns that are not named have defaults of the database.
CLIENTS = """
    INSERT INTO clients_client (id, account_id, full_name, email, phone_number, stage, source, tags, custom_fields, consents, tax_id,
                                billing_address, created_at, updated_at)
    SELECT r.id, %s, r.full_name, coalesce(r.email, ''), coalesce(r.phone_number, ''), coalesce(r.stage, 'active'), coalesce(r.source, ''),
           coalesce(r.tags, '{}'), coalesce(r.custom_fields, '{}'), '{}', coalesce(r.tax_id, ''), coalesce(r.billing_address, ''),
           now(), now()
    FROM jsonb_to_recordset(%s::jsonb) AS r (id bigint, full_name text, email text, phone_number text, stage text, source text, tags text[],
                                             custom_fields jsonb, tax_id text, billing_address text)
"""
ROWS = """
    INSERT INTO clients_clientimportrow (account_id, source_id, line, state, client_id, reason, duplicates, changes, raw, created_at, updated_at)
    SELECT r.account_id, r.source_id, r.line, r.state, r.client_id, r.reason, r.duplicates, r.changes, r.raw, now(), now()
    FROM jsonb_to_recordset(%s::jsonb) AS r (account_id bigint, source_id bigint, line int, state text, client_id bigint, reason text,
                                             duplicates jsonb, changes jsonb, raw jsonb)
"""


def draw_ids(count: int) -> list[int]:
    """So many ids for new clients; those that are not used are never given out again."""
    return [pk for (pk,) in rows(DRAW, [count])] if count else []


def insert_clients(account_id: int, people: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Enter people under drawn ids, with their history and ``client.created``."""
    if people:
        _execute(CLIENTS, [account_id, _json([{"id": pk, **values} for pk, values in people])])
        ids = [pk for pk, _ in people]
        write_history(ids, "+")
        emit_many("client.created", Client, [(pk, {}) for pk in ids], account_id=account_id)


def write_history(ids: Sequence[int], kind: str) -> None:
    """What simple-history keeps of clients as they are now; ``kind`` as there: + or ~."""
    history: Any = Client.history.model  # type: ignore[attr-defined]
    columns = ", ".join(connection.ops.quote_name(field.column) for field in history.tracked_fields)
    _execute(
        f"INSERT INTO {history._meta.db_table} ({columns}, history_date, history_type) "  # noqa: S608  columns of our own models
        f"SELECT {columns}, now(), %s FROM clients_client WHERE id = ANY (%s) ORDER BY id",
        [kind, list(ids)],
    )


def insert_rows(written: Sequence[ClientImportRow]) -> None:
    """What became of the rows of a batch."""
    names = ("account_id", "source_id", "line", "state", "client_id", "reason", "duplicates", "changes", "raw")
    _execute(ROWS, [_json([{name: getattr(row, name) for name in names} for row in written])])


def _execute(sql: str, params: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
