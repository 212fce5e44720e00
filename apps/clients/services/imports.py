"""Reading a file of people in: upload, preview, and batches of rows, each in a transaction of its own.

An import is resumed where it stopped: ``done`` counts the rows that are dealt with, and changes in the transaction of their batch.
Locks: the import, then clients by id.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.db import DataError, IntegrityError, transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from apps.accounts.models import Account
from apps.clients.custom import checked, declared_fields
from apps.clients.duplicates import email_key
from apps.clients.errors import ImportTooLarge, NotATable
from apps.clients.importing.columns import MAX_TAGS, Person, Reader, checked_mapping, proposed_mapping
from apps.clients.importing.reading import Line, examine, rows
from apps.clients.importing.storing import draw_ids, insert_clients, insert_rows, write_history
from apps.clients.models import Client, ClientImport, ClientImportRow, CustomField
from apps.core import jobs, storage
from apps.core.db import constraint_name, joined
from apps.core.errors import FileMissing, Invalid, InvalidTransition
from apps.core.events import acting, current_actor, emit, emit_many
from apps.core.tenancy import account_scope

State, OnDuplicate, RowState = ClientImport.State, ClientImport.OnDuplicate, ClientImportRow.State
BATCH = 500
LOOKED_AT = 200
MAX_CUSTOM_FIELDS = 100
EMPTY: dict[str, Any] = {"tags": [], "custom_fields": {}}
EXISTS = "A client with this e-mail exists already."


@joined
def upload_import(*, account: Account, name: str, content: bytes) -> ClientImport:
    """Keep a file to be read in; nothing else happens yet. Raises ImportTooLarge, NotATable, StorageUnavailable."""
    if not content:
        raise NotATable("The file is empty.")
    shape = examine(content)
    key = storage.new_key(account.pk)
    storage.write(key, content)
    source = ClientImport.objects.create(
        account_id=account.pk,
        name=name[-200:],
        format=shape.format,
        size=len(content),
        storage_key=key,
        encoding=shape.encoding,
        delimiter=shape.delimiter,
        columns=shape.columns,
        sample=shape.sample,
        mapping=proposed_mapping(shape.columns, declared_fields()),
        total=shape.total,
        uploaded_by_id=current_actor().actor_id,
    )
    emit("client_import.uploaded", source, changes={"size": [None, source.size]})
    return source


def preview_import(source: ClientImport, *, account: Account, mapping: Mapping[str, str]) -> dict[str, Any]:
    """What the first 200 rows are by this mapping: new, duplicate or bad; writes nothing. Raises Invalid, InvalidTransition, FileMissing."""
    must_be(source, State.PREVIEW)
    mapping = checked_mapping(source.columns, mapping)
    reader = _reader(source, account, mapping)
    with storage.opened(source.storage_key) as file, rows(file, source) as lines:
        people = [reader.person(line) for line in itertools.islice(lines, LOOKED_AT)]
    known = _Known.of([one for one in people if not one.problems])
    told = []
    counts = {"new": 0, "duplicate": 0, "bad": 0}
    for person in people:
        match = None if person.problems else known.match(person)
        what = "bad" if person.problems else "duplicate" if match is not None else "new"
        counts[what] += 1
        if what == "new":
            known.remember(person, _Someone(0, person.values["full_name"], {}))
        told.append(
            {
                "line": person.line,
                "state": what,
                "reason": " ".join(person.problems),
                "client": match.pk or None if match is not None else None,
                "values": person.values,
            }
        )
    return {"mapping": mapping, "looked_at": len(people), "counts": counts, "rows": told}


@joined
def commit_import(source: ClientImport, *, mapping: Mapping[str, str], on_duplicate: str, at: datetime | None = None) -> ClientImport:
    """Read the file in, by a job. Raises Invalid, InvalidTransition."""
    source = _lock(source.pk)
    must_be(source, State.PREVIEW)
    source.mapping, source.on_duplicate = checked_mapping(source.columns, mapping), on_duplicate
    source.state, source.started_at = State.RUNNING, at or timezone.now()
    source.save(update_fields=["mapping", "on_duplicate", "state", "started_at", "updated_at"])
    emit("client_import.started", source, changes={"state": [State.PREVIEW, source.state], "on_duplicate": [None, on_duplicate]})
    jobs.defer_once(run_import, f"clients.import.{source.pk}", account_id=source.account_id, import_id=source.pk)
    return source


@joined
def cancel_import(source: ClientImport, *, at: datetime | None = None) -> ClientImport:
    """Stop before the next batch, or throw an upload away; rows that were read stay (see ``undo_import``). Raises InvalidTransition."""
    source = _lock(source.pk)
    must_be(source, State.PREVIEW, State.RUNNING)
    return _end(source, State.CANCELLED, at=at or timezone.now())


@joined
def forget_file(source: ClientImport) -> None:
    """Delete an import's file, and the cells of rows that were refused: what was read in is in the clients now."""
    source = _lock(source.pk)
    if source.storage_key and source.state not in (State.RUNNING, State.UNDOING):
        storage.remove_later([source.storage_key])
        source.storage_key, source.sample = "", []
        source.save(update_fields=["storage_key", "sample", "updated_at"])
        ClientImportRow.objects.filter(source=source, state=RowState.BAD).update(raw=[], updated_at=timezone.now())


