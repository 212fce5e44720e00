"""The answer of a download, the same at every door."""

import logging

from django.http import FileResponse, HttpResponseBase, HttpResponseRedirect

from apps.bookings import storage
from apps.bookings.errors import FileMissing
from apps.bookings.models import BookingDocument

logger = logging.getLogger(__name__)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


def download(document: BookingDocument) -> HttpResponseBase:
    """The file as an attachment under its own name; with S3 a redirect to an address there that works for five minutes.

    Call it after the door has found the row among those in reach. Raises FileMissing.
    """
    key, name, content_type = document.storage_key, document.name, document.content_type
    address = storage.signed_url(key, name=name, content_type=content_type)
    if address is not None:
        return HttpResponseRedirect(address, headers=HEADERS)
    file = storage.open_file(key)
    if file is None:
        logger.error("the file of document %s is not in the storage", document.pk)
        raise FileMissing
    return FileResponse(file, as_attachment=True, filename=name, content_type=content_type, headers=HEADERS)
