"""Uploads of documents in tests."""

from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import MULTIPART_CONTENT

from apps.bookings.models import Booking
from factories.files import pdf
from tests.conftest import ApiClient

PDF = pdf()


def stored(folder: Path) -> list[str]:
    """The keys of all files in the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def upload(client: ApiClient, booking: Booking, content: bytes = PDF, name: str = "consent.pdf", **fields: Any) -> Any:
    """The answer to an upload by staff."""
    data = {"file": SimpleUploadedFile(name, content), **fields}
    return client.post(f"/api/bookings/{booking.pk}/documents/", data, MULTIPART_CONTENT)


def refused(response: Any) -> tuple[int, str]:
    """Status and code of an error."""
    return response.status_code, response.json()["error"]
