"""What is known about practitioners' working time in a range, in two statements whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, DateField, DateTimeField, F, JSONField, Q, QuerySet, Value

from apps.core.compiled import InParam, Param, run
from apps.scheduling.hours import DayOverride, DayWindow, WeeklyPlan
from apps.scheduling.models import DateOverride, ExternalBusy, TimeOff, WeeklyHours

IDS = ArrayField(BigIntegerField())


class Closure(NamedTuple):
    """A span in which nobody works (UTC, half-open): time off of one practitioner or of the whole account, and its row.

    Or, without a row, one in which the practitioner's own calendar elsewhere says busy.
    """

    start: datetime
    end: datetime
    time_off_id: int | None
    of_account: bool

    @property
    def is_external(self) -> bool:
        return self.time_off_id is None


@dataclass(slots=True)
class Availability:
    """One practitioner's weekly plans, the overrides of the range, and the closures that touch it."""

    plans: list[WeeklyPlan] = field(default_factory=list)
    overrides: list[DayOverride] = field(default_factory=list)
    closures: list[Closure] = field(default_factory=list)

    @property
    def spans(self) -> list[tuple[datetime, datetime]]:
        """The closures as intervals."""
        return [(closure.start, closure.end) for closure in self.closures]


_plan = lru_cache(maxsize=4096)(WeeklyPlan)
"""Practitioners of one house have the same hours: equal rows become one object, which also compares at no cost."""


def availability(
    account_id: int, practitioner_ids: Sequence[int], days: tuple[date, date], instants: tuple[datetime, datetime]
) -> dict[int, Availability]:
    """Working hours of the local dates ``days`` (inclusive), and closures and busy times elsewhere that touch the UTC range ``instants``.

    The caller widens ``days`` by one on each side when zones differ. Closures of the whole account count for everybody.
    """
    ids = list(practitioner_ids)
    found = {practitioner_id: Availability() for practitioner_id in ids}
    for row in run("scheduling.weekly_hours", _weekly_hours, {"account": account_id, "ids": ids}):
        found[row[0]].plans.append(_plan(*row[1:]))
    values = {"account": account_id, "ids": ids, "first": days[0], "last": days[1], "since": instants[0], "until": instants[1]}
    for pk, practitioner_id, day, windows, adds, starts_at, ends_at in run("scheduling.exceptions", _exceptions, values):
        if day is not None:
            found[practitioner_id].overrides.append(DayOverride(day, _day_windows(windows), adds))
            continue
        of_account = practitioner_id is None
        for one in found.values() if of_account else (found[practitioner_id],):
            one.closures.append(Closure(starts_at, ends_at, pk, of_account))
    return found


def _day_windows(windows: list[dict[str, str]]) -> tuple[DayWindow, ...]:
    return tuple(DayWindow(time.fromisoformat(w["start"]), time.fromisoformat(w["end"])) for w in windows)


def _of_account(queryset: QuerySet) -> QuerySet:
    return queryset.filter(account_id=Param("account", BigIntegerField()))


def _weekly_hours() -> QuerySet:
    columns = ("practitioner_id", "weekday", "start", "end", "valid_from", "valid_to", "every_weeks", "anchor", "priority")
    return _of_account(WeeklyHours._base_manager.filter(InParam(F("practitioner_id"), Param("ids", IDS)))).values_list(*columns)


def _exceptions() -> QuerySet:
    """Overrides, time off and external busy times as one list: (id, practitioner, date, windows, adds, starts_at, ends_at).

    Columns of the other kinds are NULL; an external busy time has no id.
    """
    mine = InParam(F("practitioner_id"), Param("ids", IDS))
    overrides = _of_account(DateOverride._base_manager.filter(mine)).filter(
        date__gte=Param("first", DateField()), date__lte=Param("last", DateField())
    )
    closures = _of_account(TimeOff._base_manager.filter(Q(practitioner=None) | Q(mine))).filter(
        ends_at__gt=Param("since", DateTimeField()), starts_at__lt=Param("until", DateTimeField())
    )
    busy = _of_account(ExternalBusy._base_manager.filter(mine)).filter(
        ends_at__gt=Param("since", DateTimeField()), starts_at__lt=Param("until", DateTimeField())
    )
    nothing: dict[str, Any] = {
        "none_date": Value(None, output_field=DateField()),
        "none_json": Value(None, output_field=JSONField()),
        "none_bool": Value(None, output_field=BooleanField()),
    }
    none_time = Value(None, output_field=DateTimeField())
    return (
        overrides.annotate(none_start=none_time, none_end=none_time)
        .values_list("pk", "practitioner_id", "date", "windows", "adds", "none_start", "none_end")
        .union(
            closures.annotate(**nothing).values_list(
                "pk", "practitioner_id", "none_date", "none_json", "none_bool", "starts_at", "ends_at"
            ),
            busy.annotate(none_id=Value(None, output_field=BigIntegerField()), **nothing).values_list(
                "none_id", "practitioner_id", "none_date", "none_json", "none_bool", "starts_at", "ends_at"
            ),
            all=True,
        )
    )
