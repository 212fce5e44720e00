"""Slots: opening hours minus bookings. The function that lists a slot is the function that accepts it (rules.md §1).

Times are epoch seconds (UTC) inside this module; a Slot is made of them only where it leaves.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, DateTimeField, F, Func, Q, QuerySet

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.limits import COUNTED, Held, Tally
from apps.bookings.models import ACTIVE, Booking
from apps.catalog.models import Offering
from apps.core.compiled import InParam, Param, run
from apps.scheduling.grid import candidate_seconds, free_seconds
from apps.scheduling.hours import Window, opening_windows, to_epoch, working_time
from apps.scheduling.selectors import Availability, availability

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Offer:
    """How one practitioner gives a service: zone, minutes and cents after the offering's own values."""

    practitioner_id: int
    zone: ZoneInfo
    duration_minutes: int
    price_cents: int
    limits: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """The rules of a service that decide about its slots; minutes, days and cents as on Service."""

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "pk",
        "duration_minutes",
        "price_cents",
        "buffer_before_minutes",
        "buffer_after_minutes",
        "slot_step_minutes",
        "capacity",
        "min_notice_minutes",
        "horizon_days",
        "limits",
    )

    service_id: int
    duration_minutes: int
    price_cents: int
    before_minutes: int
    after_minutes: int
    step_minutes: int | None
    capacity: int
    min_notice_minutes: int
    horizon_days: int | None
    limits: dict[str, int | None]

    def earliest(self, at: datetime) -> datetime:
        """The first instant that keeps the minimum notice (elapsed time)."""
        return at + timedelta(minutes=self.min_notice_minutes)

    def latest(self, at: datetime) -> datetime | None:
        """The instant at which the horizon ends (exclusive), None without one."""
        return None if self.horizon_days is None else at + timedelta(days=self.horizon_days)


class Slot(NamedTuple):
    """A bookable start. ``start`` and ``end`` are epoch seconds; ``bookable_until`` is when the notice runs out."""

    start: int
    end: int
    practitioner_id: int
    seats_left: int
    price_cents: int
    bookable_until: int


class Busy(NamedTuple):
    """A booking that claims (or, overridden, shares) a practitioner's time; padded range and start in epoch seconds."""

    since: int
    until: int
    service_id: int
    start: int


def offers_of(account_id: int, service_id: int, practitioner_id: int | None = None) -> tuple[Terms | None, list[Offer]]:
    """The terms of an active service and who offers it now, by practitioner id; one statement. (None, []) when nobody does."""
    rows = run("bookings.offers", _offers, {"account": account_id, "service": service_id})
    if not rows:
        return None, []
    terms = Terms(*rows[0][5:])
    offers = [
        Offer(
            found_id,
            ZoneInfo(zone),
            terms.duration_minutes if duration is None else duration,
            terms.price_cents if price is None else price,
            limits,
        )
        for found_id, zone, duration, price, limits, *_ in rows
        if practitioner_id is None or found_id == practitioner_id
    ]
    return terms, offers


def _offers() -> QuerySet:
    service = [f"service__{name}" for name in Terms.COLUMNS]
    return (
        Offering._base_manager.filter(
            account_id=Param("account", BigIntegerField()),
            service_id=Param("service", BigIntegerField()),
            is_active=True,
            practitioner__is_active=True,
            service__is_active=True,
        )
        .order_by("practitioner_id")
        .values_list("practitioner_id", "practitioner__timezone", "duration_minutes", "price_cents", "practitioner__limits", *service)
    )