@jobs.task(name="clients.run_import", queue="imports", retry=jobs.RETRY)
def run_import(account_id: int, import_id: int, *, most: int | None = None) -> bool:
    """Read on where it stopped, ``most`` batches at most; says whether the import has ended. Not inside a transaction.

    After a worker was killed the job is queued again, and goes on after the last batch that was committed.
    """
    with account_scope(account_id):
        source = ClientImport.objects.select_related("account").get(pk=import_id)
        if source.state != State.RUNNING:
            return True
        reader = _reader(source, source.account, source.mapping)
    with acting(source.uploaded_by_id, "import"):
        try:
            with storage.opened(source.storage_key) as file, rows(file, source, skip=source.done) as lines:
                for _ in itertools.repeat(None) if most is None else range(most):
                    batch = list(itertools.islice(lines, BATCH))
                    with account_scope(account_id):
                        if not _read_batch(source, reader, batch):
                            return True
        except (NotATable, ImportTooLarge, FileMissing) as error:
            with account_scope(account_id), acting(None, "job"):
                _fail(import_id, error.message)
            return True
    return False


@joined
def _read_batch(source: ClientImport, reader: Reader, batch: Sequence[Line]) -> bool:
    """One batch; False when there is nothing more to do, because the file ended or somebody else is at it."""
    locked = _lock(source.pk)
    if locked.state != State.RUNNING or locked.done != source.done:
        return False
    if not batch:
        with acting(None, "job"):  # whoever has uploaded it is told, too
            _end(locked, State.DONE, at=timezone.now())
        return False
    people = [reader.person(line) for line in batch]
    try:
        with transaction.atomic():
            written = _write(locked, reader.declared, people)
    except (IntegrityError, DataError):  # one row of them (somebody was entered meanwhile): find out which
        written = [row for person in people for row in _write_alone(locked, reader.declared, person)]
    insert_rows(written)
    for state in (RowState.CREATED, RowState.UPDATED, RowState.SKIPPED, RowState.BAD):
        setattr(locked, state, getattr(locked, state) + sum(row.state == state for row in written))
    locked.done += len(written)
    ClientImport.objects.filter(pk=locked.pk).update(
        **{name: getattr(locked, name) for name in ("created", "updated", "skipped", "bad", "done")}, updated_at=timezone.now()
    )
    source.done = locked.done
    return True


def _write_alone(source: ClientImport, declared: Sequence[CustomField], person: Person) -> list[ClientImportRow]:
    try:
        with transaction.atomic():
            return _write(source, declared, [person])
    except IntegrityError as error:
        is_email = constraint_name(error) == "clients_client_unique_email"
        person.problems.append(EXISTS if is_email else "The database refused this row.")
    except DataError:
        person.problems.append("A value is outside the range that can be stored.")
    return _write(source, declared, [person])


@dataclass(slots=True)
class _Someone:
    """A client, or (with ``new``, the values to enter) somebody whom this batch enters under an id that was drawn for them."""

    pk: int
    full_name: str
    new: dict[str, Any] | None = None


