"""Tickets: how a browser's EventSource, which cannot send a header, says at the live server who it is.

A signed statement of ten minutes about one login; nothing is stored. It opens nothing but the stream of that login's notifications.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core import signing

LIFETIME = timedelta(minutes=10)
SALT = "clientele.live"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whose notifications, of which accounts, until when."""

    user_id: int
    account_ids: tuple[int, ...]
    expires_at: datetime


def issue_ticket(user_id: int, *, account_ids: Iterable[int], at: datetime) -> tuple[str, datetime]:
    """(the address for an EventSource, until when it may be used)."""
    expires_at = (at + LIFETIME).replace(microsecond=0)
    claims = {"u": user_id, "a": sorted(account_ids), "e": int(expires_at.timestamp())}
    return f"{settings.LIVE_URL}?ticket={signing.dumps(claims, salt=SALT)}", expires_at


def read_ticket(text: str, *, at: datetime) -> Ticket | None:
    """What a ticket says; None for one that is over, or that this installation did not make."""
    try:
        claims = signing.loads(text, salt=SALT)
    except signing.BadSignature:
        return None
    ticket = Ticket(claims["u"], tuple(claims["a"]), datetime.fromtimestamp(claims["e"], UTC))
    return ticket if at < ticket.expires_at else None
