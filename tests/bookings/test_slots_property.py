"""Slots against a scan of every minute, and against what explaining and booking say (security.md P4 and P5).

The scan is written without the application's arithmetic: it asks the clock on the wall, one UTC minute after the other.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.bookings.explain import explain
from apps.bookings.models import Booking
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.slots import find_slots, offers_of, open_diary
from apps.core.errors import DomainError
from apps.core.tenancy import account_scope
from apps.scheduling.models import DateOverride, TimeOff, WeeklyHours
from factories.bookings import BookingFactory
from factories.catalog import ServiceFactory
from factories.scheduling import ExternalBusyFactory, ExternalCalendarFactory

ZONES = [
    "Africa/Cairo",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SEEN_BEFORE, SEEN_AFTER = 3 * DAY, 3 * DAY
"""What the scan looks at around the day of a change."""
BOUNDED = settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # examples are small, and each of them writes rows: shrinking one takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


# -- clocks


@lru_cache
def days_of_change(name: str, first_year: int) -> list[date]:
    """UTC dates from that year to 2032 on which the clock is changed; an ordinary date if there is none."""
    begin = datetime(first_year, 1, 1, 12, tzinfo=UTC)
    noons = [begin + number * DAY for number in range((2032 - first_year) * 365)]
    offsets = [noon.astimezone(ZoneInfo(name)).utcoffset() for noon in noons]
    changes = [after.date() for (_, after), (old, new) in zip(pairwise(noons), pairwise(offsets), strict=True) if old != new]
    return changes or [date(2027, 3, 1)]


@dataclass(frozen=True)
class Wall:
    """UTC minutes, what the clock of a zone shows in each, and the latest that it has shown so far."""

    minutes: list[datetime]
    shown: list[datetime]
    latest: list[datetime]

    def first(self, wall: datetime) -> int:
        """The first minute in which the clock shows this time or a later one."""
        return bisect_left(self.latest, wall)


@lru_cache(maxsize=16)
def wall_around(name: str, day: date) -> Wall:
    begin = datetime.combine(day, time(), UTC) - SEEN_BEFORE
    minutes = [begin + number * MINUTE for number in range((SEEN_BEFORE + SEEN_AFTER) // MINUTE)]
    shown = [minute.astimezone(ZoneInfo(name)).replace(tzinfo=None, fold=0) for minute in minutes]
    return Wall(minutes, shown, list(accumulate(shown, max)))


# -- a random world


@dataclass
class Busy:
    since: datetime
    minutes: int
    before: int
    after: int
    own: bool
    lapsed: bool

    @property
    def padded(self) -> tuple[datetime, datetime]:
        return self.since - self.before * MINUTE, self.since + (self.minutes + self.after) * MINUTE


@dataclass
class World:
    """Hours, exceptions and bookings of one practitioner around one day, and a question about them."""

    zone: str
    day: date
    plans: list[dict] = field(default_factory=list)
    overrides: list[dict] = field(default_factory=list)
    off: list[tuple[datetime, datetime]] = field(default_factory=list)
    busy: list[Busy] = field(default_factory=list)
    service: dict = field(default_factory=dict)
    padding_inside: bool = False
    since: datetime = datetime(2027, 1, 1, tzinfo=UTC)
    until: datetime = datetime(2027, 1, 1, tzinfo=UTC)
    at: datetime = datetime(2027, 1, 1, tzinfo=UTC)
    party: int = 1
    elsewhere: list[tuple[datetime, datetime]] = field(default_factory=list)


FIVES = st.one_of(st.integers(0, 287).map(lambda number: number * 5), st.sampled_from([0, 0, 60, 90, 120, 150, 180, 540, 1020, 1410]))
WALLS = FIVES.map(lambda minute: time(minute // 60, minute % 60))


@st.composite
def worlds(draw, zone: str, first_year: int = 1983) -> World:
    day = draw(st.sampled_from(days_of_change(zone, first_year)), label="change")
    midnight = datetime.combine(day, time(), UTC)

    def instants(first: int, last: int) -> st.SearchStrategy[datetime]:
        return st.integers(first * 12, last * 12).map(lambda number: midnight + number * 5 * MINUTE)

    near = st.integers(-2, 2).map(lambda number: day + number * DAY)
    plan = st.fixed_dictionaries(
        {
            "weekday": near.map(date.weekday),
            "start": WALLS,
            "end": WALLS,
            "valid_from": st.none() | st.none() | near,
            "valid_to": st.none() | st.none() | near,
            "every_weeks": st.sampled_from([1, 1, 1, 2]),
            "anchor": near.map(lambda found: found - 7 * DAY),
            "priority": st.sampled_from([0, 0, 1]),
        }
    )
    whole_day = st.builds(lambda found, start: {**found, "start": start, "end": start}, plan, WALLS)
    windows = st.lists(st.tuples(WALLS, WALLS).map(lambda pair: {"start": f"{pair[0]:%H:%M}", "end": f"{pair[1]:%H:%M}"}), max_size=2)
    override = st.fixed_dictionaries({"date": near, "windows": windows, "adds": st.booleans()})
    padding = st.sampled_from([0, 0, 5, 20, 45])
    duration = draw(st.sampled_from([15, 30, 45, 60, 90]), label="duration")
    busy = st.builds(Busy, instants(-30, 54), st.sampled_from([15, 30, duration]), padding, padding, st.booleans(), st.booleans())
    capacity = draw(st.sampled_from([1, 1, 3]), label="capacity")
    service = {
        "duration_minutes": duration,
        "slot_step_minutes": draw(st.sampled_from([None, 5, 7, 15, 30, 60])),
        "buffer_before_minutes": draw(padding),
        "buffer_after_minutes": draw(padding),
        "capacity": capacity,
        "min_notice_minutes": draw(st.sampled_from([0, 0, 65])),
        "horizon_days": draw(st.sampled_from([None, 30, 2])),
        "season_from": draw(st.sampled_from([None, None, day])),
        "season_to": draw(st.sampled_from([None, None, day])),
    }
    since = draw(instants(-30, 24), label="since")
    span = st.builds(lambda at, minutes: (at, at + minutes * MINUTE), instants(-30, 54), st.sampled_from([5, 60, 400]))
    return World(
        zone,
        day,
        draw(st.lists(st.one_of(plan, plan, whole_day), min_size=3, max_size=8), label="plans"),
        draw(st.lists(override, max_size=3, unique_by=lambda one: (one["date"], one["adds"])), label="overrides"),
        draw(st.lists(span, max_size=3), label="off"),
        draw(st.lists(busy, max_size=6, unique_by=lambda one: one.since), label="busy"),
        service,
        draw(st.sampled_from([False, False, True]), label="padding_inside"),
        since,
        since + draw(st.integers(1, 30)) * 60 * MINUTE,
        draw(instants(-40, 12), label="at"),
        draw(st.sampled_from([1, 1, 2])) if capacity > 1 else 1,
        draw(st.lists(span, max_size=3), label="elsewhere"),
    )


def build(world: World, studio) -> None:
    """Write the world's rows for the studio's practitioner and service."""
    account, practitioner, service = studio.account, studio.practitioner, studio.service
    for name, value in world.service.items():
        setattr(service, name, value)
    service.save()
    practitioner.timezone = account.timezone = world.zone
    practitioner.save()
    account.settings["padding_inside_hours"] = world.padding_inside
    account.save()
    shared = {"account": account, "practitioner": practitioner}
    WeeklyHours.objects.all().delete()
    WeeklyHours.objects.bulk_create(WeeklyHours(**shared, **plan) for plan in world.plans if is_valid(plan))
    DateOverride.objects.bulk_create(DateOverride(**shared, **override) for override in world.overrides)
    for number, (start, end) in enumerate(world.off):
        TimeOff.objects.create(account=account, practitioner=practitioner if number % 2 else None, starts_at=start, ends_at=end)
    calendar = ExternalCalendarFactory(account=account, practitioner=practitioner)
    for start, end in world.elsewhere:
        ExternalBusyFactory(account=account, calendar=calendar, starts_at=start, ends_at=end)
    other = ServiceFactory(account=account)
    template = BookingFactory(account=account, service=service)
    Booking.objects.bulk_create(
        Booking(
            account=account,
            order=template.order,
            client=template.client,
            practitioner=practitioner,
            service=service if one.own else other,
            position=10 + number,
            status="held" if one.lapsed else "confirmed",
            hold_expires_at=world.at if one.lapsed else None,
            start_time=one.since,
            end_time=one.since + one.minutes * MINUTE,
            busy_from=one.padded[0],
            busy_until=one.padded[1],
            seat=1,
            overlap_allowed=True,  # whatever hypothesis thinks of; it is busy all the same
            override_reason="a test",
            price_cents=0,
            currency="EUR",
        )
        for number, one in enumerate(world.busy)
    )


def is_valid(plan: dict) -> bool:
    return plan["valid_from"] is None or plan["valid_to"] is None or plan["valid_from"] <= plan["valid_to"]


# -- the scan


def hours_of(world: World, day: date) -> list[tuple[time, time]]:
    """The openings of a local date on the wall."""
    rows = []
    for plan in world.plans:
        monday, anchor = day - day.weekday() * DAY, plan["anchor"] - plan["anchor"].weekday() * DAY
        on = (monday - anchor).days // 7 % plan["every_weeks"] == 0 and plan["weekday"] == day.weekday()
        if is_valid(plan) and on and (plan["valid_from"] or day) <= day <= (plan["valid_to"] or day):
            rows.append(plan)
    latest = max(((row["valid_from"] or date.min) for row in rows), default=None)
    rows = [row for row in rows if (row["valid_from"] or date.min) == latest]
    highest = max((row["priority"] for row in rows), default=0)
    opened = [(row["start"], row["end"]) for row in rows if row["priority"] == highest]
    today = [override for override in world.overrides if override["date"] == day]
    if any(not override["adds"] for override in today):
        opened = []
    return opened + [
        (time.fromisoformat(window["start"]), time.fromisoformat(window["end"])) for override in today for window in override["windows"]
    ]


def scan(world: World) -> list[tuple[datetime, int]]:
    """(start, seats left) of every bookable minute in [since, until)."""
    wall, service = wall_around(world.zone, world.day), world.service
    step, duration = service["slot_step_minutes"] or service["duration_minutes"], service["duration_minutes"]
    before, after = service["buffer_before_minutes"], service["buffer_after_minutes"]
    open_minutes: set[int] = set()
    on_grid: set[int] = set()
    day = wall.shown[0].date()
    while day <= wall.latest[-1].date():
        for start, end in hours_of(world, day):
            nominal = datetime.combine(day, start)
            opened = range(wall.first(nominal), wall.first(datetime.combine(day if start < end else day + DAY, end)))
            open_minutes.update(opened)
            on_grid.update(index for index in opened if (wall.shown[index] - nominal) // MINUTE % step == 0)
        day += DAY
    for start, end in world.off + world.elsewhere:
        open_minutes.difference_update(range((start - wall.minutes[0]) // MINUTE, (end - wall.minutes[0]) // MINUTE))
    needed = range(-before, duration + after) if world.padding_inside else range(duration)
    found = []
    for index in sorted(on_grid):
        start, today = wall.minutes[index], wall.shown[index].date()
        in_time = (
            world.since <= start < world.until
            and start >= world.at + service["min_notice_minutes"] * MINUTE
            and (service["horizon_days"] is None or start < world.at + service["horizon_days"] * DAY)
            and (service["season_from"] is None or today >= service["season_from"])
            and (service["season_to"] is None or today <= service["season_to"])
        )
        if in_time and all(index + passed in open_minutes for passed in needed):
            seats = seats_left(world, start)
            if seats >= world.party:
                found.append((start, seats))
    return found


def seats_left(world: World, start: datetime) -> int:
    """How many more may come at a start; nobody when another session, or the padding of one, is in the way."""
    service = world.service
    since = start - service["buffer_before_minutes"] * MINUTE
    until = start + (service["duration_minutes"] + service["buffer_after_minutes"]) * MINUTE
    in_the_way = [one for one in world.busy if not one.lapsed and one.padded[0] < until and since < one.padded[1]]
    members = [one for one in in_the_way if service["capacity"] > 1 and one.own and one.since == start]
    return service["capacity"] - len(members) if len(members) == len(in_the_way) else 0


@pytest.mark.parametrize("zone", ZONES)
@BOUNDED
@given(data=st.data())
def test_slots_are_what_a_scan_of_every_minute_finds(account, studio, zone, data):
    world = data.draw(worlds(zone))
    with account_scope(account), transaction.atomic():
        build(world, studio)
        terms, offers = offers_of(account.pk, studio.service.pk)
        asked = {"since": world.since, "until": world.until, "at": world.at, "party": world.party}
        found = find_slots(account=account, terms=terms, offers=offers, **asked)
        transaction.set_rollback(True)

    assert [(datetime.fromtimestamp(slot.start, UTC), slot.seats_left) for slot in found] == scan(world)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Cairo"])
@settings(BOUNDED, max_examples=5)
@given(data=st.data())
def test_listed_means_bookable_means_accepted(account, studio, zone, data):
    """For every start that is listed and for others: explaining agrees, and booking does what the first reason says."""
    world = data.draw(worlds(zone, first_year=2027))
    world.party = 1
    with account_scope(account), transaction.atomic():
        booking = studio.sell(service=studio.service, at=world.at).bookings[0]
        build(world, studio)
        terms, offers = offers_of(account.pk, studio.service.pk)
        diary = open_diary(account, terms, offers, world.since - DAY, world.until + DAY, at=world.at)
        listed = {datetime.fromtimestamp(slot.start, UTC) for slot in diary.slots(offers[0], world.at)}
        other = st.integers(0, (world.until - world.since) // (5 * MINUTE)).map(lambda number: world.since + number * 5 * MINUTE)
        some = st.sampled_from(sorted(listed)) if listed else other
        for start in data.draw(st.lists(st.one_of(other, some), min_size=4, max_size=8), label="starts"):
            reasons = explain(diary, offers, start, world.at)

            assert (start in listed) == (not reasons), reasons
            assert outcome(booking, studio, start, world.at) == (reasons[0].code if reasons else "accepted"), reasons
        transaction.set_rollback(True)


def outcome(booking, studio, start: datetime, at: datetime) -> str:
    """What booking answers; nothing of it stays."""
    try:
        with transaction.atomic():
            schedule_booking(booking, practitioner=studio.practitioner, start_time=start, at=at)
            transaction.set_rollback(True)
    except DomainError as error:
        return error.code
    return "accepted"
