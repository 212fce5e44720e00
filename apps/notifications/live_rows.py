"""What the live server reads: a person's own notifications, guarded by row-level security, on connections of its own.

The SQL is Django's, compiled once from the list's serializer, so that a stream and a list say the same; it runs on psycopg's
asynchronous connections, because a thousand streams share one thread.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connections
from django.db.models import BigIntegerField, F, QuerySet
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from apps.core import compiled
from apps.core.api.reading import Plan, plan_of
from apps.core.tenancy import USER
from apps.notifications.api.serializers import NotificationSerializer
from apps.notifications.models import Notification
from apps.notifications.tickets import Ticket

READERS = 4
LATE = timedelta(minutes=5)
"""A row may be committed after rows with higher numbers. No transaction of ours lasts this long, so what is older is not looked for."""
PAGE = 100

IS_ACTIVE = "SELECT id FROM users_user WHERE id = ANY(%s) AND is_active"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with the places of its values."""

    sql: str
    params: tuple[Any, ...]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        return [values[p.name] if isinstance(p, compiled.Bound) else p for p in self.params]


def connection_parameters() -> dict[str, Any]:
    """How Django reaches the database, without Django's own adapters."""
    found = connections["default"].get_connection_params()
    kept = {key: value for key, value in found.items() if key not in ("context", "cursor_factory")}
    return {**kept, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class Rows:
    """A pool of connections that read notifications, as one person each time."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.plan: Plan = plan_of(NotificationSerializer)
        self._statements = {name: _compiled(shape, self.plan) for name, shape in SHAPES.items()}
        self.pool: AsyncConnectionPool = AsyncConnectionPool(
            kwargs={**parameters, "autocommit": True}, min_size=1, max_size=READERS, open=False, timeout=10, name="live"
        )

    async def open(self) -> None:
        await self.pool.open()

    async def close(self) -> None:
        await self.pool.close(timeout=2)

    async def named(self, ticket: Ticket, ids: Sequence[int]) -> list[Row]:
        """These of the person's notifications, in order."""
        return await self._read("named", ticket, ids=list(ids))

    async def after(self, ticket: Ticket, last_id: int) -> list[Row]:
        """The next PAGE notifications behind ``last_id``, in order."""
        return await self._read("after", ticket, last_id=last_id)

    async def just_before(self, ticket: Ticket, last_id: int) -> list[Row]:
        """The last PAGE up to ``last_id`` that were written LATE or less before the last of them, in order: any may be news."""
        found = await self._read("before", ticket, last_id=last_id)
        if not found:
            return []
        horizon = found[0]["created_at"] - LATE
        return [row for row in reversed(found) if row["created_at"] >= horizon]

    async def active(self, user_ids: Sequence[int]) -> set[int]:
        """Who of them may still sign in."""
        async with self.pool.connection() as connection:
            found = await (await connection.execute(IS_ACTIVE, [list(user_ids)])).fetchall()
        return {user_id for (user_id,) in found}

    async def _read(self, name: str, ticket: Ticket, **values: Any) -> list[Row]:
        statement = self._statements[name]
        async with self.pool.connection() as connection, as_user(connection, ticket.user_id):
            given = {"user": ticket.user_id, "accounts": list(ticket.account_ids), **values}
            cursor = await connection.execute(statement.sql, statement.arguments(given))
            return [self.plan.shape(row) for row in await cursor.fetchall()]


@asynccontextmanager
async def as_user(connection: AsyncConnection, user_id: int) -> AsyncIterator[None]:
    """A transaction in which the database shows this person's rows, and no one else's."""
    async with connection.transaction():
        await connection.execute("SELECT set_config(%s, %s, true)", [USER, str(user_id)])
        yield


def _named(rows: QuerySet) -> QuerySet:
    return rows.filter(compiled.InParam(F("pk"), compiled.Param("ids", ArrayField(BigIntegerField())))).order_by("pk")


def _after(rows: QuerySet) -> QuerySet:
    return rows.filter(pk__gt=compiled.Param("last_id", BigIntegerField())).order_by("pk")[:PAGE]


def _before(rows: QuerySet) -> QuerySet:
    return rows.filter(pk__lte=compiled.Param("last_id", BigIntegerField())).order_by("-pk")[:PAGE]


SHAPES = {"named": _named, "after": _after, "before": _before}


def _compiled(shape: Callable[[QuerySet], QuerySet], plan: Plan) -> Statement:
    in_reach = compiled.InParam(F("account_id"), compiled.Param("accounts", ArrayField(BigIntegerField())))
    rows = shape(Notification._base_manager.filter(in_reach, user_id=compiled.Param("user", BigIntegerField())))
    sql, params = rows.values_list(*plan.columns).query.get_compiler("default").as_sql()
    return Statement(sql, tuple(params))


__all__ = ["LATE", "PAGE", "Rows", "as_user", "connection_parameters"]
