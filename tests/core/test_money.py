"""Splitting and rounding: the vectors of rules.md §2 and §7, and what holds for every amount (P1)."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import half_up, split

CENTS = st.integers(min_value=-(10**12), max_value=10**12)
WEIGHTS = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (10000, [1, 1, 1], [3334, 3333, 3333]),
        (49999, [1] * 12, [4167] * 7 + [4166] * 5),
        (20000, [9000, 9000, 6000], [7500, 7500, 5000]),
        (-10000, [1, 1, 1], [-3334, -3333, -3333]),
        (-20000, [9000, 9000, 6000], [-7500, -7500, -5000]),
        (1, [1, 1, 1], [1, 0, 0]),
        (0, [5, 7], [0, 0]),
        (100, [0, 0, 0], [34, 33, 33]),
        (100, [0, 1, 0], [0, 100, 0]),
        (100, [1, 2], [33, 67]),  # the larger remainder gets the cent, not the first place
        (5, [1, 1], [3, 2]),
        (7, [1], [7]),
        (999, [1, 1, 1, 1, 1, 1, 1], [143, 143, 143, 143, 143, 142, 142]),
    ],
)
def test_split_follows_the_rules(total, weights, parts):
    assert split(total, weights) == parts


@given(CENTS, WEIGHTS)
def test_the_parts_of_every_split_sum_to_the_total(total, weights):
    parts = split(total, weights)

    assert len(parts) == len(weights)
    assert sum(parts) == total


@given(CENTS, WEIGHTS)
def test_no_part_is_a_whole_cent_away_from_its_exact_share(total, weights):
    whole = sum(weights) or len(weights)
    exact = [Fraction(total * (weight if sum(weights) else 1), whole) for weight in weights]

    assert all(abs(part - share) < 1 for part, share in zip(split(total, weights), exact, strict=True))


@given(CENTS, WEIGHTS)
def test_the_split_of_a_negative_total_is_the_mirror_image(total, weights):
    assert split(-total, weights) == [-part for part in split(total, weights)]


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=1, max_value=500))
def test_equal_shares_differ_by_one_cent_and_the_first_places_get_it(total, count):
    parts = split(total, [1] * count)

    assert parts == [total // count + 1] * (total % count) + [total // count] * (count - total % count)


@given(st.integers(min_value=0, max_value=10**12), WEIGHTS)
def test_a_heavier_or_earlier_place_never_gets_less(total, weights):
    parts = split(total, weights)
    ranked = sorted(range(len(weights)), key=lambda i: (-weights[i], i))

    assert [parts[i] for i in ranked] == sorted(parts, reverse=True)


@given(st.integers(min_value=0, max_value=10**9), WEIGHTS, st.randoms())
def test_the_amounts_do_not_depend_on_the_order_of_the_weights(total, weights, random):
    shuffled = weights[:]
    random.shuffle(shuffled)

    assert sorted(split(total, weights)) == sorted(split(total, shuffled))


@pytest.mark.parametrize("weights", [[], [-1], [1, -1, 5]])
def test_split_refuses_what_cannot_be_split_over(weights):
    with pytest.raises(ValueError, match=r"."):
        split(100, weights)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (-3, 2, -2), (1, 3, 0), (2, 3, 1), (0, 7, 0), (25, 10, 3), (-25, 10, -3), (24, 10, 2), (7, 1, 7)],
)
def test_half_up_rounds_half_away_from_zero(numerator, denominator, rounded):
    assert half_up(numerator, denominator) == rounded


@given(st.integers(min_value=-(10**15), max_value=10**15), st.integers(min_value=1, max_value=10**6))
def test_half_up_is_the_nearest_cent_and_mirrors(numerator, denominator):
    rounded = half_up(numerator, denominator)

    assert abs(Fraction(numerator, denominator) - rounded) <= Fraction(1, 2)
    assert half_up(-numerator, denominator) == -rounded


@pytest.mark.parametrize("denominator", [0, -1])
def test_half_up_refuses_a_denominator_that_is_not_positive(denominator):
    with pytest.raises(ValueError, match="positive"):
        half_up(1, denominator)


def _tax_of_gross(gross: int, percent: int) -> int:
    return half_up(gross * percent, 100 + percent)


def test_the_tax_vectors_of_the_rules():
    assert [_tax_of_gross(gross, 19) for gross in (3334, 3333, 3333)] == [532, 532, 532]  # naive, per row: 1596
    sums = [_tax_of_gross(gross, 19) for gross in (0, 3334, 6667, 10000)]
    assert [b - a for a, b in pairwise(sums)] == [532, 532, 533]  # cumulative: 1597
    assert 5 * _tax_of_gross(10000, 19) == 7985
    assert half_up(5 * (10000 - _tax_of_gross(10000, 19)) * 19, 100) == 7983
    assert _tax_of_gross(-10000, 19) == -_tax_of_gross(10000, 19)
