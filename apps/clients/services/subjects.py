"""Giving people what is kept about them, and erasing them (rules.md §13; security.md T28). What there is, each app knows: ``core.subjects``.

An archive is made by a job and fetched once. An erasure is one transaction: the person is gone everywhere or nowhere.
"""

import json
import logging
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.clients.errors import ErasureRefused, ExportGone
from apps.clients.models import Client, Erasure, SubjectExport
from apps.core import jobs, storage
from apps.core.db import joined
from apps.core.errors import InvalidTransition
from apps.core.events import acting, current_actor, emit
from apps.core.models import StoredArchive
from apps.core.subjects import Subject, erase, files_of, lists_of, obstacles
from apps.core.tenancy import account_scope, platform_scope

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
"""How long an archive waits to be fetched."""
State = StoredArchive.State


def subject_of(client: Client, at: datetime) -> Subject:
    """The person behind a record: every record of theirs, and every word by which texts may name them."""
    records = list(Client.objects.filter(pk__in=client.all_ids).select_related("customer__user"))
    person = client.customer
    words = {text for one in records for text in (one.full_name, one.email, str(one.phone_number or ""), one.tax_id)}
    if person is not None:
        words |= {person.full_name, person.user.email, str(person.phone_number or "")}
    return Subject(
        account_id=client.account_id,
        ids=tuple(sorted(client.all_ids)),
        user_id=person.user_id if person is not None else None,
        words=tuple(sorted(word for word in words if word)),
        at=at,
    )


# -- archives


@joined
def ask_for_archive(client: Client) -> SubjectExport:
    """Have an archive made of everything that is kept about a client, notes of staff included. Emits ``client.archive_requested``."""
    export = SubjectExport.objects.create(account_id=client.account_id, client=client, requested_by_id=current_actor().actor_id)
    emit("client.archive_requested", client, changes={"archive": [None, export.pk]})
    jobs.defer_many(make_archive, [{"account_id": client.account_id, "export_id": export.pk}])
    return export


@jobs.task(name="clients.make_archive", queue="documents", retry=jobs.RETRY)
def make_archive(account_id: int, export_id: int, *, at: datetime | None = None) -> None:
    """Write the archive of one client and store it. Run again, a finished one stays as it is."""
    at = at or timezone.now()
    with account_scope(account_id), acting(None, "job:archives"):
        export = SubjectExport.objects.select_for_update(no_key=True, of=("self",)).select_related("client").filter(pk=export_id).first()
        if export is None or export.state != State.RUNNING:
            return
        with archive() as (file, add):
            add_client(add, export.client, at=at, in_house=True)
        finish_archive(export, file, key=storage.new_key(account_id), at=at)


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
                out.write(json.dumps(dict(row), cls=DjangoJSONEncoder, ensure_ascii=False, indent=1).encode())
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


def add_client(add: Add, client: Client, *, at: datetime, in_house: bool, folder: str = "") -> None:
    """Everything that the account in scope keeps about one client."""
    subject = subject_of(client, at)
    for name, rows in lists_of(subject, in_house=in_house):
        add.rows(folder + name, rows)
    for name, key in files_of(subject):
        add.stored(folder + name, key)


def finish_archive(export: Any, file: BinaryIO, *, key: str, at: datetime) -> None:
    """Store a finished archive with its row."""
    size = file.seek(0, 2)
    file.seek(0)
    storage.write_file(key, file)
    export.state, export.storage_key, export.size = State.READY, key, size
    export.ready_at, export.expires_at = at, at + KEPT_FOR
    export.save(update_fields=["state", "storage_key", "size", "ready_at", "expires_at", "updated_at"])


@joined
def take_archive(export: Any, *, at: datetime | None = None) -> str:
    """The key of an archive, once. Raises ExportGone for one that was fetched, has expired or is not ready."""
    at = at or timezone.now()
    row = type(export)._base_manager.select_for_update(no_key=True).get(pk=export.pk)
    if row.state != State.READY or row.expires_at <= at:
        raise ExportGone(state=row.state)
    row.state, row.fetched_at = State.FETCHED, at
    row.expires_at = at + timedelta(hours=1)  # a download that has begun may take as long
    row.save(update_fields=["state", "fetched_at", "expires_at", "updated_at"])
    return row.storage_key


def drop_expired(model: Any, at: datetime) -> int:
    """Delete the files of archives that were fetched or that nobody came for; returns how many. Call in the platform scope."""
    over = model._base_manager.filter(expires_at__lte=at).exclude(storage_key="")
    ids = list(over.values_list("pk", flat=True)[:1000])
    rows = model._base_manager.filter(pk__in=ids)
    storage.remove_later(list(rows.values_list("storage_key", flat=True)))
    rows.filter(state=State.READY).update(state=State.EXPIRED)
    return rows.update(storage_key="", updated_at=at)


