"""Slots: opening hours minus bookings. The function that lists a slot is the function that accepts it (rules.md §1).

Times are epoch seconds (UTC) inside this module; a Slot is made of them only where it leaves.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, QuerySet
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.busy import Asked, Claims, claims_of, tallies_of
from apps.bookings.limits import Held, Tally
from apps.catalog.models import Offering
from apps.core.compiled import Param, run
from apps.scheduling.grid import candidate_seconds, covering, free_seconds
from apps.scheduling.hours import Window, local_to_instant, opening_windows, to_epoch, working_time
from apps.scheduling.selectors import Availability, availability

ONE_DAY = timedelta(days=1)
NOTHING_CLAIMED = Claims()

Start = tuple[int, int]
"""A bookable start (epoch seconds) and the seats that are left."""


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
    """The rules of a service that decide about its slots; minutes, days and cents as on Service, days in the account's ``zone``."""

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "pk",
        "duration_minutes",
        "price_cents",
        "buffer_before_minutes",
        "buffer_after_minutes",
        "slot_step_minutes",
        "capacity",
        "online_capacity",
        "min_notice_minutes",
        "horizon_days",
        "horizon_in_working_days",
        "season_from",
        "season_to",
        "limits",
        "account__timezone",
    )

    service_id: int
    duration_minutes: int
    price_cents: int
    before_minutes: int
    after_minutes: int
    step_minutes: int | None
    capacity: int
    online_capacity: int | None
    min_notice_minutes: int
    horizon_days: int | None
    horizon_in_working_days: bool
    season_from: date | None
    season_to: date | None
    limits: dict[str, Any]
    zone: ZoneInfo

    def earliest(self, at: datetime) -> datetime:
        """The first instant that keeps the minimum notice (elapsed time)."""
        return at + timedelta(minutes=self.min_notice_minutes)

    def latest(self, at: datetime) -> datetime | None:
        """The instant (exclusive) at which the horizon or the season ends, whichever comes first; None without one."""
        ends = [end for end in (self.horizon(at), self.season()[1]) if end is not None]
        return min(ends, default=None)

    def horizon(self, at: datetime) -> datetime | None:
        """The instant (exclusive) up to which bookings are taken: days of 24 hours, or working days of the account's zone."""
        if self.horizon_days is None:
            return None
        if self.horizon_in_working_days:
            return add_working_days(at, self.horizon_days, self.zone)
        return at + timedelta(days=self.horizon_days)

    def season(self) -> tuple[datetime | None, datetime | None]:
        """From when (inclusive) until when (exclusive) sessions may start: whole local days."""
        opens = None if self.season_from is None else local_to_instant(datetime.combine(self.season_from, time()), self.zone)
        closes = None if self.season_to is None else local_to_instant(datetime.combine(self.season_to + ONE_DAY, time()), self.zone)
        return opens, closes

    def bounds(self, at: datetime) -> tuple[int, int | None]:
        """Notice, season and horizon in one: the first start that is allowed, and the first that no longer is (epoch seconds)."""
        opens, latest = self.season()[0], self.latest(at)
        earliest = self.earliest(at) if opens is None else max(self.earliest(at), opens)
        return _up(earliest), None if latest is None else _up(latest)


