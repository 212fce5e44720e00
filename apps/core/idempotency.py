"""Idempotency keys: the first request does the work, every repetition gets its reply (24 hours).

Three short transactions (blueprint, Tenancy 6): claim the key; do the work and store the reply together; on failure
release the key. The reply is stored in the transaction of the work, so there is never one without the other. Work that calls the
outside world has a transaction before and one after the call; the first one keeps with the key where to go on after a crash.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from apps.core import jobs
from apps.core.errors import IdempotencyConflict, IdempotencyInProgress, Invalid
from apps.core.models import IdempotencyKey
from apps.core.tenancy import platform_scope

KEPT_FOR = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=1)
MAX_KEY_LENGTH = 255
# Raw because the ORM's ignore_conflicts cannot say whether the row was ours.
CLAIM = """
    INSERT INTO core_idempotencykey (account_id, actor_id, key, request_hash, response, created_at, updated_at)
    VALUES (%s, %s, %s, %s, '', %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this request owns since ``claimed_at``, or whose earlier reply (``status_code`` …) is to be repeated.

    ``state`` is what an earlier request of the same key had written before it was cut off: the work goes on from there.
    """

    id: int
    claimed_at: datetime
    status_code: int | None = None
    response: str = ""
    state: dict[str, Any] | None = None

    @property
    def is_replay(self) -> bool:
        return self.status_code is not None


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What makes two requests the same request: method, path with query, and the bytes of the body."""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()


def claim(*, account_id: int, actor_id: int | None, key: str, request_hash: str, at: datetime | None = None) -> Claim:
    """Take the key for this request. Call in a transaction of its own.

    Raises IdempotencyConflict (422) for another request under the same key, IdempotencyInProgress (409) while the first
    one runs. A claim whose process died is taken over after a minute; a reply older than 24 hours is forgotten.
    """
    if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise Invalid(fields={"Idempotency-Key": [f"Send 1 to {MAX_KEY_LENGTH} printable characters."]})
    at = at or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [account_id, actor_id, key, request_hash, at, at])
        inserted = cursor.fetchone()
    if inserted:
        return Claim(inserted[0], at)
    row = IdempotencyKey.objects.select_for_update().filter(actor_id=actor_id, key=key).first()
    if row is None:  # released by its owner between the two statements
        raise IdempotencyInProgress
    expired = row.status_code is not None and at - row.created_at > KEPT_FOR
    if row.request_hash != request_hash and not expired:
        raise IdempotencyConflict
    if row.status_code is not None and not expired:
        return Claim(row.pk, row.created_at, row.status_code, row.response)
    if row.status_code is None and at - row.created_at < ABANDONED_AFTER:
        raise IdempotencyInProgress
    state = None if expired else row.state
    row.request_hash, row.status_code, row.response, row.created_at, row.state = request_hash, None, "", at, state
    row.save(update_fields=["request_hash", "status_code", "response", "created_at", "state"])
    return Claim(row.pk, at, state=state)


def store_reply(claim: Claim, status_code: int, response: str) -> None:
    """Keep the reply of the request that owns the key; in the transaction of its work.

    Raises IdempotencyInProgress when the work took so long that another request has taken the key over: its work counts,
    and this one must be rolled back.
    """
    if not _owned(claim).update(status_code=status_code, response=response):
        raise IdempotencyInProgress


def keep_state(claim: Claim, state: dict[str, Any]) -> None:
    """Remember what has been written, in the same transaction, before the outside world is called.

    Raises IdempotencyInProgress when another request has taken the key over.
    """
    if not _owned(claim).update(state=state):
        raise IdempotencyInProgress


def suspend(claim: Claim) -> None:
    """Give a key back whose work has begun and could not be finished: the next request with it goes on at once."""
    _owned(claim).update(created_at=claim.claimed_at - ABANDONED_AFTER)


def release(claim: Claim) -> None:
    """Forget the claim of a request that failed, so that the client may try again with the same key."""
    _owned(claim).delete()


def _owned(claim: Claim) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(pk=claim.id, created_at=claim.claimed_at, status_code=None)


@jobs.periodic(cron="17 * * * *")
@jobs.task(name="core.forget_idempotency_keys", queue="core", queueing_lock="core.forget_idempotency_keys")
def forget_old_keys(timestamp: int) -> int:
    """Delete keys past their 24 hours, in every account; returns how many."""
    with platform_scope("expired idempotency keys"):
        deleted, _ = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted
