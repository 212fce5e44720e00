"""Starts the process that reads somebody else's calendar (apps.scheduling.ical), and ends it when it takes too long."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from apps.scheduling.hours import from_epoch, to_epoch
from apps.scheduling.ical import Unusable

MAX_SECONDS = 20
COMMAND = (sys.executable, "-m", "apps.scheduling.ical")


def uid_domain(account_id: int) -> str:
    """The right half of the UIDs of an account's own sessions: what another business of this installation says is not our own."""
    return f"{account_id}.{settings.CALENDAR_DOMAIN}"


def read_apart(
    body: bytes, *, account_id: int, zone: ZoneInfo, since: datetime, until: datetime
) -> tuple[list[tuple[datetime, datetime]], int]:
    """When a calendar that was given to an account is busy between two instants (UTC, sorted, apart), and how many of its events nobody
    could understand.

    Whatever the body does, this ends within 20 seconds. Raises Unusable.
    """
    asked = {"zone": zone.key, "since": to_epoch(since), "until": to_epoch(until), "own_domain": uid_domain(account_id)}
    try:
        done = subprocess.run(  # noqa: S603  our own module; what came from outside is its input only
            COMMAND,
            input=json.dumps(asked).encode() + b"\n" + body,
            capture_output=True,
            timeout=MAX_SECONDS,
            cwd=settings.BASE_DIR,
            env={},  # no secrets
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unusable("too_complex") from None
    if done.returncode < 0:  # ended by the system: too much time or memory
        raise Unusable("too_complex")
    if done.returncode:
        raise Unusable("unreadable")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise Unusable(answer["error"])
    return [(from_epoch(start), from_epoch(end)) for start, end in answer["spans"]], answer["skipped"]


def whole_days(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """A range widened to UTC's midnights, so that asking twice a day asks for the same."""
    first = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return first, until.astimezone(UTC).replace(hour=23, minute=59, second=59, microsecond=0)
