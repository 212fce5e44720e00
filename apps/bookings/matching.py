"""Whom time suits: waiting clients first, then those whose paid sessions run out soonest (rules.md §10)."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Booking, Status, WaitlistEntry, WaitlistOffer
from apps.bookings.slots import Slot, find_slots, offers_of
from apps.clients.models import Client
from apps.core.errors import Invalid
from apps.orders.models import Order, PackagePause
from apps.scheduling.hours import from_epoch, local_to_instant, to_epoch

ONE_DAY, ONE_SECOND = timedelta(days=1), timedelta(seconds=1)
NEAR = timedelta(hours=24)
"""A start closer than this may be offered at night, too."""
LOOK_AHEAD = timedelta(days=62)
MOST_ENTRIES = 500
OPEN = (WaitlistEntry.Status.WAITING, WaitlistEntry.Status.OFFERED)

OUTRUN = Q(mode=WaitlistOffer.Mode.BROADCAST, status=WaitlistOffer.Status.WITHDRAWN)
"""Somebody else was faster at a broadcast; that does not count as having been asked."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Time that can be booked now: a start of a service with a practitioner, and the ``seats`` that are left there."""

    service_id: int
    practitioner_id: int
    start_time: datetime
    end_time: datetime
    seats: int


def opening_at(account: Account, service_id: int, practitioner_id: int, start_time: datetime, at: datetime) -> Opening | None:
    """The opening at exactly this start; None when it cannot be booked."""
    terms, offers = offers_of(account.pk, service_id, practitioner_id)
    if terms is None or not offers:
        return None
    found = find_slots(account=account, terms=terms, offers=offers, since=start_time, until=start_time + ONE_SECOND, at=at)
    start = to_epoch(start_time)
    return next((_opening(service_id, slot) for slot in found if slot.start == start and not start_time.microsecond), None)


def _opening(service_id: int, slot: Slot) -> Opening:
    return Opening(service_id, slot.practitioner_id, from_epoch(slot.start), from_epoch(slot.end), slot.seats_left)


# -- waiting clients


def fits(entry: WaitlistEntry, opening: Opening, at: datetime) -> bool:
    """Whether an opening meets everything the client asked for; days, weekdays and times are those of the entry's zone."""
    return _fits(entry, opening, opening.start_time.astimezone(ZoneInfo(entry.timezone)), at)


def _fits(entry: WaitlistEntry, opening: Opening, local: datetime, at: datetime) -> bool:
    start = opening.start_time
    if entry.service_id != opening.service_id or entry.practitioner_id not in (None, opening.practitioner_id):
        return False
    if entry.party > opening.seats or entry.expires_at <= at or start - timedelta(minutes=entry.notice_minutes) <= at:
        return False
    if entry.start_time is not None:
        return entry.start_time == start
    first, last = entry.first_day, entry.last_day
    if first is None or last is None or not first <= local.date() <= last:
        return False
    if entry.weekdays and local.weekday() not in entry.weekdays:
        return False
    clock = local.time()
    return (entry.earliest is None or clock >= entry.earliest) and (entry.latest is None or clock <= entry.latest)


def entries_for(opening: Opening, *, at: datetime, limit: int, awake: bool = False) -> list[WaitlistEntry]:
    """The waiting entries that an opening fits fully, by priority and then by who came first.

    Left out: archived and blocked clients, clients who have a session at that time, and those who were offered this very start before. ``awake``
    keeps to those who may be asked now (``quiet_until``), or have accepted beforehand.
    """
    first, last = opening.start_time.date() - ONE_DAY, opening.start_time.date() + ONE_DAY  # any zone's local day
    found = ranked(
        WaitlistEntry.objects.filter(
            Q(start_time=opening.start_time) | Q(start_time=None, first_day__lte=last, last_day__gte=first),
            Q(practitioner=None) | Q(practitioner_id=opening.practitioner_id),
            service_id=opening.service_id,
            status=WaitlistEntry.Status.WAITING,
            expires_at__gt=at,
            party__lte=opening.seats,
            client__blocked_at=None,
        )
    )
    found = found.exclude(client__stage=Client.Stage.ARCHIVED).exclude(_busy(opening, at, "client_id"))
    found = found.exclude(Exists(_asked().filter(practitioner_id=opening.practitioner_id, start_time=opening.start_time)))
    rows = found.select_related("account", "client", "service").iterator(chunk_size=200)
    return list(islice((entry for entry in rows if fits(entry, opening, at) and (not awake or is_awake(entry, opening, at))), limit))


def ranked(entries: QuerySet) -> QuerySet:
    """In the order in which they are served."""
    return entries.order_by("-priority", "created_at", "pk")


def _asked() -> QuerySet:
    """Offers of the entry that count as asked."""
    return WaitlistOffer.objects.filter(~OUTRUN, entry=OuterRef("pk"))


def _busy(opening: Opening, at: datetime, client: str) -> Exists:
    """Whether the client has a session that overlaps."""
    taken = Booking.objects.active().filter(start_time__lt=opening.end_time, end_time__gt=opening.start_time, client=OuterRef(client))
    return Exists(taken.exclude(status=Status.HELD, hold_expires_at__lte=at))


