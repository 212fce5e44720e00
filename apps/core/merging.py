"""Making one row of two: what happens to everything that refers to the one that loses (rules.md §13).

Every relation to a model that can be merged is declared by the app that has it, in its ``merging.py``: its rows follow to the winner
(``follows``), stay with the loser (``stays``), or are moved by code of their own (``moved_by``). ``undeclared`` finds the others, and a
test fails for them. What was moved is recorded as JSON, so that it can be taken back.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.apps import apps
from django.db import connection, models
from django.db.models import Q, QuerySet

from apps.core.constraints import KnownInAccount

Record = Any
"""JSON: what one relation has moved."""
Moved = dict[str, Record]
"""{name of a relation: what it has moved}"""


@dataclass(frozen=True, slots=True)
class Merging:
    """One merge. ``facts`` are what the app of the two rows lets the movers of other apps know."""

    winner: Any
    loser: Any
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)


class Mover(Protocol):
    """One relation, named ``app.model.field``."""

    name: str

    def count(self, merging: Merging) -> int:
        """How many rows would move."""

    def move(self, merging: Merging) -> Record:
        """Move the rows and say which; called with both rows locked."""

    def changed(self, merging: Merging, record: Record) -> list[int]:
        """The moved rows that were changed since and cannot be taken back."""

    def move_back(self, merging: Merging, record: Record) -> None:
        """Take a move back. ``merging`` is the one that was made."""


class Follows:
    """Rows that refer to the winner from now on, but for those that ``unless`` says must not (a rule would be broken)."""

    def __init__(self, model: type[models.Model], field_name: str, unless: Callable[[Merging], Q] | None) -> None:
        self.model, self.field_name, self.unless = model, field_name, unless
        self.name = relation_name(model, field_name)

    def rows(self, merging: Merging) -> QuerySet:
        found = self.model.objects.filter(**{self.field_name: merging.loser.pk})  # type: ignore[attr-defined]
        return found if self.unless is None else found.exclude(self.unless(merging))

    def count(self, merging: Merging) -> int:
        return self.rows(merging).count()

    def move(self, merging: Merging) -> list[int]:
        locked = self.rows(merging).select_for_update(of=("self",), no_key=True).order_by("pk")
        ids = list(locked.values_list("pk", flat=True))
        self._point(ids, merging.winner.pk, merging.at)
        return ids

    def changed(self, merging: Merging, record: list[int]) -> list[int]:
        """``updated_at`` is still the merge's own in rows that nobody has touched."""
        same = {self.field_name: merging.winner.pk, "updated_at": merging.at}
        locked = self._of(record).filter(**same).select_for_update(of=("self",), no_key=True)
        return sorted(set(record) - set(locked.order_by("pk").values_list("pk", flat=True)))

    def move_back(self, merging: Merging, record: list[int]) -> None:
        self._point(record, merging.loser.pk, merging.facts["undone_at"])

    def _of(self, ids: list[int]) -> QuerySet:
        return self.model.objects.filter(pk__in=ids)  # type: ignore[attr-defined]

    def _point(self, ids: list[int], to: int, at: datetime) -> None:
        if ids:
            self._of(ids).update(**{self.field_name: to, "updated_at": at})


@dataclass(frozen=True, slots=True)
class Stays:
    """Rows that go on referring to the loser, and why."""

    model: type[models.Model]
    field_name: str
    because: str

    @property
    def name(self) -> str:
        return relation_name(self.model, self.field_name)

    def count(self, merging: Merging) -> int:
        """How many rows stay."""
        return self.model.objects.filter(**{self.field_name: merging.loser.pk}).count()  # type: ignore[attr-defined]


Conflict = dict[str, Any]
"""JSON about something that the two have at once; ``is_blocking`` when it forbids the merge."""

_movers: dict[str, Mover] = {}
_stays: dict[str, Stays] = {}
_looks: list[tuple[type[models.Model], Callable[[Merging], list[Conflict]]]] = []


def follows(model: type[models.Model], *fields: str, unless: Callable[[Merging], Q] | None = None) -> None:
    """Rows of ``model`` follow to the winner in these fields."""
    for name in fields:
        moved_by(Follows(model, name, unless))


def moved_by(mover: Mover) -> None:
    """A relation is moved by code of its own."""
    if mover.name in _movers or mover.name in _stays:
        raise ValueError(f"{mover.name} is declared twice.")
    _movers[mover.name] = mover


def stays(model: type[models.Model], *fields: str, because: str) -> None:
    """Rows of ``model`` stay with the loser in these fields."""
    for name in fields:
        declared = Stays(model, name, because)
        if declared.name in _movers or declared.name in _stays:
            raise ValueError(f"{declared.name} is declared twice.")
        _stays[declared.name] = declared


def looks_for_conflicts(target: type[models.Model], find: Callable[[Merging], list[Conflict]]) -> None:
    """Ask ``find`` what stands against a merge of two rows of ``target``, or should be known before it."""
    _looks.append((target, find))


