"""What a calendar feed shows: one statement to find it and two for what is in it, whatever the number of sessions."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, CharField, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Subquery

from apps.accounts.models import Account, Membership
from apps.bookings.calendar import Session, calendar_of, title_of
from apps.bookings.models import Booking, Status
from apps.clients.models import Client
from apps.core.compiled import Param, run
from apps.core.models import Event
from apps.integrations.models import CalendarFeed

BEHIND, AHEAD = timedelta(days=30), timedelta(days=365)
KEEP_CANCELLED = timedelta(days=30)
REFRESH = timedelta(hours=1)
# A hold is not a session yet; it is gone in minutes.
TAKING_PLACE = (Status.PENDING, Status.CONFIRMED, Status.CHECKED_IN, Status.COMPLETED, Status.NO_SHOW)
CALLED_OFF = (Status.CANCELLED, Status.FORFEITED)
GAVE_BACK = ("booking.cancelled", "booking.declined", "booking.no_show")
"""Events after which a session may be a draft again, without its time; ``changes`` keep it."""
FORMAT = 1
"""Of the answers. Another one makes every copy out of date."""


@dataclass(frozen=True, slots=True)
class Content:
    """What one reading of a feed shows. ``etag`` is another as soon as any byte of it is."""

    name: str
    organizer: str
    sessions: list[Session] = field(repr=False)

    @property
    def etag(self) -> str:
        known = repr((FORMAT, self.name, self.organizer, self.sessions, [session.uid for session in self.sessions[:1]]))
        return f'"{hashlib.sha256(known.encode()).hexdigest()[:32]}"'

    def body(self) -> bytes:
        return calendar_of(self.sessions, name=self.name, organizer=self.organizer, refresh=REFRESH)


def digest_of(token: str) -> str:
    """What is kept of a token; it is random enough (256 bit) not to need more than a digest."""
    return hashlib.sha256(token.encode()).hexdigest()


def feed_with(token: str, account_id: int) -> CalendarFeed | None:
    """The feed behind a token of this account, with its practitioner or client, if it still answers; one statement.

    It does not after it was revoked, when its practitioner is switched off or its client archived or merged into another, and when
    somebody who was shown its address has left.
    """
    found = run("integrations.feed", _feed, {"account": account_id, "digest": digest_of(token)})
    return found[0] if found else None


def _feed() -> QuerySet:
    def is_member(of: str) -> Exists:
        members = Membership._base_manager.filter(account_id=OuterRef("account_id"), is_active=True, user__is_active=True)
        return Exists(members.filter(user_id=OuterRef(of)))

    current = Q(practitioner__is_active=True) | Q(client__merged_into=None, client__isnull=False) & ~Q(client__stage=Client.Stage.ARCHIVED)
    maker = Q(made_by=None) | Q(is_member("made_by_id"), by_member=True)
    maker |= Q(by_member=False, made_by__is_active=True, client__customer__user=F("made_by"))
    return (
        CalendarFeed._base_manager.filter(
            current,
            maker,
            Q(handed_to=None) | Q(is_member("handed_to_id")),
            account_id=Param("account", BigIntegerField()),
            token_digest=Param("digest", CharField()),
            revoked_at=None,
        )
        .select_related("practitioner", "client")
        .order_by()[:1]
    )


def content_of(feed: CalendarFeed, account: Account, at: datetime) -> Content:
    """The sessions of a feed from 30 days ago to a year ahead, by start; what was called off in the last 30 days is among them."""
    is_busy = feed.detail == CalendarFeed.Detail.BUSY
    shown = sorted(_sessions(feed, at), key=lambda session: (session.start, session.booking_id))
    if is_busy:
        return Content(account.name, "", [session.busy() for session in shown])
    who = feed.practitioner.display_name if feed.practitioner is not None else ""
    return Content(f"{account.name} · {who}" if who else account.name, account.name, shown)


def _sessions(feed: CalendarFeed, at: datetime) -> Iterator[Session]:
    kind, owner = ("practitioner", feed.practitioner_id) if feed.practitioner_id is not None else ("client", feed.client_id)  # type: ignore[attr-defined]
    values: dict[str, Any] = {
        "account": feed.account_id,
        "owner": owner,
        "since": at - BEHIND,
        "until": at + AHEAD,
        "cancelled_since": at - KEEP_CANCELLED,
    }
    for *columns, start, end in run(("integrations.feed.sessions", kind), lambda: _rows(kind), values):
        yield _session(kind, columns, start, end)
    for *columns, changes in run(("integrations.feed.returned", kind), lambda: _returned(kind), values):
        had = _time_before(changes or {}, owner if kind == "practitioner" else None)
        if had is not None and had[1] > values["since"] and had[0] < values["until"]:
            columns[COLUMNS.index("status")] = Status.CANCELLED
            yield _session(kind, columns, *had)


def _time_before(changes: dict[str, Any], practitioner_id: int | None) -> tuple[datetime, datetime] | None:
    """The time that a session lost, if it had one for sure (a hold is none), and with this practitioner where that matters."""
    start, end = (changes.get(name, [None])[0] for name in ("start_time", "end_time"))
    if start is None or end is None or changes["status"][0] == Status.HELD:
        return None
    if practitioner_id is not None and changes["practitioner"][0] != practitioner_id:
        return None
    return datetime.fromisoformat(start), datetime.fromisoformat(end)


COLUMNS = ("account_id", "pk", "version", "status", "updated_at", "service__name", "attendee_name")


def _session(kind: str, columns: list[Any], start: datetime, end: datetime) -> Session:
    account_id, pk, version, status, updated_at, service, attendee, other = columns
    return Session(
        account_id=account_id,
        booking_id=pk,
        version=version,
        status=status,
        start=start,
        end=end,
        changed_at=updated_at,
        summary=title_of(service, (attendee or other or "") if kind == "practitioner" else other or ""),
        description=attendee if kind == "client" else "",
    )


def _of_owner(kind: str) -> dict[str, Any]:
    return {"account_id": Param("account", BigIntegerField()), f"{kind}_id": Param("owner", BigIntegerField())}


def _other(kind: str) -> str:
    """Who is met: a practitioner meets clients, a client meets practitioners."""
    return "client__full_name" if kind == "practitioner" else "practitioner__display_name"


def _rows(kind: str) -> QuerySet:
    called_off = Q(status__in=CALLED_OFF, status_changed_at__gte=Param("cancelled_since", DateTimeField()))
    return (
        Booking._base_manager.filter(Q(status__in=TAKING_PLACE) | called_off, **_of_owner(kind))
        .filter(end_time__gt=Param("since", DateTimeField()), start_time__lt=Param("until", DateTimeField()))
        .order_by()
        .values_list(*COLUMNS, _other(kind), "start_time", "end_time")
    )


def _returned(kind: str) -> QuerySet:
    """Drafts that gave their time back in the last 30 days, with the changes that say which; of a practitioner's, those of everybody.

    Whose time it was is said by the event: the session may have been given to somebody else since.
    """
    since = Param("cancelled_since", DateTimeField())
    said = Event._base_manager.filter(
        account_id=OuterRef("account_id"), subject_type=Booking._meta.label_lower, subject_id=OuterRef("pk"), type__in=GAVE_BACK
    )
    drafts = Booking._base_manager.filter(account_id=Param("account", BigIntegerField()), status=Status.DRAFT, status_changed_at__gte=since)
    if kind == "client":
        said = said.filter(client_id=Param("owner", BigIntegerField()))
    changes = Subquery(said.filter(created_at__gte=since).order_by("-pk").values("changes")[:1])
    return drafts.order_by().values_list(*COLUMNS, _other(kind), changes)
