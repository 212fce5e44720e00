"""What PostgreSQL says, in the trade's words."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from django.db import IntegrityError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Callable[[], object])

# SQLSTATEs after which the same request may simply be sent again
DEADLOCK, SERIALIZATION, LOCK_TIMEOUT, STATEMENT_TIMEOUT = "40P01", "40001", "55P03", "57014"
PASSING = frozenset({DEADLOCK, SERIALIZATION, LOCK_TIMEOUT, STATEMENT_TIMEOUT})


def constraint_name(error: BaseException) -> str:
    """The name of the constraint an IntegrityError broke, '' when it carries none."""
    cause = error.__cause__
    diagnostics = getattr(cause, "diag", None)
    return getattr(diagnostics, "constraint_name", None) or ""


def sqlstate(error: BaseException) -> str:
    """The five-character SQLSTATE of a database error, '' when it carries none."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def joined(function: Callable[P, R]) -> Callable[P, R]:
    """A service's transaction: one of its own, or the caller's without a savepoint (two statements fewer per call).

    An error inside a caller's transaction dooms all of it; a caller that goes on after an error opens a savepoint around
    the call (``transaction.atomic()``). What was left for the end (``at_end``) runs when the outermost service is done.
    """

    @wraps(function)
    def service(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic(savepoint=False):
            if _left.get() is not None:
                return function(*args, **kwargs)
            left: dict[Hashable, Callable[[], object]] = {}
            token = _left.set(left)
            try:
                result = function(*args, **kwargs)
                while left:
                    left.pop(next(iter(left)))()
                return result
            finally:
                _left.reset(token)

    return service


_left: ContextVar[dict[Hashable, Callable[[], object]] | None] = ContextVar("left_for_the_end", default=None)


def at_end(key: Hashable, call: C) -> C:
    """Run ``call`` once per ``key`` when the outermost service is done, in its transaction; at once when none is running.

    Returns the call that will be made: an earlier one with the same key, or this one.

    For what follows from the final state of several changes. ``call`` reads that state itself: what registered it may have been
    rolled back to a savepoint since.
    """
    left = _left.get()
    if left is None:
        call()
        return call
    return cast(C, left.setdefault(key, call))


@contextmanager
def constraint_error(errors: dict[str, Callable[[], Exception]], *, savepoint: bool = True) -> Iterator[None]:
    """Translate broken constraints, by name. In a savepoint the transaction survives; without one it is doomed."""
    try:
        with transaction.atomic(savepoint=savepoint):
            yield
    except IntegrityError as error:
        make = errors.get(constraint_name(error))
        if make is None:
            raise
        raise make() from error


def rows(sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
    """Run one read-only statement of ours (doctor, checks) and fetch everything."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


NEXT_NUMBER = """
    INSERT INTO core_counter (account_id, name, value, created_at, updated_at) VALUES (%s, %s, 1, now(), now())
    ON CONFLICT (account_id, name) DO UPDATE SET value = core_counter.value + 1, updated_at = now() RETURNING value
"""


def next_number(account_id: int, name: str) -> int:
    """The next number of an account's series. Locks the series until the transaction ends, so that there are no gaps."""
    return rows(NEXT_NUMBER, [account_id, name])[0][0]


@contextmanager
def outside_transactions() -> Iterator[None]:
    """Around every call to the outside world: refuses to run while a transaction is open, because a rollback takes nothing back there."""
    if connection.in_atomic_block:
        raise RuntimeError("The outside world must not be called inside a database transaction.")
    yield
