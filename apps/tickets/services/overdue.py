"""Telling of promises that were not kept."""

from datetime import datetime

from django.utils import timezone

from apps.core.db import joined
from apps.core.events import emit
from apps.tickets.models import Ticket


@joined
def announce_overdue(ticket_id: int, *, at: datetime | None = None) -> int:
    """Say of a ticket of the account in scope that it is overdue (``ticket.overdue``), of each of its promises once; how many were said.

    Of several tickets each needs a transaction of its own: of all that is said in one, a reader hears one thing. A ticket that somebody is
    changing at this moment is left to the next run.
    """
    at = at or timezone.now()
    late = Ticket.objects.unannounced(at).filter(pk=ticket_id)
    ticket = late.select_for_update(no_key=True, of=("self",), skip_locked=True).first()
    if ticket is None:
        return 0
    answer, solution = ticket.first_answer_due_at, ticket.solution_due_at
    told: list[tuple[str, datetime]] = []
    if ticket.first_answered_at is None and ticket.first_answer_overdue_at is None and answer is not None and answer <= at:
        ticket.first_answer_overdue_at = at
        told.append(("first_answer", answer))
    if ticket.solution_overdue_at is None and solution is not None and solution <= at:
        ticket.solution_overdue_at = at
        told.append(("solution", solution))
    ticket.save(update_fields=["first_answer_overdue_at", "solution_overdue_at", "updated_at"])
    for what, due_at in told:
        changes = {"what": [None, what], "due_at": [None, due_at.isoformat()], "assignee": [None, ticket.assignee_id]}
        emit("ticket.overdue", ticket, changes=changes)
    return len(told)
