"""What may be kept as a document of a session: the checks of uploads (security.md T19). No database, no storage.

A name, the first bytes and a real parse must agree on one of a few kinds. Images are made anew from their pixels, so that
neither metadata (the place a photo was taken) nor anything hidden behind the picture is kept.
"""

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from xml.parsers import expat

import puremagic
from PIL import Image

from apps.bookings.models import MAX_DOCUMENT_BYTES
from apps.core.errors import FileTooLarge, FileTypeRefused
from apps.core.uploads import MAX_PIXELS, TOO_MANY_PIXELS, scan
from apps.core.uploads import decoding as _decoding
from apps.core.uploads import pixels_only as _pixels_only

MAX_NAME = 200
MAX_EXTENSION = 10
MAX_UNZIPPED_BYTES = 50 * 1024 * 1024
MAX_RATIO = 100
MAX_ENTRIES = 2_000

# An inner extension that a system runs or a browser renders: "holiday.exe.png" is meant to be mistaken for something else.
ACTIVE = frozenset(
    [
        "app",
        "bat",
        "cmd",
        "com",
        "cpl",
        "dll",
        "exe",
        "hta",
        "htm",
        "html",
        "jar",
        "js",
        "jse",
        "lnk",
        "mjs",
        "msi",
        "php",
        "phtml",
        "pif",
        "ps1",
        "py",
        "reg",
        "scr",
        "sh",
        "svg",
        "vbe",
        "vbs",
        "wsf",
        "xhtml",
        "xml",
    ]
)
MARKUP = re.compile(r"\ufeff?\s*(<!--.*?-->\s*)*<(!doctype|\?xml|html|head|body|svg|script|iframe|math|object|embed)\b", re.I | re.S)
MACROS = re.compile(r"vbaproject|vbadata|activex|oleobject", re.I)
DOCX_TYPE = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"  # in two parts: this file is no virus


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: ``parse`` raises for what is not one and gives back the bytes to keep."""

    extensions: tuple[str, ...]
    content_type: str
    magic: frozenset[str]
    parse: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What passed: the bytes to store, the name for the download and the type to send with it."""

    name: str
    content_type: str
    content: bytes

    @property
    def is_image(self) -> bool:
        return self.content_type.startswith("image/")


def checked(name: str, content: bytes) -> CheckedFile:
    """The file as it may be kept. Raises FileTooLarge, FileTypeRefused, FileNotScanned."""
    name = download_name(name)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise FileTooLarge
    if not content:
        raise FileTypeRefused("The file is empty.")
    kind = _kind_of(name)
    scan(content)
    if "application/zip" not in kind.magic and zipfile.is_zipfile(io.BytesIO(content)):
        raise FileTypeRefused("The file is an archive as well.")
    if kind.magic and not kind.magic & _magic_of(content):
        raise FileTypeRefused("The content of the file does not fit its name.")
    try:
        kept = kind.parse(content)
    except FileTypeRefused:
        raise
    except Exception as error:  # whatever a parser stumbles over in a stranger's bytes is a reason to refuse them
        raise FileTypeRefused("The file is damaged, or is not what its name says.") from error
    if len(kept) > MAX_DOCUMENT_BYTES:
        raise FileTooLarge
    return CheckedFile(name, kind.content_type, kept)


