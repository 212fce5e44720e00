"""One run of a data fix at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from apps.core.db import rows
from apps.core.errors import Busy, Invalid


@contextmanager
def only_run(name: str) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock ``name`` over many transactions; it ends with the connection, however that ends.

    Raises Busy when another run holds it, and Invalid behind a transaction pooler, where a lock has no session to belong to.
    """
    if connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        raise Invalid("Run this on a direct connection: DATABASE_URL of the server itself and DATABASE_BEHIND_POOLER=0.")
    if not rows("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])[0][0]:
        raise Busy(f"Another run of {name} is under way.")
    try:
        yield
    finally:
        if not connection.needs_rollback:  # only inside somebody's broken transaction, whose end takes the connection along
            rows("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