@dataclass(frozen=True, slots=True)
class Diary:
    """What is known about the practitioners of some offers in a range of time: the one load that answers every question."""

    terms: Terms
    since: datetime
    until: datetime
    hours: dict[int, Availability]
    busy: dict[int, list[Busy]]
    padding_inside_hours: bool = False
    service_tally: Tally | None = None
    tallies: dict[int, Tally] = field(default_factory=dict)

    def openings(self, offer: Offer) -> tuple[list[Window], list[tuple[int, int]]]:
        """The windows of an offer's practitioner and the working time left in them, epoch seconds."""
        known = self.hours[offer.practitioner_id]
        first, last = (instant.astimezone(offer.zone).date() for instant in (self.since, self.until))
        windows = opening_windows(known.plans, known.overrides, offer.zone, first, last)
        working = [(to_epoch(start), to_epoch(end)) for start, end in working_time(windows, known.closures)]
        if self.padding_inside_hours:
            before, after = self.terms.before_minutes * 60, self.terms.after_minutes * 60
            working = [(start + before, end - after) for start, end in working if start + before < end - after]
        return windows, working

    def candidates(self, offer: Offer) -> list[int]:
        """Starts on the grid at which a session fits into working time, whoever has booked."""
        windows, working = self.openings(offer)
        step = self.terms.step_minutes or offer.duration_minutes
        return candidate_seconds(windows, working, offer.zone, offer.duration_minutes, step)

    def seats_free(self, offer: Offer, starts: Sequence[int]) -> list[tuple[int, int]]:
        """(start, seats left) of those starts that no other session of the practitioner blocks."""
        terms, busy = self.terms, self.busy.get(offer.practitioner_id, [])
        free = free_seconds(starts, ((b.since, b.until) for b in busy), terms.before_minutes, terms.after_minutes, offer.duration_minutes)
        found = [(start, terms.capacity) for start in free]
        if terms.capacity == 1:
            return found
        # A group may be joined where only its own members are in the way.
        taken: dict[int, int] = {}
        for b in busy:
            if b.service_id == terms.service_id:
                taken[b.start] = taken.get(b.start, 0) + 1
        for start, seats in taken.items():
            position = bisect_left(starts, start)
            if position < len(starts) and starts[position] == start and seats < terms.capacity:
                others = ((b.since, b.until) for b in busy if (b.service_id, b.start) != (terms.service_id, start))
                if free_seconds([start], others, terms.before_minutes, terms.after_minutes, offer.duration_minutes):
                    found.append((start, terms.capacity - seats))
        return sorted(found)

    def slots(self, offer: Offer, at: datetime, party: int = 1) -> list[Slot]:
        """The bookable starts of one offer inside the diary's range."""
        terms = self.terms
        lower = max(_up(self.since), _up(terms.earliest(at)))
        horizon = terms.latest(at)
        upper = _up(self.until) if horizon is None else min(_up(self.until), _up(horizon))
        starts = self.candidates(offer)
        starts = starts[bisect_left(starts, lower) : bisect_left(starts, upper)]
        length, notice = offer.duration_minutes * 60, terms.min_notice_minutes * 60
        limited = self.service_tally or self.tallies
        return [
            Slot(start, start + length, offer.practitioner_id, seats, offer.price_cents, start - notice)
            for start, seats in self.seats_free(offer, starts)
            if seats >= party and not (limited and self.refusing_limit(offer, start))
        ]

    def refusing_limit(self, offer: Offer, start: int) -> str | None:
        """The limit of the service or the practitioner that a session at ``start`` would break."""
        wanted = Held(self.terms.service_id, offer.practitioner_id, start, offer.duration_minutes)
        if self.service_tally and (name := self.service_tally.refuses(self.terms.limits, wanted)):
            return f"service.{name}"
        tally = self.tallies.get(offer.practitioner_id)
        if tally and (name := tally.refuses(offer.limits, wanted)):
            return f"practitioner.{name}"
        return None


def _up(instant: datetime) -> int:
    """The first whole second at or after an instant."""
    seconds = to_epoch(instant)
    return seconds if instant.microsecond == 0 else seconds + 1


def open_diary(
    account: Account, terms: Terms, offers: Iterable[Offer], since: datetime, until: datetime, *, except_booking: int | None = None
) -> Diary:
    """Load hours, closures and bookings for a range [since, until) in three statements, whatever the number of practitioners.

    ``except_booking`` is left out of the busy times: it is being moved.
    """
    offers = list(offers)
    ids = [offer.practitioner_id for offer in offers]
    # A session that starts in the range may reach beyond it by its length and padding.
    reach = timedelta(minutes=max((o.duration_minutes for o in offers), default=0) + terms.after_minutes)
    padding = timedelta(minutes=terms.before_minutes)
    days = (since.date() - ONE_DAY, until.date() + ONE_DAY)
    hours = availability(account.pk, ids, days, (since - ONE_DAY, until + reach + ONE_DAY))
    busy: dict[int, list[Busy]] = {}
    since_padded = since - padding
    values = {
        "account": account.pk,
        "ids": ids,
        "floor": since_padded - LONGEST,
        "since": since_padded,
        "until": until + reach,
        "except": except_booking or 0,
    }
    for practitioner_id, *times in run("bookings.busy", _busy, values):
        busy.setdefault(practitioner_id, []).append(Busy(*times))
    service_tally, tallies = _tallies(account, terms, offers, since, until, except_booking)
    return Diary(terms, since, until, hours, busy, setting(account, "padding_inside_hours"), service_tally, tallies)


