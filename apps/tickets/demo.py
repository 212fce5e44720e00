"""What the demo's businesses are asked: tickets in every state, with categories, hours and a promise of their own."""

from datetime import datetime, time, timedelta
from typing import Any

from apps.accounts.models import Account, Membership, Role
from apps.bookings.models import Side
from apps.clients.models import Client
from apps.core.demo import follow_ups
from apps.core.events import acting
from apps.sites.models import SiteOwnership
from apps.tickets.models import Priority, SlaTarget, SupportHours, Ticket, TicketCategory
from apps.tickets.services import add_message, assign_ticket, open_ticket, step

CATEGORIES = ("Question", "Change", "Problem")
HOUR = timedelta(hours=1)


def open_support(account: Account, at: datetime) -> None:
    """Categories, hours from Monday to Saturday, a faster answer to what is urgent, and a handful of tickets."""
    for name in CATEGORIES:
        TicketCategory.objects.create(account=account, name=name)
    for weekday in range(6):
        SupportHours.objects.create(account=account, weekday=weekday, start=time(8), end=time(18) if weekday < 5 else time(12))
    SlaTarget.objects.create(account=account, priority=Priority.URGENT, first_answer_minutes=30, solution_minutes=240)
    clients = list(Client.objects.filter(customer__isnull=False).select_related("customer").order_by("pk")[:2])
    if clients:
        _tickets(account, clients[0], clients[-1], at)


def _tickets(account: Account, first: Client, second: Client, at: datetime) -> None:
    """One that nobody has answered, one in work with a note that the client does not see, one that waits, one that is solved."""
    desk = Membership.objects.filter(role=Role.FRONT_DESK, is_active=True).order_by("pk").first()
    _asked(
        account,
        first,
        at - HOUR,
        subject="Opening hours on the page",
        description="Since Monday the page shows our old hours.\nCould you put 8 to 18 there?",
        category="Change",
    )
    working = _asked(
        account,
        second,
        at - 50 * HOUR,
        subject="The contact form sends nothing",
        description="I filled it in twice and no mail came.",
        category="Problem",
        priority=Priority.HIGH,
    )
    assign_ticket(working, assignee=desk)
    add_message(working, body="Thank you, I see the same here. I will tell you more tomorrow.", at=at - 49 * HOUR)
    add_message(
        working, body="Their old provider still has the mail domain. Ask for the password first.", is_internal=True, at=at - 48 * HOUR
    )
    waiting = _asked(
        account, first, at - 100 * HOUR, subject="New pictures", description="May I send you new pictures?", category="Question"
    )
    add_message(waiting, body="Gladly: as JPEG, here at this ticket.", at=at - 99 * HOUR)
    step(waiting, action="wait", at=at - 99 * HOUR)
    solved = _asked(
        account, second, at - 200 * HOUR, subject="Invoice address", description="Please put our new address there.", category="Change"
    )
    add_message(solved, body="Done. It will be on the next invoice.", at=at - 190 * HOUR)
    step(solved, action="resolve", at=at - 190 * HOUR)


def _asked(account: Account, client: Client, at: datetime, **words: Any) -> Ticket:
    """A ticket about the client's primary site, or, when they own none, one that they asked for on the phone."""
    owned = SiteOwnership.objects.live().filter(client=client, acquired_at__lte=at).in_order().first()
    if owned is None or client.customer is None:
        return open_ticket(client, at=at, **words)
    with acting(client.customer.user_id, "customer"):
        return open_ticket(client, ownership=owned, by=Side.CLIENT, at=at, **words)


follow_ups.append(open_support)
