"""Invoices and credit notes as PDF/A-3b, from their frozen JSON alone.

The data goes into typst as one JSON string beside the template, so a name such as ``#panic()`` is text and never markup. Amounts and
dates are spelled here, in the document's language. Equal documents give equal bytes: the fonts are the ones inside typst, and the
file's date is the date of issue.
"""

import json
import re
import threading
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.formats import date_format, number_format

TEMPLATE = Path(__file__).parent / "templates" / "payments" / "invoice.typ"
SYMBOLS = {"EUR": "€", "GBP": "£"}
UNPRINTABLE = "\N{WHITE SQUARE}"

_mine = threading.local()  # a compiler belongs to one thread


def render(document: Mapping[str, Any], *, at: datetime) -> bytes:
    """The PDF of a document that was issued ``at``."""
    return _compile(_shown(document), format="pdf", pdf_standards=["a-3b"], timestamp=at.astimezone(UTC).replace(microsecond=0))


def render_pages(document: Mapping[str, Any], *, ppi: float = 80) -> list[bytes]:
    """The same pages as PNG pictures, for people who look at a change of the template."""
    pages = _compile(_shown(document), format="png", ppi=ppi)
    return pages if isinstance(pages, list) else [pages]


def fingerprint(document: Mapping[str, Any]) -> str:
    """Changes when the PDF of a document would: with its content, the template, or the program that sets it."""
    content = json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
    return sha256(b"\0".join((content, _template(), version("typst").encode()))).hexdigest()[:32]


def file_name(number: str) -> str:
    """``INV-00042.pdf``; slashes of a series become dashes."""
    return f"{number.replace('/', '-')}.pdf"


# -- setting the page


def _compile(shown: dict[str, Any], **options: Any) -> Any:
    """Let typst set the page.

    PDF/A allows no character without a glyph, and typst says which those are: they become a white square. The letters of Latin, Greek,
    Cyrillic, Arabic and Hebrew are there; other scripts need a font in DOCUMENT_FONTS_DIR.
    """
    import typst  # noqa: PLC0415  20 MB that only those who print documents need

    compiler = _compiler()
    data = json.dumps(shown, ensure_ascii=False)
    while True:
        try:
            return compiler.compile(input=_template(), sys_inputs={"document": data}, **options)
        except typst.TypstError as error:
            missing = {_unescaped(text) for text in NO_GLYPH.findall(f"{error.message}\n{error.diagnostic}")}
            characters = {character for text in missing for character in text} - {UNPRINTABLE}
            cleaned = data.translate(dict.fromkeys(map(ord, characters), UNPRINTABLE))
            if cleaned == data:
                raise
            data = cleaned


NO_GLYPH = re.compile(r'the text `"(.+?)"` could not be displayed')
ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _compiler() -> Any:
    """This thread's compiler; the fonts are read once per process."""
    if not hasattr(_mine, "compiler"):
        import typst  # noqa: PLC0415  see above

        _mine.compiler = typst.Compiler(root=TEMPLATE.parent, font_paths=_fonts())
    return _mine.compiler


@cache
def _fonts() -> Any:
    """The fonts inside typst, and those of DOCUMENT_FONTS_DIR; not the system's, which differ from machine to machine."""
    import typst  # noqa: PLC0415  see above

    folder = settings.DOCUMENT_FONTS_DIR
    return typst.Fonts(include_system_fonts=False, font_paths=[folder] if folder else [])


@cache
def _template() -> bytes:
    return TEMPLATE.read_bytes()


