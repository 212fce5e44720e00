"""Sessions as iCalendar (RFC 5545): the one way that mails and feeds write them.

The UID of a session stays the same for its whole life and its version is the SEQUENCE, so that a calendar moves an event instead of
showing it twice. Instants are UTC: a reader's calendar knows its own zone, and no clock change can shift them. The same sessions give
the same bytes.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Literal

from django.conf import settings
from icalendar import Calendar, Event, vCalAddress, vDuration, vText

from apps.bookings.models import TIMELESS, Booking, Status
from apps.scheduling.reader import uid_domain

CONTENT_TYPE = "text/calendar; charset=utf-8"
PRODID = "-//Clientele//Sessions//EN"
BUSY = "Busy"
MAX_LINE = 500
"""Characters of a name or a sentence; longer ones are cut, as calendars show one line."""

Method = Literal["PUBLISH", "CANCEL"]
Reader = Literal["client", "practitioner"]


@dataclass(frozen=True, slots=True)
class Session:
    """One session as a calendar shows it. ``version`` only rises; ``changed_at`` is when it did.

    A session without a summary is shown as busy time, and nothing else is said about it.
    """

    account_id: int
    booking_id: int
    version: int
    status: str
    start: datetime
    end: datetime
    changed_at: datetime
    summary: str = ""
    description: str = ""

    @property
    def uid(self) -> str:
        return uid_of(self.account_id, self.booking_id)

    @property
    def is_off(self) -> bool:
        """Whether it does not take place: cancelled, forfeited, or a draft again."""
        return self.status in TIMELESS

    def busy(self) -> "Session":
        """The same without a word about who and what."""
        return replace(self, summary="", description="")


def uid_of(account_id: int, booking_id: int) -> str:
    """The name of a session in every calendar, in feeds and mails alike."""
    return f"booking-{booking_id}@{uid_domain(account_id)}"


def title_of(service_name: str, other_name: str) -> str:
    """What is given, and by or to whom; without words of any language."""
    return f"{service_name} · {other_name}" if other_name else service_name


def session_of(
    booking: Booking,
    *,
    reader: Reader = "client",
    start: datetime | None = None,
    end: datetime | None = None,
    cancelled: bool = False,
    description: str = "",
) -> Session:
    """A booking as its ``reader`` sees it; reads its service, and its practitioner or client.

    ``start`` and ``end`` are those of a session that has lost its time since (its event keeps them in ``changes``); ``cancelled`` says
    that it does not take place at this time, whatever has become of the row. Raises ValueError for a session without a time.
    """
    begins, ends = start or booking.start_time, end or booking.end_time
    if begins is None or ends is None:
        raise ValueError(f"session {booking.pk} has no time")
    if reader == "practitioner":
        other = booking.attendee_name or booking.client.full_name
    else:
        other = booking.practitioner.display_name if booking.practitioner is not None else ""
    return Session(
        account_id=booking.account_id,
        booking_id=booking.pk,
        version=booking.version,
        status=Status.CANCELLED if cancelled else booking.status,
        start=begins,
        end=ends,
        changed_at=booking.updated_at,
        summary=title_of(booking.service.name, other),
        description=description,
    )


def event_of(booking: Booking | Session, *, organizer: str = "", reader: Reader = "client", cancelled: bool = False) -> Event:
    """The VEVENT of one session. ``organizer`` is the name of the business; without one nobody is named."""
    session = booking if isinstance(booking, Session) else session_of(booking, reader=reader)
    off = cancelled or session.is_off
    event = Event()
    event.add("uid", session.uid)
    event.add("sequence", session.version)
    event.add("dtstamp", _utc(session.changed_at))
    event.add("last-modified", _utc(session.changed_at))
    event.add("dtstart", _utc(session.start))
    event.add("dtend", _utc(session.end))
    event.add("status", "CANCELLED" if off else "TENTATIVE" if session.status in (Status.HELD, Status.PENDING) else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if off else "OPAQUE")
    if session.summary:
        event.add("summary", line(session.summary))
        if session.description:
            event.add("description", "\n".join(line(part) for part in session.description.splitlines()))
        if organizer:
            event.add("organizer", _organizer(organizer))
    else:
        event.add("summary", BUSY)
        event.add("class", "PRIVATE")
    return event


def calendar_of(
    bookings: Iterable[Booking | Session],
    *,
    method: Method = "PUBLISH",
    name: str = "",
    organizer: str = "",
    reader: Reader = "client",
    refresh: timedelta | None = None,
) -> bytes:
    """A whole calendar, CRLF and folded as the standard wants it.

    ``method`` CANCEL says of every session in it that it does not take place. ``name`` is what a subscriber's calendar is called;
    ``refresh`` how often it should be fetched again. For a session that has lost its time pass ``session_of``.
    """
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    if name:
        calendar.add("name", vText(line(name)))
        calendar.add("x-wr-calname", vText(line(name)))
    if refresh is not None:
        calendar.add("refresh-interval", vDuration(refresh), parameters={"VALUE": "DURATION"})
        calendar.add("x-published-ttl", vDuration(refresh))
    for booking in bookings:
        calendar.add_component(event_of(booking, organizer=organizer, reader=reader, cancelled=method == "CANCEL"))
    return calendar.to_ical()


def line(text: str) -> str:
    """Text of others on one line: without control characters and line breaks of any kind, which some readers take for new lines.

    Backslashes become slashes: readers disagree about escaped ones, and may take one before an n for a new line.
    """
    kept = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text.replace("\\", "/"))
    return " ".join(kept.split())[:MAX_LINE]


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(microsecond=0)


def _organizer(name: str) -> vCalAddress:
    """The business under the address of our mails. A parameter can hold no double quote, so they become single ones."""
    address = vCalAddress(f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}")
    address.params["CN"] = line(name).replace('"', "'")
    return address


__all__ = ["BUSY", "CONTENT_TYPE", "Method", "Reader", "Session", "calendar_of", "event_of", "line", "session_of", "title_of", "uid_of"]
