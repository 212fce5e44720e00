"""Calendars that practitioners keep elsewhere: adding them, reading them, and what they say about the practitioner's time.

They are read between transactions: one marks that it is being done, one records what came of it. A calendar that cannot be read keeps
what it said last; it blocks too much rather than too little.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet
from django.utils import timezone

from apps.catalog.models import Practitioner
from apps.core import jobs
from apps.core.db import joined, outside_transactions
from apps.core.errors import Invalid, NotFound
from apps.core.events import acting, emit
from apps.core.outbound import Answer, OutboundFailed, OutboundRefused, checked_url, fetch
from apps.core.tenancy import account_scope
from apps.core.vault import VaultClosed, lock_away, take_out
from apps.scheduling.errors import FetchedJustNow, TooManyCalendars
from apps.scheduling.ical import Unusable
from apps.scheduling.models import ExternalBusy, ExternalCalendar
from apps.scheduling.reader import read_apart, whole_days

logger = logging.getLogger(__name__)

MAX_CALENDARS = 10
MAX_BYTES = 5_000_000
MAX_SECONDS = 20.0
EVERY = timedelta(minutes=10)
"""Nobody's calendar is asked more often."""
BACK_OFF = (10, 10, 30, 60, 120, 240)
"""Minutes until the next try after so many failures; then always the last."""
BEHIND, AHEAD = timedelta(days=1), timedelta(days=400)
WHOLE_EVERY = timedelta(hours=20)
"""So often it is read as a whole even when it has not changed: the range goes on with the days, and rules reach further."""
BATCH = 1_000
CHANGED = (
    "label",
    "host",
    "url_box",
    "is_active",
    "etag",
    "last_modified",
    "error",
    "failures",
    "next_fetch_at",
    "busy_count",
    "skipped_count",
    "last_success_at",
    "last_read_at",
)
"""What ``change_calendar`` may write."""


# -- by people


@joined
def add_calendar(*, practitioner: Practitioner, url: str, label: str = "", at: datetime | None = None) -> ExternalCalendar:
    """Let a calendar elsewhere (http, https or webcal) block this practitioner's time; it is due at once.

    Raises Invalid for an address that is not called from here, TooManyCalendars.
    """
    at = at or timezone.now()
    host, box = _kept(url)
    owner = Practitioner.objects.select_for_update(no_key=True).filter(pk=practitioner.pk).first()
    if owner is None:  # removed in the meantime
        raise NotFound
    if ExternalCalendar.objects.filter(practitioner=owner).count() >= MAX_CALENDARS:
        raise TooManyCalendars
    calendar = ExternalCalendar.objects.create(
        account_id=owner.account_id, practitioner=owner, label=label, url_box=box, host=host, next_fetch_at=at
    )
    emit("external_calendar.created", calendar, changes={"host": ["", host], "label": ["", label]})
    _read_soon(calendar, at)
    return calendar


@joined
def change_calendar(
    calendar: ExternalCalendar,
    *,
    label: str | None = None,
    url: str | None = None,
    is_active: bool | None = None,
    at: datetime | None = None,
) -> ExternalCalendar:
    """Change its name or address, or switch it off (its busy times no longer count) and on. Raises Invalid.

    Under a new address the old busy times count until it has been read.
    """
    at = at or timezone.now()
    calendar = _locked(calendar.pk)
    changes: dict[str, Any] = {}
    if label is not None and label != calendar.label:
        changes["label"] = [calendar.label, label]
        calendar.label = label
    if url is not None:
        host, box = _kept(url)
        if not _same_address(calendar.url_box, box):
            changes["host"] = [calendar.host, host]
            calendar.host, calendar.url_box = host, box
    if is_active is not None and is_active != calendar.is_active:
        changes["is_active"] = [calendar.is_active, is_active]
        calendar.is_active = is_active
    if not changes:
        return calendar
    if changes.keys() != {"label"}:
        calendar.etag = calendar.last_modified = calendar.error = ""
        calendar.failures = 0
        # A minute apart, so that nobody uses us to knock at somebody's door as fast as they can type addresses.
        apart = timedelta(minutes=1) if "host" in changes else EVERY
        soonest = at if calendar.last_fetched_at is None else max(at, calendar.last_fetched_at + apart)
        calendar.next_fetch_at = soonest if calendar.is_active else None
    if not calendar.is_active:
        _forget_busy(calendar)
        calendar.busy_count = calendar.skipped_count = 0
        calendar.last_success_at = calendar.last_read_at = None
    calendar.save(update_fields=[*CHANGED, "updated_at"])
    emit("external_calendar.changed", calendar, changes=changes)
    _read_soon(calendar, at)
    return calendar


