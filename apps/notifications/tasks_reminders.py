"""Every minute the reminders that are due become jobs, one each; several workers share them."""

from django.utils import timezone

from apps.core import jobs
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope
from apps.notifications.services.reminders import claim_due, send_reminder

BATCH = 500
MOST_BATCHES = 40
"""20,000 a minute; what is left is found by the next one."""


@jobs.periodic(cron="* * * * *")
@jobs.task(name="notifications.send_due_reminders", queue="core", queueing_lock="notifications.send_due_reminders")
def send_due_reminders(timestamp: int) -> int:
    """Queue a job for every reminder that is due; returns how many."""
    at, queued = timezone.now(), 0
    for _ in range(MOST_BATCHES):
        with platform_scope("reminders that are due"):
            claimed = claim_due(at, limit=BATCH)
            jobs.defer_many(send_one, ({"account_id": account_id, "reminder_id": pk} for account_id, pk in claimed))
        queued += len(claimed)
        if len(claimed) < BATCH:
            break
    return queued


@jobs.task(name="notifications.send_reminder", queue="core", retry=jobs.RETRY)
def send_one(account_id: int, reminder_id: int) -> str:
    """Send one reminder, or skip it with a reason."""
    with account_scope(account_id), acting(None, "job:reminders"):
        return send_reminder(reminder_id)
