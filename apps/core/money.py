"""Integer arithmetic for money. Every amount is in minor units (cents); there are no floats and no decimals."""

from collections.abc import Sequence


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` cents in proportion to ``weights``; the parts sum exactly to ``total`` (rules.md §2).

    Each part is floored, the cents left over go to the largest remainders, ties to the lower position. When all weights
    are zero the split is even. A negative total is the mirror image of the positive one.

    Raises ValueError for no weights or a negative weight.
    """
    if not weights:
        raise ValueError("There is nothing to split over.")
    if min(weights) < 0:
        raise ValueError("A weight cannot be negative.")
    if total < 0:
        return [-part for part in split(-total, weights)]
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def half_up(numerator: int, denominator: int) -> int:
    """Divide and round half away from zero: the one rounding rule for percentages and tax (rules.md §7)."""
    if denominator <= 0:
        raise ValueError("The denominator must be positive.")
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))
