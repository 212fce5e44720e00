"""Where private files lie: a folder of the product, or any S3, by setting. Nothing there has an address of its own.

A file is kept by the row that names its key, ``<account>/<uuid>``; models that do say so with ``keeps``.
"""

import io
import logging
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import BinaryIO

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db import models, transaction
from django.utils import timezone
from django.utils.http import content_disposition_header

from apps.core import jobs
from apps.core.errors import FileMissing, StorageUnavailable
from apps.core.tenancy import platform_scope

logger = logging.getLogger(__name__)

# [security.md T19] at most five minutes
SIGNED_FOR_SECONDS = 300
# Longer than any transaction: a younger file may belong to a row that is about to be committed.
ORPHAN_AFTER = timedelta(hours=24)

_keepers: list[tuple[type[models.Model], str]] = []
_measured: list[tuple[type[models.Model], str]] = []


def keeps(model: type[models.Model], field: str, *, size: str = "") -> None:
    """Say (in ``AppConfig.ready``) that the rows of a tenant model keep the files whose keys are in this column.

    With ``size``, the column of their bytes, they count against what the account may keep (``kept_bytes``).
    """
    _keepers.append((model, field))
    if size:
        _measured.append((model, size))


def kept_bytes() -> int:
    """Bytes of all documents of the account in scope; one statement for each model that has some."""
    found = (model.objects.aggregate(bytes=models.Sum(size))["bytes"] for model, size in _measured)  # type: ignore[attr-defined]
    return sum(int(one or 0) for one in found)


def new_key(owner: int | str) -> str:
    """A key that was never used, in the folder of its owner: an account, by its id, or a word for what belongs to no account."""
    return f"{owner}/{uuid.uuid4()}"


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
    write_file(key, io.BytesIO(content))


def write_file(key: str, file: BinaryIO) -> None:
    """``write`` for what is too big for the memory. Raises StorageUnavailable."""
    _remove_unless_committed(key)
    try:
        documents().save(key, File(file))
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


@contextmanager
def opened(key: str) -> Iterator[BinaryIO]:
    """The file for reading, closed at the end. Raises FileMissing."""
    file = open_file(key) if key else None
    if file is None:
        raise FileMissing
    with file:
        yield file


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


@jobs.task(name="core.remove_file", aliases=["bookings.remove_file"], queue="documents", retry=jobs.RETRY)
def remove_file(key: str) -> None:
    """Delete the file of a row that was deleted. Keys are never used twice, so it may run twice."""
    remove(key)


def remove_later(keys: Sequence[str]) -> None:
    """Delete files once the caller's transaction is committed (jobs, which are tried again when the storage is away)."""
    jobs.defer_many(remove_file, [{"key": key} for key in keys])


@jobs.periodic(cron="37 3 * * *")
@jobs.task(name="core.sweep_files", aliases=["bookings.sweep_documents"], queue="documents", queueing_lock="core.sweep_files")
def sweep_files(timestamp: int) -> int:
    """Delete files without a row (their process was killed before it committed), once they are a day old; returns how many."""
    swept = 0
    for keys in keys_by_account():
        known = _known(keys)
        for key in keys:
            if key not in known and documents().get_modified_time(key) < timezone.now() - ORPHAN_AFTER:
                remove(key)
                swept += 1
    if swept:
        logger.warning("%s files that no row keeps were removed", swept)
    return swept


def _known(keys: list[str]) -> set[str]:
    with platform_scope("files that no row keeps"):
        return {
            key for model, field in _keepers for key in model._base_manager.filter(**{f"{field}__in": keys}).values_list(field, flat=True)
        }
