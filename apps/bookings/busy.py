"""What bookings claim, read for slots and limits: one statement each, whatever the number of practitioners.

A hold whose time has run out claims nothing here; the row is freed by the next booking attempt or by the sweeper.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, DateTimeField, F, Func, Q, QuerySet, TextField

from apps.bookings.limits import COUNTED, Held, Tally, has_limits, reach_days
from apps.bookings.models import ACTIVE, Booking, Status
from apps.core.compiled import InParam, Param, run
from apps.scheduling.hours import to_epoch

LONGEST = timedelta(days=9)
"""The longest session (7 days) with the longest padding on both sides."""


@dataclass(slots=True)
class Claims:
    """The padded ranges in which a practitioner is busy, as two lists of epoch seconds, each sorted by itself (see free_seconds).

    ``seats`` counts the bookings of the wanted service by their start: the occurrences that others may join.
    """

    since: list[int] = field(default_factory=list)
    until: list[int] = field(default_factory=list)
    seats: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Asked:
    """What every reading needs to know: whose bookings, when the question is asked, and which booking is being moved."""

    account_id: int
    at: datetime
    except_booking: int | None = None

    def values(self, **more: Any) -> dict[str, Any]:
        return {"account": self.account_id, "at": self.at, "except": self.except_booking or 0, **more}


def claims_of(asked: Asked, practitioner_ids: Sequence[int], group_service: int, since: datetime, until: datetime) -> dict[int, Claims]:
    """What is claimed of these practitioners' time in [since, until); ``group_service`` is 0 when there are no seats to count."""
    values = asked.values(ids=list(practitioner_ids), service=group_service, floor=since - LONGEST, since=since, until=until)
    found: dict[int, Claims] = {}
    for practitioner_id, *texts in run("bookings.busy", _busy, values):
        begins, ends, seats = (orjson.loads(text) if text else [] for text in texts)
        found[practitioner_id] = Claims(sorted(begins), sorted(ends), Counter(seats))
    return found


def tallies_of(
    asked: Asked,
    account_zone: ZoneInfo,
    service: tuple[int, dict[str, Any]],
    practitioners: Sequence[tuple[int, ZoneInfo, dict[str, Any]]],
    client_id: int | None,
    since: datetime,
    until: datetime,
) -> dict[str | int, Tally]:
    """What limits count: "service", "client" and practitioner ids with their tallies; no statement when nothing is limited.

    ``service`` and ``practitioners`` come with their limits. Whole local months (or weeks, when nothing goes by the month) around
    the range are read. Service and client count in the account's zone, a practitioner in theirs.
    """
    service_id, limits = service
    own = limits.get("client") or {}
    limited = [one for one in practitioners if has_limits(one[2])]
    counts_service, counts_client = has_limits(limits), client_id is not None and has_limits(own)
    if not (limited or counts_service or counts_client):
        return {}
    reach = timedelta(days=reach_days(limits, own, *(one[2] for one in limited)))
    values = asked.values(
        ids=[one[0] for one in limited],
        service=service_id if counts_service else 0,
        client_service=service_id if counts_client else 0,
        client=client_id or 0,
        since=since - reach,
        until=until + reach,
    )
    rows = run("bookings.held", _held, values)
    held = [(Held(s, p, to_epoch(start), round((end - start).total_seconds() / 60)), c) for s, p, c, start, end in rows]
    tallies: dict[str | int, Tally] = {}
    if counts_service:
        tallies["service"] = Tally.of(account_zone, limits, (one for one, _ in held if one.service_id == service_id))
    if counts_client:
        tallies["client"] = Tally.of(account_zone, own, (one for one, by in held if one.service_id == service_id and by == client_id))
    for pk, zone, their_limits in limited:
        tallies[pk] = Tally.of(zone, their_limits, (one for one, _ in held if one.practitioner_id == pk))
    return tallies


def sessions_near(
    asked: Asked, practitioner_ids: Sequence[int], since: datetime, until: datetime
) -> list[tuple[int, int, datetime, datetime, datetime, datetime]]:
    """(practitioner, service, start, end, busy from, busy until) of the bookings whose padded range meets [since, until)."""
    live = Booking.objects.active().exclude(status=Status.HELD, hold_expires_at__lte=asked.at).exclude(pk=asked.except_booking or 0)
    near = live.filter(practitioner_id__in=practitioner_ids, busy_from__lt=until, busy_until__gt=since)
    columns = ("practitioner_id", "service_id", "start_time", "end_time", "busy_from", "busy_until")
    return list(near.order_by("start_time", "pk").values_list(*columns))


class EpochFloor(Func):
    """The last whole epoch second at or before an instant. In SQL, because a datetime per booking costs more than all the rest."""

    template = "floor(date_part('epoch', %(expressions)s))::bigint"  # a double; extract() would reckon in slow decimals
    output_field = BigIntegerField()


class EpochCeiling(EpochFloor):
    """The first whole epoch second at or after an instant."""

    template = "ceil(date_part('epoch', %(expressions)s))::bigint"


class ArrayText(Func):
    """An array as JSON text: read by orjson ten times as fast as by the driver."""

    template = "array_to_json(%(expressions)s)::text"
    output_field = TextField()


_IDS = ArrayField(BigIntegerField())  # bigint[]: with int4[] PostgreSQL would not use the index


def _live(statuses: Sequence[str]) -> QuerySet:
    """Bookings of the account in these states, without lapsed holds and the one that is being moved."""
    return (
        Booking._base_manager.filter(account_id=Param("account", BigIntegerField()), status__in=statuses)
        .exclude(status=Status.HELD, hold_expires_at__lte=Param("at", DateTimeField()))
        .exclude(pk=Param("except", BigIntegerField()))
    )


def _busy() -> QuerySet:
    """Per practitioner the claims that touch the range; b-tree columns only, as range operators are filters under RLS."""
    of_service = Q(service_id=Param("service", BigIntegerField()))
    return (
        _live(ACTIVE)
        .filter(
            InParam(F("practitioner_id"), Param("ids", _IDS)),
            busy_from__lt=Param("until", DateTimeField()),
            busy_from__gt=Param("floor", DateTimeField()),
            busy_until__gt=Param("since", DateTimeField()),
        )
        .order_by()
        .values("practitioner_id")
        .annotate(
            begins=ArrayText(ArrayAgg(EpochFloor("busy_from"))),
            ends=ArrayText(ArrayAgg(EpochCeiling("busy_until"))),
            seats=ArrayText(ArrayAgg(EpochFloor("start_time"), filter=of_service)),
        )
        .values_list("practitioner_id", "begins", "ends", "seats")
    )


def _held() -> QuerySet:
    of_client = Q(service_id=Param("client_service", BigIntegerField()), client_id=Param("client", BigIntegerField()))
    return (
        _live(COUNTED)
        .filter(
            Q(InParam(F("practitioner_id"), Param("ids", _IDS))) | Q(service_id=Param("service", BigIntegerField())) | of_client,
            start_time__gte=Param("since", DateTimeField()),
            start_time__lt=Param("until", DateTimeField()),
        )
        .values_list("service_id", "practitioner_id", "client_id", "start_time", "end_time")
    )
