"""How long what was bought may be used: pure arithmetic on local days (rules.md §2)."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from apps.scheduling.hours import local_to_instant


def last_day(expiry: Mapping[str, Any], activated: date) -> date | None:
    """The last local day of validity for {rule, amount, unit, date}; None without an end. Months clamp to their end."""
    if expiry.get("rule") == "date":
        return date.fromisoformat(expiry["date"])
    if not expiry.get("amount"):
        return None
    return activated + relativedelta(**{expiry["unit"]: expiry["amount"]})  # type: ignore[arg-type]  # days, weeks, months or years


def expires_at(expiry: Mapping[str, Any], activated: datetime, zone: ZoneInfo) -> datetime | None:
    """The end of the last valid local day as an instant (exclusive, UTC)."""
    day = last_day(expiry, activated.astimezone(zone).date())
    return None if day is None else end_of(day, zone)


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local day is over; where midnight is skipped, the first moment of the next day."""
    return local_to_instant(datetime.combine(day + timedelta(days=1), time()), zone)


def last_valid_day(end: datetime, zone: ZoneInfo) -> date:
    """The local day that an end made by ``end_of`` belongs to."""
    return (end - timedelta(microseconds=1)).astimezone(zone).date()


def moved_by_days(end: datetime, days: int, zone: ZoneInfo) -> datetime:
    """An end of validity so many whole local days later (or, negative, earlier): again the end of a local day."""
    return end_of(last_valid_day(end, zone) + timedelta(days=days), zone)
