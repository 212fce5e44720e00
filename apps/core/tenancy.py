"""The scope: whose rows this transaction may touch.

Two layers say the same thing. The database reads transaction-local settings in its row-level security policies
(``set_config(…, true)``: they end with the transaction and cannot leak through a pooled connection). The ORM reads
django-scopes, so that a query without a scope raises instead of silently finding nothing.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection, transaction
from django_scopes import scope, scopes_disabled
from psycopg.pq import TransactionStatus

logger = logging.getLogger(__name__)

ACCOUNT, USER, CLIENTS, ACCOUNTS, PLATFORM = "app.account_id", "app.user_id", "app.client_ids", "app.account_ids", "app.platform"
KEYS = (ACCOUNT, USER, CLIENTS, ACCOUNTS, PLATFORM)

_settings: ContextVar[dict[str, str] | None] = ContextVar("tenancy_settings", default=None)


def current_settings() -> dict[str, str]:
    """The settings this context believes to be in force; every key is present, '' means not set."""
    return _settings.get() or dict.fromkeys(KEYS, "")


def current_account_id() -> int | None:
    """The account whose scope is open, or None."""
    value = current_settings()[ACCOUNT]
    return int(value) if value else None


def _apply(values: dict[str, str]) -> None:
    """Write the settings into the open transaction with one statement."""
    calls = ", ".join("set_config(%s, %s, true)" for _ in values)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [part for pair in values.items() for part in pair])


def _takes_statements() -> bool:
    """False inside a transaction (or savepoint) that will be rolled back: the rollback takes the settings back by itself."""
    raw = connection.connection
    return raw is not None and not connection.needs_rollback and raw.info.transaction_status == TransactionStatus.INTRANS


@contextmanager
def _entered(values: dict[str, str], *, already_applied: bool = False, ends_transaction: bool = False) -> Iterator[None]:
    """Change some settings, and put them back at the end when the transaction goes on without us.

    ``ends_transaction``: the caller's transaction ends right after (a request): nothing needs to be put back, unless the
    request runs inside a larger transaction, as it does in a test.
    """
    before = current_settings()
    with ExitStack() as stack:
        outermost = not connection.in_atomic_block
        if outermost:
            stack.enter_context(transaction.atomic())
        changed = {key: value for key, value in values.items() if before[key] != value}
        if changed and not already_applied:
            _apply(changed)
        token = _settings.set({**before, **values})
        try:
            yield
        finally:
            _settings.reset(token)
            goes_on = not outermost and not (ends_transaction and not connection.savepoint_ids)
            if changed and goes_on and _takes_statements():
                _apply({key: before[key] for key in changed})


@contextmanager
def account_scope(account: Any, *, already_applied: bool = False, ends_transaction: bool = False) -> Iterator[None]:
    """Open the scope of one account (an Account or its id). Opens a transaction when none is open.

    The platform switch is off inside, whatever it was outside. ``already_applied``: the door's own query has set the value.
    """
    account_id = getattr(account, "pk", account)
    if not isinstance(account_id, int):
        raise TypeError(f"account_scope() needs an Account or its id, not {account!r}.")
    values = {ACCOUNT: str(account_id), PLATFORM: ""}
    with _entered(values, already_applied=already_applied, ends_transaction=ends_transaction), scope(account=account_id):
        yield


@contextmanager
def user_scope(user_id: int, *, already_applied: bool = False, ends_transaction: bool = False) -> Iterator[None]:
    """Say who is asking: opens the user's own memberships and notifications to reads, and nothing else."""
    with _entered({USER: str(user_id)}, already_applied=already_applied, ends_transaction=ends_transaction):
        yield


@contextmanager
def member_scope(user_id: int, account_id: int, *, ends_transaction: bool = False) -> Iterator[None]:
    """``user_scope`` and ``account_scope`` with one statement: a member's request goes on in a new transaction."""
    values = {USER: str(user_id), ACCOUNT: str(account_id), PLATFORM: ""}
    with _entered(values, ends_transaction=ends_transaction), scope(account=account_id):
        yield


@contextmanager
def customer_scope(
    user_id: int | None, client_ids: Sequence[int], account_ids: Sequence[int], *, ends_transaction: bool = False
) -> Iterator[None]:
    """Reads of one person over every account they are a client of (the customer door); a guest has no user."""
    values = {USER: str(user_id) if user_id is not None else "", CLIENTS: _bigint_array(client_ids), ACCOUNTS: _bigint_array(account_ids)}
    with _entered(values, ends_transaction=ends_transaction), scope(account=list(account_ids)):
        yield


def _bigint_array(ids: Sequence[int]) -> str:
    return "{" + ",".join(str(int(i)) for i in ids) + "}"


@contextmanager
def platform_scope(reason: str) -> Iterator[None]:
    """All accounts: migrations of data, superusers in the admin, cross-tenant commands. ``reason`` goes to the log."""
    logger.info("platform scope: %s", reason)
    with _entered({PLATFORM: "on"}), scopes_disabled():
        yield
