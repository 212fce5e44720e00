"""What published reviews say about a practitioner, in one number."""


def rating_average(total: int, count: int) -> float | None:
    """The mean rating with one decimal, rounded half up; None without reviews."""
    return (20 * total + count) // (2 * count) / 10 if count else None
