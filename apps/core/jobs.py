"""The job queue: the only module that knows procrastinate.

Jobs are rows of the same database, written in the caller's transaction, so a rollback takes them back and a commit cannot
lose them. They run at least once; what they call must be idempotent.
"""

import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import JobDeferrer, Status
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

logger = logging.getLogger(__name__)

RETRY = RetryStrategy(max_attempts=8, exponential_wait=3)
STALLED_AFTER = 60
KEEP_HOURS, KEEP_FAILED_HOURS = 24, 30 * 24

_on_our_connection = JobManager(DjangoConnector())


def task(**options: Any) -> Any:
    """A function that workers know by ``name``. Its module is imported when the apps are loaded, or no worker finds it."""
    return app.task(**options)  # asked for each time: before the apps are loaded this is another object than afterwards


def periodic(**options: Any) -> Any:
    """A job that time brings about, by ``cron``."""
    return app.periodic(**options)


def _deferrer(job: Any, **options: Any) -> JobDeferrer:
    """Writes jobs on Django's connection, also inside a job.

    There, the task's own ``defer`` would write on a connection of the worker, outside the transaction: another worker starts such a
    job before what it is about is committed, and a rollback leaves it behind.
    """
    return configure_task(name=job.name, job_manager=_on_our_connection, queue=job.queue, **options)


def defer_many(job: Any, arguments: Iterable[dict[str, Any]]) -> None:
    """Queue one job per dict of arguments with one statement, inside the current transaction."""
    batch = list(arguments)
    if batch:
        _deferrer(job).batch_defer(*batch)


def defer_once(job: Any, lock: str, **arguments: Any) -> bool:
    """Queue a job inside the current transaction, unless one with this lock is waiting; says whether it did."""
    try:
        with transaction.atomic():
            _deferrer(job, queueing_lock=lock).defer(**arguments)
    except AlreadyEnqueued:
        return False
    return True


@periodic(cron="* * * * *")
@task(queue="core", queueing_lock="core.retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: Any, timestamp: int) -> int:
    """Queue again the jobs whose worker died in the middle; returns how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER))
    for job in stalled:
        try:
            await app.job_manager.retry_job(job)
            logger.warning("job %s (%s) was left by a dead worker and is queued again", job.id, job.task_name)
        except UniqueViolation:  # its successor waits already, perhaps for this one's lock
            await app.job_manager.finish_job(job, Status.ABORTED, delete_job=False)
            logger.warning("job %s (%s) was left by a dead worker; another like it is queued", job.id, job.task_name)
    return len(stalled)


@periodic(cron="17 * * * *")
@task(queue="core", queueing_lock="core.forget_finished_jobs", pass_context=True)
async def forget_finished_jobs(context: Any, timestamp: int) -> None:
    """Keep the queue short: what succeeded is deleted after a day, what failed for good after 30."""
    await app.job_manager.delete_old_jobs(nb_hours=KEEP_HOURS)
    await app.job_manager.delete_old_jobs(nb_hours=KEEP_FAILED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True)


def run_pending() -> None:
    """Work off the queue in this process until it is empty."""
    connector: Any = app.connector
    with app.replace_connector(connector.get_worker_connector()) as worker_app:
        worker_app.run_worker(wait=False, install_signal_handlers=False, listen_notify=False, concurrency=1)
