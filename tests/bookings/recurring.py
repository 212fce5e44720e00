"""Steps of the tests of series: ask, create, change, and look."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.bookings.models import Booking, BookingSeries
from apps.bookings.recurrence import Rule
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.series import SeriesWish, create_series, quote_series
from apps.bookings.services.series_changes import SeriesChange, change_series, quote_series_change
from apps.core.tenancy import account_scope
from factories.clients import ClientFactory
from tests.studio import NOW, Studio

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
MONDAY_WALL = datetime.fromisoformat("2026-11-23T10:00:00")


def wish(studio: Studio, **options: Any) -> SeriesWish:
    rule = {"frequency": "weekly", "start": MONDAY_WALL, "count": 3}
    rule |= {name: options.pop(name) for name in ("frequency", "start", "every", "weekdays", "count", "until") if name in options}
    defaults = {"client": studio.client, "service": studio.service, "practitioner": studio.practitioner, "timezone": "Europe/Berlin"}
    return SeriesWish(account=studio.account, rule=Rule(**rule), **{**defaults, **options})


def quoted(studio: Studio, *, at: datetime = NOW, **options: Any) -> dict[str, Any]:
    with account_scope(studio.account), transaction.atomic():
        return quote_series(wish(studio, **options), at=at)


def create(studio: Studio, *, quote: str | None = None, at: datetime = NOW, **options: Any) -> BookingSeries:
    with account_scope(studio.account), transaction.atomic():
        return create_series(wish(studio, **options), quote=quote, at=at)


def change(studio: Studio, series: BookingSeries, *, quote: str | None = None, at: datetime = NOW, **options: Any) -> BookingSeries:
    options = {"action": "move", "scope": "all", "by": "provider", **options}
    with account_scope(studio.account), transaction.atomic():
        return change_series(series, SeriesChange(**options), quote=quote, at=at)


def change_quote(studio: Studio, series: BookingSeries, *, at: datetime = NOW, **options: Any) -> dict[str, Any]:
    options = {"action": "move", "scope": "all", "by": "provider", **options}
    with account_scope(studio.account), transaction.atomic():
        return quote_series_change(series, SeriesChange(**options), at=at)


def occurrences(series: BookingSeries) -> list[Booking]:
    with account_scope(series.account_id):
        return list(Booking.objects.filter(series_id=series.pk).order_by("original_start"))


def starts(series: BookingSeries) -> list[datetime | None]:
    return [one.start_time for one in occurrences(series)]


def again(series: BookingSeries) -> BookingSeries:
    with account_scope(series.account_id):
        return BookingSeries.objects.get(pk=series.pk)


def take(studio: Studio, start: datetime) -> Booking:
    """Somebody else has that time."""
    other = ClientFactory(account=studio.account)
    booking = studio.sell(service=studio.service, client=other).bookings[0]
    with account_scope(studio.account):
        return schedule_booking(booking, practitioner=studio.practitioner, start_time=start, at=NOW)


def everything(studio: Studio) -> list[tuple[Any, ...]]:
    with account_scope(studio.account):
        columns = ("pk", "status", "start_time", "series_id", "original_start", "version")
        return [*Booking.objects.order_by("pk").values_list(*columns), *BookingSeries.objects.values_list("pk", "status", "count", "until")]


def statuses(result: dict[str, Any]) -> list[str]:
    return [row["status"] for row in result["occurrences"]]
