"""Lists as files for spreadsheets: a cell never begins as a formula (CSV injection), and holds no control characters."""

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

from apps.clients.importing.reading import clean
from apps.clients.models.imports import Format

TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
STARTERS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: Any) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what begins as one. Phone numbers stay as they are."""
    text = clean("" if value is None else str(value))
    if text.startswith("+") and text[1:].isdecimal():
        return text
    return f"'{text}" if text.startswith(STARTERS) else text


def csv_line(cells: Iterable[Any]) -> str:
    """One line, quoted where needed."""
    line = io.StringIO()
    csv.writer(line).writerow([safe_cell(cell) for cell in cells])
    return line.getvalue()


def table(format: str, header: Sequence[str], found: Iterable[Sequence[Any]]) -> tuple[bytes, int]:
    """(the file, how many rows it has). Rows are written as they come."""
    return _csv(header, found) if format == Format.CSV else _xlsx(header, found)


def _csv(header: Sequence[str], found: Iterable[Sequence[Any]]) -> tuple[bytes, int]:
    count = 0
    with tempfile.TemporaryFile("w+b") as file:
        file.write(b"\xef\xbb\xbf" + csv_line(header).encode())
        for count, row in enumerate(found, 1):  # noqa: B007  the last one is how many there were
            file.write(csv_line(row).encode())
        file.seek(0)
        return file.read(), count


def _xlsx(header: Sequence[str], found: Iterable[Sequence[Any]]) -> tuple[bytes, int]:
    from openpyxl import Workbook  # noqa: PLC0415  heavy, and needed here only

    book, count = Workbook(write_only=True), 0
    sheet = book.create_sheet("Clients")
    sheet.append([safe_cell(cell) for cell in header])
    for count, row in enumerate(found, 1):  # noqa: B007  see above
        sheet.append([safe_cell(cell) for cell in row])
    with tempfile.TemporaryFile("w+b") as file:
        book.save(file)
        file.seek(0)
        return file.read(), count
