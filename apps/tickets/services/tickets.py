"""Opening tickets, and what becomes of them. Each service locks the ticket alone; opening locks the ownership, then the counter."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.accounts.models import Membership
from apps.bookings.models import Side
from apps.clients.models import Client
from apps.core.db import joined, next_number
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import current_actor, emit
from apps.sites.errors import SiteNotOwned
from apps.sites.models import Site, SiteOwnership
from apps.tickets.errors import ReopeningOver
from apps.tickets.lifecycle import REOPEN_WITHIN, client_actions, require
from apps.tickets.models import Priority, Status, Ticket
from apps.tickets.models.ticket import ENDED, UNSOLVED
from apps.tickets.selectors import check_category
from apps.tickets.services.clock import CLOCK_FIELDS, follow_status, set_due

SERIES = "ticket"


@joined
def open_ticket(
    client: Client,
    *,
    subject: str,
    description: str,
    ownership: SiteOwnership | None = None,
    category: str = "",
    priority: str = Priority.NORMAL,
    assignee: Membership | None = None,
    by: str = Side.PROVIDER,
    at: datetime | None = None,
) -> Ticket:
    """A client asks for something, perhaps about a site they own now (``ownership``); emits ``ticket.opened``.

    The clock of its promises starts. Raises SiteNotOwned when the ownership is another's or has ended, and Invalid for a category that
    the account does not have and an assignee who does not work there any more.
    """
    at = at or timezone.now()
    if ownership is not None:
        ownership = (
            SiteOwnership.objects.current()
            .select_for_update(no_key=True, of=("self",))
            .select_related("site")
            .filter(pk=ownership.pk, client_id__in=client.all_ids)
            .first()
        )
        if ownership is None:
            raise SiteNotOwned
    _refuse_inactive(assignee)
    ticket = Ticket(
        account_id=client.account_id,
        client=client,
        site=ownership.site if ownership is not None else None,
        ownership=ownership,
        subject=subject,
        description=description,
        category=check_category(category),
        priority=priority,
        assignee=assignee,
        opened_by_id=current_actor().actor_id,
        source=current_actor().source,
        opened_at=at,
        status_changed_at=at,
    )
    follow_status(ticket, at=at)
    ticket.number = next_number(client.account_id, SERIES)
    ticket.save()
    emit(
        "ticket.opened",
        ticket,
        changes={
            "number": [None, ticket.number],
            "priority": [None, ticket.priority],
            "site": [None, str(ownership.site.site_id) if ownership is not None else None],
            "assignee": [None, ticket.assignee_id],
            "by": [None, by],
        },
    )
    return ticket


def current_ownership(site: Site, *, client: Client) -> SiteOwnership:
    """Under which ownership staff open a ticket about a client's site. Raises Invalid unless the client owns it."""
    found: SiteOwnership | None = SiteOwnership.objects.current().filter(site=site, client_id__in=client.all_ids).order_by("pk").first()
    if found is None:
        raise Invalid(fields={"site_id": ["This client does not own this site."]})
    return found


@joined
def change_ticket(ticket: Ticket, *, at: datetime | None = None, **changes: Any) -> Ticket:
    """Change ``subject``, ``category`` or ``priority``; emits ``ticket.updated`` when something did.

    Another priority is another promise, counted from the beginning. Raises Invalid.
    """
    at = at or timezone.now()
    ticket = lock_ticket(ticket)
    if "category" in changes and changes["category"] != ticket.category:
        check_category(changes["category"])
    before = ticket.priority
    changed = [name for name, value in changes.items() if getattr(ticket, name) != value]
    for name in changed:
        setattr(ticket, name, changes[name])
    if not changed:
        return ticket
    if "priority" in changed:
        set_due(ticket, at=at)
    ticket.save(update_fields=[*changed, *CLOCK_FIELDS, "updated_at"])
    told: dict[str, Any] = {"priority": [before, ticket.priority]} if "priority" in changed else {}
    emit("ticket.updated", ticket, changes={"fields": [None, sorted(changed)], **told})
    return ticket


@joined
def assign_ticket(ticket: Ticket, *, assignee: Membership | None) -> Ticket:
    """Give a ticket to a member, or to nobody; emits ``ticket.assigned`` when that is new. Raises Invalid."""
    _refuse_inactive(assignee)
    ticket = lock_ticket(ticket)
    before = ticket.assignee_id
    if before == (assignee.pk if assignee is not None else None):
        return ticket
    ticket.assignee = assignee
    ticket.save(update_fields=["assignee", "updated_at"])
    emit("ticket.assigned", ticket, changes={"assignee": [before, ticket.assignee_id]})
    return ticket


@joined
def step(ticket: Ticket, *, action: str, by: str = Side.PROVIDER, at: datetime | None = None) -> Ticket:
    """Start, wait, resolve, close or reopen; emits ``ticket.status_changed``.

    Clients close, and reopen within 14 days of the end. Raises InvalidTransition, and of clients ReopeningOver.
    """
    at = at or timezone.now()
    ticket = lock_ticket(ticket)
    if by == Side.CLIENT:
        refuse_clients(ticket, action, at=at)
    take_step(ticket, action, by=by, at=at)
    return ticket


# -- parts of these and of other services, under the ticket's lock


def lock_ticket(ticket: Ticket) -> Ticket:
    """The ticket as it is now, locked."""
    return Ticket.objects.select_for_update(no_key=True, of=("self",)).get(pk=ticket.pk)


def refuse_clients(ticket: Ticket, action: str, *, at: datetime) -> None:
    """Raise what keeps a client from an action on a locked ticket."""
    allowed = client_actions(ticket.status, ticket.resolved_at, at)
    if action in allowed:
        return
    if action == "reopen" and ticket.resolved_at is not None:
        raise ReopeningOver(possible_until=(ticket.resolved_at + REOPEN_WITHIN).isoformat())
    raise InvalidTransition(allowed_actions=allowed)


def take_step(ticket: Ticket, action: str, *, by: str, at: datetime) -> None:
    """Write a new state of a locked ticket, with its clock. Raises InvalidTransition."""
    before, ticket.status = ticket.status, require(action, ticket.status)
    ticket.status_changed_at = at
    if ticket.status in UNSOLVED:
        ticket.resolved_at = None
    elif before not in ENDED:
        ticket.resolved_at = at
    follow_status(ticket, at=at)
    ticket.save(update_fields=["status", "status_changed_at", "resolved_at", *CLOCK_FIELDS, "updated_at"])
    emit(
        "ticket.status_changed",
        ticket,
        changes={
            "status": [before, Status(ticket.status).value],
            "action": [None, action],
            "by": [None, by],
            "assignee": [ticket.assignee_id, ticket.assignee_id],
        },
    )


def _refuse_inactive(assignee: Membership | None) -> None:
    if assignee is not None and not assignee.is_active:
        raise Invalid(fields={"assignee": ["This member is not active any more."]})


__all__ = [
    "assign_ticket",
    "change_ticket",
    "current_ownership",
    "lock_ticket",
    "open_ticket",
    "refuse_clients",
    "step",
    "take_step",
]
