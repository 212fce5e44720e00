"""What time brings about by itself."""

from django.utils import timezone

from apps.accounts.models import Account
from apps.clients.models import ClientTask
from apps.clients.services.care import announce_due_task
from apps.core import jobs
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope

MOST = 5_000
"""Tasks of one run; what is left comes with the next."""


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="clients.announce_due_tasks", queue="clients", queueing_lock="clients.announce_due_tasks")
def announce_due_tasks(timestamp: int) -> None:
    """Tell who is to do them of tasks that have come due, each once and in a transaction of its own."""
    at = timezone.now()
    with platform_scope("tasks that have come due"):
        waiting = ClientTask._base_manager.filter(done_at=None, announced_at=None, due_at__lte=at, account__status=Account.Status.ACTIVE)
        found = list(waiting.order_by("due_at", "pk").values_list("account_id", "pk")[:MOST])
    for account_id, pk in found:
        with account_scope(account_id), acting(None, "job:clients.announce_due_tasks"):
            announce_due_task(pk, at=at)
