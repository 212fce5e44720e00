"""The people of a multi-table-inheritance database, brought here with everything that refers to them (source 001)."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model
from phonenumber_field.phonenumber import PhoneNumber

from apps.core.db import constraint_name, rows
from apps.core.errors import Invalid
from apps.core.models import Event
from apps.core.tenancy import platform_scope
from apps.legacy.people import MODELS, OLD_TABLES, People, Row, Table
from apps.legacy.record import ImportRecord
from apps.users.models import Customer, User
from apps.users.models.user import normalize_email

BATCH = 1000
Say = Callable[[str], None]
Doomed = dict[str, set[int]]

# Columns that must be unique here, per old table, and the problem that a second owner is.
UNIQUE = {
    "users_user": {"email": "email_collision", "username": "username_collision"},
    "users_customer": {"phone_number": "phone_collision", "primary_address_id": "address_collision"},
}
NOT_CARRIED = ("payment_wallet", "users_user_groups", "users_user_user_permissions")
IDENTITIES = """
    SELECT c.id, u.id, u.email FROM users_user u LEFT JOIN users_customer c ON c.user_id = u.id WHERE u.id = ANY (%s) ORDER BY u.id
"""
SET_SEQUENCE = """
    SELECT setval(s.oid, greatest(%s, pg_sequence_last_value(s.oid))) FROM (SELECT pg_get_serial_sequence(%s, %s)::regclass AS oid) s
