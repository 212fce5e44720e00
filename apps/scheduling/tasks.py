"""The readers of calendars kept elsewhere.

A few of them, each one calendar after another, so that servers that answer slowly hold few workers. A calendar that somebody waits for
is read by a job of its own (``services.read_calendar``).
"""

import logging
import time

from django.db.models import F
from django.utils import timezone

from apps.core import jobs
from apps.core.tenancy import platform_scope
from apps.scheduling.services import due_calendars, read_calendar

logger = logging.getLogger(__name__)

READERS = 3
SECONDS = 50
BATCH = 100


def read_due(reader: int, *, seconds: float = SECONDS) -> int:
    """Read the calendars of one reader that are due, for about so many seconds; returns how many."""
    ends, read = time.monotonic() + seconds, 0
    broken: list[int] = []
    while time.monotonic() < ends:
        with platform_scope("external calendars that are due"):
            of_reader = due_calendars(timezone.now()).exclude(pk__in=broken).annotate(reader=F("pk") % READERS).filter(reader=reader)
            due = list(of_reader.values_list("account_id", "pk")[:BATCH])
        if not due:
            break
        for account_id, pk in due:
            if time.monotonic() >= ends:
                break
            try:
                read_calendar(account_id, pk)
            except Exception:  # the others go on; it comes again with the next run
                logger.exception("calendar %s could not be read", pk)
                broken.append(pk)
            read += 1
    return read


def _reader(number: int) -> None:
    name = f"scheduling.read_calendars.{number}"

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name=name, queue="calendars", queueing_lock=name)
    def read_calendars(timestamp: int) -> int:
        return read_due(number)


for number in range(READERS):
    _reader(number)