def is_awake(entry: WaitlistEntry, opening: Opening, at: datetime) -> bool:
    """Whether the client may be asked now, or need not be."""
    return accepts_at_once(entry, opening.start_time, at) or quiet_until(entry, opening.start_time, at) is None


def accepts_at_once(entry: WaitlistEntry, start_time: datetime, at: datetime) -> bool:
    """Whether the client wants to be booked without being asked: the start is far enough away."""
    return entry.auto_accept_hours is not None and start_time - at >= timedelta(hours=entry.auto_accept_hours)


def quiet_until(entry: WaitlistEntry, start_time: datetime, at: datetime) -> datetime | None:
    """When the client's quiet hours end, when they are now; None when they may be asked, also because the start is near."""
    if start_time - at < NEAR:
        return None
    since, until = (time.fromisoformat(setting(entry.account, f"waitlist_quiet_{name}")) for name in ("from", "to"))
    zone = ZoneInfo(entry.timezone)
    local = at.astimezone(zone).replace(tzinfo=None)
    clock = local.time()
    if since <= until:
        if not since <= clock < until:
            return None
        return local_to_instant(datetime.combine(local.date(), until), zone)
    if until <= clock < since:
        return None
    return local_to_instant(datetime.combine(local.date() + (ONE_DAY if clock >= since else timedelta()), until), zone)


def wanted_openings(account: Account, service_id: int, *, at: datetime, limit: int) -> list[Opening]:
    """Openings of a service that somebody waits for now, within 62 days: what no event has announced (new hours, more seats).

    Each waiting client, in the order of service, gets the first that fits and that they were not asked about; seven statements
    for the first 500 clients.
    """
    waiting = WaitlistEntry.objects.filter(service_id=service_id, status=WaitlistEntry.Status.WAITING, expires_at__gt=at)
    entries = list(ranked(waiting.exclude(client__stage=Client.Stage.ARCHIVED)).select_related("account")[:MOST_ENTRIES])
    terms, offers = offers_of(account.pk, service_id)
    if not entries or terms is None or not offers:
        return []
    until = min(max(entry.expires_at for entry in entries) + ONE_DAY, at + LOOK_AHEAD)
    slots = find_slots(account=account, terms=terms, offers=offers, since=at, until=until, at=at) if at < until else []
    openings = [_opening(service_id, slot) for slot in slots]
    return list(islice(_first_choices(entries, openings, _ruled_out(entries, at), at), limit))


@dataclass(frozen=True, slots=True)
class RuledOut:
    """What not to offer again or at all: (practitioner, start) by entry, and the sessions (start, end) by client."""

    asked: defaultdict[int, set[tuple[int, datetime]]]
    busy: defaultdict[int, list[tuple[datetime, datetime]]]

    def __call__(self, entry: WaitlistEntry, opening: Opening) -> bool:
        if (opening.practitioner_id, opening.start_time) in self.asked[entry.pk]:
            return True
        return any(start < opening.end_time and end > opening.start_time for start, end in self.busy[entry.client_id])


def _ruled_out(entries: Sequence[WaitlistEntry], at: datetime) -> RuledOut:
    found = RuledOut(defaultdict(set), defaultdict(list))
    offers = WaitlistOffer.objects.filter(~OUTRUN, entry__in=[entry.pk for entry in entries], start_time__gte=at)
    for entry_id, practitioner_id, start in offers.values_list("entry_id", "practitioner_id", "start_time"):
        found.asked[entry_id].add((practitioner_id, start))
    sessions = Booking.objects.active().filter(client__in={entry.client_id for entry in entries}, end_time__gt=at)
    for client_id, start, end in sessions.values_list("client_id", "start_time", "end_time"):
        found.busy[client_id].append((start, end))
    return found


def _first_choices(entries: Iterable[WaitlistEntry], openings: list[Opening], ruled_out: RuledOut, at: datetime) -> Iterator[Opening]:
    starts = [opening.start_time for opening in openings]
    left = [opening.seats for opening in openings]
    local: dict[str, list[datetime]] = {}
    for entry in entries:
        if entry.timezone not in local:
            zone = ZoneInfo(entry.timezone)
            local[entry.timezone] = [start.astimezone(zone) for start in starts]
        walls, (since, until) = local[entry.timezone], _reach(entry)
        for position in range(bisect_left(starts, since), bisect_left(starts, until)):
            opening = openings[position]
            suits = left[position] >= entry.party and _fits(entry, opening, walls[position], at)
            if suits and is_awake(entry, opening, at) and not ruled_out(entry, opening):
                if left[position] == opening.seats:
                    yield opening
                left[position] -= entry.party
                break


def _reach(entry: WaitlistEntry) -> tuple[datetime, datetime]:
    """From the first to behind the last instant that an entry can mean."""
    if entry.start_time is not None:
        return entry.start_time, entry.start_time + ONE_SECOND
    assert entry.first_day is not None  # noqa: S101  a constraint: an occurrence or a window
    return local_to_instant(datetime.combine(entry.first_day, time()), ZoneInfo(entry.timezone)), entry.expires_at


