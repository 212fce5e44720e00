"""Migration operations for tenant tables."""

from typing import Any

from django.db.migrations.operations import AddConstraint
from django.db.migrations.operations.base import Operation
from django.db.models import UniqueConstraint

# The scalar subqueries are evaluated once per statement instead of once per row. CASE, not OR: the planner takes an OR of
# unknown values for a filter that lets almost nothing through, and then sorts a whole account to find one page of it
# (tests/benchmarks/test_plans.py).
TENANT = (
    "CASE WHEN account_id = (SELECT nullif(current_setting('app.account_id', true), '')::bigint) THEN true"
    " ELSE coalesce((SELECT current_setting('app.platform', true)) = 'on', false) END"
)
BY_USER = "user_id = (SELECT nullif(current_setting('app.user_id', true), '')::bigint)"
BY_CLIENT = "client_id = ANY ((SELECT nullif(current_setting('app.client_ids', true), '')::bigint[])::bigint[])"
BY_ACCOUNTS = "account_id = ANY ((SELECT nullif(current_setting('app.account_ids', true), '')::bigint[])::bigint[])"


class TenantPolicies(Operation):
    """Enable and force row-level security on a tenant table; ``reads`` adds SELECT policies by name.

    Without a scope the table shows no rows and takes none. The reverse takes all of it away again.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, *model_names: str, reads: dict[str, str] | None = None) -> None:
        self.model_names = model_names
        self.reads = reads or {}

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, list(self.model_names), {"reads": self.reads} if self.reads else {}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Policies are not part of the model state."""

    def _tables(self, app_label: str, state: Any, schema_editor: Any) -> list[str]:
        return [schema_editor.quote_name(state.apps.get_model(app_label, name)._meta.db_table) for name in self.model_names]

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for table in self._tables(app_label, to_state, schema_editor):
            schema_editor.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            schema_editor.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
            schema_editor.execute(f"CREATE POLICY tenant ON {table} USING ({TENANT}) WITH CHECK ({TENANT})")
            for name, condition in self.reads.items():
                schema_editor.execute(f"CREATE POLICY {schema_editor.quote_name(name)} ON {table} FOR SELECT USING ({condition})")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for table in self._tables(app_label, from_state, schema_editor):
            for name in self.reads:
                schema_editor.execute(f"DROP POLICY {schema_editor.quote_name(name)} ON {table}")
            schema_editor.execute(f"DROP POLICY tenant ON {table}")
            schema_editor.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            schema_editor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")

    def describe(self) -> str:
        return f"Force row-level security on {', '.join(self.model_names)}"


class AddConstraintOnline(AddConstraint):
    """AddConstraint on a table in use, for migrations with ``atomic = False``: no lock is held while rows are read.

    A CHECK or composite key is added NOT VALID and validated by a second statement; a UNIQUE index is built CONCURRENTLY. What a
    broken attempt left behind is dropped first, so the migration can be repeated.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        table, name = schema_editor.quote_name(model._meta.db_table), schema_editor.quote_name(self.constraint.name)
        sql = str(self.constraint.create_sql(model, schema_editor))
        if isinstance(self.constraint, UniqueConstraint):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            schema_editor.execute(sql.replace("CREATE UNIQUE INDEX", "CREATE UNIQUE INDEX CONCURRENTLY", 1))
            return
        schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        schema_editor.execute(f"{sql} NOT VALID")
        schema_editor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
