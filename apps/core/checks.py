"""Checks that must hold before anything is served."""

from typing import Any

from django.core.checks import Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from apps.core.db import rows

UNBOUND_ROLE = "SELECT rolname FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)"
UNPROTECTED_TABLES = """
    SELECT c.relname FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema()
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid))
    ORDER BY 1
"""


def refuse_unbound_role() -> None:
    """Stop the start when the database role could step around row-level security, or a tenant table has none."""
    if rows(UNBOUND_ROLE):
        raise ImproperlyConfigured(
            "The database role is a superuser or has BYPASSRLS: accounts would not be kept apart. "
            "Use a role made with NOSUPERUSER NOBYPASSRLS that owns its database."
        )
    unprotected = [name for (name,) in rows(UNPROTECTED_TABLES)]
    if unprotected:
        raise ImproperlyConfigured(f"Tables without forced row-level security: {', '.join(unprotected)}.")


@register(Tags.database)
def database_role(databases: Any = None, **kwargs: Any) -> list[Error]:
    """The role check as part of ``migrate`` and ``check --database default``."""
    if not databases or "default" not in databases or not rows(UNBOUND_ROLE):
        return []
    return [Error("The database role is a superuser or has BYPASSRLS.", id="core.E001")]
