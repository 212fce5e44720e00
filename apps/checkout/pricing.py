"""What a sale costs: lines, discount and tax, and each session's share of it (rules.md §2 and §7). Nothing is written here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.money import split
from apps.orders.models import Order, OrderLine
from apps.orders.tax import Rated, Taxed, compute, rate_from, spread_tax
from apps.packages.models import Package
from apps.packages.selectors import PlannedSession
from apps.payments.models import Coupon
from apps.payments.services.coupons import LINE, discount_of, find_coupon
from apps.sites.models import Site

Kind = OrderLine.Kind


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line as the order will have it: ``unit_price_cents`` as quoted, ``amount_cents`` signed and with its tax."""

    kind: str
    description: str
    quantity: int
    unit_price_cents: int
    amount_cents: int
    tax_cents: int
    tax_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Share:
    """What one session costs, and the tax in it."""

    price_cents: int
    tax_cents: int


@dataclass(frozen=True, slots=True)
class Priced:
    """The price of a sale. Lines and shares add up to ``total_cents`` and ``tax_cents`` each.

    Subtotal and discount are as quoted: with tax they add up to the total, without (``prices_include_tax`` False) the tax is added.
    """

    lines: list[PricedLine]
    shares: list[Share]
    subtotal_cents: int
    discount_cents: int
    tax_cents: int
    total_cents: int
    prices_include_tax: bool
    tax_rounding: str
    tax_code: str
    coupon: Coupon | None


def price_sale(
    *,
    account: Account,
    client: Client,
    plan: Sequence[PlannedSession],
    name: str,
    coupon: str | None = None,
    package: Package | None = None,
    service: Service | None = None,
    gift_cents: int | None = None,
    site: Site | None = None,
    at: datetime,
) -> Priced:
    """The price of planned sessions (of a gift code worth ``gift_cents``, of a ``site``) for this client, in the account's way with tax.

    Sessions of several rates make one line per rate, and the discount is spread over them in proportion. A client with a tax code pays
    the net. Without a coupon there is no query in it. Raises CouponRefused.
    """
    if gift_cents is not None:
        return _gift(account, client, name, gift_cents, coupon, at)
    if site is not None:
        return _site(account, client, name, site.sale_price_cents, coupon, at)
    subtotal = sum(session.price_cents for session in plan)
    found = find_coupon(coupon, client=client, package=package, service=service, subtotal_cents=subtotal, at=at) if coupon else None
    return price_plan(plan, account=account, client=client, name=name, coupon=found, by_the_piece=service is not None)


def price_plan(
    plan: Sequence[PlannedSession], *, account: Account, client: Client, name: str, coupon: Coupon | None = None, by_the_piece: bool = False
) -> Priced:
    """The price of planned sessions with a coupon that fits: pure arithmetic. ``by_the_piece``: all are the same, and so many of them."""
    discount = discount_of(coupon, sum(session.price_cents for session in plan)) if coupon else 0
    includes, rounding = bool(setting(account, "prices_include_tax")), str(setting(account, "tax_rounding"))
    groups = _by_rate(plan)
    rates: list[Decimal | None] = list(groups)
    prices = [sum(session.price_cents for session in group) for group in groups.values()]
    off = split(-discount, prices) if discount else []
    quoted = [Rated(cents, rate) for cents, rate in zip([*prices, *off], [*rates, *rates], strict=False)]
    taxed = compute(quoted, prices_include_tax=includes, rounding=rounding)
    if client.tax_code:
        taxed = [Taxed(line.net_cents, 0) for line in taxed]
    shares = _shares(plan, groups, taxed)
    items, discounts = taxed[: len(rates)], taxed[len(rates) :]
    if client.tax_code:  # the net is what is quoted, and there are no rates to keep apart
        rates, items, discounts = [None], _summed(items), _summed(discounts)
        prices, off = [line.gross_cents for line in items], [line.gross_cents for line in discounts]
    lines = [
        *_lines(Kind.ITEM, name, len(plan) if by_the_piece else 1, prices, items, rates),
        *_lines(Kind.DISCOUNT, LINE.format(coupon.code) if coupon else "", 1, off, discounts, rates),
    ]
    return Priced(
        lines=lines,
        shares=shares,
        # With tax: as the lines have it, which differs from the prices by cents where the gross follows from the nets.
        subtotal_cents=sum(line.gross_cents for line in items) if includes else sum(prices),
        discount_cents=-sum(line.gross_cents for line in discounts) if includes else -sum(off),
        tax_cents=sum(line.tax_cents for line in lines),
        total_cents=sum(line.amount_cents for line in lines),
        prices_include_tax=includes,
        tax_rounding=rounding,
        tax_code=client.tax_code,
        coupon=coupon,
    )


