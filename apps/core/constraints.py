"""Constraints that keep tenants apart in the database itself."""

from typing import Any

from django.db import models
from django.db.backends.ddl_references import Statement, Table
from django.db.models import BaseConstraint, UniqueConstraint


class TenantKey(UniqueConstraint):
    """UNIQUE (account_id, id): the target that the composite keys of SameAccount refer to."""

    def __init__(self, *, name: str, fields: tuple[str, ...] | list[str] = ("account", "id"), **kwargs: Any) -> None:
        super().__init__(fields=list(fields), name=name, **kwargs)

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """The primary key is unique already: asking the database again would be a query for nothing."""


class SameAccount(BaseConstraint):
    """FOREIGN KEY (account_id, <field>_id) REFERENCES target (account_id, id), NOT DEFERRABLE.

    A row that points into another account cannot be stored, not even by raw SQL, and fails at the statement instead of at
    COMMIT. ``field`` names a TenantForeignKey, which has no database constraint of its own.
    """

    def __init__(self, field: str, *, name: str) -> None:
        super().__init__(name=name)
        self.field = field

    def _definition(self, model: type[models.Model], schema_editor: Any) -> str:
        quote = schema_editor.quote_name
        field: Any = model._meta.get_field(self.field)
        target = field.related_model._meta
        account = quote("account_id")
        return (
            f"FOREIGN KEY ({account}, {quote(field.column)}) "
            f"REFERENCES {quote(target.db_table)} ({quote('account_id')}, {quote(target.pk.column)})"
        )

    def constraint_sql(self, model: type[models.Model], schema_editor: Any) -> None:
        """Not inside CREATE TABLE, because the target's key may be created after this table, but at the end of its migration."""
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))

    def create_sql(self, model: type[models.Model], schema_editor: Any) -> Statement:
        quote = schema_editor.quote_name
        template = "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s %(definition)s"
        return Statement(
            template,
            table=Table(model._meta.db_table, quote),
            name=quote(self.name),
            definition=self._definition(model, schema_editor),
        )

    def remove_sql(self, model: type[models.Model], schema_editor: Any) -> Statement:
        quote = schema_editor.quote_name
        return Statement("ALTER TABLE %(table)s DROP CONSTRAINT %(name)s", table=Table(model._meta.db_table, quote), name=quote(self.name))

    def validate(self, model: type[models.Model], instance: models.Model, exclude: Any = None, using: str = "default") -> None:
        """Left to the database; forms and serializers pick related rows inside the scope."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameAccount) and (self.name, self.field) == (other.name, other.field)

    def __hash__(self) -> int:
        return hash((self.name, self.field))

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        path, _, kwargs = super().deconstruct()
        return path, [self.field], kwargs


class KnownInAccount(SameAccount):
    """FOREIGN KEY (account_id, <column>) REFERENCES through (account_id, <field>_id): a global row that this account knows.

    ``through`` is a tenant model with the same field and UNIQUE (account, field); ``column`` is that of the field, unless a generated
    one says of which rows it is demanded. An account's rows about a person of the whole
    installation cannot be about somebody who is nothing to this account. Checked at the statement; DEFERRABLE, so that a merge can
    move the person and what refers to them in one transaction (``SET CONSTRAINTS … DEFERRED``).
    """

    def __init__(self, field: str, *, through: str, name: str, column: str = "") -> None:
        super().__init__(field, name=name)
        self.through, self.column = through, column

    def _definition(self, model: type[models.Model], schema_editor: Any) -> str:
        quote = schema_editor.quote_name
        field: Any = model._meta.get_field(self.field)
        target = model._meta.apps.get_model(self.through)._meta
        account, mine, there = quote("account_id"), quote(self.column or field.column), quote(target.get_field(self.field).column)
        return f"FOREIGN KEY ({account}, {mine}) REFERENCES {quote(target.db_table)} ({account}, {there}) DEFERRABLE INITIALLY IMMEDIATE"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KnownInAccount) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    @property
    def _all(self) -> tuple[str, ...]:
        return self.name, self.field, self.through, self.column

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "through": self.through, **({"column": self.column} if self.column else {})}
