"""What is kept about a login, over all accounts: a registry for its end (``core.subjects`` is for what an account keeps)."""

from collections.abc import Callable, Iterable

Counts = dict[str, int]
Eraser = Callable[[int], Counts]
Obstacle = Callable[[int], Iterable[int]]

_erasers: list[Eraser] = []
_obstacles: dict[str, Obstacle] = {}


def erases_login(eraser: Eraser) -> Eraser:
    """Register what forgets a user by id: returns {table: rows}. Run again, it finds nothing."""
    _erasers.append(eraser)
    return eraser


def keeps_login(code: str, find: Obstacle) -> None:
    """As long as ``find`` finds rows of a user, their login is not erased."""
    _obstacles[code] = find


def obstacles_of_login(user_id: int) -> list[dict[str, object]]:
    """Why a login cannot be erased now: [{code, ids}]."""
    found = ((code, sorted(find(user_id))) for code, find in sorted(_obstacles.items()))
    return [{"code": code, "ids": ids} for code, ids in found if ids]


def erase_login(user_id: int) -> Counts:
    """Forget a login everywhere, inside the caller's transaction: the login itself, which the lowest floor keeps, comes last, because
    the others find what was written under its address by that.
    """
    counts: Counts = {}
    for eraser in reversed(_erasers):
        for table, rows in eraser(user_id).items():
            if rows:
                counts[table] = counts.get(table, 0) + rows
    return counts
