"""Bytes of small true files, and of bad ones."""

import io
import zipfile

from PIL import Image
from pypdf import PdfWriter

DOCX_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
DOCX_TEXT = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body/></w:document>'
)


def pdf(*, pages: int = 1, password: str = "") -> bytes:
    """A PDF of blank pages, with a password when one is given."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def picture(format: str = "PNG", *, size: tuple[int, int] = (8, 4), mode: str = "RGB", **options: object) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, {"RGB": "red", "RGBA": (255, 0, 0, 128)}.get(mode, 1)).save(out, format, **options)
    return out.getvalue()


def docx(parts: dict[str, str | bytes] | None = None, *, types: str = DOCX_TYPES, text: str = DOCX_TEXT) -> bytes:
    """The smallest Word document, with further parts when they are given."""
    return zipped({"[Content_Types].xml": types, "word/document.xml": text, **(parts or {})})


def zipped(parts: dict[str, str | bytes]) -> bytes:
    """An archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()
