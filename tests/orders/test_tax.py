"""Tax in cents, with the examples of rules.md §7 and for any amounts."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.orders.tax import Rated, Taxed, compute, rate_from, spread_tax, tax_of_gross, tax_on_net

D19 = Decimal("19.00")
MODES = ("line", "net_sum", "gross_sum")
rates = st.one_of(st.none(), st.decimals(min_value=0, max_value=100, places=2, allow_nan=False))
cents = st.integers(min_value=0, max_value=1_000_000)


def in_all(lines: list[Taxed]) -> tuple[int, int, int]:
    return sum(line.gross_cents for line in lines), sum(line.tax_cents for line in lines), sum(line.net_cents for line in lines)


@pytest.mark.parametrize(
    ("rounding", "gross", "tax", "net"), [("line", 50000, 7985, 42015), ("net_sum", 49998, 7983, 42015), ("gross_sum", 50000, 7983, 42017)]
)
def test_five_times_100_at_19_per_cent(rounding, gross, tax, net):
    lines = compute([Rated(10000, D19)] * 5, prices_include_tax=True, rounding=rounding)

    assert in_all(lines) == (gross, tax, net)


@pytest.mark.parametrize(("rounding", "tax"), [("line", 5), ("net_sum", 3), ("gross_sum", 3)])
def test_prices_without_tax_keep_their_net(rounding, tax):
    """Five times 3 cents at 19 %: 0.57 → 1 each, or 2.85 → 3 together."""
    lines = compute([Rated(3, D19)] * 5, prices_include_tax=False, rounding=rounding)

    assert in_all(lines) == (15 + tax, tax, 15)


def test_the_sums_are_per_rate():
    lines = compute(
        [Rated(10000, D19), Rated(10000, Decimal(7)), Rated(10000, D19), Rated(500, None)], prices_include_tax=True, rounding="gross_sum"
    )

    assert [line.tax_cents for line in lines] == [1597, 654, 1596, 0]


def test_sessions_share_the_tax_cumulatively():
    assert spread_tax([3334, 3333, 3333], D19, 1597) == [532, 532, 533]
    assert [tax_of_gross(part, D19) for part in (3334, 3333, 3333)] == [532, 532, 532]  # one by one a cent is lost
    assert spread_tax([-3334, -3333, -3333], D19, -1597) == [-532, -532, -533]


def test_cents_of_another_rounding_go_where_there_is_room():
    assert spread_tax([100, 100, 0], D19, 33) == [16, 17, 0]
    assert spread_tax([100, 100, 0], D19, 31) == [16, 15, 0]
    assert spread_tax([], D19, 0) == []
    for amounts, total in [([1], 2), ([1], -1), ([5, -1], 1)]:
        with pytest.raises(ValueError, match="same sign"):
            spread_tax(amounts, D19, total)


def test_rates():
    assert (rate_from(""), rate_from("7.5")) == (None, Decimal("7.5"))
    assert (tax_of_gross(10000, None), tax_on_net(10000, None)) == (0, 0)
    assert (tax_of_gross(10000, Decimal("7.50")), tax_on_net(10000, Decimal("7.50"))) == (698, 750)
    assert (tax_on_net(50, Decimal(1)), tax_on_net(-50, Decimal(1))) == (1, -1)  # half a cent goes up, away from zero


@given(cents, rates)
def test_negative_amounts_mirror_positive_ones(amount, rate):
    assert tax_of_gross(-amount, rate) == -tax_of_gross(amount, rate)
    assert tax_on_net(-amount, rate) == -tax_on_net(amount, rate)
    assert 0 <= tax_of_gross(amount, rate) <= amount


@given(st.lists(cents, max_size=20), rates)
def test_shares_of_tax_add_up_and_never_exceed_their_amount(amounts, rate):
    total = tax_of_gross(sum(amounts), rate)

    parts = spread_tax(amounts, rate, total)

    assert sum(parts) == total
    assert all(0 <= part <= amount for part, amount in zip(parts, amounts, strict=True))
    so_far = [tax_of_gross(sum(amounts[:k]), rate) for k in range(len(amounts) + 1)]
    assert parts == [after - before for before, after in pairwise(so_far)]


@given(st.data())
def test_any_total_is_spread(data: Any):
    amounts = data.draw(st.lists(st.integers(0, 50), max_size=10))
    total = data.draw(st.integers(0, sum(amounts)))

    parts = spread_tax(amounts, data.draw(rates), total)

    assert sum(parts) == total
    assert all(0 <= part <= amount for part, amount in zip(parts, amounts, strict=True))


@given(st.lists(st.tuples(cents, rates), max_size=8), st.booleans(), st.sampled_from(MODES))
def test_no_line_has_more_tax_than_it_costs(lines, includes, rounding):
    rated = [Rated(*line) for line in lines]

    taxed = compute(rated, prices_include_tax=includes, rounding=rounding)

    assert all(0 <= line.tax_cents <= line.gross_cents for line in taxed)
    if not includes:
        assert [line.net_cents for line in taxed] == [line.gross_or_net_cents for line in rated]
    elif rounding != "net_sum":
        assert [line.gross_cents for line in taxed] == [line.gross_or_net_cents for line in rated]