@joined
def remove_calendar(calendar: ExternalCalendar) -> None:
    """Forget a calendar and its busy times."""
    calendar = _locked(calendar.pk)
    emit("external_calendar.removed", calendar, changes={"host": [calendar.host, ""]})
    _forget_busy(calendar)
    calendar.delete()


@joined
def ask_again(calendar: ExternalCalendar, *, at: datetime | None = None) -> ExternalCalendar:
    """Have a calendar read now instead of at its time. Raises FetchedJustNow within ten minutes of the last try, Invalid when it is off."""
    at = at or timezone.now()
    calendar = _locked(calendar.pk)
    if not calendar.is_active:
        raise Invalid("This calendar is switched off.")
    if calendar.last_fetched_at is not None and calendar.last_fetched_at + EVERY > at:
        raise FetchedJustNow(possible_from=(calendar.last_fetched_at + EVERY).isoformat())
    calendar.next_fetch_at = at
    ExternalCalendar.objects.filter(pk=calendar.pk).update(next_fetch_at=at)
    _read_soon(calendar, at)
    return calendar


def _read_soon(calendar: ExternalCalendar, at: datetime) -> None:
    """Somebody waits for a calendar that is due: it is read as soon as this is committed."""
    if calendar.next_fetch_at is not None and calendar.next_fetch_at <= at:
        lock = f"scheduling.calendar.{calendar.pk}"
        jobs.defer_once(read_calendar, lock, account_id=calendar.account_id, calendar_id=calendar.pk)


def _locked(calendar_id: int) -> ExternalCalendar:
    found = ExternalCalendar.objects.select_for_update(no_key=True).filter(pk=calendar_id).first()
    if found is None:  # removed in the meantime
        raise NotFound
    return found


def _forget_busy(calendar: ExternalCalendar) -> None:
    busy = ExternalBusy.objects.filter(calendar=calendar)
    busy._raw_delete(busy.db)  # nothing hangs on them, and there may be thousands


def _same_address(one: str, other: str) -> bool:
    try:
        return take_out(one) == take_out(other)
    except VaultClosed:
        return False


def _kept(url: str) -> tuple[str, str]:
    """(what may be shown of an address, all of it unreadable). Raises Invalid."""
    url = url.strip()
    scheme, separator, rest = url.partition("://")
    if scheme.lower() in ("webcal", "webcals"):
        url = f"https{separator}{rest}"
    try:
        host = checked_url(url).host
    except OutboundRefused as refusal:
        raise Invalid(fields={"url": [f"This address cannot be used ({refusal.code}). Send a public http or https address."]}) from refusal
    return host[:255], lock_away({"url": url})


# -- by the clock


