"""Placing many sessions of one client at once: which fit, why the others do not, and where else they might go (rules.md §8).

One Diary is loaded for the whole span, three or four statements however many sessions there are. Each session that is placed is
claimed in it, so that the next one meets it: the sessions of a plan never stand in each other's way.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol
from zoneinfo import ZoneInfo

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.busy import Claims
from apps.bookings.errors import (
    AlreadyBooked,
    BeyondHorizon,
    LimitReached,
    NoSessionsLeft,
    NoticeTooShort,
    OrderFrozen,
    OutsideHours,
    PackageExpired,
    PackagePaused,
    SlotTaken,
)
from apps.bookings.limits import Held
from apps.bookings.models import Booking, BookingSeries
from apps.bookings.slots import Diary, Offer, Terms, open_diary
from apps.orders.models import Order, PackagePause
from apps.orders.validity import expires_at
from apps.scheduling.hours import from_epoch, to_epoch

Policy = BookingSeries.Policy
OK = "ok"
WITHIN = timedelta(days=7)
ALTERNATIVES = 3
ONE_SECOND = timedelta(seconds=1)

Refusal = tuple[str, str]
"""(status of the occurrence, code of the error that booking would answer)."""
CONFLICT, TAKEN_TWICE = ("conflict", SlotTaken.code), ("conflict", AlreadyBooked.code)
CLOSED, NOTICE, HORIZON = ("closed", OutsideHours.code), ("notice", NoticeTooShort.code), ("horizon", BeyondHorizon.code)
LIMIT, EXPIRED, PAUSED = ("limit", LimitReached.code), ("expired", PackageExpired.code), ("paused", PackagePaused.code)
NO_SESSION, FROZEN = ("no_session", NoSessionsLeft.code), ("no_session", OrderFrozen.code)


# -- sessions


@dataclass(frozen=True, slots=True)
class Validity:
    """Between which instants and outside which pauses the sessions of some orders may start (rules.md §2)."""

    account: Account
    at: datetime
    pauses: Mapping[int, Sequence[PackagePause]]

    @classmethod
    def of(cls, account: Account, order_ids: Iterable[int], at: datetime) -> "Validity":
        """One statement for all orders."""
        pauses: dict[int, list[PackagePause]] = {}
        for pause in PackagePause.objects.filter(order_id__in=set(order_ids)):
            pauses.setdefault(pause.order_id, []).append(pause)
        return cls(account, at, pauses)

    def refusal(self, order: Order, start: datetime) -> Refusal | None:
        """What ``refuse_frozen`` and ``refuse_outside_validity`` would say to a session of this order at ``start``."""
        if order.frozen_at is not None:
            return FROZEN
        zone = ZoneInfo(self.account.timezone)
        day = start.astimezone(zone).date()
        paused = (p.first_day <= day and (p.last_day is None or p.last_day >= day) for p in self.pauses.get(order.pk, ()))
        if order.order_type == Order.Type.PACKAGE and any(paused):  # paused today is no matter for a start after the pause
            return PAUSED
        end = order.expires_at
        expiry = order.package_metadata.get("expiry") or {}
        if order.activated_at is None and expiry.get("rule") == "first_scheduled":
            end = expires_at(expiry, self.at, zone)  # its validity begins with the first session that is placed
        decisive = max(start, self.at) if setting(self.account, "expiry_requires") == "start" else self.at
        return EXPIRED if order.status == Order.Status.EXPIRED or (end is not None and decisive >= end) else None


class Sessions(Protocol):
    """Where the session of an occurrence comes from."""

    def refusal(self, start: datetime) -> Refusal | None:
        """Why there is none for this start."""

    def take(self, start: datetime) -> Booking:
        """The session for a start that was not refused; nobody else gets it."""


@dataclass(slots=True)
class Pool:
    """Sessions without a time, in the order in which they are used up; each goes to one occurrence."""

    drafts: list[Booking]
    validity: Validity
    empty: Refusal = NO_SESSION

    def refusal(self, start: datetime) -> Refusal | None:
        first = None
        for order in {draft.order_id: draft.order for draft in self.drafts}.values():
            refused = self.validity.refusal(order, start)
            if refused is None:
                return None
            first = first or refused
        return first or self.empty

    def take(self, start: datetime) -> Booking:
        taken = next(draft for draft in self.drafts if self.validity.refusal(draft.order, start) is None)
        self.drafts.remove(taken)
        return taken


@dataclass(frozen=True, slots=True)
class Own:
    """The occurrence that is moved keeps its own session."""

    booking: Booking
    validity: Validity

    def refusal(self, start: datetime) -> Refusal | None:
        return self.validity.refusal(self.booking.order, start)

    def take(self, start: datetime) -> Booking:
        return self.booking


# -- placing


@dataclass(slots=True)
class Placement:
    """One session that is wanted at ``start``, and what becomes of it. ``old`` is the booking that gives up its time for it.

    ``planned`` is the start it gets (another one by the policy ``nearest``), None when it gets none.
    """

    start: datetime
    sessions: Sessions
    old: Booking | None = None
    refused: Refusal | None = None
    planned: datetime | None = None
    session: Booking | None = None
    alternatives: list[datetime] = field(default_factory=list)

    @property
    def status(self) -> str:
        return OK if self.refused is None else self.refused[0]

    @property
    def code(self) -> str:
        return "" if self.refused is None else self.refused[1]


@dataclass(slots=True)
class Planner:
    """The time of one practitioner around all wanted starts. ``places`` are the client's own starts there (epoch seconds)."""

    diary: Diary
    offer: Offer
    at: datetime
    places: Counter[int]
    _narrowed: dict[tuple[datetime, datetime], Diary] = field(default_factory=dict)

    def plan(self, placements: Sequence[Placement], policy: str, within: timedelta = WITHIN) -> None:
        """Fill in what becomes of the placements, in their order.

        Who moves frees the old time for the others; who is refused and may stay behind takes it back, which may refuse others.
        """
        for one in placements:
            if one.old is not None:
                self._release(one.old)
        trying = list(placements)
        while True:
            for one in trying:
                self._try(one)
            back = [one for one in trying if one.refused and one.old is not None]
            if policy == Policy.ALL_OR_NOTHING or not back:
                break
            for one in back:
                self._claim_again(one)
            trying = [one for one in trying if one.refused is None]
            for one in trying:
                self._occupy(one.start, -1)
        for one in placements:
            if one.refused is not None:
                self._look_elsewhere(one, policy, within)

    def _try(self, one: Placement) -> None:
        one.refused = self.refusal(one.start) or one.sessions.refusal(one.start)
        if one.refused is None:
            one.planned, one.session = one.start, one.session or one.sessions.take(one.start)
            self._occupy(one.start, 1)
        else:
            one.planned = one.session = None

    def _look_elsewhere(self, one: Placement, policy: str, within: timedelta) -> None:
        stays = one.old is not None and policy != Policy.ALL_OR_NOTHING
        if stays:
            self._release(one.old)
        one.alternatives = self.nearest(one.start, one.sessions)
        close = [start for start in one.alternatives if abs(start - one.start) <= within]
        if policy == Policy.NEAREST and close:
            one.planned, one.session = close[0], one.sessions.take(close[0])
            self._occupy(close[0], 1)
        elif stays:
            self._claim_again(one)

    def refusal(self, start: datetime) -> Refusal | None:
        """Why this start cannot be booked; None when the slots show it."""
        terms = self.diary.terms
        opens, latest = terms.season()[0], terms.latest(self.at)
        if start < terms.earliest(self.at):
            return NOTICE
        if (latest is not None and start >= latest) or (opens is not None and start < opens):
            return HORIZON
        seconds, length = to_epoch(start), self.offer.duration_minutes * 60
        around = self._around(start, start + ONE_SECOND)
        _, working = around.openings(self.offer)
        if not any(since <= seconds and seconds + length <= until for since, until in working):
            return CLOSED
        if not around.seats_free(self.offer, [seconds]):
            return CONFLICT
        candidates = around.candidates(self.offer)
        position = bisect_left(candidates, seconds)
        if start.microsecond or position == len(candidates) or candidates[position] != seconds:
            return CLOSED
        if self.places[seconds] > 0:
            return TAKEN_TWICE
        return LIMIT if around.refusing_limit(self.offer, seconds) else None

    def nearest(self, start: datetime, sessions: Sessions) -> list[datetime]:
        """The three bookable starts within a week that are closest to ``start``, the closest first."""
        since, until = max(start - WITHIN, self.at), start + WITHIN + ONE_SECOND
        if since >= until:
            return []
        target = to_epoch(start)
        starts = [seconds for seconds, _ in self._around(since, until).starts(self.offer, self.at) if self.places[seconds] < 1]
        starts.sort(key=lambda seconds: (abs(seconds - target), seconds))
        return list(islice((s for s in map(from_epoch, starts) if sessions.refusal(s) is None), ALTERNATIVES))

    def _around(self, since: datetime, until: datetime) -> Diary:
        """The same knowledge for a shorter range: hours are worked out for its days only."""
        found = self._narrowed.get((since, until))
        if found is None:
            found = self._narrowed[since, until] = replace(self.diary, since=since, until=until, known={})
        return found

    def _occupy(self, start: datetime, step: int) -> None:
        """Claim the time of a session at ``start`` (step 1), or take that claim back (step -1)."""
        terms, end = self.diary.terms, start + timedelta(minutes=self.offer.duration_minutes)
        busy = (start - timedelta(minutes=terms.before_minutes), end + timedelta(minutes=terms.after_minutes))
        self._write(self.offer.practitioner_id, start, end, busy, step)

    def _claim_again(self, one: Placement) -> None:
        if one.old is not None:
            self._write_old(one.old, 1)

    def _release(self, old: Booking | None) -> None:
        if old is not None:
            self._write_old(old, -1)

    def _write_old(self, old: Booking, step: int) -> None:
        if old.practitioner_id and old.start_time and old.end_time and old.busy_from and old.busy_until:
            self._write(old.practitioner_id, old.start_time, old.end_time, (old.busy_from, old.busy_until), step)

    def _write(self, practitioner_id: int, start: datetime, end: datetime, busy: tuple[datetime, datetime], step: int) -> None:
        seconds, diary = to_epoch(start), self.diary
        minutes = round((end - start).total_seconds() / 60)
        before = 0
        if practitioner_id == self.offer.practitioner_id:
            claims = diary.claims.setdefault(practitioner_id, Claims())
            ends = (to_epoch(busy[0]), to_epoch(busy[1]) + (1 if busy[1].microsecond else 0))
            for instants, instant in zip((claims.since, claims.until), ends, strict=True):
                if step > 0:
                    insort(instants, instant)
                elif instant in instants:
                    instants.remove(instant)
            before = claims.seats[seconds]
            if diary.terms.capacity > 1:
                claims.seats[seconds] += step
                if not claims.seats[seconds]:
                    del claims.seats[seconds]
            self.places[seconds] += step
        # A limit counts an occurrence once, however many sit in it.
        shared = before > (0 if step > 0 else 1)
        self._count(Held(diary.terms.service_id, practitioner_id, seconds, minutes), step, shared)

    def _count(self, held: Held, step: int, shared: bool) -> None:
        for owner in ("service", "client", held.practitioner_id):
            tally = self.diary.tallies.get(owner)
            if tally is None or (shared and owner != "client") or (held in tally.held) == (step > 0):
                continue
            (tally.held.add if step > 0 else tally.held.discard)(held)
            for period in tally.periods(held.start).items():
                tally.sessions[period] += step
                tally.minutes[period] += step * held.minutes


def open_planner(
    account: Account, terms: Terms, offer: Offer, instants: Sequence[datetime], client_id: int, at: datetime, *, moving: Sequence[int] = ()
) -> Planner:
    """Load what is known around these instants: three statements, one more for limits, one more for groups.

    ``moving`` are bookings that will give up their time; they are still claimed here.
    """
    since = max(min(instants) - WITHIN, at) - ONE_SECOND  # nothing is booked in the past
    until = max(max(instants) + WITHIN + timedelta(days=1), since + ONE_SECOND)
    latest = terms.latest(at)
    if latest is not None and not moving:
        until = max(min(until, latest + timedelta(days=1)), since + ONE_SECOND)
    diary = open_diary(account, terms, [offer], since, until, at=at, client_id=client_id)
    places: Counter[int] = Counter()
    if terms.capacity > 1:
        mine = Booking.objects.active().filter(
            client_id=client_id, practitioner_id=offer.practitioner_id, attendee_name="", start_time__gte=since, start_time__lt=until
        )
        places.update(to_epoch(start) for start in mine.values_list("start_time", flat=True))
    return Planner(diary, offer, at, places)
