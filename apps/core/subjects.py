"""What is kept about one person: a registry to which every app adds its own (rules.md §13; security.md T28).

In its ``subjects.py`` an app says of every table that refers to the people of an account what becomes of its rows when one of them is
erased: columns are ``blanked``, rows ``dropped``, done away with by code of their own (``erased_by``), or ``kept`` for a reason; and
what goes into an archive (``told``). ``undeclared`` finds relations that nobody speaks of, and a test fails for them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Case, F, Q, QuerySet, Value, When

from apps.core import storage

ERASED = "erased"
SHORTEST = 4
"""Letters of a word that is looked for in texts; shorter ones would be found everywhere."""

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Subject:
    """One person in the account whose scope is open. ``ids`` are their records there, merged ones included.

    ``words`` are what they are called by and reached at: blanked wherever texts of the account's log repeat them.
    """

    account_id: int
    ids: tuple[int, ...]
    user_id: int | None
    words: tuple[str, ...]
    at: datetime

    @property
    def tell_tale(self) -> tuple[str, ...]:
        """The words that are long enough to be looked for."""
        return tuple(word for word in self.words if len(word) >= SHORTEST)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The same with every part of a name, for texts that are about this person anyway."""
        parts = {part for word in self.words if "@" not in word for part in word.split() if len(part) >= SHORTEST}
        return tuple(sorted({*self.tell_tale, *parts}))


@dataclass(slots=True)
class Done:
    """What an erasure did, table by table: the certificate."""

    blanked: Counts = field(default_factory=dict)
    dropped: Counts = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, counts: Counts, table: str, rows: int) -> None:
        if rows:
            counts[table] = counts.get(table, 0) + rows

    def as_json(self) -> dict[str, Any]:
        return {"blanked": self.blanked, "dropped": self.dropped, "kept": self.kept}


