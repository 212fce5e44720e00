"""Sending webhooks as the Standard Webhooks say: claim in one transaction, call outside any, record in another.

A worker may die at any moment: what it had claimed is taken up again when its lease is over, under the same webhook-id, so that a
receiver can fold the two. Nothing of the receiver's answer is kept but its status.
"""

import logging
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from standardwebhooks import Webhook

from apps.core import jobs
from apps.core.db import outside_transactions
from apps.core.events import acting
from apps.core.outbound import OutboundFailed, OutboundRefused, fetch
from apps.core.tenancy import account_scope
from apps.core.vault import VaultClosed
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.models.webhooks import message_id
from apps.integrations.services.endpoints import TEST, signing_secrets, stop_endpoint

logger = logging.getLogger(__name__)

State = WebhookDelivery.State
Endpoint = WebhookEndpoint.State

CALL_SECONDS = 10.0
LEASE = timedelta(minutes=2)
"""How long a claimed delivery belongs to its worker; longer than any call."""
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 720, 720, 720, 720))
"""After the first attempt, the second …; about 66 hours in all."""
GIVE_UP_AFTER = timedelta(hours=72)
JITTER = (0.9, 1.05)
LANES = 4
"""Calls of one account at the same time, so that slow receivers leave workers to the others."""
FAILING = 5
"""After so many failures in a row an endpoint is tried once a minute, until it accepts something."""
PAUSE_FAILURES, PAUSE_AFTER = 20, GIVE_UP_AFTER
DRAIN_SECONDS = 5.0
KEPT_FOR = timedelta(days=30)
FORGET_AT_ONCE = 5_000
USER_AGENT = "Clientele-Webhooks/1.0"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed delivery: everything that is needed to send it without a transaction."""

    account_id: int
    endpoint_id: int
    delivery_id: int
    number: int
    event_id: int
    body: str = field(repr=False)
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. ``error`` is a short code, '' when it was accepted; ``is_final``: trying again is no use."""

    status: int | None = None
    error: str = ""
    duration_ms: int = 0
    is_final: bool = False


@jobs.task(name="webhooks.send_due", queue="webhooks")
def send_due(account_id: int, endpoint_id: int, *, first: int | None = None) -> int:
    """Send what is due to an endpoint, ``first`` before the rest, until nothing is or a few seconds are over; returns how many calls."""
    calls, end = 0, time.monotonic() + DRAIN_SECONDS
    with acting(None, "job:webhooks"):
        while True:
            accepted = attempt_delivery(account_id, endpoint_id, delivery_id=first)
            if accepted is None and first is None:
                return calls
            calls += accepted is not None
            first = None
            if time.monotonic() > end:
                with account_scope(account_id):
                    jobs.defer_many(send_due, [{"account_id": account_id, "endpoint_id": endpoint_id}])
                return calls


def attempt_delivery(account_id: int, endpoint_id: int, *, delivery_id: int | None = None, at: datetime | None = None) -> bool | None:
    """Send one delivery that is due (this one, or the one that waits longest); None when there is none to send now.

    Returns whether it was accepted. To an endpoint that is failing nothing is sent unless it is named. Call outside transactions.
    """
    with outside_transactions():
        at = (at or timezone.now()).astimezone(UTC)
        attempt = _claim(account_id, endpoint_id, delivery_id, at)
        if attempt is None:
            return None
        outcome = _call(attempt, at)
        _record(attempt, outcome, at)
        return not outcome.error


def due_endpoints(at: datetime) -> QuerySet:
    """(account, endpoint, what waits there longest) of every endpoint for which something is due; also what a dead worker has left."""
    waiting = WebhookDelivery.objects.filter(next_attempt_at__lte=at).order_by("endpoint_id", "next_attempt_at", "pk")
    return waiting.distinct("endpoint_id").values_list("account_id", "endpoint_id", "pk")


def forget_old_deliveries(at: datetime) -> int:
    """Delete what ended long ago, thousands at a time; returns how many. The events stay in the log."""
    old = WebhookDelivery.objects.filter(created_at__lt=at - KEPT_FOR, next_attempt_at=None).values_list("pk", flat=True)
    forgotten = 0
    while batch := list(old[:FORGET_AT_ONCE]):
        forgotten += WebhookDelivery.objects.filter(pk__in=batch).delete()[0]
    return forgotten


def next_attempt(attempts: int, *, created_at: datetime, at: datetime) -> datetime | None:
    """When to try again after so many attempts, the last of them now; None when it was the last one."""
    if attempts > len(PAUSES):
        return None
    when = at + PAUSES[attempts - 1] * random.uniform(*JITTER)  # noqa: S311  it only spreads load
    return when if when <= created_at + GIVE_UP_AFTER else None


