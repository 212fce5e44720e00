"""Where documents lie: a folder of the product, or any S3, by setting. Nothing there has an address of its own."""

import io
import logging
import weakref
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import transaction
from django.utils.http import content_disposition_header

from apps.bookings.errors import StorageUnavailable

logger = logging.getLogger(__name__)

# [security.md T19] at most five minutes
SIGNED_FOR_SECONDS = 300


class LocalDocuments(FileSystemStorage):
    """Files on the server's disk, for its own user only and without an address."""

    def url(self, name: str | None) -> str:
        raise ValueError("Documents are read through the permission check only.")


def documents() -> Storage:
    """The storage of documents, as set."""
    return storages["documents"]


def write(key: str, content: bytes) -> None:
    """Store a file now and remove it again unless the transaction commits. The key is new: nothing is overwritten.

    Raises StorageUnavailable.
    """
    _remove_unless_committed(key)
    try:
        documents().save(key, File(io.BytesIO(content)))
    except Exception as error:  # a full disk, or any of the S3 client's several families of errors
        raise StorageUnavailable from error


def remove(key: str) -> None:
    """Delete a file; one that is gone already is no error."""
    documents().delete(key)


def keys_by_account() -> Iterator[list[str]]:
    """The keys of all stored files, one account's after another's."""
    storage = documents()
    try:
        folders = storage.listdir("")[0]
    except FileNotFoundError:  # nothing was ever stored here
        return
    for folder in folders:
        yield [f"{folder}/{name}" for name in storage.listdir(folder)[1]]


def open_file(key: str) -> BinaryIO | None:
    """The file for reading, None when it is not there."""
    try:
        return documents().open(key, "rb")  # type: ignore[return-value]  # stubs: File has the methods of a binary stream
    except FileNotFoundError:
        return None


def signed_url(key: str, *, name: str, content_type: str) -> str | None:
    """An address at the S3 that answers for five minutes as a download would; None when the files lie here."""
    storage = documents()
    if isinstance(storage, LocalDocuments):
        return None
    answers = {
        "ResponseContentDisposition": content_disposition_header(as_attachment=True, filename=name),
        "ResponseContentType": content_type,
        "ResponseCacheControl": "private, no-store",
    }
    return storage.url(key, parameters=answers, expire=SIGNED_FOR_SECONDS)  # type: ignore[call-arg]  # S3Storage's own arguments


class _Stored:
    """Stands for a file whose row is not committed yet."""

    def keep(self, removal: weakref.finalize) -> None:
        removal.detach()


def _remove_unless_committed(key: str) -> None:
    """Django calls back after a commit and never after a rollback: it just drops the callbacks.

    So the callback itself is watched: when it is dropped without having been called (a rollback of the transaction or of
    a savepoint, a failed commit, the end of the process), the file goes. What a killed process leaves is swept later.
    """
    stored = _Stored()
    removal = weakref.finalize(stored, _undo, key)
    transaction.on_commit(partial(stored.keep, removal))


def _undo(key: str) -> None:
    try:
        remove(key)
    except Exception:  # nobody is left to tell: the transaction is over
        logger.exception("the file of a document that was not kept could not be removed; it is left to the sweeper")