def conflicts(merging: Merging) -> list[Conflict]:
    """Everything that the apps find."""
    return [one for target, find in _looks if isinstance(merging.winner, target) for one in find(merging)]


def relation_name(model: type[models.Model], field_name: str) -> str:
    """``app.model.field``: how a relation is called in records."""
    return f"{model._meta.label_lower}.{field_name}"


def relations_to(target: type[models.Model]) -> dict[str, tuple[type[models.Model], str]]:
    """Every foreign key to ``target``, hidden ones included; histories are of the past and not meant."""
    found = {}
    for relation in target._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or any(f.name == "history_id" for f in relation.related_model._meta.fields):
            continue
        found[relation_name(relation.related_model, relation.field.name)] = (relation.related_model, relation.field.name)
    return found


def undeclared(target: type[models.Model]) -> list[str]:
    """Relations to ``target`` that nobody has declared."""
    return sorted(set(relations_to(target)) - set(_movers) - set(_stays))


def _movers_of(target: type[models.Model]) -> list[Mover]:
    """In the order of locks: the floors' own order of registration, which is that of INSTALLED_APPS."""
    relations = relations_to(target)
    return [mover for name, mover in _movers.items() if name in relations]


def _stays_of(target: type[models.Model]) -> list[Stays]:
    relations = relations_to(target)
    return [one for name, one in _stays.items() if name in relations]


def count_rows(merging: Merging) -> tuple[dict[str, int], dict[str, int]]:
    """({relation: rows that would move}, {relation: rows that would stay}), without empty ones."""
    target = type(merging.winner)
    moving = {mover.name: mover.count(merging) for mover in _movers_of(target)}
    staying = {one.name: one.count(merging) for one in _stays_of(target)}
    return {name: n for name, n in moving.items() if n}, {name: n for name, n in staying.items() if n}


@contextmanager
def exchanging(target: type[models.Model]) -> Iterator[None]:
    """Inside, the two rows may exchange what other rows refer to them by (``KnownInAccount``); at the end all is checked again."""
    names = sorted(
        constraint.name
        for model in apps.get_models()
        for constraint in model._meta.constraints
        if isinstance(constraint, KnownInAccount) and constraint.through == target._meta.label
    )
    with connection.cursor() as cursor:
        listed = ", ".join(map(connection.ops.quote_name, names))
        if names:
            cursor.execute(f"SET CONSTRAINTS {listed} DEFERRED")
        yield
        if names:
            cursor.execute(f"SET CONSTRAINTS {listed} IMMEDIATE")


def move(merging: Merging) -> Moved:
    """Move everything that is to move; both rows are locked. Returns what was moved."""
    return {mover.name: record for mover in _movers_of(type(merging.winner)) if (record := mover.move(merging))}


def changed_since(merging: Merging, moved: Moved) -> dict[str, list[int]]:
    """{relation: rows} that forbid to take a merge back: moved rows that were changed, and newer ones that hang on moved rows."""
    changed = {name: rows for name, record in moved.items() if (rows := _movers[name].changed(merging, record))}
    for name, rows in _newer_on_moved(merging, moved).items():
        changed[name] = sorted({*changed.get(name, ()), *rows})
    return changed


def _newer_on_moved(merging: Merging, moved: Moved) -> dict[str, list[int]]:
    """The winner's rows that refer to a row which would go back: an invoice of a moved order, a review of a moved session."""
    relations = relations_to(type(merging.winner))
    owners: dict[type[models.Model], set[int]] = {}
    for name, record in moved.items():
        if isinstance(_movers[name], Follows):
            owners.setdefault(relations[name][0], set()).update(record)
    found: dict[str, list[int]] = {}
    for name, (model, field_name) in relations.items():
        mine = set(moved.get(name, ())) if isinstance(_movers.get(name), Follows) else set()
        for other in model._meta.concrete_fields:
            going = owners.get(other.related_model) if isinstance(other, models.ForeignKey) else None  # type: ignore[call-overload]
            if going and other.name != field_name:
                # What was so before the merge will be so again.
                where = {field_name: merging.winner.pk, f"{other.name}__in": going, "updated_at__gt": merging.at}
                rows = model.objects.filter(**where).exclude(pk__in=mine)  # type: ignore[attr-defined]
                found.setdefault(name, []).extend(rows.order_by("pk").values_list("pk", flat=True)[:100])
    return {name: rows for name, rows in found.items() if rows}


def move_back(merging: Merging, moved: Moved) -> None:
    """Take back what was moved."""
    for name, record in reversed(moved.items()):
        _movers[name].move_back(merging, record)


def with_more(moved: Moved, more: Moved) -> Moved:
    """What was moved, and what was moved later under the same merge."""
    return {**moved, **{name: _added(moved[name], record) if name in moved else record for name, record in more.items()}}


def _added(record: Record, more: Record) -> Record:
    return {key: [*record[key], *more[key]] for key in record} if isinstance(record, dict) else [*record, *more]
