"""Who gives a session to a client who takes anybody (rules.md §1, step 9)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from django.db.models import FilteredRelation, Q
from django.utils import timezone

from apps.bookings.limits import COUNTED
from apps.bookings.models import Booking, Status
from apps.catalog.models import Offering
from apps.scheduling.hours import local_to_instant

WEEK = timedelta(days=7)
WEEK_AND_CHANGE = timedelta(days=8)
"""No local week that contains an instant reaches further from it, not even one with a change of the clock."""


def allocate(
    account_id: int,
    *,
    service_id: int,
    client_id: int,
    candidates: Sequence[int],
    start: datetime,
    keep: int | None = None,
    at: datetime | None = None,
) -> tuple[int, str]:
    """(practitioner id, reason) of one of ``candidates``, who are all free at ``start``; two statements at most.

    "same": the one in ``keep``, whose session is being moved. "previous": the one of the client's latest booking that took place or
    is coming. "load": the one with the fewest booked minutes in the start's week (from Monday, in their zone) for the weight of
    their offering; of equals the lowest id. Raises ValueError without candidates.
    """
    if not candidates:
        raise ValueError("nobody to choose from")
    if keep is not None and keep in candidates:
        return keep, "same"
    at = at or timezone.now()
    previous = _previous(account_id, client_id, candidates, at)
    if previous is not None:
        return previous, "previous"
    loads = _loads(account_id, service_id, candidates, start, at)
    return min(candidates, key=lambda pk: (loads[pk].weighed if pk in loads else Fraction(0), pk)), "load"


def _live(at: datetime, prefix: str = "") -> Q:
    """Sessions that count, without holds that have lapsed."""
    lasting = Q(**{f"{prefix}hold_expires_at": None}) | Q(**{f"{prefix}hold_expires_at__gt": at})
    settled = [status for status in COUNTED if status != Status.HELD]
    return Q(**{f"{prefix}status__in": settled}) | (Q(**{f"{prefix}status": Status.HELD}) & lasting)


def _previous(account_id: int, client_id: int, candidates: Sequence[int], at: datetime) -> int | None:
    """The candidate whom the client met, or will meet, last; seeing somebody else in between does not count."""
    known = Booking.objects.filter(_live(at), account_id=account_id, client_id=client_id, practitioner_id__in=candidates)
    latest = known.exclude(status=Status.NO_SHOW).order_by("-start_time", "-pk")
    found: int | None = latest.values_list("practitioner_id", flat=True).first()
    return found


@dataclass(slots=True)
class _Load:
    """Booked time of one practitioner in one week. A class of ten is one occurrence."""

    weight: int
    monday: datetime
    next_monday: datetime
    occurrences: set[tuple[datetime, datetime]] = field(default_factory=set)

    @property
    def weighed(self) -> Fraction:
        return Fraction(sum(((end - start) // timedelta(minutes=1) for start, end in self.occurrences), 0), self.weight)


def _loads(account_id: int, service_id: int, candidates: Sequence[int], start: datetime, at: datetime) -> dict[int, _Load]:
    near = "practitioner__bookings__"
    booked = FilteredRelation(
        "practitioner__bookings",
        condition=_live(at, near)
        & Q(**{f"{near}start_time__gt": start - WEEK_AND_CHANGE, f"{near}start_time__lt": start + WEEK_AND_CHANGE}),
    )
    offerings = Offering.objects.filter(account_id=account_id, service_id=service_id, practitioner_id__in=candidates)
    rows = offerings.annotate(booked=booked).values_list(
        "practitioner_id", "weight", "practitioner__timezone", "booked__start_time", "booked__end_time"
    )
    loads: dict[int, _Load] = {}
    for practitioner_id, weight, zone, begins, ends in rows:
        load = loads.setdefault(practitioner_id, _Load(weight, *_week_of(start, zone)))
        if begins is not None and load.monday <= begins < load.next_monday:
            load.occurrences.add((begins, ends))
    return loads


def _week_of(start: datetime, zone_name: str) -> tuple[datetime, datetime]:
    """The local week of an instant, from Monday to Monday."""
    zone = ZoneInfo(zone_name)
    day = start.astimezone(zone).date()
    monday = datetime.combine(day - timedelta(days=day.weekday()), time())
    return local_to_instant(monday, zone), local_to_instant(monday + WEEK, zone)


__all__ = ["allocate"]