def _claim(account_id: int, endpoint_id: int, delivery_id: int | None, at: datetime) -> Attempt | None:
    """Take a due delivery; nobody else does before the lease is over."""
    with account_scope(account_id):
        due = WebhookDelivery.objects.filter(endpoint_id=endpoint_id, next_attempt_at__lte=at)
        endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
        if endpoint is None or endpoint.state != Endpoint.ACTIVE:
            due.update(state=State.CANCELLED, next_attempt_at=None, updated_at=at)  # it came, or its worker died, while it was stopped
            return None
        if delivery_id is not None:
            due = due.filter(pk=delivery_id)
        elif endpoint.consecutive_failures >= FAILING:
            return None
        if WebhookDelivery.objects.filter(state=State.SENDING, next_attempt_at__gt=at).count() >= LANES:
            return None
        delivery = due.select_for_update(skip_locked=True, no_key=True).order_by("next_attempt_at", "pk").first()
        if delivery is None:
            return None
        delivery.state, delivery.attempts = State.SENDING, delivery.attempts + 1
        delivery.next_attempt_at, delivery.last_attempt_at = at + LEASE, at
        delivery.save(update_fields=["state", "attempts", "next_attempt_at", "last_attempt_at", "updated_at"])
        try:
            signing = signing_secrets(endpoint, at=at)
        except VaultClosed:
            signing = []
        return Attempt(
            account_id=account_id,
            endpoint_id=endpoint_id,
            delivery_id=delivery.pk,
            number=delivery.attempts,
            event_id=delivery.event_id,
            body=delivery.body,
            url=endpoint.url,
            secrets=tuple(signing),
        )


def _call(attempt: Attempt, at: datetime) -> Outcome:
    """Make the call. A redirect is a failure; what comes back is not read."""
    if not attempt.secrets:
        return Outcome(error="secret_unreadable")
    name = message_id(attempt.event_id)
    headers = {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, at, attempt.body) for secret in attempt.secrets),
        "webhook-delivery": str(attempt.delivery_id),
    }
    began = time.monotonic()
    status: int | None = None
    is_final = False
    try:
        status = fetch("POST", attempt.url, headers=headers, content=attempt.body.encode(), timeout=CALL_SECONDS, max_bytes=0).status
        error = _word_for(status)
    except OutboundRefused as refusal:
        error, is_final = refusal.code, True
    except OutboundFailed as failure:
        error = failure.code
    except Exception:  # a mistake of ours, or of this machine: it counts as an attempt, so that it does not go round for ever
        logger.exception("webhook delivery %s could not be sent", attempt.delivery_id)
        error = "internal"
    return Outcome(status, error, int((time.monotonic() - began) * 1000), is_final or status == 410)


def _word_for(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if status == 410:
        return "gone"
    return "redirect" if 300 <= status < 400 else "refused"


def _record(attempt: Attempt, outcome: Outcome, at: datetime) -> None:
    """Write down how it ended, unless somebody else has taken the delivery up since; and what that says of the endpoint."""
    with account_scope(attempt.account_id):
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=attempt.endpoint_id).first()
        mine = WebhookDelivery.objects.filter(pk=attempt.delivery_id, state=State.SENDING, attempts=attempt.number)
        delivery = mine.first()
        if endpoint is None or delivery is None:
            return
        retry_at = None
        if not outcome.error:
            state = State.SUCCEEDED
        elif delivery.event_type == TEST or outcome.is_final:
            state = State.FAILED
        elif endpoint.state != Endpoint.ACTIVE:
            state = State.CANCELLED
        else:
            retry_at = next_attempt(delivery.attempts, created_at=delivery.created_at, at=at)
            state = State.PENDING if retry_at else State.FAILED
        recorded = mine.update(
            state=state,
            next_attempt_at=retry_at,
            last_status=outcome.status,
            last_error=outcome.error,
            duration_ms=outcome.duration_ms,
            delivered_at=at if state == State.SUCCEEDED else None,
            updated_at=at,
        )
        if recorded and delivery.event_type != TEST:
            _judge(endpoint, delivery, outcome, ended=state == State.FAILED, at=at)


def _judge(endpoint: WebhookEndpoint, delivery: WebhookDelivery, outcome: Outcome, *, ended: bool, at: datetime) -> None:
    """Count the endpoint's failures, and stop it when there is no hope: it is gone, refused by us, or has failed for too long."""
    row = WebhookEndpoint.objects.filter(pk=endpoint.pk)  # counting is no change that the history keeps
    if not outcome.error:
        if endpoint.consecutive_failures:
            row.update(failing_since=None, consecutive_failures=0)
        return
    endpoint.failing_since = endpoint.failing_since or at
    endpoint.consecutive_failures += 1
    row.update(failing_since=endpoint.failing_since, consecutive_failures=endpoint.consecutive_failures)
    if endpoint.state != Endpoint.ACTIVE:
        return
    too_long = endpoint.consecutive_failures >= PAUSE_FAILURES and at - endpoint.failing_since > PAUSE_AFTER
    if outcome.status == 410:
        stop_endpoint(endpoint, state=Endpoint.DISABLED, reason="gone", at=at)
    elif outcome.is_final:
        stop_endpoint(endpoint, state=Endpoint.PAUSED, reason=outcome.error, at=at)
    elif too_long or (ended and not _accepted_anything_since(delivery)):
        stop_endpoint(endpoint, state=Endpoint.PAUSED, reason="failing", at=at)
    else:
        return
    logger.warning("webhook endpoint %s is %s: %s", endpoint.pk, endpoint.state, endpoint.state_reason)


def _accepted_anything_since(delivery: WebhookDelivery) -> bool:
    """Whether the endpoint took other events while it refused this one again and again: then it is well, and only this is not for it."""
    others = WebhookDelivery.objects.filter(endpoint_id=delivery.endpoint_id, created_at__gte=delivery.created_at - GIVE_UP_AFTER)
    return others.filter(delivered_at__gt=delivery.created_at).exists()
