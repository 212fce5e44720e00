"""Spelling values for a reader: in the language that is active, at the wall clock of the reader's zone, money with its currency."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import get_language

from apps.payments.adapters.currencies import exponent

DAY_FORMATS = {"en": "l, j F Y", "de": "l, j. F Y", "es": r"l, j \d\e F \d\e Y"}
MAX_WORD = 300
"""Characters of one value in a sentence; longer ones are cut."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, read as day and time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Money:
    """Cents of a currency."""

    cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Text of several lines that the business wrote for its clients."""

    text: str


@dataclass(frozen=True, slots=True)
class Moments:
    """Several starts; ``cut`` says that there are more."""

    starts: tuple[datetime, ...]
    cut: bool = False


Value = Lines | Moments | Instant | Span | Money | date | int | str | Promise


def spell(value: Value, zone: ZoneInfo) -> str:
    """A value as the reader reads it."""
    if isinstance(value, Instant):
        return f"{day_of(value.at, zone)}, {clock_of(value.at, zone)} ({zone.key})"
    if isinstance(value, Span):
        return _span(value, zone)
    if isinstance(value, Lines):
        return "\n".join(one_line(line) for line in value.text.splitlines())
    if isinstance(value, Moments):
        return "; ".join(f"{day_of(at, zone)}, {clock_of(at, zone)}" for at in value.starts) + (" …" if value.cut else "")
    if isinstance(value, Money):
        return spell_money(value.cents, value.currency)
    if isinstance(value, date):
        return date_format(value, _day_format())
    if isinstance(value, int):
        return number_format(value, force_grouping=True)
    return one_line(str(value))


def spell_money(cents: int, currency: str) -> str:
    """``49.99 EUR``; the digits are those that the currency has."""
    digits = exponent(currency)
    spelled = number_format(abs(Decimal(cents).scaleb(-digits)), digits, force_grouping=True)
    return f"{'−' if cents < 0 else ''}{spelled}\N{NO-BREAK SPACE}{currency}"


def day_of(at: datetime, zone: ZoneInfo) -> str:
    """The reader's day with its weekday."""
    return date_format(at.astimezone(zone).date(), _day_format())


def clock_of(at: datetime, zone: ZoneInfo) -> str:
    """The reader's wall clock; in the hour that happens twice with its distance from UTC, which tells the two apart."""
    local = at.astimezone(zone)
    spelled = f"{local:%H:%M}"
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        spelled += f" UTC{_offset(local.utcoffset() or timedelta())}"
    return spelled


def _span(value: Span, zone: ZoneInfo) -> str:
    first, last = day_of(value.start, zone), day_of(value.end, zone)
    until = clock_of(value.end, zone) if first == last else f"{last}, {clock_of(value.end, zone)}"
    return f"{first}, {clock_of(value.start, zone)}–{until} ({zone.key})"


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def _day_format() -> str:
    return DAY_FORMATS.get((get_language() or "en").split("-")[0], DAY_FORMATS["en"])


def one_line(text: str, longest: int = MAX_WORD) -> str:
    """Text of others on one line: no line breaks and no control characters, which headers and short messages must not hold, and none of
    the marks that turn the direction of what follows.
    """
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if c not in TURNS)
    short = SPACES.sub(" ", kept).strip()
    return short if len(short) <= longest else f"{short[: longest - 1]}…"


SPACES = re.compile(r" {2,}")
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def spelled(facts: dict[str, Any], zone: ZoneInfo) -> dict[str, str]:
    """All facts as the reader reads them."""
    return {name: spell(value, zone) for name, value in facts.items()}