def add_working_days(at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The instant after so many days from Monday to Friday: the same wall time on the day that many working days later.

    The clock stands still from Friday midnight to Monday midnight, so from a weekend it is the end of the last of these days.
    """
    wall = at.astimezone(zone).replace(tzinfo=None)
    day, clock = wall.date(), wall - datetime.combine(wall.date(), time())
    if day.weekday() > 4:
        day, clock = day - (day.weekday() - 4) * ONE_DAY, ONE_DAY
    weeks, rest = divmod(days, 5)
    day += timedelta(days=7 * weeks + rest + (2 if day.weekday() + rest > 4 else 0))
    return local_to_instant(datetime.combine(day, time()) + clock, zone)


class Slot(NamedTuple):
    """A bookable start. ``start`` and ``end`` are epoch seconds; ``bookable_until`` is when the notice runs out."""

    start: int
    end: int
    practitioner_id: int
    seats_left: int
    price_cents: int
    bookable_until: int


def offers_of(account_id: int, service_id: int, practitioner_id: int | None = None) -> tuple[Terms | None, list[Offer]]:
    """The terms of an active service and who offers it now, by practitioner id; one statement. (None, []) when nobody does."""
    rows = run("bookings.offers", _offers, {"account": account_id, "service": service_id})
    if not rows:
        return None, []
    columns: Any = rows[0][5:]
    terms = Terms(*(*columns[:-1], ZoneInfo(columns[-1])))
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
    """What is known about the practitioners of some offers in a range of time: the one load that answers every question.

    ``tallies`` holds what limits count, by "service", "client" and practitioner id. ``online`` keeps to the seats that clients may
    book themselves.
    """

    asked: Asked
    terms: Terms
    since: datetime
    until: datetime
    hours: dict[int, Availability]
    claims: dict[int, Claims]
    padding_inside_hours: bool = False
    online: bool = False
    tallies: dict[str | int, Tally] = field(default_factory=dict)
    # Practitioners with the same hours share the work: openings and candidates by what they are made from.
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def openings(self, offer: Offer) -> tuple[list[Window], list[tuple[int, int]]]:
        """The windows of an offer's practitioner and the working time left in them, epoch seconds."""
        key = self._key(offer)
        if key not in self.known:
            self.known[key] = self._openings(offer)
        found: tuple[list[Window], list[tuple[int, int]]] = self.known[key]
        return found

    def candidates(self, offer: Offer) -> Sequence[int]:
        """Starts on the grid at which a session fits into working time, whoever has booked."""
        key = (self._key(offer), "candidates")
        if key not in self.known:
            windows, working = self.openings(offer)
            step = self.terms.step_minutes or offer.duration_minutes
            self.known[key] = candidate_seconds(windows, working, offer.zone, offer.duration_minutes, step)
        found: Sequence[int] = self.known[key]
        return found

    def _key(self, offer: Offer) -> tuple[Any, ...]:
        known = self.hours[offer.practitioner_id]
        return offer.zone.key, offer.duration_minutes, tuple(known.plans), tuple(known.overrides), tuple(known.closures)

    def _openings(self, offer: Offer) -> tuple[list[Window], list[tuple[int, int]]]:
        known, terms = self.hours[offer.practitioner_id], self.terms
        before, after = timedelta(minutes=terms.before_minutes), timedelta(minutes=terms.after_minutes)
        # A session may run into the windows of the day behind the range, and its padding into those of the day before it.
        ends = (self.since - before, self.until + timedelta(minutes=offer.duration_minutes) + after)
        first, last = (instant.astimezone(offer.zone).date() for instant in ends)
        windows = opening_windows(known.plans, known.overrides, offer.zone, first, last)
        working = [(_up(start), to_epoch(end)) for start, end in working_time(windows, known.spans)]
        if self.padding_inside_hours:
            shorter, cut = terms.before_minutes * 60, terms.after_minutes * 60
            working = [(start + shorter, end - cut) for start, end in working if start + shorter < end - cut]
        return windows, working

    def seats_free(self, offer: Offer, starts: Sequence[int]) -> list[Start]:
        """(start, seats left) of those sorted starts that no other session of the practitioner blocks."""
        terms, claims = self.terms, self.claims.get(offer.practitioner_id, NOTHING_CLAIMED)
        padding = (terms.before_minutes, terms.after_minutes, offer.duration_minutes)
        seats = terms.capacity
        if self.online and terms.online_capacity is not None:
            seats = min(seats, terms.online_capacity)
        if seats < 1:
            return []
        found = [(start, seats) for start in free_seconds(starts, claims.since, claims.until, *padding)]
        # A group may be joined where only its own members are in the way.
        joined = []
        for start, taken in claims.seats.items() if terms.capacity > 1 else ():
            position = bisect_left(starts, start)
            wanted = position < len(starts) and starts[position] == start and taken < seats
            if wanted and covering(start, claims.since, claims.until, *padding) == taken:
                joined.append((start, seats - taken))
        return sorted(found + joined) if joined else found

    def starts(self, offer: Offer, at: datetime, party: int = 1) -> list[Start]:
        """The bookable starts of one offer inside the diary's range: what ``slots`` shows, without the dressing."""
        lower, upper = self.terms.bounds(at)
        lower = max(lower, _up(self.since))
        upper = _up(self.until) if upper is None else min(upper, _up(self.until))
        candidates = self.candidates(offer)
        free = self.seats_free(offer, candidates[bisect_left(candidates, lower) : bisect_left(candidates, upper)])
        if party > 1:
            free = [(start, seats) for start, seats in free if seats >= party]
        if self.tallies:
            free = [(start, seats) for start, seats in free if self.refusing_limit(offer, start) is None]
        return free

    def slots(self, offer: Offer, at: datetime, party: int = 1) -> list[Slot]:
        """The bookable starts of one offer inside the diary's range."""
        length, notice = offer.duration_minutes * 60, self.terms.min_notice_minutes * 60
        return [
            Slot(start, start + length, offer.practitioner_id, seats, offer.price_cents, start - notice)
            for start, seats in self.starts(offer, at, party)
        ]

    def refusing_limit(self, offer: Offer, start: int) -> str | None:
        """The first limit of the service, the practitioner or the client that a session at ``start`` would break."""
        return next(iter(self.refusing_limits(offer, start)), None)

    def refusing_limits(self, offer: Offer, start: int) -> list[str]:
        """All of them, as "service.per_day" or "client.minutes_per_month"."""
        wanted = Held(self.terms.service_id, offer.practitioner_id, start, offer.duration_minutes)
        found: list[str] = []
        for owner, key in (("service", "service"), ("practitioner", offer.practitioner_id), ("client", "client")):
            if tally := self.tallies.get(key):
                found += [f"{owner}.{name}" for name in tally.refusals(wanted)]
        return found


def _up(instant: datetime) -> int:
    """The first whole second at or after an instant."""
    seconds = to_epoch(instant)
    return seconds if instant.microsecond == 0 else seconds + 1


def open_diary(
    account: Account,
    terms: Terms,
    offers: Iterable[Offer],
    since: datetime,
    until: datetime,
    *,
    except_booking: int | None = None,
    at: datetime | None = None,
    client_id: int | None = None,
    online: bool = False,
) -> Diary:
    """Load hours, closures and bookings for a range [since, until) in three statements, whatever the number of practitioners.

    A fourth one counts where there are limits; those of a client need ``client_id``. ``except_booking`` is left out: it is being
    moved. Holds that have lapsed by ``at`` (now) do not count.
    """
    offers = list(offers)
    ids = [offer.practitioner_id for offer in offers]
    asked = Asked(account.pk, at or timezone.now(), except_booking)
    # A session that starts in the range may reach beyond it by its length and padding.
    before = timedelta(minutes=terms.before_minutes)
    reach = timedelta(minutes=max((o.duration_minutes for o in offers), default=0) + terms.after_minutes)
    # The local date may be one before that in UTC, and the opening of the date before it may run past midnight.
    days = ((since - before).date() - 2 * ONE_DAY, (until + reach).date() + ONE_DAY)
    hours = availability(account.pk, ids, days, (since - before - ONE_DAY, until + reach + ONE_DAY))
    claims = claims_of(asked, ids, terms.service_id if terms.capacity > 1 else 0, since - before, until + reach)
    limited = [(offer.practitioner_id, offer.zone, offer.limits) for offer in offers if offer.limits]
    tallies = tallies_of(asked, terms.zone, (terms.service_id, terms.limits), limited, client_id, since, until)
    return Diary(asked, terms, since, until, hours, claims, setting(account, "padding_inside_hours"), online, tallies)


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
    client_id: int | None = None,
    online: bool = False,
) -> list[Slot]:
    """Bookable starts in [since, until) of all offers, by start and practitioner; ``party`` seats are needed together.

    ``online``: as clients may book for themselves (``online_capacity``).
    """
    if not offers:
        return []
    diary = open_diary(account, terms, offers, since, until, except_booking=except_booking, at=at, client_id=client_id, online=online)
    found = [slot for offer in offers for slot in diary.slots(offer, at, party)]
    found.sort(key=lambda slot: (slot.start, slot.practitioner_id))
    return found


def nearest_starts(slots: Sequence[Slot], wanted: datetime, count: int = 5) -> list[Slot]:
    """The slots closest to a wanted start, in order of time."""
    target = to_epoch(wanted)
    return sorted(sorted(slots, key=lambda slot: (abs(slot.start - target), slot.start))[:count], key=lambda slot: slot.start)


__all__ = ["Diary", "Offer", "Slot", "Terms", "add_working_days", "find_slots", "nearest_starts", "offers_of", "open_diary"]
