"""The clock of a ticket: it counts support hours while the ticket is the business's to do. Callers have locked the row and save it."""

from datetime import datetime

from apps.accounts.models import Account
from apps.tickets.models import Status, Ticket
from apps.tickets.models.ticket import RUNNING
from apps.tickets.selectors import support_calendar, target_of
from apps.tickets.sla import after_support_seconds, support_seconds

CLOCK_FIELDS = (
    "running_since",
    "used_seconds",
    "first_answer_due_at",
    "solution_due_at",
    "first_answer_overdue_at",
    "solution_overdue_at",
)


def follow_status(ticket: Ticket, *, at: datetime) -> None:
    """Start or stop the clock as the new status says. While a ticket waits for its client nothing is due."""
    if ticket.status in RUNNING:
        if ticket.running_since is None:
            ticket.running_since = at
            set_due(ticket, at=at)
        return
    if ticket.running_since is not None:
        calendar = support_calendar(_account(ticket), since=ticket.running_since)
        ticket.used_seconds += support_seconds(calendar, ticket.running_since, at)
        ticket.running_since = None
    if ticket.status == Status.WAITING:
        ticket.solution_due_at = None
        if ticket.first_answered_at is None:
            ticket.first_answer_due_at = None


def set_due(ticket: Ticket, *, at: datetime) -> None:
    """Compute when the promises of a running ticket fall due. A new time that lies ahead is a new promise, to be announced anew."""
    if ticket.running_since is None:
        return
    calendar, target = support_calendar(_account(ticket), since=ticket.running_since), target_of(ticket.priority)
    if ticket.first_answered_at is None:
        ticket.first_answer_due_at = after_support_seconds(calendar, ticket.running_since, target.first_answer - ticket.used_seconds)
        if ticket.first_answer_due_at is None or ticket.first_answer_due_at > at:
            ticket.first_answer_overdue_at = None
    ticket.solution_due_at = after_support_seconds(calendar, ticket.running_since, target.solution - ticket.used_seconds)
    if ticket.solution_due_at is None or ticket.solution_due_at > at:
        ticket.solution_overdue_at = None


def _account(ticket: Ticket) -> Account:
    return Account.objects.only("id", "timezone").get(pk=ticket.account_id)
