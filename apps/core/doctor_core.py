"""The kernel's own invariants: tenancy in the catalogue, events, idempotency keys (security.md §3)."""

from django.apps import apps

from apps.core.checks import UNBOUND_ROLE, UNPROTECTED_TABLES
from apps.core.constraints import SameAccount
from apps.core.db import rows
from apps.core.doctor import invariant

invariant(
    "I29",
    "No idempotency key is stuck in flight.",
    "SELECT id FROM core_idempotencykey WHERE status_code IS NULL AND created_at < now() - interval '5 min'",
)
invariant("I34", "Every table with account_id has enabled and forced row-level security.", UNPROTECTED_TABLES)
invariant(
    "I35",
    "A foreign key between two tenant tables has account_id in it.",
    """
    SELECT k.conname FROM pg_constraint k
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = 'account_id' AND NOT a.attisdropped
    JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attname = 'account_id' AND NOT b.attisdropped
    WHERE k.contype = 'f' AND NOT (a.attnum = ANY (k.conkey) AND b.attnum = ANY (k.confkey))
    """,
)
invariant("I36", "The role cannot step around row-level security.", UNBOUND_ROLE)
invariant(
    "I37",
    "No view without security_invoker, no materialized view, no SECURITY DEFINER function.",
    """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()
      AND (c.relkind = 'm' OR (c.relkind = 'v' AND NOT coalesce(c.reloptions::text ~* 'security_invoker=(true|on|1)', false)))
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION ALL
    SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = current_schema() AND p.prosecdef
    """,
)
invariant(
    "I38",
    "Every constraint is validated and every index is valid.",
    "SELECT conname::text FROM pg_constraint WHERE NOT convalidated"
    " UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
)
invariant(
    "I39",
    "No event carries the number of a transaction that this cluster has not reached (after a restore: manage.py rebase_events).",
    'SELECT id FROM core_event WHERE "transaction" >= pg_snapshot_xmax(pg_current_snapshot())'
    ' AND "transaction" IS DISTINCT FROM pg_current_xact_id_if_assigned() LIMIT 10',
)
invariant(
    "I40",
    "No job has failed for good (they are kept for 30 days).",
    "SELECT id, task_name FROM procrastinate_jobs WHERE status = 'failed' LIMIT 20",
)
invariant(
    "I40.waiting",
    "No job waits for more than an hour: a worker runs.",
    "SELECT j.id, j.task_name FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'"
    " WHERE j.status = 'todo' AND coalesce(j.scheduled_at, e.at) < now() - interval '1 hour' LIMIT 20",
)


def _missing_keys() -> list[tuple[str]]:
    """Names of composite keys that models declare and the database does not have."""
    declared = {c.name for model in apps.get_models() for c in model._meta.constraints if isinstance(c, SameAccount)}
    existing = {name for (name,) in rows("SELECT conname::text FROM pg_constraint WHERE contype = 'f'")}
    return [(name,) for name in sorted(declared - existing)]


invariant("I35.declared", "Every composite key that a model declares exists.", _missing_keys)