# -- spelling what is on it


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every amount and date spelled out, in the order in which the template puts them."""
    with translation.override(document["language"]):
        return _plain(_spelled(document))


def _spelled(document: Mapping[str, Any]) -> dict[str, Any]:
    labels, note = document["labels"], document["kind"] == "credit_note"

    def money(cents: int) -> str:
        return _money(cents, document["currency"], document["digits"])

    def amount(cents: int) -> str:
        return _number(cents, document["digits"])

    def rate(value: str | None) -> str:
        return "–" if value is None else f"{number_format(Decimal(value))} %"

    taxed = [tax for tax in document["taxes"] if tax["tax_rate"] is not None]
    sums = [[f"{rate(tax['tax_rate'])} {labels['tax']} ({amount(tax['net_cents'])})", money(tax["tax_cents"])] for tax in taxed]
    settled = [[labels["paid"], money(document["paid_cents"])], [labels["balance"], money(document["balance_cents"])]]
    payment = document["payment"] or {}
    buyer = document["buyer"]
    return {
        "title": f"{labels[document['kind']]} {document['number']}",
        "heading": f"{labels[document['kind']]} {document['number']}",
        "language": document["language"],
        "labels": labels,
        "seller": document["seller"],
        "buyer": {
            "name": buyer["name"],
            "rows": [
                *buyer["address"].splitlines(),
                *([buyer["email"]] if buyer["email"] else []),
                *([f"{labels['tax_id']} {buyer['tax_id']}"] if buyer["tax_id"] else []),
            ],
        },
        "facts": _facts(document),
        "lines": [
            {
                "description": line["description"],
                "quantity": number_format(line["quantity"], force_grouping=True),
                "unit_price": amount(line["unit_price_cents"]),
                "rate": rate(line["tax_rate"]),
                "net": amount(line["net_cents"]),
                "gross": amount(line["gross_cents"]),
            }
            for line in document["lines"]
        ],
        "sums": [[labels["net"], money(document["net_cents"])], *sums] if taxed else [],
        "totals": [[labels["credited"] if note else labels["total"], money(document["total_cents"])]],
        "settled": [] if note else settled,
        "notes": [text for text in (document["tax_note"], _paid_in_advance(document)) if text],
        "payment": [
            *payment.get("text", "").splitlines(),
            *([f"{labels['reference']}: {payment['reference']}"] if payment.get("reference") else []),
        ],
        "footer": document["footer"],
    }


def _facts(document: Mapping[str, Any]) -> list[list[str]]:
    """What stands beside the address."""
    labels, supply, corrects = document["labels"], document["supply"], document["corrects"]
    facts = [[labels["number"], document["number"]], [labels["issued_on"], _day(document["issued_on"])]]
    if supply["from"]:
        one = supply["from"] == supply["to"]
        facts.append([labels["supply"], _day(supply["from"]) if one else f"{_day(supply['from'])} – {_day(supply['to'])}"])
    facts.append([labels["order"], document["order_number"]])
    if corrects:
        facts.append([labels["corrects"], f"{corrects['number']} {labels['of']} {_day(corrects['issued_on'])}"])
    return facts


def _paid_in_advance(document: Mapping[str, Any]) -> str:
    labels = document["labels"]
    waiting = document["kind"] == "invoice" and not document["supply"]["from"]
    return f"{labels['supply']}: {labels['no_supply_date']}." if waiting else ""


def _day(iso: str) -> str:
    return date_format(date.fromisoformat(iso), "DATE_FORMAT")


def _number(cents: int, digits: int) -> str:
    spelled = number_format(abs(Decimal(cents).scaleb(-digits)), digits, force_grouping=True)
    return f"−{spelled}" if cents < 0 else spelled


def _money(cents: int, currency: str, digits: int) -> str:
    return f"{_number(cents, digits)}\N{NO-BREAK SPACE}{SYMBOLS.get(currency, currency)}"


def _plain(value: Any) -> Any:
    """Texts without control characters, and with places where a word as long as a column may be broken."""
    if isinstance(value, str):
        kept = "".join(c for c in value if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cn"))
        return LONG_WORD.sub("\\g<0>\N{ZERO WIDTH SPACE}", kept)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


LONG_WORD = re.compile(r"\S{24}(?=\S{6})")