def _by_rate(plan: Sequence[PlannedSession]) -> dict[Decimal | None, list[PlannedSession]]:
    groups: dict[Decimal | None, list[PlannedSession]] = {}
    for session in plan:
        groups.setdefault(session.service.tax_rate, []).append(session)
    return groups


def _summed(lines: list[Taxed]) -> list[Taxed]:
    return [Taxed(sum(line.gross_cents for line in lines), 0)] if lines else []


def _lines(
    kind: Kind, description: str, count: int, quoted: list[int], taxed: list[Taxed], rates: list[Decimal | None]
) -> Iterator[PricedLine]:
    """One line per rate. ``count`` sessions of one price are so many times their price, where that is a whole number of cents."""
    for cents, line, rate in zip(quoted, taxed, rates, strict=bool(quoted)):
        quantity = count if cents % count == 0 else 1
        if cents or kind == Kind.ITEM:
            yield PricedLine(kind, description, quantity, cents // quantity, line.gross_cents, line.tax_cents, rate)


def _shares(plan: Sequence[PlannedSession], groups: dict[Decimal | None, list[PlannedSession]], taxed: list[Taxed]) -> list[Share]:
    """Each session's share of what the lines of its rate come to: its part of the price, or where discount or tax have changed that,
    of what it is now, split by list prices again (rules.md §2)."""
    found: dict[int, Share] = {}
    for number, (rate, group) in enumerate(groups.items()):
        mine = taxed[number :: len(groups)]
        total, prices = sum(line.gross_cents for line in mine), [session.price_cents for session in group]
        if sum(prices) != total:
            prices = split(total, [session.service.price_cents for session in group])
        taxes = spread_tax(prices, rate, sum(line.tax_cents for line in mine))
        for session, price, tax in zip(group, prices, taxes, strict=True):
            found[session.position] = Share(price, tax)
    return [found[session.position] for session in plan]


def _gift(account: Account, client: Client, name: str, cents: int, coupon: str | None, at: datetime) -> Priced:
    """A gift code costs what it is worth, whoever buys it: credit is not sold at a discount. It contains tax where the account sells
    single-purpose vouchers."""
    if coupon:
        find_coupon(coupon, client=client, subtotal_cents=cents, at=at)  # refuses every coupon, in its own words
    taxed = setting(account, "gift_taxed_at_sale") and not client.tax_code
    rate = rate_from(setting(account, "package_tax_rate")) if taxed else None
    rounding = str(setting(account, "tax_rounding"))
    tax = compute([Rated(cents, rate)], prices_include_tax=True, rounding=Order.TaxRounding.LINE)[0].tax_cents
    return Priced(
        lines=[PricedLine(Kind.ITEM, name, 1, cents, cents, tax, rate)],
        shares=[],
        subtotal_cents=cents,
        discount_cents=0,
        tax_cents=tax,
        total_cents=cents,
        prices_include_tax=True,
        tax_rounding=rounding,
        tax_code=client.tax_code,
        coupon=None,
    )


def _site(account: Account, client: Client, name: str, cents: int, coupon: str | None, at: datetime) -> Priced:
    """A site, at the account's own rate of tax. Coupons are for sessions."""
    if coupon:
        find_coupon(coupon, client=client, subtotal_cents=cents, at=at)  # refuses every coupon, in its own words
    includes, rounding = bool(setting(account, "prices_include_tax")), str(setting(account, "tax_rounding"))
    rate = rate_from(setting(account, "package_tax_rate"))
    taxed, quoted = compute([Rated(cents, rate)], prices_include_tax=includes, rounding=rounding)[0], cents
    if client.tax_code:  # the net is what is quoted
        taxed, rate = Taxed(taxed.net_cents, 0), None
        quoted = taxed.gross_cents
    return Priced(
        lines=[PricedLine(Kind.ITEM, name, 1, quoted, taxed.gross_cents, taxed.tax_cents, rate)],
        shares=[],
        subtotal_cents=taxed.gross_cents if includes else quoted,
        discount_cents=0,
        tax_cents=taxed.tax_cents,
        total_cents=taxed.gross_cents,
        prices_include_tax=includes,
        tax_rounding=rounding,
        tax_code=client.tax_code,
        coupon=None,
    )