def download_name(name: str) -> str:
    """A name without path, control and direction characters, at most 200 characters long with its extension."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    name = "".join(" " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    name = " ".join(name.split()).strip(". ")
    if len(name) > MAX_NAME:
        extension = PurePosixPath(name).suffix
        extension = extension if len(extension) <= MAX_EXTENSION else ""
        name = name[: MAX_NAME - len(extension)].rstrip(". ") + extension
    return name or "document"


def renamed(name: str, content_type: str) -> str | None:
    """The cleaned new name of a kept file; None when its extension says something else than its type."""
    name = download_name(name)
    kind = KINDS.get(_extension(name))
    return name if kind is not None and kind.content_type == content_type and not _pretends(name) else None


def _extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")


def _pretends(name: str) -> bool:
    return any(suffix.lower().strip(". ") in ACTIVE for suffix in PurePosixPath(name).suffixes[:-1])


def _kind_of(name: str) -> Kind:
    kind = KINDS.get(_extension(name))
    if kind is None or _pretends(name):
        raise FileTypeRefused
    return kind


def _magic_of(content: bytes) -> set[str]:
    """The types that the first and last bytes look like."""
    try:
        return {match.mime_type for match in puremagic.magic_string(content)}
    except puremagic.PureError:
        return set()


def find_test_virus(content: bytes) -> str:
    """The scanner unless another is set: finds the test file of EICAR, which every scanner must find. '' is clean."""
    return "EICAR-Test-File" if EICAR in content else ""


# -- the kinds


def _pdf(content: bytes) -> bytes:
    """A PDF from its first byte on, with pages, that can be looked into: no scanner sees through a password."""
    if not content.startswith(b"%PDF-"):
        raise FileTypeRefused("The content of the file does not fit its name.")
    from pypdf import PdfReader  # noqa: PLC0415  a second of start-up that only an upload needs

    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        raise FileTypeRefused("The PDF is protected. Save it without a password.")
    if not len(reader.pages):
        raise FileTypeRefused("The PDF has no pages.")
    _ = reader.pages[0].mediabox
    return content


def _image(picture: str) -> Callable[[bytes], bytes]:
    def parse(content: bytes) -> bytes:
        try:
            Image.open(io.BytesIO(content), formats=[picture]).verify()
            image = Image.open(io.BytesIO(content), formats=[picture])
        except Image.DecompressionBombError as error:
            raise FileTypeRefused(TOO_MANY_PIXELS) from error
        if image.width * image.height > MAX_PIXELS:  # known from the header, before a pixel is decoded
            raise FileTypeRefused(TOO_MANY_PIXELS)
        if picture != "JPEG" and getattr(image, "n_frames", 1) > 1:  # a JPEG's further frames are previews
            raise FileTypeRefused("Animated images are not accepted.")
        with _decoding:
            return _pixels_only(image, picture)

    return parse


def _text(content: bytes) -> bytes:
    """UTF-8 without control characters that is not a page for a browser."""
    text = content.decode("utf-8")
    if any(unicodedata.category(c) == "Cc" and c not in "\t\n\r\f" for c in text):
        raise FileTypeRefused("A text file may not contain control characters.")
    if MARKUP.match(text) or _magic_of(content) & {"text/html", "image/svg+xml", "application/xhtml+xml"}:
        raise FileTypeRefused("Pages and drawings made of markup are not accepted.")
    return content


def _docx(content: bytes) -> bytes:
    """A Word document without macros: a sound archive of bounded size, whose two main parts are plain XML."""
    if not content.startswith(b"PK\x03\x04"):
        raise FileTypeRefused("The content of the file does not fit its name.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        unzipped = sum(entry.file_size for entry in entries)
        # The sizes of the directory bind the reader below: it stops there and refuses a part that goes on.
        if len(entries) > MAX_ENTRIES or unzipped > MAX_UNZIPPED_BYTES or unzipped > MAX_RATIO * max(len(content), 10_000):
            raise FileTypeRefused("The document unpacks to too much.")
        names = [entry.filename for entry in entries]
        if any(MACROS.search(name) for name in names):
            raise FileTypeRefused("Documents with macros are not accepted.")
        if any(".." in name or name.startswith("/") or "\\" in name for name in names) or len(set(names)) < len(names):
            raise FileTypeRefused("The document is damaged.")
        types, text = archive.read("[Content_Types].xml"), archive.read("word/document.xml")
        if archive.testzip() is not None:
            raise FileTypeRefused("The document is damaged.")
    if DOCX_TYPE not in types or b"macroenabled" in types.lower():
        raise FileTypeRefused("The content of the file does not fit its name.")
    for part in (types, text):
        _well_formed(part)
    return content


def _well_formed(xml: bytes) -> None:
    """Read to the end without a document type, so that there are no entities to blow up or to fetch."""

    def refuse(*args: Any) -> None:
        raise FileTypeRefused("The document is damaged.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(xml, True)


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
KINDS: dict[str, Kind] = {
    extension: kind
    for kind in (
        Kind(("pdf",), "application/pdf", frozenset({"application/pdf"}), _pdf),
        Kind(("png",), "image/png", frozenset({"image/png"}), _image("PNG")),
        Kind(("jpg", "jpeg"), "image/jpeg", frozenset({"image/jpeg"}), _image("JPEG")),
        Kind(("webp",), "image/webp", frozenset({"image/webp"}), _image("WEBP")),
        Kind(("txt",), "text/plain; charset=utf-8", frozenset(), _text),
        Kind(("docx",), DOCX, frozenset({DOCX, "application/zip"}), _docx),
    )
    for extension in kind.extensions
}