# -- erasure


@joined
def erase_client(client: Client, *, reason: str = "", wait: bool = False, at: datetime | None = None) -> Erasure:
    """Erase a person from this account: see ``core.subjects`` for what becomes of what. Repeating it answers with the same certificate.

    Raises ErasureRefused with the ``reasons`` while something forbids it (a session ahead, money that is not settled, a legal hold);
    with ``wait`` the erasure is written down instead, and done by a job once nothing does. Locks the client.
    """
    at = at or timezone.now()
    client = Client.objects.select_for_update(of=("self",)).select_related("customer__user", "account").get(pk=client.pk)
    erasure = Erasure.objects.select_for_update(no_key=True).filter(client=client).exclude(state=Erasure.State.WITHDRAWN).first()
    if erasure is not None and erasure.state == Erasure.State.DONE:
        return erasure
    subject = subject_of(client, at)
    reasons = obstacles(subject)
    if reasons and not wait:
        raise ErasureRefused(reasons=reasons)
    who = current_actor()
    erasure = erasure or Erasure(account_id=client.account_id, client=client, requested_by_id=who.actor_id, source=who.source)
    erasure.reason = reason or erasure.reason
    if reasons:
        erasure.state, erasure.obstacles = Erasure.State.WAITING, reasons
        is_new = erasure.pk is None
        erasure.save()
        if is_new:
            emit("client.erasure_requested", client, changes={"waits_for": [None, [one["code"] for one in reasons]]})
        return erasure
    done = erase(subject)
    erasure.state, erasure.obstacles, erasure.erased_at = Erasure.State.DONE, [], at
    erasure.certificate, erasure.kept_until = done.as_json(), kept_until(client.account, at)
    erasure.save()
    emit("client.erased", client, changes={"erasure": [None, erasure.pk]})
    return erasure


@joined
def withdraw_erasure(erasure: Erasure) -> Erasure:
    """Take back an erasure that still waits. Raises InvalidTransition."""
    found = Erasure.objects.select_for_update(no_key=True).select_related("client").get(pk=erasure.pk)
    if found.state != Erasure.State.WAITING:
        raise InvalidTransition("This erasure does not wait any more.", allowed_actions=[])
    found.state, found.obstacles = Erasure.State.WITHDRAWN, []
    found.save(update_fields=["state", "obstacles", "updated_at"])
    emit("client.erasure_withdrawn", found.client)
    return found


def kept_until(account: Account, at: datetime) -> date:
    """The end of the year in which the law lets go of documents that were written by then."""
    return date(at.year + setting(account, "retention_years"), 12, 31)


def erase_waiting(at: datetime) -> int:
    """Try every erasure that waits, each in a transaction of its own; returns how many were done."""
    with platform_scope("erasures that wait"):
        waiting = list(Erasure._base_manager.filter(state=Erasure.State.WAITING).order_by("pk").values_list("account_id", "client_id"))
    count = 0
    for account_id, client_id in waiting:
        with account_scope(account_id), acting(None, "job:erasures"):
            client = Client.objects.filter(pk=client_id).first()
            if client is not None:
                count += erase_client(client, wait=True, at=at).state == Erasure.State.DONE
    return count


@joined
def hold_client(client: Client, *, reason: str, until: date | None = None) -> Client:
    """Forbid that a client is erased, for a reason (a dispute before a court), until a day or until it is lifted."""
    client = Client.objects.select_for_update(no_key=True, of=("self",)).get(pk=client.pk)
    before = client.legal_hold_until
    client.legal_hold_reason, client.legal_hold_until = reason, until
    client.save(update_fields=["legal_hold_reason", "legal_hold_until", "updated_at"])
    emit("client.held", client, changes={"until": [before and before.isoformat(), until and until.isoformat()]})
    return client


@joined
def lift_hold(client: Client) -> Client:
    """Allow it again."""
    client = Client.objects.select_for_update(no_key=True, of=("self",)).get(pk=client.pk)
    if client.legal_hold_reason:
        client.legal_hold_reason, client.legal_hold_until = "", None
        client.save(update_fields=["legal_hold_reason", "legal_hold_until", "updated_at"])
        emit("client.hold_lifted", client)
    return client


__all__ = ["add_client", "archive", "ask_for_archive", "drop_expired", "erase_client", "erase_waiting", "hold_client", "lift_hold"]
