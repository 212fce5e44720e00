"""What uploads of every app share: the virus scanner, and pictures that are made anew (security.md T19). No database, no storage."""

import io
import threading
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from PIL import Image, ImageOps

from apps.core.errors import FileNotScanned, FileTooLarge, FileTypeRefused

MAX_PIXELS = 50_000_000
JPEG_QUALITY = 90
TOO_MANY_PIXELS = f"An image may have at most {MAX_PIXELS // 1_000_000} megapixels."

PICTURES = ("PNG", "JPEG", "WEBP")
MAX_PICTURE_BYTES = 10 * 1024 * 1024
PORTRAIT_PIXELS = 1024

# Pixels take up to 200 MB: one picture at a time in each process.
decoding = threading.Lock()


def scan(content: bytes) -> None:
    """Ask the scanner of the settings; one that cannot answer lets nothing in. Raises FileTypeRefused, FileNotScanned."""
    try:
        found = import_string(settings.DOCUMENT_SCANNER)(content)
    except Exception as error:  # a scanner is somebody else's program: whatever it raises, the file was not scanned
        raise FileNotScanned from error
    if found:
        raise FileTypeRefused("The file was refused by the virus scanner.")


def pixels_only(image: Image.Image, picture: str) -> bytes:
    """The picture again, upright, without anything that is not a pixel (EXIF, GPS, comments, profiles)."""
    upright = ImageOps.exif_transpose(image)
    has_alpha = picture != "JPEG" and upright.has_transparency_data
    pixels = upright.convert("RGBA" if has_alpha else "L" if upright.mode in ("1", "L") else "RGB")
    pixels.info = {}
    out = io.BytesIO()
    options: dict[str, Any] = {"optimize": True} if picture == "PNG" else {"quality": JPEG_QUALITY}
    pixels.save(out, picture, **options)
    return out.getvalue()


def portrait(content: bytes) -> bytes:
    """A picture of a person as WebP, at most PORTRAIT_PIXELS wide and high, whatever its name was.

    Raises FileTooLarge, FileTypeRefused, FileNotScanned.
    """
    if len(content) > MAX_PICTURE_BYTES:
        raise FileTooLarge
    scan(content)
    try:
        Image.open(io.BytesIO(content), formats=PICTURES).verify()
        image = Image.open(io.BytesIO(content), formats=PICTURES)
        if image.width * image.height > MAX_PIXELS:  # known from the header, before a pixel is decoded
            raise FileTypeRefused(TOO_MANY_PIXELS)
        if image.format not in ("JPEG", "MPO") and getattr(image, "n_frames", 1) > 1:  # a JPEG's further frames are previews (MPO)
            raise FileTypeRefused("Animated images are not accepted.")
        with decoding:
            image.thumbnail((PORTRAIT_PIXELS, PORTRAIT_PIXELS))
            return pixels_only(image, "WEBP")
    except FileTypeRefused:
        raise
    except Exception as error:  # whatever a parser stumbles over in a stranger's bytes is a reason to refuse them
        raise FileTypeRefused("Send a PNG, JPEG or WebP picture.") from error
