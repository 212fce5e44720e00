"""Reading the log of events so that nobody who follows it misses one.

Ids are handed out before transactions commit, so the row with the smaller id may appear later, and a reader who has passed it would
never see it. Two rules avoid that. A reader stops at the snapshot horizon: behind it every transaction has ended. And the log is read
in the order of (transaction, id), not of ids alone: among the transactions behind the horizon a later one may hold smaller ids.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from apps.core.db import rows
from apps.core.errors import Invalid
from apps.core.models import Event

PLACE = 'SELECT "transaction"::text FROM core_event WHERE account_id = %s AND id = %s'
PAGE = """
    SELECT id, type, created_at, subject_type, subject_id, version, client_id, actor_id, source, changes FROM core_event
    WHERE account_id = %s AND (transaction, id) > (%s::text::xid8, %s::bigint) AND transaction < pg_snapshot_xmin(pg_current_snapshot())
    {about} ORDER BY transaction, id LIMIT %s
"""
ABOUT = "AND subject_type = %s AND subject_id = %s"


class LoggedEvent(NamedTuple):
    """One row of the log."""

    id: int
    type: str
    created_at: datetime
    subject_type: str
    subject_id: int
    version: int | None
    client_id: int | None
    actor_id: int | None
    source: str
    changes: dict[str, Any]


def events_after(account_id: int, after: int, *, size: int, subject: tuple[str, int] | None = None) -> list[LoggedEvent]:
    """Up to ``size`` events that follow the one with the sequence ``after`` (0: from the beginning), in the order of the log.

    ``subject`` (type, id) narrows it to one row's own events. Raises Invalid when there is no such event in this account.
    """
    place = rows(PLACE, [account_id, after]) if after else [("0",)]
    if not place:
        raise Invalid(fields={"after": ["There is no event with this sequence."]})
    about = list(subject) if subject else []
    found = rows(PAGE.format(about=ABOUT if subject else ""), [account_id, place[0][0], after, *about, size])
    return [LoggedEvent._make([*row[:-1], json.loads(row[-1])]) for row in found]


def as_told(event: LoggedEvent | Event) -> dict[str, Any]:
    """An event as the API and webhooks show it. ``sequence`` is what a reader sends back as ``after``."""
    return {
        "sequence": event.id,
        "type": event.type,
        "created_at": event.created_at,
        "subject": {"type": event.subject_type, "id": event.subject_id, "version": event.version},
        "client": event.client_id,
        "actor": event.actor_id,
        "source": event.source,
        "changes": event.changes,
    }
