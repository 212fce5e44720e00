"""What a change makes of the rule of a series: the rows that go along, their keys, and the series that continues."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from apps.bookings.models import Booking, BookingSeries, Side
from apps.bookings.recurrence import MONTHLY_KINDS, Rule, moved, nominal_wall, to_instant, wall_of
from apps.bookings.services.series import WITHIN_MINUTES, put_into
from apps.catalog.models import Practitioner
from apps.core.events import emit

Policy = BookingSeries.Policy
Scope = Literal["this", "following", "all"]
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeriesChange:
    """What is to change. ``this`` and ``following`` need ``from_booking``; ``all`` is counted from the first that is to come.

    A move has the new start (aware) of that occurrence, the others follow on the wall clock, or another practitioner, or both.
    ``include_changed`` takes those along that were changed one by one. ``by``, ``waive`` and ``reason`` as for single bookings.
    """

    action: Literal["move", "cancel"]
    scope: Scope
    from_booking: Booking | None = None
    start_time: datetime | None = None
    practitioner: Practitioner | None = None
    include_changed: bool = False
    policy: str = Policy.ALL_OR_NOTHING
    within_minutes: int = WITHIN_MINUTES
    by: str = Side.CLIENT
    waive: bool = False
    reason: str = ""

    def inputs(self) -> dict[str, Any]:
        """What a quote's token stands for; the reason may be written later."""
        ids = [self.from_booking and self.from_booking.pk, self.practitioner and self.practitioner.pk]
        how = [self.action, self.scope, self.include_changed, self.policy, self.within_minutes, self.by, self.waive]
        return {"ids": ids, "start": self.start_time, "how": how}


@dataclass(slots=True)
class Scene:
    """The series under its locks: ``tail`` are the rows that go along with the rule, ``touched`` those that change (by key)."""

    series: BookingSeries
    rows: list[Booking]
    tail: list[Booking]
    touched: list[Booking]
    zone: ZoneInfo
    clock: time

    def wall(self, booking: Booking) -> datetime:
        """The wall time that the rule gives an occurrence."""
        assert booking.original_start is not None  # noqa: S101  it is in a series
        return nominal_wall(booking.original_start, self.clock, self.zone)


def moved_wall(scene: Scene, wall: datetime, *, change: SeriesChange) -> datetime:
    """Where the change puts what the rule has at this wall time."""
    if change.start_time is None:
        return wall
    return moved(wall, reference_wall(scene, change), wall_of(change.start_time, scene.zone), scene.series.frequency)


def reference_wall(scene: Scene, change: SeriesChange) -> datetime:
    """The wall time by the rule of the occurrence whose new start was sent."""
    pivot = change.from_booking.pk if change.from_booking else scene.touched[0].pk
    return scene.wall(next(row for row in scene.rows if row.pk == pivot))


def follow(scene: Scene, change: SeriesChange) -> BookingSeries:
    """Give the tail its new rule: in place when it is all there is, otherwise as a series that continues the old one."""
    series, first = scene.series, scene.wall(scene.tail[0])
    columns = _new_columns(scene, change)
    if len(scene.tail) == len(scene.rows):
        start = moved_wall(scene, datetime.fromisoformat(series.start_wall), change=change)
        for name, value in {**columns, "start_wall": start.isoformat(timespec="seconds")}.items():
            setattr(series, name, value)
        series.save(update_fields=[*columns, "start_wall", "updated_at"])
        _rekey(scene, change, series)
        return series
    before = _position(scene)
    if series.count:
        columns["count"] = max(1, series.count - before)
    following = BookingSeries.objects.create(
        account_id=series.account_id,
        client_id=series.client_id,
        service_id=series.service_id,
        order_id=series.order_id,
        previous=series,
        frequency=series.frequency,
        every=series.every,
        timezone=series.timezone,
        policy=series.policy,
        start_wall=moved_wall(scene, first, change=change).isoformat(timespec="seconds"),
        **columns,
    )
    shorten(scene)
    _rekey(scene, change, following)
    emit("series.created", following, changes={"previous": [None, series.pk], "occurrences": [0, len(scene.tail)]})
    return following


def _new_columns(scene: Scene, change: SeriesChange) -> dict[str, Any]:
    """What the change makes of practitioner, weekdays, month end and last day."""
    series, days, target = scene.series, 0, None
    if change.start_time is not None:
        target = wall_of(change.start_time, scene.zone)
        days = (target.date() - reference_wall(scene, change).date()).days
    month_end = series.month_end
    if days and target and target.day > 28 and series.frequency in MONTHLY_KINDS:
        month_end = BookingSeries.MonthEnd.LAST_DAY  # its sessions are moved, not dropped
    return {
        "practitioner_id": change.practitioner.pk if change.practitioner else series.practitioner_id,
        "weekdays": sorted((weekday + days) % 7 for weekday in series.weekdays),
        "month_end": month_end,
        "count": series.count,
        "until": series.until + days * ONE_DAY if series.until else None,
    }


def _rekey(scene: Scene, change: SeriesChange, series: BookingSeries) -> None:
    """Every occurrence of the tail gets its key by the new rule; those that were moved are in line with it again."""
    touched = {row.pk for row in scene.touched}
    rows = Booking.objects.in_bulk([row.pk for row in scene.tail])  # as they are after their moves
    keys = [(row, to_instant(moved_wall(scene, scene.wall(row), change=change), scene.zone)) for row in scene.tail]
    if keys[0][1] > (keys[0][0].original_start or keys[0][1]):
        keys.reverse()  # a key is unique in its series, so the one behind makes room first
    for old, key in keys:
        row = rows[old.pk]
        was_moved = row.pk in touched and (row.start_time, row.practitioner_id) != (old.start_time, old.practitioner_id)
        detached = row.is_detached and not was_moved
        if (row.series_id, row.original_start, row.is_detached) != (series.pk, key, detached):
            put_into(row, series, key=key, detached=detached)


def _position(scene: Scene) -> int:
    """How many occurrences the rule has before the tail."""
    series, first = scene.series, scene.wall(scene.tail[0])
    rule = Rule(
        series.frequency,
        datetime.fromisoformat(series.start_wall),
        series.every,
        tuple(series.weekdays),
        series.month_end,
        series.count,
        series.until,
    )
    return sum(wall < first for wall in rule.walls())


def shorten(scene: Scene) -> None:
    """End the series before the tail, where something stays behind."""
    series = scene.series
    if len(scene.tail) == len(scene.rows):
        return
    if series.count:
        series.count = max(1, _position(scene))
    else:
        start = datetime.fromisoformat(series.start_wall).date()
        series.until = max(start, scene.wall(scene.tail[0]).date() - ONE_DAY)
    series.save(update_fields=["count", "until", "updated_at"])
