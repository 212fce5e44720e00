"""Any interleaving of what can happen to sessions (P2): after every step the rows are what a model in Python says, and doctor is content.

The model knows nothing but the rules: who is busy when, buffers included, what each state allows, and when a hold has run out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.bookings.errors import AlreadyScheduled, HoldExpired, LimitReached, NoticeTooShort, SlotTaken, TooLate
from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking, complete_booking, decline_booking, mark_no_show, undo_no_show
from apps.bookings.services.scheduling import confirm_booking, hold_booking, release_hold, reschedule_booking, schedule_booking
from apps.bookings.tasks import release_lapsed_holds
from apps.core.errors import InvalidTransition
from apps.core.tenancy import account_scope
from tests.bookings.life import broken, do, second_practitioner
from tests.studio import MONDAY_TEN, NOW, open_studio

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BEFORE, AFTER = 10 * MINUTE, 5 * MINUTE
HOLD = 15 * MINUTE
OPENS = MONDAY_TEN - HOUR
STARTS = [OPENS + day * 24 * HOUR + n * 30 * MINUTE for day in range(2) for n in range(15)]
ACTIVE = ("held", "pending", "confirmed", "checked_in")
NEVER_WRONG = ("I01", "I02", "I03", "I04", "I06", "I06.lines", "I10", "I30")

ANY = 27
which = st.integers(0, 30)
whom = st.integers(0, 1)
starts = st.sampled_from(STARTS[:6] + STARTS[15:18])  # few, so that wishes collide


WEIGHTS = {"schedule": 4, "hold": 4, "confirm": 6, "release": 1, "decline": 1, "cancel": 2, "reassign": 4, "complete": 1, "no_show": 2}
KINDS = [kind for kind, weight in {**WEIGHTS, "undo": 2, "wait": 3, "expire": 1, "create": 2}.items() for _ in range(weight)]


@dataclass
class Session:
    """What the model remembers of one session."""

    client: int
    single: bool
    status: str = "draft"
    practitioner: int | None = None
    start: datetime | None = None
    expires: datetime | None = None
    ended: datetime | None = None
    version: int = 1

    def lapsed(self, now: datetime) -> bool:
        return self.status == "held" and self.expires is not None and self.expires <= now

    def to_draft(self) -> None:
        self.status, self.practitioner, self.start, self.expires = "draft", None, None, None
        self.version += 1


@dataclass
class World:
    sessions: dict[int, Session] = field(default_factory=dict)
    now: datetime = NOW

    def busy(self, practitioner: int, start: datetime, but: int) -> bool:
        """Whether somebody else's padded time meets the padded time of a session at ``start``."""
        since, until = start - BEFORE, start + HOUR + AFTER
        for pk, other in self.sessions.items():
            if pk == but or other.status not in ACTIVE or other.lapsed(self.now) or other.practitioner != practitioner:
                continue
            assert other.start is not None
            if other.start - BEFORE < until and since < other.start + HOUR + AFTER:
                return True
        return False

    def sweep(self, *practitioners: int | None) -> None:
        for session in self.sessions.values():
            if session.lapsed(self.now) and (not practitioners or session.practitioner in practitioners):
                session.to_draft()


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rolled_back = transaction.atomic()
        self.rolled_back.__enter__()
        self.studio = open_studio(
            quantity=2, requires_approval=True, slot_step_minutes=30, buffer_before_minutes=10, buffer_after_minutes=5
        )
        self.people = [self.studio.practitioner, second_practitioner(self.studio)]
        self.numbers = {person.pk: n for n, person in enumerate(self.people)}
        self.world = World()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.rolled_back.__exit__(None, None, None)

    # -- the two sides of a step

    def pick(self, which: int, *states: str) -> tuple[int, Session, Booking]:
        """A session, mostly one in these states: what the others refuse is what tests of the table are for."""
        everything = sorted(self.world.sessions)
        fitting = [pk for pk in everything if self.world.sessions[pk].status in states] if which < ANY else []
        pk = (fitting or everything)[which % len(fitting or everything)]
        with account_scope(self.studio.account):
            return pk, self.world.sessions[pk], Booking.objects.select_related("account").get(pk=pk)

    def happens(self, expected: type[Exception] | None, service: Any, booking: Booking, **options: Any) -> bool:
        """Call the service; True when it was done. It must do, or refuse, what the model says."""
        if expected is None:
            do(self.studio, service, booking, at=self.world.now, **options)
            return True
        with pytest.raises(expected):
            do(self.studio, service, booking, at=self.world.now, **options)
        return False

    # -- rules

    @rule(kind=st.sampled_from(KINDS), which=which, whom=whom, start=starts, by=st.sampled_from(["client", "provider"]))
    def step(self, kind: str, **drawn: Any) -> None:
        """One rule that chooses by weight: Hypothesis by itself spends most steps on rules that have nothing to do."""
        method = getattr(self, kind)
        method(**{name: drawn[name] for name in drawn if name in method.__func__.__annotations__})

    @initialize()
    def sell_packages(self) -> None:
        for _ in range(2):
            self._remember(self.studio.sell(client=self.studio.other_client()), single=False)
        self._remember(self.studio.sell(), single=False)

    def create(self) -> None:
        if len(self.world.sessions) < 12:
            self._remember(self.studio.sell(service=self.studio.service), single=True)

    def _remember(self, sale: Any, *, single: bool) -> None:
        for booking in sale.bookings:
            self.world.sessions[booking.pk] = Session(booking.client_id, single)

    def wait(self, which: int) -> None:
        self.world.now += (14 * MINUTE, 16 * MINUTE, 3 * HOUR)[which % 3]

    def schedule(self, which: int, whom: int, start: datetime) -> None:
        self._take(schedule_booking, "pending", which, whom, start)

    def hold(self, which: int, whom: int, start: datetime) -> None:
        self._take(hold_booking, "held", which, whom, start)

    def _take(self, service: Any, status: str, which: int, whom: int, start: datetime) -> None:
        pk, session, booking = self.pick(which, "draft", "held")
        world, own_lapsed = self.world, session.lapsed(self.world.now)
        open_holds = [s for s in world.sessions.values() if s.client == session.client and s.status == "held" and not s.lapsed(world.now)]
        expected: type[Exception] | None = None
        if status == "held" and len(open_holds) >= 5:
            expected = LimitReached
        elif session.status in ACTIVE and not own_lapsed:
            expected = AlreadyScheduled
        elif session.status != "draft" and not own_lapsed:
            expected = InvalidTransition
        elif start < world.now:
            expected = NoticeTooShort
        elif world.busy(whom, start, pk):
            expected = SlotTaken
        if self.happens(expected, service, booking, practitioner=self.people[whom], start_time=start):
            world.sweep(whom)
            if session.lapsed(world.now):
                session.to_draft()
            session.status, session.practitioner, session.start = status, whom, start
            session.expires = world.now + HOLD if status == "held" else None
            session.version += 1

    def confirm(self, which: int) -> None:
        _, session, booking = self.pick(which, "held", "pending")
        expected: type[Exception] | None = None if session.status in ("held", "pending") else InvalidTransition
        if session.lapsed(self.world.now):
            expected = HoldExpired
        if self.happens(expected, confirm_booking, booking):
            session.status, session.expires = "confirmed", None
            session.version += 1

    def release(self, which: int) -> None:
        _, session, booking = self.pick(which, "held")
        if self.happens(None if session.status == "held" else InvalidTransition, release_hold, booking):
            session.to_draft()

    def decline(self, which: int) -> None:
        _, session, booking = self.pick(which, "pending")
        if self.happens(None if session.status == "pending" else InvalidTransition, decline_booking, booking):
            self._gives_up(session)

    def cancel(self, which: int, by: str) -> None:
        _, session, booking = self.pick(which, "held", "pending", "confirmed")
        allowed = session.status in ("draft", "held", "pending", "confirmed")
        if self.happens(None if allowed else InvalidTransition, cancel_booking, booking, by=by, void=True):
            begun = session.status == "confirmed" and session.start is not None and self.world.now > session.start
            self._gives_up(session, used_up=begun and by == "client")

    def _gives_up(self, session: Session, *, used_up: bool = False) -> None:
        """A package's session comes back, unless a client gives it up after its start; a single one, and a draft, is over."""
        if session.single or session.status == "draft" or used_up:
            session.status, session.expires = "cancelled", None
            session.version += 1
        else:
            session.to_draft()

    def reassign(self, which: int, whom: int, start: datetime, by: str) -> None:
        pk, session, booking = self.pick(which, "held", "pending", "confirmed")
        world, kept = self.world, session.practitioner
        same = (session.practitioner, session.start) == (whom, start)
        expected: type[Exception] | None = None
        if session.status not in ("held", "pending", "confirmed"):
            expected = InvalidTransition
        elif session.lapsed(world.now):
            expected = HoldExpired
        elif not same and start < world.now:
            expected = NoticeTooShort
        elif not same and world.busy(whom, start, pk):
            expected = SlotTaken
        if self.happens(expected, reschedule_booking, booking, practitioner=self.people[whom], start_time=start, by=by):
            world.sweep(whom, kept)
            if not same:
                if by == "client" and session.status == "confirmed":
                    session.status = "pending"  # the business approves again
                session.practitioner, session.start = whom, start
                session.version += 1

    def expire(self) -> None:
        with time_machine.travel(self.world.now, tick=False):
            lapsed = sum(session.lapsed(self.world.now) for session in self.world.sessions.values())
            assert release_lapsed_holds(0) == lapsed
        self.world.sweep()
        with account_scope(self.studio.account):  # I05 with the clock of this world
            assert not Booking.objects.lapsed(self.world.now).exists()

    def complete(self, which: int) -> None:
        _, session, booking = self.pick(which, "confirmed")
        if session.status in ("confirmed", "checked_in"):
            assert session.start is not None
            self.world.now = max(self.world.now, session.start)
        allowed = session.status in ("confirmed", "checked_in")
        if self.happens(None if allowed else InvalidTransition, complete_booking, booking):
            session.status = "completed"
            session.version += 1

    def no_show(self, which: int) -> None:
        _, session, booking = self.pick(which, "confirmed")
        if session.status == "confirmed":
            assert session.start is not None
            self.world.now = max(self.world.now, session.start + 15 * MINUTE)
        if self.happens(None if session.status == "confirmed" else InvalidTransition, mark_no_show, booking):
            session.status, session.ended = "no_show", self.world.now
            session.version += 1

    def undo(self, which: int) -> None:
        pk, session, booking = self.pick(which, "no_show")
        expected: type[Exception] | None = None
        if session.status != "no_show":
            expected = InvalidTransition
        else:
            assert session.ended is not None
            assert session.practitioner is not None
            assert session.start is not None
            if self.world.now - session.ended > 72 * HOUR:
                expected = TooLate
            elif self.world.busy(session.practitioner, session.start, pk):
                expected = SlotTaken
        if self.happens(expected, undo_no_show, booking):
            self.world.sweep(session.practitioner)
            session.status = "confirmed"
            session.version += 1

    # -- after every step

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        with account_scope(self.studio.account):
            rows = Booking.objects.values_list("pk", "status", "practitioner_id", "start_time", "hold_expires_at", "version")
            stored = {pk: (status, self.numbers.get(who), *rest) for pk, status, who, *rest in rows}
        assert stored == {pk: (s.status, s.practitioner, s.start, s.expires, s.version) for pk, s in self.world.sessions.items()}

    @invariant()
    def doctor_is_content(self) -> None:
        assert broken(*NEVER_WRONG) == {}


@pytest.mark.slow
@pytest.mark.django_db
def test_any_interleaving_keeps_the_model_and_the_invariants():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=16, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )
