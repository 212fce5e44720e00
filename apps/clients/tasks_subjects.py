"""What time brings about by itself: archives that nobody fetched, erasures that had to wait."""

from django.utils import timezone

from apps.clients.models import ClientExport, SubjectExport
from apps.clients.services.archives import drop_expired
from apps.clients.services.subjects import erase_waiting
from apps.core import jobs
from apps.core.tenancy import platform_scope
from apps.users.models import PersonExport


@jobs.periodic(cron="23 * * * *")
@jobs.task(name="clients.drop_archives", queue="documents", queueing_lock="clients.drop_archives")
def drop_archives(timestamp: int) -> int:
    """Delete archives and lists that were fetched, or that nobody came for; returns how many."""
    with platform_scope("archives that are over"):
        return sum(drop_expired(model, timezone.now()) for model in (ClientExport, SubjectExport, PersonExport))


@jobs.periodic(cron="41 4 * * *")
@jobs.task(name="clients.erase_waiting", queue="core", queueing_lock="clients.erase_waiting")
def try_waiting_erasures(timestamp: int) -> int:
    """Erase those whom nothing forbids to erase any more; returns how many."""
    return erase_waiting(timezone.now())
