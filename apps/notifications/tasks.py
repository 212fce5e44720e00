"""What time brings about by itself: deliveries that are due, and words that need not be kept any longer."""

from django.utils import timezone

from apps.core import jobs
from apps.core.tenancy import platform_scope
from apps.notifications.services.sending import due_deliveries, empty_old, send_delivery

BATCH = 500


@jobs.periodic(cron="* * * * *")
@jobs.task(name="notifications.send_due", queue="core", queueing_lock="notifications.send_due")
def send_due(timestamp: int) -> int:
    """Queue every delivery that is due or was left by a dead worker, and is not queued yet; returns how many."""
    with platform_scope("deliveries that are due"):
        due = list(due_deliveries(timezone.now()).values_list("account_id", "pk")[:BATCH])
        return sum(
            jobs.defer_once(send_delivery, f"notifications.delivery.{pk}", account_id=account_id, delivery_id=pk) for account_id, pk in due
        )


@jobs.periodic(cron="17 * * * *")
@jobs.task(name="notifications.empty_old", queue="core", queueing_lock="notifications.empty_old")
def empty_old_deliveries(timestamp: int) -> int:
    """Delete the words of deliveries that ended 30 days ago; returns of how many."""
    with platform_scope("words of old deliveries"):
        return empty_old(timezone.now(), most=10 * BATCH)