def _tallies(
    account: Account, terms: Terms, offers: list[Offer], since: datetime, until: datetime, except_booking: int | None
) -> tuple[Tally | None, dict[int, Tally]]:
    """What limits have to count, over the whole local weeks of the range; no statement when nothing is limited."""
    limited = [offer for offer in offers if offer.limits]
    if not terms.limits and not limited:
        return None, {}
    values = {
        "account": account.pk,
        "ids": [offer.practitioner_id for offer in limited],
        "service": terms.service_id if terms.limits else 0,
        "since": since - 8 * ONE_DAY,
        "until": until + 8 * ONE_DAY,
        "except": except_booking or 0,
    }
    rows = run("bookings.held", _held, values)
    held = [Held(s, p, to_epoch(start), round((end - start).total_seconds() / 60)) for s, p, start, end in rows]
    service_tally = None
    if terms.limits:
        service_tally = Tally.of(ZoneInfo(account.timezone), (one for one in held if one.service_id == terms.service_id))
    tallies = {o.practitioner_id: Tally.of(o.zone, (one for one in held if one.practitioner_id == o.practitioner_id)) for o in limited}
    return service_tally, tallies


def _held() -> QuerySet:
    return (
        Booking._base_manager.filter(
            Q(InParam(F("practitioner_id"), Param("ids", ArrayField(BigIntegerField()))))
            | Q(service_id=Param("service", BigIntegerField())),
            account_id=Param("account", BigIntegerField()),
            status__in=COUNTED,
            start_time__gte=Param("since", DateTimeField()),
            start_time__lt=Param("until", DateTimeField()),
        )
        .exclude(pk=Param("except", BigIntegerField()))
        .values_list("service_id", "practitioner_id", "start_time", "end_time")
    )


LONGEST = timedelta(days=9)  # the longest session (7 days) with the longest padding on both sides


class EpochFloor(Func):
    """The last whole epoch second at or before an instant. In SQL, because a datetime per booking costs more than all the rest."""

    template = "floor(extract(epoch FROM %(expressions)s))::bigint"
    output_field = BigIntegerField()

    def get_db_converters(self, connection: Any) -> list[Any]:
        return []  # the driver gives an int already


class EpochCeiling(EpochFloor):
    """The first whole epoch second at or after an instant."""

    template = "ceil(extract(epoch FROM %(expressions)s))::bigint"


def _busy() -> QuerySet:
    """Claims of the practitioners that touch the range, by start; b-tree columns only, as range operators are filters under RLS."""
    return (
        Booking._base_manager.filter(
            InParam(F("practitioner_id"), Param("ids", ArrayField(BigIntegerField()))),
            account_id=Param("account", BigIntegerField()),
            status__in=ACTIVE,
            busy_from__lt=Param("until", DateTimeField()),
            busy_from__gt=Param("floor", DateTimeField()),
            busy_until__gt=Param("since", DateTimeField()),
        )
        .exclude(pk=Param("except", BigIntegerField()))
        .order_by("busy_from")
        .values_list("practitioner_id", EpochFloor("busy_from"), EpochCeiling("busy_until"), "service_id", EpochFloor("start_time"))
    )


def find_slots(
    *,
    account: Account,
    terms: Terms,
    offers: Sequence[Offer],
    since: datetime,
    until: datetime,
    at: datetime,
    party: int = 1,
    except_booking: int | None = None,
) -> list[Slot]:
    """Bookable starts in [since, until) of all offers, by start and practitioner; ``party`` seats are needed together."""
    if not offers:
        return []
    diary = open_diary(account, terms, offers, since, until, except_booking=except_booking)
    found = [slot for offer in offers for slot in diary.slots(offer, at, party)]
    found.sort(key=lambda slot: (slot.start, slot.practitioner_id))
    return found


def nearest_starts(slots: Sequence[Slot], wanted: datetime, count: int = 5) -> list[Slot]:
    """The slots closest to a wanted start, in order of time."""
    target = to_epoch(wanted)
    return sorted(sorted(slots, key=lambda slot: (abs(slot.start - target), slot.start))[:count], key=lambda slot: slot.start)


__all__ = ["Diary", "Offer", "Slot", "Terms", "find_slots", "nearest_starts", "offers_of", "open_diary"]