"""


@dataclass(slots=True)
class Tally:
    """Rows of one old table: ``equal`` are here as they should be, ``missing`` are not yet, ``changed`` (ids) differ."""

    read: int = 0
    equal: int = 0
    missing: int = 0
    changed: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """Counts per old table, problems (code → ids; they stop the import) and notices (they do not)."""

    tallies: dict[str, Tally]
    problems: dict[str, list[int]]
    notices: dict[str, int]
    old_digest: str
    new_digest: str

    @property
    def complete(self) -> bool:
        """Every row is here and equal, and the digest of (customer id, user id, e-mail) is the same on both sides."""
        all_equal = all(tally.equal == tally.read for tally in self.tallies.values())
        return not self.problems and all_equal and self.old_digest == self.new_digest


def inspect(people: People, record: ImportRecord, *, batch: int = BATCH) -> Report:
    """Compare the old database with this one and look for whatever would not fit. Writes nothing.

    A row whose id is used here by something else is the problem ``id_taken``; one that this import created and somebody has
    changed since is only counted as ``changed``.
    """
    people.forget()
    tallies = {table.name: Tally() for table in people.tables}
    seen: dict[str, dict[Any, int]] = defaultdict(dict)
    for table in people.tables:
        tally, created = tallies[table.name], record.ids[table.name]
        for wanted in _wanted(people, table, batch):
            _check_fit(people, table, wanted, seen)
            found = _found(table.model, wanted)
            tally.read += len(wanted)
            for pk, values in wanted.items():
                row = found.get(pk)
                if row == values:
                    tally.equal += 1
                elif row is None or (pk in created and not record.finished and _only_lacks_inviter(row, values)):
                    tally.missing += 1
                elif pk in created:
                    tally.changed.append(pk)
                else:
                    people.problem("id_taken", pk)
    _note_what_stays(people, tallies)
    old_digest, new_digest = _digests(people, batch)
    return Report(tallies, dict(people.problems), dict(people.notices), old_digest, new_digest)


def import_people(people: People, record: ImportRecord, *, say: Say, batch: int = BATCH) -> Report:
    """Write what is missing, batch by batch, then inspect again. A run that was interrupted is continued by the next.

    The sequences are set first, so that nobody who signs up meanwhile takes an id. Raises Invalid, with nothing written, when
    ``inspect`` finds problems. The import is done when the report is ``complete``, and only then.
    """
    before = inspect(people, record, batch=batch)
    if before.problems:
        raise Invalid("Nothing was imported: " + ", ".join(f"{code} ({len(ids)})" for code, ids in before.problems.items()))
    people.forget()
    _advance_sequences(people)
    for table in people.tables:
        done, total = 0, before.tallies[table.name].read
        for wanted in _wanted(people, table, batch):
            try:
                with transaction.atomic():
                    _create_missing(table, wanted, record)
            except IntegrityError as error:
                raise Invalid(f"{table.name}: refused by {constraint_name(error)}. Earlier batches stay; run again to go on.") from error
            done += len(wanted)
            say(f"{table.name}: {done} of {total}")
        if table.model is Customer and not record.finished:
            _link_inviters(people, table, batch)
    after = inspect(people, record, batch=batch)
    if after.complete and not record.finished:
        record.finish()
    return after


def undo_import(record: ImportRecord, *, say: Say) -> dict[str, list[int]]:
    """Delete what the import created, in one transaction; returns the ids that stay, by old table name.

    A person stays whole (login, addresses, customer, history) when anything that the import did not create refers to any part
    of it: a membership, a client, a token, a later state in a history, an event they caused.
    """
    with transaction.atomic(), platform_scope("undo an import of customers"):
        doomed: Doomed = {name: _existing(model, record.ids[name]) for name, (_, model) in MODELS.items()}
        _spare_the_used(doomed)
        for name, (_, model) in reversed(MODELS.items()):  # the keys between these tables are checked at COMMIT
            for some in _chunks(doomed[name]):
                query = model._base_manager.filter(pk__in=some)
                query._raw_delete(query.db)  # no signals: they would write a history of the deletion
            say(f"{name}: {len(doomed[name])} deleted")
    stays = {name: _existing(model, record.ids[name]) for name, (_, model) in MODELS.items()}
    for name, ids in stays.items():
        record.deleted(name, record.ids[name] - ids)
    return {name: sorted(ids) for name, ids in stays.items() if ids}


def _wanted(people: People, table: Table, batch: int) -> Iterator[dict[int, Row]]:
    """What should be here, by primary key, batch by batch."""
    for old_rows in people.old.batches(table.name, table.key, batch):
        built = ((row[table.key], table.build(row)) for row in old_rows)
        yield {pk: values for pk, values in built if values is not None}


def _found(model: type[Model], wanted: dict[int, Row]) -> dict[int, Row]:
    """The rows of ours that have these primary keys, with the columns that are wanted."""
    columns = list(next(iter(wanted.values()), {}))
    query = model._base_manager.filter(pk__in=wanted).values_list("pk", *columns)
    return {pk: dict(zip(columns, map(_plain, values), strict=True)) for pk, *values in query}


def _plain(value: Any) -> Any:
    """A phone number as its column holds it."""
    return value.raw_input if isinstance(value, PhoneNumber) else value


def _only_lacks_inviter(found: Row, wanted: Row) -> bool:
    """A customer of a run that ended before the inviters were linked."""
    return "inviter_id" in wanted and found == {**wanted, "inviter_id": None}


def _check_fit(people: People, table: Table, wanted: dict[int, Row], seen: dict[str, dict[Any, int]]) -> None:
    """Texts that are too long, and values that must be unique: among the old rows (``seen``) and beside other rows of ours."""
    limits = {one.attname: one.max_length or 0 for one in table.model._meta.concrete_fields if getattr(one, "max_length", None)}
    for pk, values in wanted.items():
        if any(len(values.get(name) or "") > limit for name, limit in limits.items()):
            people.problem("too_long", pk)
    for column, code in UNIQUE.get(table.name, {}).items():
        owners = {values[column]: pk for pk, values in wanted.items() if values[column] is not None}
        others = table.model._base_manager.filter(**{f"{column}__in": owners}).values_list(column, "pk")
        here = {_plain(value): pk for value, pk in others}
        for pk, values in wanted.items():
            value = values[column]
            if value is not None and (seen[column].setdefault(value, pk) != pk or here.get(value, pk) != pk):
                people.problem(code, pk)


def _note_what_stays(people: People, tallies: dict[str, Tally]) -> None:
    """Say what of the old database has no place here, so that nothing is lost in silence."""
    for name, tally in tallies.items():
        if columns := sorted(people.columns[name] - OLD_TABLES[name]):
            people.notices[f"columns of {name} that stay behind: {', '.join(columns)}"] = len(columns)
        if left := people.old.count(name) - tally.read:
            people.notices[f"rows of {name} that stay behind"] = left
    for name in NOT_CARRIED:
        if count := people.old.count(name):
            people.notices[f"rows of {name} that stay behind"] = count


def _digests(people: People, batch: int) -> tuple[str, str]:
    """SHA-256 over (customer id, user id, e-mail) of every old login, as the old database and as this one has it."""
    old, new = hashlib.sha256(), hashlib.sha256()
    for logins in people.old.batches("users_user", "id", batch):
        for row in logins:
            customer_id = row["id"] if row["id"] in people.customer_ids else None
            old.update(repr((customer_id, row["id"], normalize_email(row["email"] or ""))).encode())
        for identity in rows(IDENTITIES, [[row["id"] for row in logins]]):
            new.update(repr(identity).encode())
    return old.hexdigest(), new.hexdigest()


def _advance_sequences(people: People) -> None:
    """No sequence of ours gives out an id that the old database has used."""
    for table in people.tables:
        last = max((pk for (pk,) in people.old.values(table.name, table.key)), default=0)
        if last > 0:
            key = table.model._meta.pk
            rows(SET_SEQUENCE, [last, table.model._meta.db_table, key.column])  # type: ignore[union-attr]


def _create_missing(table: Table, wanted: dict[int, Row], record: ImportRecord) -> None:
    """Insert what is not here and note it; the inviters of customers follow once all are there."""
    here = _existing(table.model, wanted)
    new = {pk: {**values, "inviter_id": None} if table.model is Customer else values for pk, values in wanted.items() if pk not in here}
    if new:
        # bulk_create writes no history: the old one is brought along.
        table.model._base_manager.bulk_create(table.model(**values) for values in new.values())
        record.created(table.name, new)


def _link_inviters(people: People, table: Table, batch: int) -> None:
    """Point the customers of this import at those who invited them (nobody else has one of these ids: ``id_taken``)."""
    for wanted in _wanted(people, table, batch):
        inviters = {pk: values["inviter_id"] for pk, values in wanted.items() if values["inviter_id"]}
        lacking = list(Customer.objects.filter(pk__in=inviters, inviter=None).order_by("pk"))
        for customer in lacking:
            customer.inviter_id = inviters[customer.pk]
        Customer.objects.bulk_update(lacking, ["inviter"])


def _existing(model: type[Model], ids: Collection[int]) -> set[int]:
    """Those of ``ids`` that are there."""
    return {pk for some in _chunks(ids) for pk in model._base_manager.filter(pk__in=some).values_list("pk", flat=True)}


def _chunks(ids: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(ids)
    return (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))


def _spare_the_used(doomed: Doomed) -> None:
    """Take out of ``doomed`` whatever something else refers to, with the whole person it belongs to, until nothing changes."""
    imported = {model: doomed[name] for name, (_, model) in MODELS.items()}
    logins, count = frozenset(imported[User]), -1
    while count != (count := sum(len(ids) for ids in doomed.values())):
        for model, ids in imported.items():
            for some in _chunks(ids):
                ids -= _used(model, some, imported)
        for model, ids in imported.items():
            if model is not User:
                for some in _chunks(ids):
                    owners = model._base_manager.filter(pk__in=some).values_list("pk", "user_id")
                    ids -= {pk for pk, user_id in owners if user_id in logins and user_id not in imported[User]}


def _used(model: type[Model], ids: list[int], imported: dict[type[Model], set[int]]) -> set[int]:
    """Those of ``ids`` that a row refers to which is not to be deleted itself."""
    used: set[int] = set()
    for relation in model._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and not relation.many_to_many:
            other: Any = relation.related_model
            column = relation.field.attname  # type: ignore[union-attr]
            pairs = other._base_manager.filter(**{f"{column}__in": ids}).values_list("pk", column)
            used |= {referred for pk, referred in pairs if pk not in imported.get(other, ())}
    if model is User:  # these name the person without a key
        used.update(User.history.filter(id__in=ids).values_list("id", flat=True))  # type: ignore[attr-defined]
        used.update(Event.objects.filter(actor_id__in=ids).values_list("actor_id", flat=True))
    return used
