"""The PDF: made from the frozen document alone, readable, and inert whatever people are called."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from apps.payments.documents_pdf import fingerprint, render, render_pages
from apps.payments.labels import LABELS
from factories.documents import sample_document as document

AT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


def named(name: str) -> dict[str, Any]:
    return document(buyer={**document()["buyer"], "name": name})


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)


def words_of(content: bytes) -> str:
    """The text without the spaces, which a PDF does not really have."""
    return "".join(text_of(content).split()).replace("\N{ZERO WIDTH SPACE}", "")


def test_it_is_a_pdf_a_on_a4_that_says_everything():
    content = render(document(), at=AT)

    reader = PdfReader(BytesIO(content))
    assert content.startswith(b"%PDF-1.7")
    assert b"<pdfaid:part>3</pdfaid:part>" in content
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in content
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.creation_date) == ("Invoice INV-00042", AT)
    said = words_of(content)
    for part in ("BerlinStudioGmbH", "Torstraße1", "ZoëMüller", "zoe@example.com", "DE999", "Nov.21,2026", "Nov.23,2026–Dec.7,2026",
                 "000123", "Tensessions0", "1,037.45", "197.11€", "1,234.56€", "234.56€", "1,000.00€", "IBANDE893704", "HRB1", "Page1/1"):  # fmt: skip
        assert part in said, (part, said)


@pytest.mark.parametrize(
    ("language", "parts"),
    [
        ("de", ["Rechnung", "1.234,56€", "21.November2026", "OffenerBetrag", "Seite1/1", "Zahlungper"]),
        ("es", ["Factura", "1\u00a0234,56€", "21denoviembrede2026", "Pendientedepago"]),
    ],
)
def test_it_speaks_the_clients_language(language, parts):
    said = words_of(render(document(language), at=AT))

    for part in parts:
        assert "".join(part.split()) in said, (part, said)


@pytest.mark.parametrize(
    "name",
    [
        "#panic()",
        '#panic("x") #include "/etc/passwd"',
        "*bold* _it_ `raw`",
        "$x^2$",
        "\\",
        "// gone",
        "/* gone",
        '"]) #sys.inputs',
        "= Heading",
        "<label> @ref",
        "]#[",
        "{{7*7}}",
        "~ -- ---",
    ],
)
def test_names_are_text_and_never_markup(name):
    assert "".join(name.split()) in words_of(render(named(name), at=AT))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Jürgen Ñandú ß € ł ő", "JürgenÑandúß€łő"),
        ("Жуковский", "Жуковский"),
        ("Ωμέγα", "Ωμέγα"),
        ("A 😀 B 李", "A□B□"),
        ("\x07bell\x00 \u202eabc", "bellabc"),
        ("👨\u200d👩\u200d👧 family", "□□□family"),
    ],
)
def test_letters_are_there_and_what_has_no_glyph_is_a_square(name, shown):
    assert shown in words_of(render(named(name), at=AT))


@pytest.mark.parametrize("name", ["مرحبا", "שלום", "e" + "\u0301" * 200, "W" * 300, "", " ", "line\nbreak"])
def test_odd_names_make_a_page_all_the_same(name):
    assert len(PdfReader(BytesIO(render(named(name), at=AT))).pages) == 1


def test_a_name_as_long_as_a_page_is_wide_stays_whole():
    assert "W" * 300 in words_of(render(named("W" * 300), at=AT))


def test_two_hundred_lines_take_several_numbered_pages_with_the_header_on_each():
    content = render(document(lines=200), at=AT)

    pages = [page.extract_text() for page in PdfReader(BytesIO(content)).pages]
    assert len(pages) >= 5
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} / {len(pages)}" in page
        assert "Description" in page or number == len(pages)
    assert "Tensessions199" in words_of(content)


def test_equal_documents_are_equal_bytes():
    first = render(document(), at=AT)

    assert render(document(), at=AT) == first
    assert render(named("Somebody else"), at=AT) != first
    assert render(document(), at=AT + timedelta(seconds=1)) != first


def test_the_fingerprint_follows_the_content():
    assert fingerprint(document()) == fingerprint(dict(reversed(document().items())))
    assert fingerprint(document()) != fingerprint(named("Somebody else"))


def test_a_credit_note_names_the_invoice_and_says_what_is_credited():
    note = document(
        "de",
        kind="credit_note",
        corrects={"number": "INV-00041", "issued_on": "2026-11-01"},
        total_cents=-123456,
        net_cents=-103745,
        tax_cents=-19711,
        payment=None,
    )

    said = words_of(render(note, at=AT))

    assert "BerichtigtRechnungINV-00041vom1.November2026" in said
    assert "Gutgeschrieben−1.234,56€" in said
    assert "OffenerBetrag" not in said


def test_without_dates_of_supply_it_says_so_and_exemptions_are_explained():
    untaxed = {**document()["lines"][0], "tax_rate": None, "tax_cents": 0, "net_cents": 123456}
    bare = {
        **document(supply={"from": None, "to": None}, tax_code="exempt", tax_note=LABELS["en"]["exempt"]),
        "lines": [untaxed],
        "taxes": [{"tax_rate": None, "net_cents": 123456, "tax_cents": 0, "gross_cents": 123456}],
    }

    said = words_of(render(bare, at=AT))

    assert "ThissupplyisexemptfromVAT." in said
    assert "Dateofsupply:Byappointment" in said
    assert "1,037.45" not in said


def test_yen_have_no_decimals():
    assert "123,456JPY" in words_of(render(document(currency="JPY", digits=0), at=AT))


def test_pages_can_be_looked_at():
    pages = render_pages(document(lines=60), ppi=20)

    assert len(pages) >= 2
    assert all(page.startswith(b"\x89PNG") for page in pages)
