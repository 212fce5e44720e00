"""The life of a ticket: one table of what leads where.

open → in_progress ⇄ waiting (for the client) → resolved → closed, and back to open.
"""

from datetime import datetime, timedelta

from apps.core.errors import InvalidTransition
from apps.tickets.models import Status

REOPEN_WITHIN = timedelta(days=14)
"""How long after its end a client may take a ticket up again."""

STEPS: dict[str, tuple[tuple[Status, ...], Status]] = {
    "start": ((Status.OPEN, Status.WAITING), Status.IN_PROGRESS),
    "wait": ((Status.OPEN, Status.IN_PROGRESS), Status.WAITING),
    "resolve": ((Status.OPEN, Status.IN_PROGRESS, Status.WAITING), Status.RESOLVED),
    "close": ((Status.OPEN, Status.IN_PROGRESS, Status.WAITING, Status.RESOLVED), Status.CLOSED),
    "reopen": ((Status.RESOLVED, Status.CLOSED), Status.OPEN),
}
"""{action: (states it leads from, the state it leads to)}"""

BY_CLIENTS = ("close", "reopen")


def allowed_actions(status: str) -> list[str]:
    """What staff may do with a ticket in this state, as the last part of the action's address."""
    return [action for action, (sources, _) in STEPS.items() if status in sources]


def client_actions(status: str, resolved_at: datetime | None, at: datetime) -> list[str]:
    """What the client may do; a ticket that ended long ago stays as it is."""
    is_old = resolved_at is not None and at > resolved_at + REOPEN_WITHIN
    return [action for action in allowed_actions(status) if action in BY_CLIENTS and not (action == "reopen" and is_old)]


def require(action: str, status: str) -> Status:
    """The state that ``action`` leads to. Raises InvalidTransition."""
    sources, target = STEPS[action]
    if status not in sources:
        raise InvalidTransition(allowed_actions=allowed_actions(status))
    return target