@dataclass(slots=True)
class _Known:
    """Clients that rows of a batch may be about, those of the batch itself included."""

    by_email: dict[str, _Someone] = field(default_factory=dict)
    by_phone: dict[str, list[_Someone]] = field(default_factory=dict)
    by_name: dict[str, _Someone] = field(default_factory=dict)

    @classmethod
    def of(cls, people: Sequence[Person]) -> "_Known":
        """The account's clients with the e-mail addresses, phone numbers and (without either) names of these people."""
        known = cls()
        current = Client.objects.current()
        emails = {email_key(one.values["email"]) for one in people if "email" in one.values}
        phones = {one.values["phone_number"] for one in people if "phone_number" in one.values}
        names = {one.values["full_name"] for one in people if not {"email", "phone_number"} & one.values.keys()}
        with_email = current.filter(email_key__in=emails).order_by("-pk") if emails else current.none()
        for email, pk, name in with_email.values_list("email_key", "pk", "full_name"):
            known.by_email[email] = _Someone(pk, name)
        with_phone = current.filter(phone_number__in=phones).order_by("pk") if phones else current.none()
        for phone, pk, name in with_phone.values_list(Cast("phone_number", TextField()), "pk", "full_name"):
            known.by_phone.setdefault(phone, []).append(_Someone(pk, name))
        unreachable = current.filter(full_name__in=names, email="", phone_number="").order_by("-pk") if names else current.none()
        for pk, name in unreachable.values_list("pk", "full_name"):
            known.by_name[name.casefold()] = _Someone(pk, name)
        return known

    def match(self, person: Person) -> _Someone | None:
        """Who this is: the same e-mail, the same phone number and name, or (without either) the same name."""
        email, phone, name = (person.values.get(key, "") for key in ("email", "phone_number", "full_name"))
        if email and (found := self.by_email.get(email_key(email))):
            return found
        if phone:
            return next((one for one in self.by_phone.get(phone, ()) if one.full_name.casefold() == name.casefold()), None)
        return None if email else self.by_name.get(name.casefold())

    def has_email(self, person: Person) -> bool:
        return email_key(person.values.get("email", "")) in self.by_email

    def like(self, person: Person) -> list[_Someone]:
        """Who else has the phone number."""
        return self.by_phone.get(person.values.get("phone_number", ""), [])

    def remember(self, person: Person, someone: _Someone) -> None:
        """A person of this batch, for the rows after it."""
        email, phone = (person.values.get(key, "") for key in ("email", "phone_number"))
        if email:
            self.by_email[email_key(email)] = someone
        if phone:
            self.by_phone.setdefault(phone, []).append(someone)
        if not email and not phone:
            self.by_name[someone.full_name.casefold()] = someone


def _write(source: ClientImport, declared: Sequence[CustomField], people: Sequence[Person]) -> list[ClientImportRow]:
    """Write these people, and say what became of each row."""
    known = _Known.of([one for one in people if not one.problems])
    is_required = any(one.is_required for one in declared)
    ids = iter(draw_ids(sum(not one.problems for one in people)))
    new: list[_Someone] = []
    changing: list[tuple[ClientImportRow, int, Person]] = []
    written: list[ClientImportRow] = []
    for person in people:
        row = ClientImportRow(account_id=source.account_id, source_id=source.pk, line=person.line)
        written.append(row)
        match = None if person.problems else known.match(person)
        if match is not None and source.on_duplicate != OnDuplicate.CREATE:
            row.state, row.client_id = RowState.SKIPPED, match.pk
            if source.on_duplicate == OnDuplicate.UPDATE:
                row.state = RowState.UPDATED
                if match.new is not None:  # of an earlier row of this batch
                    match.new.update({name: after for name, (_, after) in _filled(match.new, person).items()})
                else:
                    changing.append((row, match.pk, person))
            continue
        if not person.problems and match is not None and known.has_email(person):
            person.problems.append(EXISTS)
        if not person.problems and is_required:
            person.problems += _missing(person, declared)
        if person.problems:
            row.state, row.raw, row.reason = RowState.BAD, person.raw, " ".join(person.problems)[:500]
            continue
        someone = _Someone(next(ids), person.values["full_name"], dict(person.values))
        row.state, row.client_id = RowState.CREATED, someone.pk
        like = known.like(person)
        row.reason = "Somebody else has this phone number." if like else ""
        row.duplicates = [one.pk for one in like[:10]]
        known.remember(person, someone)
        new.append(someone)
    insert_clients(source.account_id, [(one.pk, one.new or {}) for one in new])
    _update(changing)
    return written


