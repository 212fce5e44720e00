"""Why a start cannot be booked: all reasons, in the order in which the acceptance check meets them (rules.md §1).

Asked of the same Diary that lists and accepts starts. No reasons, and only then, the start is among the slots.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.bookings.busy import sessions_near
from apps.bookings.errors import BeyondHorizon, LimitReached, NoticeTooShort, OutsideHours, SlotTaken
from apps.bookings.slots import Diary, Offer
from apps.core.errors import DomainError
from apps.scheduling.hours import from_epoch, merge, to_epoch

ERRORS: dict[str, type[DomainError]] = {
    error.code: error for error in (NoticeTooShort, BeyondHorizon, OutsideHours, SlotTaken, LimitReached)
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One obstacle: the code of the error that booking would answer, the rule behind it, and a sentence for a person.

    ``extras`` are what the error carries besides, such as ``bookable_from``.
    """

    code: str
    rule: str
    detail: str
    practitioner_id: int
    extras: dict[str, Any] = field(default_factory=dict)

    def error(self, **extras: Any) -> DomainError:
        """The error to raise when a booking meets this reason first."""
        return ERRORS[self.code](self.detail, rule=self.rule, **self.extras, **extras)


Session = tuple[int, int, datetime, datetime, datetime, datetime]


def explain(diary: Diary, offers: Sequence[Offer], start_time: datetime, at: datetime, *, party: int = 1) -> list[Reason]:
    """What keeps each of the offers from ``start_time``, by practitioner; nothing for an offer that can be booked then.

    The diary's range must include the start. One statement at most, for the sessions that are in the way.
    """
    start = to_epoch(start_time)
    left = {offer.practitioner_id: _seats_left(diary, offer, start) for offer in offers}
    lacking = [offer for offer in offers if left[offer.practitioner_id] < party]
    near: list[Session] = []
    if lacking:
        before, after = _padding(diary)
        longest = timedelta(minutes=max(offer.duration_minutes for offer in lacking))
        ids = [offer.practitioner_id for offer in lacking]
        near = sessions_near(diary.asked, ids, start_time - before, start_time + longest + after)
    found: list[Reason] = []
    for offer in offers:
        asking = _Asking(diary, offer, start_time, start, at, party, left[offer.practitioner_id])
        found += asking.reasons([session for session in near if session[0] == offer.practitioner_id])
    return found


def _seats_left(diary: Diary, offer: Offer, start: int) -> int:
    free = diary.seats_free(offer, [start])
    return free[0][1] if free else 0


