"""What may be kept: every value of the files row of security.md, matrix D, without HTTP."""

import io
import struct
import threading
import zipfile
import zlib
from dataclasses import replace

import pytest
from PIL import Image

from apps.bookings import files
from apps.bookings.errors import FileNotScanned, FileTooLarge, FileTypeRefused
from apps.bookings.files import EICAR, KINDS, MAX_PIXELS, checked, download_name, renamed
from apps.bookings.models import MAX_DOCUMENT_BYTES
from factories.files import DOCX_TEXT, DOCX_TYPES, docx, pdf, picture, zipped

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


def refusal(name: str, content: bytes) -> str:
    with pytest.raises(FileTypeRefused) as refused:
        checked(name, content)
    return refused.value.message


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header states a size, with next to no pixels behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


# -- what is kept


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("consent.pdf", pdf(pages=3), "application/pdf"),
        ("CONSENT.PDF", pdf(), "application/pdf"),
        ("note.txt", "Ärztliche Notiz, здравствуйте, 你好 👩‍⚕️\r\n\tline".encode(), "text/plain; charset=utf-8"),
        ("less.txt", b"3 < 4 and <script> is only a word here", "text/plain; charset=utf-8"),
        ("letter.docx", docx({"word/media/image1.png": picture()}), files.DOCX),
    ],
)
def test_documents_are_kept_as_they_are(name, content, content_type):
    file = checked(name, content)

    assert (file.name, file.content_type, file.content, file.is_image) == (name, content_type, content, False)


