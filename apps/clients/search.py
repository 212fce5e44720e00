"""Finding a client by what somebody types: name, e-mail address or phone number, also with one slip of the fingers.

Under row-level security no text operator reaches an index, so a search reads the account's part of one covering index
(``clients_client_search``: what the database's trigger made of name, e-mail and phone) and nothing else. First come those that contain
every word; when they are few, those with one letter wrong, missing, too much, or swapped with its neighbour. One slip leaves all words
but one as they are, and one half of that word (or both, swapped where they meet): the database throws out everybody else, and the few
that are left are compared word by word (optimal string alignment). Measured by ``make bench-search``.
"""

import re
from dataclasses import dataclass, field

from django.db.models import Case, F, Func, IntegerField, Q, QuerySet, TextField, Value, When
from django.db.models.lookups import Exact, GreaterThan
from rapidfuzz.distance import OSA

from apps.core.db import rows

MAX_LENGTH = 200
MAX_WORDS = 8
FEW = 10
"""With fewer exact finds than this, near ones are looked for."""
SHORTEST, LONG = 2, 6
"""Words of fewer characters are not compared with a slip (and of as few only beside others): everything would be near. Halves of long ones
say enough anywhere in a text."""
NUMBER = re.compile(r"[+(]?[0-9][0-9 ()/+.-]{3,}")

SAME, SLIP, SLIP_AT_THE_BEGINNING, FAR = 0, 2, 3, 4
"""How far a word is from another; what is further than one slip is far."""


class Padded(Func):
    """A text between blanks: every word of it then has one on each side."""

    template = "(' ' || %(expressions)s || ' ')"
    output_field = TextField()


class Position(Func):
    """Where a text begins in another, from 1; 0 when it does not."""

    function = "strpos"
    output_field = IntegerField()


TEXT, PADDED = F("search_text"), Padded(F("search_text"))


@dataclass(frozen=True, slots=True)
class Query:
    """What was typed, folded by the database as the table is; a phone number as digits without the zeros in front."""

    words: tuple[str, ...]
    distances: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, typed: str) -> "Query":
        typed = " ".join(typed[:MAX_LENGTH].split()[:MAX_WORDS])
        if NUMBER.fullmatch(typed):
            typed = re.sub("[^0-9]", "", typed).lstrip("0")
        ((folded,),) = rows("SELECT clients_folded(%s)", [typed])
        return cls(tuple(folded.split()[:MAX_WORDS]))

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def distance_to(self, text: str) -> int:
        """How far somebody's search text is: the sum over the words, or of the whole name when the slip is at a blank."""
        words = text.split()
        total = 0
        for asked in self.words:
            total += min(self._distance(asked, word) for word in words)
            if total >= FAR:
                break
        if total < FAR:
            return total
        name = " ".join(word for word in words if "@" not in word and not word.isdigit())
        return SLIP if OSA.distance(self.text, name, score_cutoff=1) <= 1 else FAR

    def _distance(self, asked: str, word: str) -> int:
        known = self.distances.get((asked, word))
        if known is None:
            known = self.distances[asked, word] = _distance(asked, word)
        return known


def _distance(asked: str, word: str) -> int:
    if asked in word:
        return SAME
    if len(asked) < SHORTEST or asked.isdigit() != word.isdigit():
        return FAR
    if OSA.distance(asked, word, score_cutoff=1) <= 1:
        return SLIP
    if len(asked) == SHORTEST:
        return FAR
    # Somebody may still be typing; a phone number is known by its end.
    lengths = range(len(asked) - 1, len(asked) + 2)
    parts = [word[-length:] if word.isdigit() else word[:length] for length in lengths]
    return SLIP_AT_THE_BEGINNING if any(OSA.distance(asked, part, score_cutoff=1) <= 1 for part in parts) else FAR


def containing(clients: QuerySet, typed: str) -> QuerySet:
    """The clients whose name, e-mail or phone contains every word of what was typed, unranked."""
    return clients.filter(*map(_contains, Query.of(typed).words))


def find(clients: QuerySet, typed: str, limit: int) -> list[int]:
    """The ids of at most ``limit`` of these clients, the best first.

    Best is whose name begins with exactly these words, then who has all of them, then in whom words begin so, then who contains them
    anywhere, and then who is one slip away.
    """
    query = Query.of(typed)
    if not query.words:
        return []
    found = _exact(clients, query, limit)
    if len(found) < min(FEW, limit):
        known = set(found)
        found += [pk for pk in _near(clients, query) if pk not in known]
    return found[:limit]


def _contains(word: str, text: F | Padded = TEXT) -> Q:
    return Q(GreaterThan(Position(text, Value(word)), 0))


def _exact(clients: QuerySet, query: Query, limit: int) -> list[int]:
    whole, begun = Q(), Q()
    for word in query.words:
        whole &= _contains(f" {word} ", PADDED)
        begun &= _contains(f" {word}", PADDED)
    called = Exact(Position(PADDED, Value(f" {query.text} ")), 1)
    rank = Case(When(called, then=0), When(whole, then=1), When(begun, then=2), default=3)
    ranked = clients.filter(*map(_contains, query.words)).annotate(rank=rank).order_by("rank", "search_text", "pk")
    return [pk for pk, _ in ranked.values_list("pk", "rank")[:limit]]


def _near(clients: QuerySet, query: Query) -> list[int]:
    """Who is one slip away, the likeliest first."""
    meant = Q()
    for word in query.words:
        if len(word) > SHORTEST or (len(word) == SHORTEST and len(query.words) > 1):
            others = Q(*(_contains(other) for other in query.words if other is not word))
            meant |= others & _half_of(word)
    if not meant:
        return []
    possible = clients.filter(meant).order_by().values_list("pk", "search_text")
    judged = [(query.distance_to(text), text, pk) for pk, text in possible]
    return [pk for distance, _, pk in sorted(one for one in judged if one[0] < FAR)]


def _half_of(word: str) -> Q:
    """What one slip in a word leaves: its first half where words begin, its second where they end, or all of it with the middle swapped."""
    middle = len(word) // 2
    first, second = word[:middle], word[middle:]
    swapped = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    begins = _contains(first) if word.isdigit() else _contains(f" {first}", PADDED)
    ends = _contains(second) if word.isdigit() or len(word) >= LONG else _contains(f"{second} ", PADDED)
    return begins | ends | _contains(swapped)
