"""One spelling of a value, read out of text or JSON: integers, instants, days. What is spelled otherwise raises ValueError."""

import re
from datetime import UTC, date, datetime
from typing import Any

FIRST_YEAR, LAST_YEAR = 1900, 2200
MAX_INTEGER = 2**63 - 1
INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,18})")
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

NOT_AN_INSTANT = "Send an RFC 3339 date and time, for example 2027-03-01T09:00:00+01:00."
WITHOUT_OFFSET = "This time has no offset. Add Z or an offset such as +01:00."
OUT_OF_RANGE = f"The year must lie between {FIRST_YEAR} and {LAST_YEAR}."
NOT_A_DAY = "Send a date as YYYY-MM-DD."


def parse_integer(value: Any) -> int:
    """A JSON integer, or its plain decimal digits, of at most 64 bits; raises ValueError for everything else."""
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError("A valid integer is required.")
    return value


def parse_instant(text: Any) -> datetime:
    """An RFC 3339 instant as aware UTC (the seconds may be left out). Raises ValueError with a sentence for a person."""
    found = INSTANT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(NOT_AN_INSTANT)
    if found[3] is None:
        raise ValueError(WITHOUT_OFFSET)
    if not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        raise ValueError(OUT_OF_RANGE)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except ValueError as error:
        raise ValueError(NOT_AN_INSTANT) from error


def parse_day(text: Any) -> date:
    """A local date, YYYY-MM-DD. Raises ValueError with a sentence for a person."""
    if not isinstance(text, str) or not DAY.fullmatch(text):
        raise ValueError(NOT_A_DAY)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(NOT_A_DAY) from error
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(OUT_OF_RANGE)
    return day
