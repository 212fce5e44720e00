"""Files of people, read row by row: CSV as spreadsheets write it, and XLSX. Nothing here knows the database.

Cells are texts: formulas are never calculated. What a stranger's file can cost is bounded: bytes, unpacked bytes, columns, rows, cells.
"""

import codecs
import csv
import io
import itertools
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, BinaryIO

from apps.clients.errors import ImportTooLarge, NotATable
from apps.clients.models.imports import MAX_IMPORT_BYTES, Format

MAX_ROWS, MAX_COLUMNS, MAX_CELL = 200_000, 100, 2_000
MAX_UNZIPPED_BYTES, MAX_ENTRIES, MAX_RATIO = 400 * 1024 * 1024, 2_000, 200
MAX_SHEET = 1_048_576
"""Rows of a sheet. One that says it is further down is of no spreadsheet: every row above it would be counted one by one."""
SAMPLE_ROWS = 5
DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 20
ZIPPED = (b"PK\3\4", b"PK\5\6")
CHUNK = 1_000_000
UNREADABLE = "The quotes of this line are broken."
UNCLOSED = "A quote is not closed; nothing after it could be read."


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is to be read, and what it begins with. ``total`` is how many rows it has below the header, when that is known."""

    format: str
    encoding: str
    delimiter: str
    columns: list[str]
    sample: list[list[str]]
    total: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """One row below the header. ``number`` is its place in the file; ``problem`` says why it could not be read."""

    number: int
    cells: list[str]
    problem: str = ""


def examine(content: bytes) -> Shape:
    """What kind of table this is. Raises ImportTooLarge, NotATable."""
    if len(content) > MAX_IMPORT_BYTES:
        raise ImportTooLarge
    if content.startswith(ZIPPED) or zipfile.is_zipfile(io.BytesIO(content)):
        return _examine_xlsx(content)
    encoding = _encoding(content)
    delimiter = _delimiter(content[:200_000].decode(encoding, errors="replace"))
    with lines(io.BytesIO(content), Format.CSV, encoding, delimiter) as found:
        header, rows = next(found, None), itertools.islice(found, MAX_ROWS + 1)
        columns = _columns(header)
        sample = [row.cells[: len(columns)] for row in itertools.islice(rows, SAMPLE_ROWS)]
        total = len(sample) + sum(1 for _ in rows)
    if total > MAX_ROWS:
        raise ImportTooLarge(f"A file has at most {MAX_ROWS:,} rows. Send it in parts.")
    return Shape(Format.CSV, encoding, delimiter, columns, sample, total)


@contextmanager
def rows(file: BinaryIO, shape: Shape | Any, *, skip: int = 0) -> Iterator[Iterator[Line]]:
    """The rows below the header, without the first ``skip``. ``shape`` has format, encoding and delimiter."""
    with lines(file, shape.format, shape.encoding, shape.delimiter) as found:
        next(found, None)
        yield itertools.islice(_at_most(found), skip, None)


def _at_most(found: Iterable[Line]) -> Iterator[Line]:
    for count, line in enumerate(found, 1):
        if count > MAX_ROWS:
            raise ImportTooLarge(f"A file has at most {MAX_ROWS:,} rows; those before were read.")
        yield line


@contextmanager
def lines(file: BinaryIO, format: str, encoding: str, delimiter: str) -> Iterator[Iterator[Line]]:
    """Every row that is not empty, the header first."""
    if format == Format.XLSX:
        with _workbook(file) as sheet:
            yield _sheet_lines(sheet)
        return
    # The wrapper must not close the file: who opened it does.
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
    try:
        yield _csv_lines(text, delimiter)
    finally:
        text.detach()


def _csv_lines(text: Iterable[str], delimiter: str) -> Iterator[Line]:
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            is_unclosed = "unexpected end" in str(error) or "field larger" in str(error)
            yield Line(number, [], UNCLOSED if is_unclosed else UNREADABLE)
            if is_unclosed:
                return
            continue
        cleaned = [clean(cell) for cell in cells[:MAX_COLUMNS]]
        if any(cleaned):
            yield Line(number, cleaned)


def clean(cell: str) -> str:
    """A cell without what no text of ours may hold: control characters, lone surrogates."""
    text = cell.strip()
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" else " " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).strip()


def _columns(header: Line | None) -> list[str]:
    if header is None or header.problem:
        raise NotATable("The file is empty, or its first line could not be read.")
    if len(header.cells) >= MAX_COLUMNS:
        raise NotATable(f"A file has fewer than {MAX_COLUMNS} columns.")
    while header.cells and not header.cells[-1]:
        header.cells.pop()
    return [cell[:100] or f"Column {place}" for place, cell in enumerate(header.cells, 1)]


# -- CSV


def _encoding(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in content:
        raise NotATable
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), CHUNK):
            decoder.decode(content[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _delimiter(text: str) -> str:
    """The one that cuts the first lines into the most columns, the same number in each."""
    best, found = ",", (0, 0)
    for delimiter in DELIMITERS:
        widths = [len(line.cells) for line in itertools.islice(_csv_lines(io.StringIO(text, newline=""), delimiter), LOOKED_AT)]
        usual = max(set(widths), key=widths.count, default=0)
        if usual > 1 and (score := (widths.count(usual), usual)) > found:
            best, found = delimiter, score
    return best


# -- XLSX


def _examine_xlsx(content: bytes) -> Shape:
    _refuse_bombs(content)
    with _workbook(io.BytesIO(content)) as sheet:
        found, known = _sheet_lines(sheet), sheet.max_row
        if known is not None and known > MAX_ROWS + 1:
            raise ImportTooLarge(f"A file has at most {MAX_ROWS:,} rows. Send it in parts.")
        columns = _columns(next(found, None))
        sample = [row.cells[: len(columns)] for row in itertools.islice(found, SAMPLE_ROWS)]
    total = known - 1 if known is not None and len(sample) < known else None
    return Shape(Format.XLSX, "", "", columns, sample, total)


def _refuse_bombs(content: bytes) -> None:
    """An archive that is small and unpacks to a lot, or declares entities. Raises NotATable."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_ENTRIES or unpacked > MAX_UNZIPPED_BYTES or unpacked > MAX_RATIO * max(len(content), 10_000):
                raise NotATable("The file unpacks to too much.")
            if not any(entry.filename == "xl/workbook.xml" for entry in entries):
                raise NotATable
            for entry in entries:
                if entry.filename.endswith((".xml", ".rels")):
                    with archive.open(entry) as part:
                        if b"<!DOCTYPE" in part.read(4096):
                            raise NotATable
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # damaged, encrypted, packed in another way
        raise NotATable from error


@contextmanager
def _workbook(file: BinaryIO) -> Iterator[Any]:
    """The first sheet, streamed."""
    from openpyxl import load_workbook  # noqa: PLC0415  heavy, and needed here only

    try:
        book = load_workbook(file, read_only=True, data_only=False, keep_links=False)
        sheet = book.worksheets[0]
    except Exception as error:  # whatever a parser stumbles over in a stranger's bytes is a reason to refuse them
        raise NotATable from error
    try:
        yield sheet
    finally:
        book.close()


def _sheet_lines(sheet: Any) -> Iterator[Line]:
    numbered = enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1)
    while True:
        try:
            number, values = next(numbered)
        except StopIteration:
            return
        except Exception as error:  # see _workbook
            raise NotATable from error
        if number > MAX_SHEET:
            raise ImportTooLarge(f"A sheet has at most {MAX_SHEET:,} rows.")
        cells = [_cell(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield Line(number, cells)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return clean(str(value))