@pytest.mark.parametrize(
    ("name", "format", "mode", "kept_mode"),
    [
        ("a.png", "PNG", "RGB", "RGB"),
        ("a.png", "PNG", "RGBA", "RGBA"),
        ("a.png", "PNG", "P", "RGB"),
        ("a.png", "PNG", "L", "L"),
        ("a.jpg", "JPEG", "RGB", "RGB"),
        ("a.jpeg", "JPEG", "CMYK", "RGB"),
        ("a.webp", "WEBP", "RGBA", "RGBA"),
    ],
)
def test_pictures_are_made_anew_with_the_same_pixels(name, format, mode, kept_mode):
    file = checked(name, picture(format, mode=mode))

    image = Image.open(io.BytesIO(file.content))
    assert (image.format, image.mode, image.size, file.is_image) == (format, kept_mode, (8, 4), True)
    if mode in ("RGB", "RGBA") and format == "PNG":
        assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def with_gps(format: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return picture(format, exif=exif.tobytes())


@pytest.mark.parametrize(("name", "format"), [("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP")])
def test_the_place_of_a_photo_is_not_kept_and_it_stands_upright(name, format):
    sent = with_gps(format)
    assert Image.open(io.BytesIO(sent)).getexif().get_ifd(0x8825)

    kept = checked(name, sent).content

    image = Image.open(io.BytesIO(kept))
    assert dict(image.getexif()) == {}
    assert image.size == (4, 8)
    assert b"SecretCamera" not in kept
    assert {"exif", "comment", "icc_profile", "xmp"}.isdisjoint(image.info)


def test_what_is_hidden_behind_a_picture_is_not_kept():
    kept = checked("a.png", picture() + b"<script>alert(1)</script>").content

    assert b"script" not in kept
    assert b"secret words" not in checked("a.jpg", picture("JPEG", comment=b"secret words")).content


# -- what is refused


@pytest.mark.parametrize("name", ["a.pdf", "a.png", "a.txt", "a.docx"])
def test_an_empty_file_is_refused(name):
    assert refusal(name, b"") == "The file is empty."


def test_ten_mebibytes_are_the_limit_to_the_byte():
    assert len(checked("a.txt", b"x" * MAX_DOCUMENT_BYTES).content) == MAX_DOCUMENT_BYTES
    with pytest.raises(FileTooLarge):
        checked("a.txt", b"x" * (MAX_DOCUMENT_BYTES + 1))


@pytest.mark.parametrize(
    "name", ["a.svg", "a.html", "a.htm", "a.exe", "a.zip", "a.gif", "a.doc", "a.docm", "a.xml", "a", ".pdf", "pdf", ""]
)
def test_other_extensions_are_refused(name):
    assert refusal(name, pdf()) == FileTypeRefused.default_message


@pytest.mark.parametrize("name", ["a.exe.pdf", "a.js.pdf", "a.pdf.exe", "a.PHP.pdf", "a.html .pdf", "a.svg.pdf", "a.pdf.html"])
def test_two_extensions_that_pretend_are_refused(name):
    assert refusal(name, pdf()) == FileTypeRefused.default_message


def test_a_dot_in_a_name_is_no_crime():
    assert checked("Report v1.2 of Dr. Weber.pdf", pdf()).name == "Report v1.2 of Dr. Weber.pdf"


SAMPLES = {"pdf": pdf(), "png": picture(), "jpg": picture("JPEG"), "webp": picture("WEBP"), "docx": docx(), "txt": b"plain words"}
OTHERS = {"html": HTML, "svg": SVG, "gif": picture("GIF"), "zip": zipped({"a.txt": "a"}), "noise": bytes(range(256)) * 8}


@pytest.mark.parametrize("extension", sorted(KINDS))
@pytest.mark.parametrize("content", [*SAMPLES, *OTHERS])
def test_content_that_is_not_what_its_name_says_is_refused(extension, content):
    sent = {**SAMPLES, **OTHERS}[content]
    if content == {"jpeg": "jpg"}.get(extension, extension):
        assert checked(f"a.{extension}", sent).content
    else:
        refusal(f"a.{extension}", sent)


@pytest.mark.parametrize(
    "content", [HTML, SVG, b"\xef\xbb\xbf  <html>", b"<!-- x -->\n<svg>", b'<?xml version="1.0"?><a/>', b"\n<ScRiPt>x"]
)
def test_a_page_for_a_browser_is_no_plain_text(content):
    assert refusal("a.txt", content) == "Pages and drawings made of markup are not accepted."


@pytest.mark.parametrize("content", [b"a\0b", b"\x1b[31m", b"a\x7f", "caf\xe9".encode("latin-1"), "a".encode("utf-16"), b"\xed\xa0\x80"])
def test_text_is_utf8_without_control_characters(content):
    refusal("a.txt", content)


@pytest.mark.parametrize(("name", "content"), [("a.pdf", pdf()), ("a.png", picture()), ("a.jpg", picture("JPEG"))])
def test_a_polyglot_with_an_archive_is_refused(name, content):
    assert refusal(name, content + zipped({"evil.class": "x"})) == "The file is an archive as well."


def test_a_pdf_starts_with_its_first_byte():
    assert refusal("a.pdf", b"<html>" + pdf()) == "The content of the file does not fit its name."
    assert refusal("a.pdf", b"\n" + pdf()) == "The content of the file does not fit its name."


def test_a_pdf_must_be_readable_and_have_pages():
    assert refusal("a.pdf", pdf(pages=0)) == "The PDF has no pages."
    assert refusal("a.pdf", pdf(password="secret")) == "The PDF is protected. Save it without a password."
    assert refusal("a.pdf", b"%PDF-1.7\n" + b"nothing " * 100 + b"\n%%EOF") == "The file is damaged, or is not what its name says."


def test_eicar_is_refused_by_the_scanner():
    assert len(EICAR) == 68
    for name, content in (("a.txt", EICAR), ("a.pdf", pdf() + EICAR), ("a.png", picture() + EICAR)):
        assert refusal(name, content) == "The file was refused by the virus scanner."


def offline(content: bytes) -> str:
    raise ConnectionRefusedError


def hates_ham(content: bytes) -> str:
    return "Ham" if b"ham" in content else ""


def test_the_scanner_is_a_setting_and_one_that_is_away_lets_nothing_in(settings):
    settings.DOCUMENT_SCANNER = "tests.bookings.test_files.hates_ham"
    assert refusal("a.txt", b"spam and ham") == "The file was refused by the virus scanner."
    assert checked("a.txt", b"spam").content == b"spam"

    settings.DOCUMENT_SCANNER = "tests.bookings.test_files.offline"
    with pytest.raises(FileNotScanned):
        checked("a.txt", b"spam")


@pytest.mark.parametrize("size", [(50_000, 50_000), (7072, 7072), (MAX_PIXELS + 1, 1)])
def test_too_many_pixels_are_refused_before_they_are_decoded(size, monkeypatch):
    monkeypatch.setattr(files, "_pixels_only", lambda *args: pytest.fail("decoded"))

    assert refusal("a.png", png_of(*size)) == "An image may have at most 50 megapixels."


def test_fifty_megapixels_are_enough():
    assert 7071 * 7071 <= MAX_PIXELS < 7072 * 7072
    assert checked("a.png", picture(size=(7071, 7071), mode="1")).content


def test_a_cut_or_animated_picture_is_refused():
    noise = Image.effect_noise((64, 64), 50)
    out = io.BytesIO()
    noise.save(out, "PNG")
    refusal("a.png", out.getvalue()[: len(out.getvalue()) // 2])
    out = io.BytesIO()
    noise.save(out, "WEBP", save_all=True, append_images=[Image.effect_noise((64, 64), 90)])
    assert refusal("a.webp", out.getvalue()) == "Animated images are not accepted."


def test_pictures_are_decoded_one_at_a_time(monkeypatch):
    held = []
    make = files._pixels_only
    monkeypatch.setattr(files, "_pixels_only", lambda *args: (held.append(files._decoding.locked()), make(*args))[1])

    threads = [threading.Thread(target=checked, args=("a.png", picture())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert held == [True, True, True]
    assert not files._decoding.locked()


# -- Word


@pytest.mark.parametrize("part", ["word/vbaProject.bin", "word/VBADATA.xml", "word/activeX/activeX1.xml", "word/embeddings/oleObject1.bin"])
def test_macros_are_refused(part):
    assert refusal("a.docx", docx({part: "x"})) == "Documents with macros are not accepted."


def test_a_document_with_macros_under_another_name_is_refused():
    types = DOCX_TYPES.replace("document.main+xml", "document.macroEnabled.main+xml")
    refusal("a.docx", docx(types=types))
    refusal("a.docx", docx(types=DOCX_TYPES.replace("/></Types>", '/><Default ContentType="application/x.macroEnabled"/></Types>')))


@pytest.mark.parametrize(
    "parts",
    [
        {"word/document.xml": DOCX_TEXT},
        {"[Content_Types].xml": DOCX_TYPES},
        {"[Content_Types].xml": "<Types/>", "word/document.xml": DOCX_TEXT},
        {"[Content_Types].xml": DOCX_TYPES, "word/document.xml": "<w:document>"},
        {"[Content_Types].xml": DOCX_TYPES, "word/document.xml": DOCX_TEXT, "../../evil": "x"},
        {"[Content_Types].xml": DOCX_TYPES, "word/document.xml": DOCX_TEXT, "/etc/passwd": "x"},
        {
            "[Content_Types].xml": DOCX_TYPES,
            "word/document.xml": '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><d>&b;</d>',
        },
        {"[Content_Types].xml": DOCX_TYPES, "word/document.xml": "<!DOCTYPE d><d/>".encode("utf-16")},
    ],
)
def test_an_archive_that_is_no_sound_word_document_is_refused(parts):
    refusal("a.docx", zipped(parts))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *args: pytest.fail("unpacked"))

    assert refusal("a.docx", docx({"word/bomb.xml": b"\0" * (51 * 1024 * 1024)})) == "The document unpacks to too much."
    assert refusal("a.docx", docx({"word/bomb.xml": b"\0" * (5 * 1024 * 1024)})) == "The document unpacks to too much."
    assert refusal("a.docx", docx({f"word/{n}.xml": "" for n in range(2001)})) == "The document unpacks to too much."


def test_a_zip_bomb_that_lies_about_its_size_is_refused():
    bomb = docx({"word/bomb.xml": b"\0" * 5_000_000})
    stated = struct.pack("<I", 5_000_000)
    assert bomb.count(stated) == 2

    assert refusal("a.docx", bomb.replace(stated, struct.pack("<I", 1000))) == "The document is damaged."


# -- names


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../x.pdf", "x.pdf"),
        ("..\\..\\x.pdf", "x.pdf"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\x.pdf", "x.pdf"),
        ("..", "document"),
        ("", "document"),
        ("\0\n\r", "document"),
        ("a\0b\nc\rd.pdf", "ab c d.pdf"),
        ('a"\r\nSet-Cookie: x=1.pdf', 'a" Set-Cookie: x=1.pdf'),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\u2066b\u2069\u200f\ufeff.pdf", "ab.pdf"),
        ("הסכמה.pdf", "הסכמה.pdf"),
        ("e\u0301.pdf", "é.pdf"),
        (" .hidden. ", "hidden"),
        ("x.pdf.", "x.pdf"),
        ("a" * 300 + ".pdf", "a" * 196 + ".pdf"),
        ("a" * 195 + " .. " + "b" * 300 + ".pdf", "a" * 195 + ".pdf"),
        ("a" * 10 + "." + "b" * 300, "a" * 10 + "." + "b" * 189),
    ],
)
def test_names_are_kept_for_the_download_only(sent, kept):
    name = download_name(sent)

    assert name == kept
    assert len(name) <= 200


def test_renaming_keeps_the_extension():
    assert renamed("../New name.PDF", "application/pdf") == "New name.PDF"
    assert renamed("a.jpeg", "image/jpeg") == "a.jpeg"
    assert [renamed(name, "application/pdf") for name in ("a.exe", "a.png", "a", "a.exe.pdf", "pdf")] == [None] * 5


@pytest.mark.parametrize("extension", ["pdf", "png", "jpg", "webp", "docx"])
def test_the_first_bytes_are_asked_before_any_parser(extension, monkeypatch):
    monkeypatch.setitem(KINDS, extension, replace(KINDS[extension], parse=lambda content: pytest.fail("parsed")))

    assert refusal(f"a.{extension}", HTML) == "The content of the file does not fit its name."
