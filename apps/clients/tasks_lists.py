"""What time brings about by itself with merges and imports. Each job may be run again at any moment."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from apps.clients.models import ClientImport, ClientMerge
from apps.clients.services.import_undo import run_undo
from apps.clients.services.imports import forget_file, run_import
from apps.clients.services.merging import STRAGGLERS_FOR, move_stragglers
from apps.core import jobs
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope

logger = logging.getLogger(__name__)

State = ClientImport.State
STANDS_STILL = timedelta(minutes=10)
KEPT_FOR = timedelta(days=30)


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="clients.move_stragglers", queue="clients", queueing_lock="clients.move_stragglers")
def collect_stragglers(timestamp: int) -> None:
    """Move what requests wrote for a client while they were being merged into another."""
    since = timezone.now() - STRAGGLERS_FOR
    with platform_scope("fresh merges"):
        fresh = list(ClientMerge._base_manager.filter(undone_at=None, merged_at__gt=since).order_by("pk"))
    failed = None
    for merge in fresh:
        try:
            with account_scope(merge.account_id), acting(None, "job:clients.move_stragglers"):
                move_stragglers(merge)
        except Exception as error:  # the others have an hour only
            logger.exception("what was written during merge %s could not be moved; the run goes on with the others", merge.pk)
            failed = error
    if failed is not None:
        raise failed


@jobs.periodic(cron="*/10 * * * *")
@jobs.task(name="clients.resume_imports", queue="clients", queueing_lock="clients.resume_imports")
def resume_imports(timestamp: int) -> int:
    """Queue imports again that stand still, because their job was lost or has given up; returns how many."""
    still = Q(state__in=(State.RUNNING, State.UNDOING), updated_at__lt=timezone.now() - STANDS_STILL)
    with platform_scope("imports that stand still"):
        found = list(ClientImport._base_manager.filter(still).values_list("account_id", "pk", "state"))
    for account_id, pk, state in found:
        job = run_import if state == State.RUNNING else run_undo
        with account_scope(account_id):
            jobs.defer_once(job, f"clients.import.{pk}", account_id=account_id, import_id=pk)
    return len(found)


@jobs.periodic(cron="11 * * * *")
@jobs.task(name="clients.forget_imports", queue="clients", queueing_lock="clients.forget_imports")
def forget_imports(timestamp: int) -> None:
    """Forget the files of imports after 30 days, with the rows that were kept word for word."""
    with platform_scope("files of imports whose time is over"):
        old = ClientImport._base_manager.exclude(storage_key="").exclude(state__in=(State.RUNNING, State.UNDOING))
        imports = list(old.filter(updated_at__lt=timezone.now() - KEPT_FOR))
    for source in imports:
        with account_scope(source.account_id):
            forget_file(source)