def end_of_window(start_time: datetime | None, last_day: date | None, zone: ZoneInfo) -> datetime:
    """When an entry's wish has passed: its occurrence has begun, or the last day is over."""
    if start_time is not None:
        return start_time
    assert last_day is not None  # noqa: S101  a constraint: an occurrence or a window
    return local_to_instant(datetime.combine(last_day + ONE_DAY, time()), zone)


def with_position(entries: QuerySet) -> QuerySet:
    """Adds ``position``: 1 is served first, among the open entries of the service that compete for the same practitioner."""
    # Entries without a practitioner compete with everybody's.
    mine, theirs = OuterRef("practitioner_id"), F("practitioner_id")
    before = Q(priority__gt=OuterRef("priority")) | Q(priority=OuterRef("priority"), created_at__lt=OuterRef("created_at"))
    before |= Q(priority=OuterRef("priority"), created_at=OuterRef("created_at"), pk__lt=OuterRef("pk"))
    rivals = (
        WaitlistEntry._base_manager.filter(before, account_id=OuterRef("account_id"), service_id=OuterRef("service_id"), status__in=OPEN)
        .annotate(
            one=Coalesce(theirs, mine, Value(0), output_field=BigIntegerField()),
            other=Coalesce(mine, theirs, Value(0), output_field=BigIntegerField()),
        )
        .filter(one=F("other"))
        .order_by()
        .values("service_id")
        .annotate(n=Count("pk"))
        .values("n")
    )
    ahead = Coalesce(Subquery(rivals), Value(0), output_field=IntegerField())
    return entries.annotate(position=Case(When(status__in=OPEN, then=ahead + Value(1)), default=None, output_field=IntegerField()))


# -- sessions that wait for a time


def usable_sessions(account: Account, service_id: int, start_time: datetime, at: datetime) -> QuerySet:
    """Unscheduled sessions of a service whose order is valid at a start: neither expired nor resting then, nor sold for an offer."""
    decisive = max(start_time, at) if setting(account, "expiry_requires") == "start" else at
    day = start_time.astimezone(ZoneInfo(account.timezone)).date()
    resting = PackagePause.objects.filter(
        Q(last_day=None) | Q(last_day__gte=day), first_day__lte=day, order=OuterRef("order_id"), order__order_type=Order.Type.PACKAGE
    )
    drafts = Booking.objects.to_consume().filter(Q(order__expires_at=None) | Q(order__expires_at__gt=decisive), service_id=service_id)
    sold = WaitlistOffer.objects.filter(order=OuterRef("order_id"))
    return drafts.exclude(Exists(resting)).exclude(Exists(sold))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who could fill a gap. ``entry`` is set for those who wait, the rest for those with a paid session to use up."""

    kind: str
    client: int
    client_name: str
    entry: int | None = None
    priority: int | None = None
    booking: int | None = None
    order: int | None = None
    expires_at: datetime | None = None
    days_left: int | None = None


def candidates_for(
    account: Account, service_id: int, practitioner_id: int, start_time: datetime, *, at: datetime, limit: int = 50
) -> tuple[bool, list[Candidate]]:
    """(whether the start can be booked, who could take it): waiting clients in order, then clients by when a paid session runs out.

    One row per client; nobody who is archived or has a session at that time. The number of statements does not depend on the number
    of clients. Raises Invalid when the practitioner does not offer the service.
    """
    if not offers_of(account.pk, service_id, practitioner_id)[1]:
        raise Invalid(fields={"practitioner": ["This practitioner does not offer this service."]})
    opening = opening_at(account, service_id, practitioner_id, start_time, at)
    if opening is None:
        return False, []
    found: dict[int, Candidate] = {}
    for entry in entries_for(opening, at=at, limit=limit):
        known = Candidate("waitlist", entry.client_id, entry.client.full_name, entry=entry.pk, priority=entry.priority)
        found.setdefault(entry.client_id, known)
    for row in _expiring(account, opening, at, limit):
        found.setdefault(row.client, row)
    return True, list(found.values())[:limit]


def _expiring(account: Account, opening: Opening, at: datetime, limit: int) -> list[Candidate]:
    soonest: Any = F("order__expires_at").asc(nulls_last=True)
    paid = usable_sessions(account, opening.service_id, opening.start_time, at).filter(payment_status=Booking.PaymentStatus.PAID)
    paid = paid.exclude(client__stage=Client.Stage.ARCHIVED).exclude(_busy(opening, at, "client_id"))
    first_of_each = paid.order_by("client_id", soonest, "order_id", "position").distinct("client_id").values("pk")
    columns = ("client_id", "client__full_name", "pk", "order_id", "order__expires_at")
    rows = Booking.objects.filter(pk__in=first_of_each).order_by(soonest, "client_id").values_list(*columns)[:limit]
    return [
        Candidate("expiring", client, name, None, None, booking, order, ends, (ends - at).days if ends else None)
        for client, name, booking, order, ends in rows
    ]
