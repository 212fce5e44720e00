"""The answer of a download, the same at every door."""

import logging

from django.http import FileResponse, HttpResponseBase, HttpResponseRedirect

from apps.core import storage
from apps.core.errors import FileMissing

logger = logging.getLogger(__name__)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


def download(key: str, *, name: str, content_type: str) -> HttpResponseBase:
    """The file as an attachment under its own name; with S3 a redirect to an address there that works for five minutes.

    Call it after the door has found the row that keeps it among those in reach. Raises FileMissing.
    """
    address = storage.signed_url(key, name=name, content_type=content_type)
    if address is not None:
        return HttpResponseRedirect(address, headers=HEADERS)
    file = storage.open_file(key)
    if file is None:
        logger.error("the file %s is not in the storage", key)
        raise FileMissing
    return FileResponse(file, as_attachment=True, filename=name, content_type=content_type, headers=HEADERS)
