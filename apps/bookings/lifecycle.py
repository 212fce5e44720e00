"""The life of a booking: one table of what leads where (rules.md §0). Services, API, admin, commands and doctor read it.

draft → held → pending → confirmed → checked_in → completed; the other ends are cancelled, no_show and forfeited. A session that is
returned goes back to draft: the same row, without its time.
"""

from dataclasses import dataclass

from apps.bookings.errors import AlreadyScheduled
from apps.bookings.models import ACTIVE, Status
from apps.core.errors import InvalidTransition


@dataclass(frozen=True, slots=True)
class Transition:
    """``action`` leads from any of ``sources`` to one of ``targets``, or leaves the state as it is where it ``stays``.

    ``by_people``: offered as an action of a single booking.
    """

    action: str
    sources: tuple[Status, ...]
    targets: tuple[Status, ...]
    by_people: bool = True
    stays: bool = False

    def leads_to(self, source: Status) -> tuple[Status, ...]:
        """The states in which the action may leave a booking that was in ``source``."""
        return (*self.targets, source) if self.stays else self.targets


TRANSITIONS: dict[str, Transition] = {
    one.action: one
    for one in (
        Transition("schedule", (Status.DRAFT,), (Status.CONFIRMED, Status.PENDING)),
        Transition("hold", (Status.DRAFT,), (Status.HELD,)),
        Transition("release", (Status.HELD,), (Status.DRAFT,)),
        Transition("confirm", (Status.HELD, Status.PENDING), (Status.CONFIRMED, Status.PENDING)),
        Transition("decline", (Status.PENDING,), (Status.DRAFT, Status.CANCELLED)),
        Transition("reschedule", (Status.HELD, Status.PENDING, Status.CONFIRMED), (Status.PENDING,), stays=True),
        Transition("check-in", (Status.CONFIRMED,), (Status.CHECKED_IN,)),
        Transition("complete", (Status.CONFIRMED, Status.CHECKED_IN), (Status.COMPLETED,)),
        Transition("cancel", (Status.DRAFT, Status.HELD, Status.PENDING, Status.CONFIRMED), (Status.CANCELLED, Status.DRAFT)),
        Transition("no-show", (Status.CONFIRMED,), (Status.NO_SHOW, Status.DRAFT)),
        Transition("undo-no-show", (Status.NO_SHOW,), (Status.CONFIRMED,)),
        Transition("forfeit", (Status.DRAFT,), (Status.FORFEITED,), by_people=False),
        Transition("reinstate", (Status.CANCELLED,), (Status.DRAFT,), by_people=False),
        Transition("unforfeit", (Status.FORFEITED,), (Status.DRAFT,), by_people=False),
    )
}

_ACTIONS: dict[str, list[str]] = {
    status: [one.action for one in TRANSITIONS.values() if one.by_people and status in one.sources] for status in Status
}


def allowed_actions(status: str) -> list[str]:
    """What may be done with a booking in this state, as the last part of the action's address."""
    return list(_ACTIONS[status])


def require(action: str, status: str) -> None:
    """Raise InvalidTransition (AlreadyScheduled for a second scheduling) unless ``action`` may follow ``status``."""
    if status in TRANSITIONS[action].sources:
        return
    if action in ("schedule", "hold") and status in ACTIVE:
        raise AlreadyScheduled(allowed_actions=allowed_actions(status))
    raise InvalidTransition(allowed_actions=allowed_actions(status))


def possible_steps() -> list[tuple[str, str]]:
    """Every (from, to) of the table that changes the state: what doctor allows in a history."""
    return sorted({(s.value, t.value) for one in TRANSITIONS.values() for s in one.sources for t in one.leads_to(s) if s != t})