Eraser = Callable[[Subject, Done], None]
Obstacle = Callable[[Subject], Iterable[int]]
Teller = Callable[[Subject], Iterable[Mapping[str, Any]]]
FileTeller = Callable[[Subject], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Told:
    """One list of an archive. ``in_house``: what staff wrote for each other; a person who asks for themself does not get it."""

    name: str
    rows: Teller
    in_house: bool = False


_erasers: list[Eraser] = []
_obstacles: dict[str, Obstacle] = {}
_told: dict[str, Told] = {}
_files: list[FileTeller] = []
_declared: set[tuple[type[models.Model], str]] = set()


# -- erasing


def blanked(model: type[models.Model], path: str, **values: Any) -> None:
    """Columns of the rows whose ``path`` leads to the person get these values, where they hold anything; in their history, too."""
    _declared.add((model, path))
    _erasers.append(lambda subject, done: _blank(model, path, values, subject, done))


def dropped(model: type[models.Model], path: str) -> None:
    """Rows whose ``path`` leads to the person are deleted, with their history."""
    _declared.add((model, path))

    def drop(subject: Subject, done: Done) -> None:
        found = _rows(model, path, subject)
        ids = list(found.values_list("pk", flat=True))
        if ids:
            found.model._base_manager.filter(pk__in=ids).delete()
            done.add(done.dropped, model._meta.db_table, len(ids))
        _forget_history(model, path, ids, subject)

    _erasers.append(drop)


def kept(model: type[models.Model], *paths: str, because: str) -> None:
    """Rows stay as they are, for this reason; the certificate says so."""
    _declared.update((model, path) for path in paths)

    def count(subject: Subject, done: Done) -> None:
        any_of = Q()
        for path in paths:
            any_of |= Q(**{f"{path}__in": subject.ids})
        rows = model._base_manager.filter(any_of, account_id=subject.account_id).count()
        if rows:
            done.kept[model._meta.db_table] = {"rows": rows, "because": because}

    _erasers.append(count)


def erased_by(eraser: Eraser, *relations: tuple[type[models.Model], str]) -> None:
    """What needs code of its own; ``relations`` are those that it takes care of."""
    _declared.update(relations)
    _erasers.append(eraser)


def obstructs(code: str, find: Obstacle) -> None:
    """As long as ``find`` finds rows nobody is erased; it returns their ids."""
    if code in _obstacles:
        raise ValueError(f"{code} is registered twice.")
    _obstacles[code] = find


def obstacles(subject: Subject) -> list[dict[str, Any]]:
    """Why this person cannot be erased now: [{code, ids}], empty when they can."""
    found = ((code, sorted(find(subject))) for code, find in sorted(_obstacles.items()))
    return [{"code": code, "ids": ids} for code, ids in found if ids]


def erase(subject: Subject) -> Done:
    """Erase a person in every app, inside the caller's transaction. Run again, it finds nothing."""
    done = Done()
    for eraser in _erasers:
        eraser(subject, done)
    return done


def _rows(model: type[models.Model], path: str, subject: Subject) -> QuerySet:
    return model._base_manager.filter(**{f"{path}__in": subject.ids, "account_id": subject.account_id})


def _blank(model: type[models.Model], path: str, values: dict[str, Any], subject: Subject, done: Done) -> None:
    done.add(done.blanked, model._meta.db_table, blank_rows(_rows(model, path, subject), values))
    past = history_of(model)
    if past is not None:
        remembered = {name: value for name, value in values.items() if name in {one.name for one in past._meta.concrete_fields}}
        blank_rows(past._base_manager.filter(**{f"{path}__in": subject.ids, "account_id": subject.account_id}), remembered)


def blank_rows(rows: QuerySet, values: Mapping[str, Any]) -> int:
    """Write these values over whatever the columns hold; empty columns stay empty. Returns how many rows were changed."""
    if not values:
        return 0
    filled = Q()
    updates: dict[str, Any] = {}
    for name, value in values.items():
        column = rows.model._meta.get_field(name)
        holds = ~Q(**{name: column.get_default()}) & ~Q(**{f"{name}__isnull": True})
        filled |= holds & ~Q(**{name: value}) if value is not None else Q(**{f"{name}__isnull": False})
        updates[name] = value if value is None else Case(When(holds, then=Value(value, output_field=column)), default=F(name))
    return rows.filter(filled).update(**updates)


def history_of(model: type[models.Model]) -> Any:
    """The model of a model's history, None when none is kept."""
    manager = getattr(model, "history", None)
    return manager.model if manager is not None else None


def _forget_history(model: type[models.Model], path: str, ids: Sequence[int], subject: Subject) -> None:
    """Of these rows, and of those that somebody has deleted before."""
    past = history_of(model)
    if past is not None:
        theirs = Q(id__in=ids) | Q(**{f"{path}__in": subject.ids})
        rows = past._base_manager.filter(theirs, account_id=subject.account_id).values("history_id")
        past._base_manager.filter(history_id__in=rows).delete()


def drop_files(rows: QuerySet, field_name: str = "storage_key") -> None:
    """Delete the files that these rows keep, once the transaction is committed."""
    storage.remove_later([key for key in rows.values_list(field_name, flat=True) if key])


# -- telling


def told(name: str, model: type[models.Model], *paths: str, leave: Sequence[str] = (), in_house: bool = False) -> None:
    """All rows whose ``paths`` lead to the person, with every column but those left out (keys of files, secrets)."""
    left = {"account", *leave}
    columns = [one.attname for one in model._meta.concrete_fields if one.name not in left]

    def rows(subject: Subject) -> Iterator[Mapping[str, Any]]:
        any_of = Q()
        for path in paths:
            any_of |= Q(**{f"{path}__in": subject.ids})
        return model._base_manager.filter(any_of, account_id=subject.account_id).order_by("pk").values(*columns).iterator(chunk_size=500)

    told_by(name, rows, in_house=in_house)


def told_by(name: str, rows: Teller, *, in_house: bool = False) -> None:
    """A list of an archive that is made by code of its own."""
    if name in _told:
        raise ValueError(f"{name} is told twice.")
    _told[name] = Told(name, rows, in_house)


def files_told_by(files: FileTeller) -> None:
    """Files of an archive: (its name there, the key it is stored under)."""
    _files.append(files)


def lists_of(subject: Subject, *, in_house: bool) -> Iterator[tuple[str, Iterable[Mapping[str, Any]]]]:
    """Every list of an archive with its rows."""
    for name in sorted(_told):
        if in_house or not _told[name].in_house:
            yield name, _told[name].rows(subject)


def files_of(subject: Subject) -> Iterator[tuple[str, str]]:
    """Every file of an archive."""
    for files in _files:
        yield from files(subject)


def undeclared(model: type[models.Model]) -> list[str]:
    """Relations to ``model`` of which no app says what becomes of them when a person is erased."""
    declared = {(one._meta.label_lower, path.partition("__")[0]) for one, path in _declared}
    found = []
    for relation in model._meta.related_objects:
        related = relation.related_model
        if hasattr(related, "history_id") or (related._meta.label_lower, relation.field.name) in declared:
            continue
        found.append(f"{related._meta.label_lower}.{relation.field.name}")
    return sorted(found)


__all__ = [
    "ERASED",
    "Done",
    "Subject",
    "blank_rows",
    "blanked",
    "drop_files",
    "dropped",
    "erase",
    "erased_by",
    "files_of",
    "files_told_by",
    "history_of",
    "kept",
    "lists_of",
    "obstacles",
    "obstructs",
    "told",
    "told_by",
    "undeclared",
]