def _missing(person: Person, declared: Sequence[CustomField]) -> list[str]:
    try:
        checked(person.values.get("custom_fields", {}), declared, complete=True)
    except Invalid as error:
        return [f"{name}: {' '.join(texts)}" for name, texts in (error.fields or {}).items()]
    return []


def _update(changing: Sequence[tuple[ClientImportRow, int, Person]]) -> None:
    """Fill in what the rows say of clients that are there; what a row does not say stays. Tags and custom fields are added."""
    wanted = {pk for _, pk, _ in changing}
    locked = Client.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk") if wanted else ()
    found = {client.pk: client for client in locked}
    changed: dict[int, dict[str, list[Any]]] = {}
    for row, pk, person in changing:
        client = found[pk]
        row.changes = _filled({name: _plain(getattr(client, name)) for name in person.values}, person)
        for name, (before, after) in row.changes.items():
            setattr(client, name, after)
            first = changed.setdefault(pk, {}).get(name, [before])[0]
            changed[pk][name] = [first, after]
    if changed:
        clients = [found[pk] for pk in sorted(changed)]
        for client in clients:
            client.updated_at = TransactionNow()  # as the rows have it: an undo tells by it that nobody else was here since
        Client.objects.bulk_update(clients, sorted({name for fields in changed.values() for name in fields} | {"updated_at"}))
        write_history([client.pk for client in clients], "~")
        emit_many("client.updated", Client, [(client.pk, changed[client.pk]) for client in clients], account_id=clients[0].account_id)


def _filled(current: Mapping[str, Any], person: Person) -> dict[str, list[Any]]:
    """{field: [before, after]} of what a row changes."""
    changes = {}
    for name, value in person.values.items():
        before = current.get(name, EMPTY.get(name, ""))
        if name == "tags":
            value = list(dict.fromkeys([*before, *value]))[:MAX_TAGS]
        elif name == "custom_fields":
            value = dict(itertools.islice({**before, **value}.items(), MAX_CUSTOM_FIELDS))
        if value != before and not (name == "email" and email_key(before) == email_key(value)):
            changes[name] = [before, value]
    return changes


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | list | dict) else str(value)


def _reader(source: ClientImport, account: Account, mapping: Mapping[str, str]) -> Reader:
    return Reader(columns=source.columns, mapping=mapping, declared=declared_fields(), country=account.country_id or "")


def _lock(pk: int) -> ClientImport:
    return ClientImport.objects.select_for_update(no_key=True).get(pk=pk)


def must_be(source: ClientImport, *states: str) -> None:
    """Raises InvalidTransition (with what can be done instead) in any other state."""
    if source.state not in states:
        raise InvalidTransition(allowed_actions=ACTIONS[source.state])


ACTIONS: dict[str, list[str]] = {
    State.PREVIEW: ["preview", "commit", "cancel"],
    State.RUNNING: ["cancel"],
    State.DONE: ["undo"],
    State.CANCELLED: ["undo"],
    State.FAILED: ["undo"],
    State.UNDOING: [],
    State.UNDONE: [],
}


def allowed_actions(state: str) -> list[str]:
    """What can be done with an import in this state."""
    return ACTIONS[state]


def _fail(import_id: int, why: str) -> None:
    source = _lock(import_id)
    if source.state == State.RUNNING:
        source.failure = why[:500]
        _end(source, State.FAILED, at=timezone.now())


def _end(source: ClientImport, state: str, *, at: datetime) -> ClientImport:
    before, source.state, source.finished_at = source.state, state, at
    if state == State.DONE:
        source.total = source.done
    source.save(update_fields=["state", "finished_at", "total", "failure", "updated_at"])
    counts = {name: [None, getattr(source, name)] for name in ("created", "updated", "skipped", "bad")}
    emit("client_import.finished", source, changes={"state": [before, state], **counts})
    return source
