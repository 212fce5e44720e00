"""Sending what was written down: claim, call, record.

A delivery is claimed in a transaction, sent without one, and its answer recorded in another. A worker that dies in between leaves it
``sending``; the sweep finds it after ten minutes and it is sent again under the same Message-ID, by which receivers fold duplicates.
Nothing that happens here touches what the message is about.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.core import jobs
from apps.core.db import outside_transactions
from apps.core.errors import InvalidTransition
from apps.core.tenancy import account_scope
from apps.notifications.adapters import Refused, Unreachable, mail
from apps.notifications.adapters.sms import Texter, texter_of
from apps.notifications.models import Channel, Delivery, SenderIdentity
from apps.notifications.reminding import still_reminds
from apps.notifications.words import one_line

logger = logging.getLogger(__name__)

State = Delivery.State

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 12 * 60, 24 * 60))
"""How long is waited after the first, second … failed attempt; after the last one it has failed for good."""
LEFT_AFTER = timedelta(minutes=10)
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a worker took out of the table: it sends this, whatever happens to the row meanwhile."""

    delivery: Delivery
    identity: SenderIdentity | None
    account_name: str


@jobs.task(name="notifications.send", queue="mail")
def send_delivery(account_id: int, delivery_id: int) -> str:
    """Send one delivery if it is due and nobody else is at it; returns what became of it ('' when there was nothing to do)."""
    at = timezone.now()
    claimed = claim(account_id, delivery_id, at=at)
    if claimed is None:
        return ""
    sent, error, final = "", "", False
    try:
        sent = _call(claimed)
    except Refused as refusal:
        error, final = str(refusal), True
    except Unreachable as trouble:
        error = str(trouble)
    except Exception as fault:  # a mistake of ours: it is shown, counted as an attempt, and reported by the job
        record(claimed.delivery, message_id="", error=type(fault).__name__, final=False, at=timezone.now())
        raise
    return record(claimed.delivery, message_id=sent, error=error, final=final, at=timezone.now())


def claim(account_id: int, delivery_id: int, *, at: datetime) -> Claimed | None:
    """Take a delivery that is due, or that a dead worker left; None when it is not there to be taken."""
    with account_scope(account_id):
        found = Delivery.objects.select_for_update(skip_locked=True, no_key=True, of=("self",)).select_related("account", "user", "client")
        delivery = found.filter(_due(at), pk=delivery_id).first()
        if delivery is None:
            return None
        if not still_reminds(delivery, at=at):
            delivery.state, delivery.next_attempt_at, delivery.error = State.SKIPPED, None, "not_current"
            delivery.save(update_fields=["state", "next_attempt_at", "error", "updated_at"])
            return None
        delivery.state, delivery.claimed_at = State.SENDING, at
        delivery.next_attempt_at = None
        delivery.attempts += 1
        delivery.save(update_fields=["state", "claimed_at", "next_attempt_at", "attempts", "updated_at"])
        return Claimed(delivery, SenderIdentity.objects.first(), delivery.account.name)


def _call(claimed: Claimed) -> str:
    """Hand it to whoever carries it; returns its name there. Raises Refused or Unreachable."""
    delivery = claimed.delivery
    if delivery.channel == Channel.EMAIL:
        letter = mail.Letter(
            to=delivery.address,
            subject=delivery.subject,
            text=delivery.text,
            html=delivery.html,
            attachments=delivery.attachments,
            message_id=mail.message_id_of(delivery.pk, delivery.message_token),
            sender_name=one_line((claimed.identity.sender_name if claimed.identity else "") or claimed.account_name),
            reply_to=claimed.identity.reply_to if claimed.identity else "",
            is_personal=delivery.user_id is not None,
        )
        with outside_transactions():
            return mail.send(letter)
    texter: Texter | None = texter_of(claimed.identity)
    if texter is None:
        raise Refused("no_sms_provider")
    with outside_transactions():
        return texter.send(to=delivery.address, text=delivery.text, key=f"delivery-{delivery.account_id}-{delivery.pk}")


def record(delivery: Delivery, *, message_id: str, error: str, final: bool, at: datetime) -> str:
    """Write down the answer to the attempt that was claimed; one that was claimed again since is not ours any more."""
    with account_scope(delivery.account_id):
        mine = Delivery.objects.select_for_update(no_key=True).filter(pk=delivery.pk, state=State.SENDING, claimed_at=delivery.claimed_at)
        row = mine.first()
        if row is None:
            return ""
        row.error = error[:500]
        if not error:
            row.state, row.sent_at, row.message_id = State.SENT, at, message_id[:255]
        elif final or row.attempts > len(PAUSES):
            row.state = State.FAILED
            logger.warning("delivery %s has failed: %s", row.pk, row.error)
        else:
            row.state, row.next_attempt_at = State.PENDING, at + PAUSES[row.attempts - 1]
        row.save(update_fields=["state", "sent_at", "message_id", "error", "next_attempt_at", "updated_at"])
        return row.state


def retry_delivery(delivery: Delivery, *, at: datetime | None = None) -> Delivery:
    """Try again at once what has failed or waits for its next attempt. Raises InvalidTransition for what was sent or has been emptied."""
    at = at or timezone.now()
    row = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
    if row.state not in (State.FAILED, State.PENDING) or row.emptied_at is not None:
        raise InvalidTransition("Only a delivery that has not been sent and still has its words can be tried again.", allowed_actions=[])
    row.state, row.next_attempt_at, row.attempts = State.PENDING, at, 0
    row.save(update_fields=["state", "next_attempt_at", "attempts", "updated_at"])
    jobs.defer_many(send_delivery, [{"account_id": row.account_id, "delivery_id": row.pk}])
    return row


# -- what is due


def _due(at: datetime) -> Q:
    return Q(state=State.PENDING, next_attempt_at__lte=at) | Q(state=State.SENDING, claimed_at__lte=at - LEFT_AFTER)


def due_deliveries(at: datetime) -> QuerySet[Delivery]:
    """Deliveries that should be on their way now, oldest first."""
    return Delivery._base_manager.filter(_due(at)).order_by("next_attempt_at", "pk")


def empty_old(at: datetime, *, most: int) -> int:
    """Delete the words of what was sent or given up 30 days ago; returns of how many."""
    ended = Delivery._base_manager.filter(
        emptied_at=None, updated_at__lte=at - KEPT_FOR, state__in=(State.SENT, State.FAILED, State.SKIPPED)
    )
    ids = list(ended.order_by("updated_at").values_list("pk", flat=True)[:most])
    return Delivery._base_manager.filter(pk__in=ids).update(text="", html="", subject="", attachments=[], emptied_at=at)
