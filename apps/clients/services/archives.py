"""Files that a job makes for somebody, to be fetched once: archives of people, lists of clients (``core.models.StoredArchive``)."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone
from phonenumber_field.phonenumber import PhoneNumber

from apps.clients.errors import ExportGone
from apps.core import storage
from apps.core.db import joined
from apps.core.models import StoredArchive

State = StoredArchive.State
WEEK = timedelta(days=7)
"""How long an archive of a person waits to be fetched."""
GIVEN_UP_AFTER = timedelta(days=1)
"""What is not made by then is not made any more; whoever waits for it is told so by its state."""
DOWNLOAD = timedelta(hours=1)
"""A download that has begun may take as long."""
AT_ONCE = 1000


class Encoder(DjangoJSONEncoder):
    """Columns as JSON; telephone numbers as they are written."""

    def default(self, o: Any) -> Any:
        return str(o) if isinstance(o, PhoneNumber) else super().default(o)


class Add:
    """Adds lists and files to an archive."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self.packed = packed

    def rows(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """A list as ``<name>.json``, written as it is read."""
        with self.packed.open(f"{name}.json", "w") as out:
            out.write(b"[")
            for number, row in enumerate(rows):
                out.write(b",\n" if number else b"\n")
                out.write(json.dumps(dict(row), cls=Encoder, ensure_ascii=False, indent=1).encode())
            out.write(b"\n]\n")

    def stored(self, name: str, key: str) -> None:
        """A stored file; one that is missing is named as such."""
        file = storage.open_file(key)
        if file is None:
            self.packed.writestr(f"{name}.missing.txt", "This file is not in the storage any more.\n")
            return
        with file, self.packed.open(name, "w") as out:
            while chunk := file.read(1 << 20):
                out.write(chunk)


@contextmanager
def archive() -> Iterator[tuple[BinaryIO, Add]]:
    """A ZIP in the making, on disk: (the file, what adds to it). The file is for whoever comes after the ``with``."""
    file = TemporaryFile()  # noqa: SIM115  the caller stores it when the archive is complete
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        yield file, Add(packed)


def finish_archive(export: Any, file: BinaryIO, *, key: str, at: datetime) -> None:
    """Store a finished archive of a person with its row."""
    size = file.seek(0, 2)
    file.seek(0)
    storage.write_file(key, file)
    is_ready(export, key=key, size=size, at=at, kept_for=WEEK)


def is_ready(export: Any, *, key: str, size: int, at: datetime, kept_for: timedelta) -> None:
    """The file is stored, and can be fetched for so long. The caller has locked the row."""
    export.state, export.storage_key, export.size = State.READY, key, size
    export.ready_at, export.expires_at = at, at + kept_for
    export.save()


@joined
def take_archive(export: Any, *, at: datetime | None = None) -> str:
    """The key of a file, once. Raises ExportGone for one that was fetched, has expired or is not ready."""
    at = at or timezone.now()
    row = type(export)._base_manager.select_for_update(no_key=True).get(pk=export.pk)
    if row.state != State.READY or row.expires_at <= at:
        raise ExportGone(state=row.state)
    row.state, row.fetched_at, row.expires_at = State.FETCHED, at, at + DOWNLOAD
    row.save(update_fields=["state", "fetched_at", "expires_at", "updated_at"])
    return row.storage_key


def drop_expired(model: Any, at: datetime) -> int:
    """Delete the files that were fetched or that nobody came for, and give up what was never made; returns how many files.

    Call in the platform scope.
    """
    lost = model._base_manager.filter(state=State.RUNNING, created_at__lte=at - GIVEN_UP_AFTER)
    lost.update(state=State.FAILED, updated_at=at)
    over = model._base_manager.filter(expires_at__lte=at).exclude(storage_key="")
    rows = model._base_manager.filter(pk__in=list(over.values_list("pk", flat=True)[:AT_ONCE]))
    storage.remove_later(list(rows.values_list("storage_key", flat=True)))
    rows.filter(state=State.READY).update(state=State.EXPIRED)
    return rows.update(storage_key="", updated_at=at)


__all__ = ["archive", "drop_expired", "finish_archive", "is_ready", "take_archive"]
