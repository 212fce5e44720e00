"""The sweep of webhooks: every minute one job for each endpoint for which something is due, so that no delivery depends on one job."""

from django.utils import timezone

from apps.core import jobs
from apps.core.tenancy import platform_scope
from apps.integrations.services.sending import due_endpoints, forget_old_deliveries, send_due

BATCH = 2_000


@jobs.periodic(cron="* * * * *")
@jobs.task(name="webhooks.look_around", queue="core", queueing_lock="webhooks.look_around")
def look_around(timestamp: int) -> int:
    """Queue the sending for every endpoint with something due that has no such job waiting; returns how many."""
    with platform_scope("webhooks that are due"):
        due = list(due_endpoints(timezone.now())[:BATCH])
        return sum(
            jobs.defer_once(send_due, f"webhooks.{endpoint_id}", account_id=account_id, endpoint_id=endpoint_id, first=first)
            for account_id, endpoint_id, first in due
        )


@jobs.periodic(cron="17 3 * * *")
@jobs.task(name="webhooks.forget", queue="core", queueing_lock="webhooks.forget")
def forget(timestamp: int) -> int:
    """Delete deliveries that ended a month ago; returns how many."""
    with platform_scope("webhook deliveries that are old enough to go"):
        return forget_old_deliveries(timezone.now())
