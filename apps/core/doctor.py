"""Invariants of the data: each is a query that finds no rows on a sound database.

Every app registers its own; ``manage.py doctor`` runs them all in the platform scope. What a constraint can express is a
constraint too: the query proves that it was not dropped or bypassed. Findings are ids, never personal data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from apps.core.db import rows

SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Invariant:
    """``code`` as in docs/invariants.md; ``find`` returns the offending rows."""

    code: str
    says: str
    find: Callable[[], list[tuple[Any, ...]]]


_invariants: dict[str, Invariant] = {}


def invariant(code: str, says: str, find: str | Callable[[], list[tuple[Any, ...]]]) -> None:
    """Register one invariant by its query, or by a function that returns the offending rows. A code is used once."""
    if code in _invariants:
        raise ValueError(f"The invariant {code} is registered twice.")
    _invariants[code] = Invariant(code, says, partial(rows, find) if isinstance(find, str) else find)


def invariants() -> list[Invariant]:
    """All registered invariants, by code."""
    return [_invariants[code] for code in sorted(_invariants)]


def findings() -> Iterator[tuple[Invariant, list[tuple[Any, ...]]]]:
    """Each invariant with the rows that break it (empty when it holds). Call inside the platform scope."""
    for one in invariants():
        yield one, one.find()
