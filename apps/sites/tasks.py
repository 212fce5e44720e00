"""What time brings about for offers of sites. May be run again at any moment."""

from django.utils import timezone

from apps.core import jobs
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope
from apps.sites.models import SiteTransfer
from apps.sites.services import end_old_offers


@jobs.periodic(cron="*/10 * * * *")
@jobs.task(name="sites.end_old_offers", queue="core", queueing_lock="sites.end_old_offers")
def sweep_offers(timestamp: int) -> int:
    """Close the offers that nobody has answered in time; returns how many."""
    at = timezone.now()
    with platform_scope("offers of sites that have run out"):
        old = SiteTransfer.objects.filter(status=SiteTransfer.Status.OFFERED, expires_at__lte=at)
        accounts = list(old.order_by("account_id").values_list("account_id", flat=True).distinct())
    closed = 0
    for account_id in accounts:
        with account_scope(account_id), acting(None, "job:sites"):
            closed += end_old_offers(at=at)
    return closed