@dataclass(frozen=True, slots=True)
class _Errand:
    """What a reading needs to know, as it stood when it began."""

    account_id: int
    calendar_id: int
    url_box: str
    zone: ZoneInfo
    headers: dict[str, str]

    @property
    def is_conditional(self) -> bool:
        return len(self.headers) > 1


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of it: an error, nothing new, or busy times."""

    error: str = ""
    unchanged: bool = False
    spans: tuple[tuple[datetime, datetime], ...] = ()
    skipped: int = 0
    etag: str = ""
    last_modified: str = ""


def due_calendars(at: datetime) -> QuerySet:
    """Calendars whose time has come, of everybody in scope."""
    due = ExternalCalendar._base_manager.filter(is_active=True, next_fetch_at__lte=at)
    return due.filter(practitioner__is_active=True, account__status="active").order_by("next_fetch_at", "pk")


@jobs.task(name="scheduling.read_calendar", queue="calendars")
def read_calendar(account_id: int, calendar_id: int) -> str:
    """``fetch_calendar`` as a job."""
    with acting(None, "job:calendars"):
        return fetch_calendar(account_id, calendar_id)


def fetch_calendar(account_id: int, calendar_id: int, *, at: datetime | None = None) -> str:
    """Read a calendar that is due and keep what it says. Call outside transactions; a second worker finds nothing to do.

    Returns "not_due", "unchanged", "read", "changed_meanwhile" or the code of an error, which the calendar keeps.
    """
    with outside_transactions():
        at = at or timezone.now()
        with account_scope(account_id):
            errand = _begin(calendar_id, at)
        if errand is None:
            return "not_due"
        result = _fetch(errand, at)
        with account_scope(account_id):
            return _record(errand, result, at)


def _begin(calendar_id: int, at: datetime) -> _Errand | None:
    """Claim the errand: whoever comes later finds it not due."""
    found = ExternalCalendar.objects.select_for_update(no_key=True, of=("self",)).select_related("practitioner")
    calendar = found.filter(pk=calendar_id, is_active=True, next_fetch_at__lte=at).first()
    if calendar is None:
        return None
    ExternalCalendar.objects.filter(pk=calendar_id).update(last_fetched_at=at, next_fetch_at=at + EVERY)
    zone = calendar.practitioner.timezone
    headers = {"accept": "text/calendar, */*;q=0.1"}
    if calendar.last_read_at is not None and at - calendar.last_read_at < WHOLE_EVERY and calendar.read_zone == zone:
        headers |= {"if-none-match": calendar.etag} if calendar.etag else {}
        headers |= {"if-modified-since": calendar.last_modified} if calendar.last_modified else {}
    return _Errand(calendar.account_id, calendar_id, calendar.url_box, ZoneInfo(zone), headers)


def _fetch(errand: _Errand, at: datetime) -> _Result:
    """Call and read, without a transaction."""
    try:
        url = take_out(errand.url_box)["url"]
        answer = fetch("GET", url, headers=errand.headers, timeout=MAX_SECONDS, max_bytes=MAX_BYTES)
        if answer.status == 304 and errand.is_conditional:
            return _Result(unchanged=True)
        if answer.status != 200:
            return _Result(error=f"http_{answer.status}")
        since, until = whole_days(at - BEHIND, at + AHEAD)
        spans, skipped = read_apart(answer.body, account_id=errand.account_id, zone=errand.zone, since=since, until=until)
    except (OutboundRefused, OutboundFailed, Unusable, VaultClosed) as error:
        return _Result(error=error.code)
    return _Result("", False, tuple(spans), skipped, _tag(answer, "etag", 500), _tag(answer, "last-modified", 100))


def _tag(answer: Answer, name: str, longest: int) -> str:
    """A header to send back next time; '' when it is nothing that can be sent."""
    value = answer.headers.get(name, "").strip()
    return value if len(value) <= longest and value.isascii() and value.isprintable() else ""


def _record(errand: _Errand, result: _Result, at: datetime) -> str:
    calendar = ExternalCalendar.objects.select_for_update(no_key=True).filter(pk=errand.calendar_id, is_active=True).first()
    if calendar is None or calendar.url_box != errand.url_box:
        return "changed_meanwhile"
    mine = ExternalCalendar.objects.filter(pk=calendar.pk)
    if result.error:
        wait = timedelta(minutes=BACK_OFF[min(calendar.failures, len(BACK_OFF) - 1)])
        mine.update(error=result.error, failures=F("failures") + 1, next_fetch_at=at + wait)
        logger.info("calendar %s could not be read: %s", calendar.pk, result.error)
        return result.error
    if result.unchanged:
        mine.update(error="", failures=0, last_success_at=at)
        return "unchanged"
    _replace(calendar, result.spans)
    mine.update(
        error="",
        failures=0,
        last_success_at=at,
        last_read_at=at,
        read_zone=errand.zone.key,
        etag=result.etag,
        last_modified=result.last_modified,
        busy_count=len(result.spans),
        skipped_count=result.skipped,
    )
    return "read"


def _replace(calendar: ExternalCalendar, spans: tuple[tuple[datetime, datetime], ...]) -> None:
    """Write what is new and take away what is gone; most of it stays the same from one reading to the next."""
    known = {(starts_at, ends_at): pk for pk, starts_at, ends_at in calendar.busy.values_list("pk", "starts_at", "ends_at")}  # type: ignore[attr-defined]
    wanted = set(spans)
    gone = [pk for span, pk in known.items() if span not in wanted]
    if gone:
        old = ExternalBusy.objects.filter(pk__in=gone)
        old._raw_delete(old.db)
    ExternalBusy.objects.bulk_create(
        (
            ExternalBusy(
                account_id=calendar.account_id,
                calendar=calendar,
                practitioner_id=calendar.practitioner_id,
                starts_at=starts_at,
                ends_at=ends_at,
            )
            for starts_at, ends_at in spans
            if (starts_at, ends_at) not in known
        ),
        batch_size=BATCH,
    )


__all__ = ["EVERY", "add_calendar", "ask_again", "change_calendar", "due_calendars", "fetch_calendar", "read_calendar", "remove_calendar"]