def _padding(diary: Diary) -> tuple[timedelta, timedelta]:
    return timedelta(minutes=diary.terms.before_minutes), timedelta(minutes=diary.terms.after_minutes)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One start of one offer."""

    diary: Diary
    offer: Offer
    start_time: datetime
    start: int
    at: datetime
    party: int
    seats_left: int

    @property
    def end(self) -> int:
        return self.start + self.offer.duration_minutes * 60

    def reasons(self, near: Sequence[Session]) -> list[Reason]:
        found = [*self.too_early_or_late(), *self.outside_hours()]
        if self.seats_left < self.party:
            found.append(self.taken(near))
        if (off_grid := self.off_grid()) is not None:
            found.append(off_grid)
        return found + [self.limited(rule) for rule in self.diary.refusing_limits(self.offer, self.start)]

    def reason(self, code: str, rule: str, detail: str, **extras: Any) -> Reason:
        return Reason(code, rule, detail, self.offer.practitioner_id, extras)

    def local(self, instant: datetime) -> str:
        return instant.astimezone(self.offer.zone).isoformat(timespec="minutes")

    def too_early_or_late(self) -> Iterator[Reason]:
        terms, start_time = self.diary.terms, self.start_time
        earliest, horizon, (opens, closes) = terms.earliest(self.at), terms.horizon(self.at), terms.season()
        if start_time < earliest:
            past = start_time < self.at
            detail = "This time has passed." if past else f"This time is too close; bookable from {self.local(earliest)}."
            yield self.reason("notice_too_short", "past" if past else "min_notice", detail, bookable_from=earliest.isoformat())
        if horizon is not None and start_time >= horizon:
            detail = f"This service can be booked up to {self.local(horizon)}."
            yield self.reason("beyond_horizon", "horizon", detail, bookable_before=horizon.isoformat())
        if opens is not None and start_time < opens:
            detail = f"The season begins on {terms.season_from}."
            yield self.reason("beyond_horizon", "season", detail, bookable_from=opens.isoformat())
        if closes is not None and start_time >= closes:
            detail = f"The season ends on {terms.season_to}."
            yield self.reason("beyond_horizon", "season", detail, bookable_before=closes.isoformat())

    def outside_hours(self) -> list[Reason]:
        """What cuts working time then: the plan, closures, time off, and what the practitioner has elsewhere."""
        windows, working = self.diary.openings(self.offer)
        if any(since <= self.start and self.end <= until for since, until in working):
            return []
        opening = merge((window.start, window.end) for window in windows)
        core = (from_epoch(self.start), from_epoch(self.end))
        found = [] if any(since <= core[0] and core[1] <= until for since, until in opening) else [self.closed_by_plan()]
        closures = [one for one in self.diary.hours[self.offer.practitioner_id].closures if one.start < core[1] and one.end > core[0]]
        for closure in closures:
            if not closure.is_external:
                kind, who = ("closure", "The business is closed") if closure.of_account else ("time_off", "The practitioner is off")
                detail = f"{who} from {self.local(closure.start)} to {self.local(closure.end)}."
                found.append(self.reason("outside_hours", f"{kind}:{closure.time_off_id}", detail))
        if any(closure.is_external for closure in closures):
            # When and with what is nobody's business.
            found.append(self.reason("slot_taken", "external_busy", "The practitioner's own calendar is busy at that time."))
        # What is left then are the buffers, which this account wants inside the hours.
        return found or [self.reason("outside_hours", "padding", "The buffers of this session would lie outside working hours.")]

    def closed_by_plan(self) -> Reason:
        """The override of the local day, or the weekly hours, within which the session does not fit."""
        known, day = self.diary.hours[self.offer.practitioner_id], self.start_time.astimezone(self.offer.zone).date()
        replacing = [override for override in known.overrides if override.date == day and not override.adds]
        if replacing:
            closed = not any(override.windows for override in replacing)
            detail = f"Closed on {day}." if closed else f"{day} has hours of its own, and the session does not fit into them."
            return self.reason("outside_hours", f"date_override:{day}", detail)
        if not known.plans:
            return self.reason("outside_hours", "no_weekly_hours", "This practitioner has no weekly hours.")
        return self.reason("outside_hours", "weekly_hours", f"The session does not fit into the weekly hours of {day:%A}.")

    def taken(self, near: Sequence[Session]) -> Reason:
        """Who is in the way, without a word about them: members of the same occurrence, a session, or only a buffer."""
        before, after = _padding(self.diary)
        core = (from_epoch(self.start), from_epoch(self.end))
        wanted = (core[0] - before, core[1] + after)
        group = self.diary.terms.capacity > 1
        others = [
            (start, end)
            for _, service_id, start, end, busy_from, busy_until in near
            if busy_from < wanted[1] and wanted[0] < busy_until
            if not (group and service_id == self.diary.terms.service_id and to_epoch(start) == self.start)
        ]
        if not others:
            seats = f"{self.seats_left} seat{'' if self.seats_left == 1 else 's'} left"
            return self.reason("slot_taken", "seats", f"Of the {self.party} wanted, {seats}." if self.party > 1 else "No seat is left.")
        if any(start < core[1] and core[0] < end for start, end in others):
            return self.reason("slot_taken", "booking", "Another session takes place at that time.")
        return self.reason("slot_taken", "buffer", "The buffer between two sessions would be too short.")

    def off_grid(self) -> Reason | None:
        """Where the session would fit into working time, the grid is asked, too."""
        _, working = self.diary.openings(self.offer)
        candidates = self.diary.candidates(self.offer)
        position = bisect_left(candidates, self.start)
        on_grid = position < len(candidates) and candidates[position] == self.start
        fits = any(since <= self.start and self.end <= until for since, until in working)
        if not self.start_time.microsecond and (on_grid or not fits):
            return None
        step = self.diary.terms.step_minutes or self.offer.duration_minutes
        return self.reason("outside_hours", "slot_step", f"Sessions start every {step} minutes after opening, not at this one.")

    def limited(self, rule: str) -> Reason:
        owner, _, name = rule.partition(".")
        unit, _, period = name.partition("_per_") if name.startswith("minutes") else ("sessions", "", name.removeprefix("per_"))
        whose = {"service": "of this service", "practitioner": "of this practitioner", "client": "of this client"}[owner]
        return self.reason("limit_reached", rule, f"No more {unit} {whose} fit into that {period}.")


__all__ = ["ERRORS", "Reason", "explain"]
