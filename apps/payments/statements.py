"""Reading bank statements: CSV as banks write it, turned into dates, cents and text. Nothing here knows the database.

A value that could mean two things is decided by the rest of the file where that decides it, and refused otherwise: no guess about money.
"""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from apps.core.errors import Invalid, PayloadTooLarge
from apps.payments.adapters.currencies import exponent

MAX_BYTES = 10_000_000
MAX_LINES = 50_000
MAX_TEXT = 500
HEADER_WITHIN = 50
MONTH_FIRST = frozenset({"US", "PH", "PR", "GU"})
"""Countries that write the month first."""
FIRST_YEAR, LAST_YEAR = 1990, 2200

DateOrder = Literal["auto", "dmy", "mdy"]

# Headers in English, German and Spanish, without accents and punctuation; the first of a list that a file has is taken.
DATES = (
    *("date", "booking date", "booked on", "buchungstag", "buchungsdatum", "buchung", "datum"),
    *("fecha", "fecha operacion", "fecha de operacion", "fecha contable", "value date", "valuta", "valutadatum", "fecha valor"),
)
AMOUNTS = ("amount", "betrag", "umsatz", "importe", "cantidad", "monto")
CURRENCIES = ("currency", "wahrung", "waehrung", "moneda", "divisa")
PURPOSES = (
    *("purpose", "reference", "payment reference", "description", "details", "memo", "remittance information"),
    *("verwendungszweck", "zweck", "concepto", "referencia", "descripcion", "observaciones"),
)
NAMES = (
    *("name", "payer", "sender", "counterparty", "auftraggeber", "zahlungspflichtiger", "beguenstigter zahlungspflichtiger"),
    *("begunstigter zahlungspflichtiger", "name zahlungsbeteiligter", "auftraggeber begunstigter", "nombre", "ordenante", "remitente"),
)
SIGNS = (
    *("soll haben", "s h", "soll haben kennzeichen", "sollhaben", "dr cr", "cr dr", "debit credit", "credit debit"),
    *("debit credit indicator", "credit debit indicator", "d c", "c d", "debe haber", "d h", "cargo abono"),
)
OUT = frozenset({"s", "soll", "d", "dr", "dbit", "debit", "debe", "cargo"})
IN = frozenset({"h", "haben", "c", "cr", "crdt", "credit", "haber", "abono"})
SYMBOLS = {"€": "EUR", "£": "GBP"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a statement: signed cents, and ``text`` as the bank wrote it. ``fingerprint`` is the same in every file."""

    line: int
    booked_on: date
    amount_cents: int
    currency: str
    text: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class RowError:
    """A line that could not be read, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    rows: list[Row]
    errors: list[RowError]


@dataclass(frozen=True, slots=True)
class _Columns:
    date: int
    amount: int
    currency: int | None
    texts: tuple[int, ...]
    currency_in_header: str
    sign: int | None


def read_statement(content: bytes, *, currency: str, date_order: DateOrder = "auto", country: str = "") -> Statement:
    """The lines of a CSV statement. ``currency`` is that of lines which name none; ``date_order`` says how 03/04/2026 is meant: without
    it other dates of the file decide, or what ``country`` (ISO code) is used to. A column of debit and credit is the amounts' sign.

    Raises Invalid for a file in which no date and amount columns are found, or with too many lines; PayloadTooLarge.
    """
    if len(content) > MAX_BYTES:
        raise PayloadTooLarge(f"A statement is at most {MAX_BYTES // 1_000_000} MB.")
    text = _decoded(content)
    delimiter, header_line, columns = _find_header(text)
    records: list[tuple[int, list[str]]] = []
    errors: list[RowError] = []
    for line, record in _records(text, delimiter):
        if isinstance(record, str):
            errors.append(RowError(line, record))
        elif line > header_line and any(cell.strip() for cell in record):
            records.append((line, record))
        if len(records) + len(errors) > MAX_LINES:
            raise Invalid(fields={"file": [f"A statement has at most {MAX_LINES:,} lines. Send it in parts."]})
    dates = [_cell(record, columns.date) for _, record in records]
    amounts = [_cell(record, columns.amount) for _, record in records]
    order, mark = _date_order(dates, date_order, country), _decimal_mark(amounts)
    rows: list[Row] = []
    seen: Counter[str] = Counter()
    for (line, record), day, amount in zip(records, dates, amounts, strict=True):
        try:
            booked_on = parse_date(day, order)
            named = _cell(record, columns.currency) or _currency_of(amount) or columns.currency_in_header or currency
            code = SYMBOLS.get(named, named.upper())
            if not re.fullmatch(r"[A-Z]{3}", code):
                raise ValueError(f"'{_short(named)}' is no currency.")
            cents = _signed(parse_amount(amount, code, mark), columns.sign, record)
        except ValueError as error:
            errors.append(RowError(line, str(error)))
            continue
        words = _clean(" · ".join(filter(None, (_clean(_cell(record, column)) for column in columns.texts))))
        same = f"{booked_on.isoformat()}|{cents}|{code}|{words.casefold()}"
        seen[same] += 1
        fingerprint = sha256(f"{same}|{seen[same]}".encode()).hexdigest()
        rows.append(Row(line, booked_on, cents, code, words, fingerprint))
    return Statement(rows, sorted(errors, key=lambda error: error.line))


def safe_cell(text: str) -> str:
    """Text for a table that a spreadsheet may open: a cell never begins as a formula, and holds no control characters."""
    cleaned = _clean(text)
    return f"'{cleaned}" if cleaned[:1] in ("=", "+", "-", "@") else cleaned


# -- the file


def _decoded(content: bytes) -> str:
    encodings = ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _records(text: str, delimiter: str, *, at_most: int | None = None) -> Iterator[tuple[int, list[str] | str]]:
    """(line number, the cells, or what is wrong with them); a cell in quotes may hold several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = 0
    while at_most is None or found < at_most:
        line, found = reader.line_num + 1, found + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            unclosed = "unexpected end" in str(error) or "field larger" in str(error)
            yield line, "A quote is not closed; nothing after it could be read." if unclosed else "The quotes of this line are broken."
            if unclosed:
                return


def _find_header(text: str) -> tuple[str, int, _Columns]:
    """(delimiter, line of the header, where things are). Some banks write a few lines before the header."""
    best: tuple[int, str, int, _Columns] | None = None
    for delimiter in (";", ",", "\t"):
        for line, record in _records(text, delimiter, at_most=HEADER_WITHIN):
            columns = _columns(record) if isinstance(record, list) else None
            if columns is not None:
                score = len(columns.texts) + (columns.currency is not None)
                if best is None or score > best[0]:
                    best = (score, delimiter, line, columns)
                break
    if best is None:
        raise Invalid(fields={"file": ["No header with a date and an amount was found (English, German or Spanish; CSV with , ; or tab)."]})
    return best[1], best[2], best[3]


def _columns(record: Sequence[str]) -> _Columns | None:
    names = [_header(cell) for cell in record]
    bare = [re.sub(r" (eur|usd|gbp|chf)$", "", name) for name in names]

    def first(wanted: Sequence[str], among: list[str] = names) -> int | None:
        return next((among.index(name) for name in wanted if name in among), None)

    day, amount = first(DATES), first(AMOUNTS, bare)
    if day is None or amount is None:
        return None
    texts = [i for wanted in (PURPOSES, NAMES) for i, name in enumerate(names) if name in wanted]
    in_header = names[amount].removeprefix(bare[amount]).strip().upper()
    return _Columns(day, amount, first(CURRENCIES), tuple(texts), in_header, first(SIGNS))


def _header(cell: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", cell.replace("€", "EUR")) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", " ", plain.casefold()).strip()


def _cell(record: Sequence[str], column: int | None) -> str:
    return record[column].strip() if column is not None and column < len(record) else ""


def _clean(text: str) -> str:
    """One line without control characters, and without what changes the direction of writing."""
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text)
    return " ".join(text.split())


def _short(text: str) -> str:
    cleaned = _clean(text)
    return cleaned if len(cleaned) <= 40 else f"{cleaned[:39]}…"


# -- dates

ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{2}|[0-9]{4})")
SLASHED = re.compile(r"([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{2}|[0-9]{4})")


def _signed(cents: int, column: int | None, record: Sequence[str]) -> int:
    """Cents with the sign that a column of debit and credit gives them. Raises ValueError for a word it does not know."""
    if column is None:
        return cents
    word = _header(_cell(record, column))
    if word not in OUT | IN:
        raise ValueError(f"'{_short(_cell(record, column))}' is neither debit nor credit.")
    return -abs(cents) if word in OUT else abs(cents)


def _date_order(dates: Sequence[str], said: DateOrder, country: str) -> str:
    """``dmy`` or ``mdy`` for dates with slashes: as is said, as one date proves for the file, or as the country writes them."""
    if said != "auto":
        return said
    found = [(int(m[1]), int(m[2])) for m in map(SLASHED.fullmatch, dates) if m]
    day_first, month_first = any(a > 12 for a, _ in found), any(b > 12 for _, b in found)
    if day_first and month_first:
        return "mixed"
    return "mdy" if month_first or (country in MONTH_FIRST and not day_first) else "dmy"


def parse_date(text: str, order: str = "dmy") -> date:
    """2026-11-21, 21.11.2026, and 21/11/2026 or 11/21/2026 by ``order``. Raises ValueError."""
    if found := ISO.fullmatch(text):
        parts = (found[1], found[2], found[3])
    elif found := DOTTED.fullmatch(text):
        parts = (found[3], found[2], found[1])
    elif found := SLASHED.fullmatch(text):
        if order == "mixed":
            raise ValueError(f"'{_short(text)}' may be day/month or month/day: the file has both. Say which.")
        parts = (found[3], found[1], found[2]) if order == "mdy" else (found[3], found[2], found[1])
    else:
        raise ValueError(f"'{_short(text)}' is no date." if text else "The date is missing.")
    year = int(parts[0]) + (2000 if len(parts[0]) == 2 else 0)
    try:
        day = date(year, int(parts[1]), int(parts[2]))
    except ValueError:
        raise ValueError(f"'{_short(text)}' is no date.") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"The year of '{_short(text)}' must lie between {FIRST_YEAR} and {LAST_YEAR}.")
    return day


# -- amounts

CODE = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])|[€£$]")
GROUP = re.compile(r"(?<=[0-9])[ '’\u00a0\u202f](?=[0-9]{3}(?![0-9]))")
NUMBER = re.compile(r"[0-9]{1,15}|[0-9]{1,3}(?:t[0-9]{3}){1,4}")


def _currency_of(amount: str) -> str:
    found = CODE.search(amount)
    return "" if found is None or found[0] == "$" else found[0]


def _digits(text: str) -> tuple[int, str]:
    """(sign, digits with their separators) of an amount. Raises ValueError."""
    bare = GROUP.sub("", CODE.sub("", text).strip()).replace("−", "-").strip()
    sign = 1
    if bare.startswith("(") and bare.endswith(")"):
        sign, bare = -1, bare[1:-1]
    elif bare[:1] in ("-", "+"):
        sign, bare = (-1 if bare[0] == "-" else 1), bare[1:]
    elif bare[-1:] in ("-", "+"):
        sign, bare = (-1 if bare[-1] == "-" else 1), bare[:-1]
    bare = bare.strip()
    if not re.fullmatch(r"[0-9][0-9.,]*", bare):
        raise ValueError(f"'{_short(text)}' is no amount." if text else "The amount is missing.")
    return sign, bare


def _mark_of(bare: str) -> str | None:
    """Which of . and , is the decimal mark of this number by itself; None when it could be either or has none."""
    dots, commas = bare.count("."), bare.count(",")
    if dots and commas:
        return max(".,", key=bare.rfind)
    if not dots and not commas:
        return None
    mark, count = (".", dots) if dots else (",", commas)
    if count > 1:
        return "," if mark == "." else "."
    before, after = bare.split(mark)
    return None if len(after) == 3 and 1 <= len(before) <= 3 and before != "0" else mark


def _decimal_mark(amounts: Sequence[str]) -> str | None:
    """The one decimal mark of a file, as far as its numbers show it."""
    found = set()
    for text in amounts:
        try:
            found.add(_mark_of(_digits(text)[1]))
        except ValueError:
            continue  # it is reported when its line is read
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def parse_amount(text: str, currency: str, file_mark: str | None = None) -> int:
    """Signed cents of 1.234,56, 1,234.56, -12,00, 12,00- and (12.00). Raises ValueError.

    1.234 alone may be a thousand or one: ``file_mark``, the decimal mark of the other amounts, decides.
    """
    sign, bare = _digits(text)
    mark = _mark_of(bare)
    if mark is None and ("." in bare or "," in bare):
        if file_mark is None:
            raise ValueError(f"'{_short(text)}' may be thousands or decimals; write it with two decimals.")
        mark = file_mark
    whole, _, decimals = bare.partition(mark) if mark else (bare, "", "")
    groups = whole.replace(",", "t").replace(".", "t")
    digits = exponent(currency)
    if not NUMBER.fullmatch(groups) or (decimals and not decimals.isdigit()) or bare.endswith((".", ",")):
        raise ValueError(f"'{_short(text)}' is no amount.")
    if len(decimals.rstrip("0")) > digits:
        raise ValueError(f"'{_short(text)}' has more decimals than {currency} has.")
    return sign * int(Decimal(f"{groups.replace('t', '')}.{decimals or '0'}").scaleb(digits))


__all__ = ["DateOrder", "Row", "RowError", "Statement", "parse_amount", "parse_date", "read_statement", "safe_cell"]
