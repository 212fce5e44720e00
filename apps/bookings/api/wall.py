"""Starts that a person typed as the clock on the wall shows them, without an offset (rules.md §1, last vector)."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework import serializers

from apps.accounts.models import zone_names
from apps.bookings.errors import LocalTimeAmbiguous, LocalTimeMissing
from apps.core.errors import Invalid
from apps.core.parsing import FIRST_YEAR, LAST_YEAR, OUT_OF_RANGE
from apps.scheduling import hours

WALL_START = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9](:00)?")
NOT_A_ZONE = "This is not an IANA time zone name, for example Europe/Berlin."
NOT_A_WALL_START = "Send a local date and time without an offset, for example 2027-03-01T09:00."


class WallStartField(serializers.CharField):
    """A local date and time, YYYY-MM-DDTHH:MM, without an offset; becomes a naive datetime. Which instant it is, its zone decides."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"help_text": "Local date and time, YYYY-MM-DDTHH:MM, read in `timezone`.", **kwargs})

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str) or not WALL_START.fullmatch(data):
            raise serializers.ValidationError(NOT_A_WALL_START, code="invalid")
        if not FIRST_YEAR <= int(data[:4]) <= LAST_YEAR:
            raise serializers.ValidationError(OUT_OF_RANGE, code="invalid")
        try:
            return datetime.fromisoformat(data)
        except ValueError as error:
            raise serializers.ValidationError(NOT_A_WALL_START, code="invalid") from error

    def to_representation(self, value: Any) -> Any:
        return value.isoformat(timespec="minutes") if isinstance(value, datetime) else value


def known_zone(zone: str) -> None:
    """A validator of fields."""
    if zone not in zone_names():
        raise serializers.ValidationError(NOT_A_ZONE, code="invalid")


def start_from_input(wall: datetime, zone: str, *, field: str = "local_start") -> datetime:
    """The only instant (UTC) at which the clocks of ``zone`` show this naive wall time; ``field`` is where it was sent.

    Raises LocalTimeMissing in a gap, LocalTimeAmbiguous (with both instants) in a fold, Invalid for a zone that does not exist.
    """
    if zone not in zone_names():
        raise Invalid(fields={"timezone": [NOT_A_ZONE]})
    here = ZoneInfo(zone)
    try:
        return hours.instant_from_wall(wall, here)
    except hours.LocalTimeMissing as error:
        following = hours.local_to_instant(wall, here).astimezone(here)
        sentence = f"In {zone} the clock jumps over this time to {following:%H:%M}."
        raise LocalTimeMissing(fields={field: [sentence]}, continues_at=following.isoformat()) from error
    except hours.LocalTimeAmbiguous as error:
        candidates = [wall.replace(tzinfo=here, fold=fold).isoformat() for fold in (0, 1)]
        sentence = f"In {zone} the clock shows this time twice: {' and '.join(candidates)}."
        raise LocalTimeAmbiguous(fields={field: [sentence]}, candidates=candidates) from error


__all__ = ["WallStartField", "known_zone", "start_from_input"]
