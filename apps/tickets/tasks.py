"""What time brings about by itself."""

from django.utils import timezone

from apps.bookings.tasks import Apart, working_for
from apps.core import jobs
from apps.core.tenancy import platform_scope
from apps.tickets.models import Ticket
from apps.tickets.services.overdue import announce_overdue

BATCH = 500


@jobs.periodic(cron="* * * * *")
@jobs.task(name="tickets.announce_overdue", queue="core", queueing_lock="tickets.announce_overdue")
def announce_overdue_tickets(timestamp: int) -> int:
    """Tell of every promise that was not kept, once; returns how many. Each ticket in a transaction of its own."""
    at, told, apart = timezone.now(), 0, Apart()
    with platform_scope("overdue tickets"):
        late = list(Ticket.objects.unannounced(at).order_by("account_id", "pk").values_list("account_id", "pk")[:BATCH])
    for account_id, ticket_id in late:
        with apart(f"ticket {ticket_id}"), working_for(account_id, "tickets"):
            told += announce_overdue(ticket_id, at=at)
    apart.tell()
    return told
