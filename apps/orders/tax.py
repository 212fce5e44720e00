"""Tax in integer cents (rules.md §7): rounded half up on the absolute value, so that a negative amount mirrors the positive one.

Rates are per cent with two decimals at most, from 0 to 100; None is no tax at all. What is split is split cumulatively: the tax of the
first k parts is the rounded tax of their sum, so the parts always add up to the tax of the whole.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.core.money import half_up
from apps.orders.models import Order

ALL = 10_000
"""100 per cent in hundredths of a per cent, the unit in which rates are reckoned with."""


@dataclass(frozen=True, slots=True)
class Rated:
    """An amount as it is quoted, with its tax or without it, and the rate of that tax."""

    gross_or_net_cents: int
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Taxed:
    """What is to be paid for a line, and the tax in it."""

    gross_cents: int
    tax_cents: int

    @property
    def net_cents(self) -> int:
        return self.gross_cents - self.tax_cents


def rate_from(text: str) -> Decimal | None:
    """A rate as settings and snapshots keep it: '' is none."""
    return Decimal(text) if text else None


def tax_of_gross(cents: int, rate: Decimal | None) -> int:
    """The tax that an amount contains."""
    hundredths = _hundredths(rate)
    return half_up(cents * hundredths, ALL + hundredths)


def tax_on_net(cents: int, rate: Decimal | None) -> int:
    """The tax that is added to an amount."""
    return half_up(cents * _hundredths(rate), ALL)


def _hundredths(rate: Decimal | None) -> int:
    return 0 if rate is None else int((rate * 100).to_integral_value())


def compute(lines: Sequence[Rated], *, prices_include_tax: bool, rounding: str) -> list[Taxed]:
    """The tax of every line of a document, as its rounding mode says.

    ``line`` rounds on each line. The others round once per rate, from the sum of the lines' rounded nets (``net_sum``: the gross
    follows from it, and may differ from the prices by cents) or so that the gross stays (``gross_sum``); of that tax each line has
    what it adds to the lines before. Prices without tax have no gross that could stay: there both sums say the same.
    """
    so_far: dict[Decimal | None, int] = defaultdict(int)
    taxed = []
    for line in lines:
        cents, rate = line.gross_or_net_cents, line.rate
        keeps_gross = prices_include_tax and rounding != Order.TaxRounding.NET_SUM
        if prices_include_tax and not keeps_gross:
            cents -= tax_of_gross(cents, rate)
        tax_of = tax_of_gross if keeps_gross else tax_on_net
        before = 0 if rounding == Order.TaxRounding.LINE else so_far[rate]
        so_far[rate] += cents
        tax = tax_of(before + cents, rate) - tax_of(before, rate)
        taxed.append(Taxed(cents if keeps_gross else cents + tax, tax))
    return taxed


def spread_tax(amounts_gross: Sequence[int], rate: Decimal | None, total_tax: int) -> list[int]:
    """The tax of each part of an amount; the parts add up to ``total_tax``, and none exceeds its own amount.

    Cumulative at ``rate``. Where the total was rounded in another way (per line, or from nets) the cents by which it differs go to the
    last parts that have room for them. Raises ValueError for a total that is more than the amounts themselves.
    """
    if sum(amounts_gross) < 0:
        return [-part for part in spread_tax([-amount for amount in amounts_gross], rate, -total_tax)]
    if any(amount < 0 for amount in amounts_gross) or not 0 <= total_tax <= sum(amounts_gross):
        raise ValueError("The tax lies between nothing and the amounts, which all have the same sign.")
    parts, gross, spent = [], 0, 0
    for amount in amounts_gross:
        gross += amount
        parts.append(tax_of_gross(gross, rate) - spent)
        spent += parts[-1]
    missing = total_tax - spent
    for i in reversed(range(len(parts))):
        step = min(missing, amounts_gross[i] - parts[i]) if missing > 0 else max(missing, -parts[i])
        parts[i] += step
        missing -= step
    return parts
