"""What a sale costs: lines, tax, discount and the sessions' shares agree to the cent, in every mode."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Account
from apps.bookings.services.packages import grant_sessions
from apps.catalog.models import Service
from apps.checkout.pricing import Priced, price_plan, price_sale
from apps.clients.models import Client
from apps.core.money import split
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.orders.services import add_line, lock_order
from apps.packages.models import Package
from apps.packages.selectors import PlannedSession, session_plan
from apps.payments.models import Coupon
from factories.catalog import ServiceFactory
from factories.money import CouponFactory
from factories.packages import PackageFactory, PackageItemFactory
from tests.bookings.life import broken
from tests.studio import NOW

D19, D7 = Decimal("19.00"), Decimal("7.00")
MODES = ("line", "net_sum", "gross_sum")


def planned(prices: list[tuple[int, Decimal | None]], total: int | None = None) -> list[PlannedSession]:
    """Sessions with these list prices and rates, sold for ``total``."""
    services = [Service(pk=number, price_cents=cents, tax_rate=rate) for number, (cents, rate) in enumerate(prices, start=1)]
    parts = [cents for cents, _ in prices] if total is None else split(total, [cents for cents, _ in prices])
    return [PlannedSession(service.pk, service, part) for service, part in zip(services, parts, strict=True)]


def price(prices: list[tuple[int, Decimal | None]], *, total: int | None = None, tax_code: str = "", **settings: Any) -> Priced:
    """The price of a package of these sessions, without a database."""
    account, client = Account(settings=settings), Client(tax_code=tax_code)
    return price_sale(account=account, client=client, plan=planned(prices, total), name="Ten", package=Package(pk=1), at=NOW)


def amounts(priced: Priced) -> list[tuple[str, int, int, Decimal | None]]:
    return [(line.kind, line.amount_cents, line.tax_cents, line.tax_rate) for line in priced.lines]


def shares(priced: Priced) -> list[tuple[int, int]]:
    return [(share.price_cents, share.tax_cents) for share in priced.shares]


def sums(priced: Priced) -> tuple[int, int, int, int]:
    return priced.subtotal_cents, priced.discount_cents, priced.tax_cents, priced.total_cents


# -- without a database


def test_without_rates_there_is_no_tax():
    priced = price([(5000, None), (5000, None)])

    assert sums(priced) == (10000, 0, 0, 10000)
    assert amounts(priced) == [("item", 10000, 0, None)]
    assert shares(priced) == [(5000, 0), (5000, 0)]


@pytest.mark.parametrize(
    ("mode", "tax", "total", "taxes"), [("line", 1597, 10000, [532, 532, 533]), ("gross_sum", 1597, 10000, [532, 532, 533])]
)
def test_sessions_share_price_and_tax(mode, tax, total, taxes):
    priced = price([(5000, D19)] * 3, total=10000, tax_rounding=mode)

    assert sums(priced) == (total, 0, tax, total)
    assert shares(priced) == list(zip([3334, 3333, 3333], taxes, strict=True))


def test_the_gross_may_follow_from_the_net():
    """13 cents at 100 %: 6.5 are tax, rounded to 7; the net of 6 has 6 tax."""
    priced = price([(13, Decimal(100))], tax_rounding="net_sum")

    assert sums(priced) == (12, 0, 6, 12)
    assert shares(priced) == [(12, 6)]
    assert priced.lines[0].unit_price_cents == 13


def test_prices_without_tax_have_it_added():
    priced = price([(5000, D19)] * 3, total=10000, prices_include_tax=False)

    assert sums(priced) == (10000, 0, 1900, 11900)
    assert (priced.lines[0].unit_price_cents, priced.lines[0].amount_cents) == (10000, 11900)
    assert [share.price_cents for share in priced.shares] == [3967, 3967, 3966]
    assert sum(share.tax_cents for share in priced.shares) == 1900


def test_each_rate_has_its_line():
    priced = price([(6000, D19), (3000, D7), (1000, D19), (0, None)])

    assert amounts(priced) == [("item", 7000, 1118, D19), ("item", 3000, 196, D7), ("item", 0, 0, None)]
    assert {line.description for line in priced.lines} == {"Ten"}
    assert shares(priced) == [(6000, 958), (3000, 196), (1000, 160), (0, 0)]


@pytest.mark.parametrize("code", ["exempt", "reverse_charge"])
@pytest.mark.parametrize(("includes", "total"), [(True, 8403 + 2804), (False, 13000)])
def test_a_client_with_a_tax_code_pays_the_net(code, includes, total):
    priced = price([(10000, D19), (3000, D7)], tax_code=code, prices_include_tax=includes)

    assert sums(priced) == (total, 0, 0, total)
    assert amounts(priced) == [("item", total, 0, None)]
    assert shares(priced) == ([(8403, 0), (2804, 0)] if includes else [(10000, 0), (3000, 0)])
    assert priced.tax_code == code


rates = st.one_of(st.none(), st.sampled_from([D19, D7, Decimal(0), Decimal(100)]), st.decimals(0, 100, places=2, allow_nan=False))


@given(
    prices=st.lists(st.tuples(st.one_of(st.just(0), st.integers(0, 20), st.integers(0, 100_000)), rates), min_size=1, max_size=12),
    coupon=st.one_of(st.none(), st.tuples(st.just("percent"), st.integers(1, 100)), st.tuples(st.just("fixed"), st.integers(1, 50_000))),
    includes=st.booleans(),
    rounding=st.sampled_from(MODES),
    tax_code=st.sampled_from(["", "exempt", "reverse_charge"]),
    total=st.one_of(st.none(), st.integers(0, 100_000)),
)
def test_lines_shares_and_totals_agree(prices, total, coupon, includes, rounding, tax_code):
    priced = price_plan(
        planned(prices, total),
        account=Account(settings={"prices_include_tax": includes, "tax_rounding": rounding}),
        client=Client(tax_code=tax_code),
        name="Ten",
        coupon=Coupon(code="LESS", kind=coupon[0], value=coupon[1]) if coupon else None,
    )

    assert sum(line.amount_cents for line in priced.lines) == priced.total_cents == sum(share.price_cents for share in priced.shares)
    assert sum(line.tax_cents for line in priced.lines) == priced.tax_cents == sum(share.tax_cents for share in priced.shares)
    assert all(0 <= share.tax_cents <= share.price_cents for share in priced.shares)
    assert all(abs(line.tax_cents) <= abs(line.amount_cents) and line.tax_cents * line.amount_cents >= 0 for line in priced.lines)
    assert all((line.kind == "item") == (line.amount_cents > 0) for line in priced.lines if line.amount_cents)
    assert all(line.quantity * line.unit_price_cents == line.amount_cents for line in priced.lines if tax_code)
    assert 0 <= priced.discount_cents <= priced.subtotal_cents
    added = 0 if includes else priced.tax_cents
    assert priced.subtotal_cents - priced.discount_cents + added == priced.total_cents
    if tax_code:
        assert priced.tax_cents == 0
    if coupon == ("percent", 100):
        assert priced.total_cents == 0
    if includes and not tax_code and rounding != "net_sum":
        assert priced.subtotal_cents == sum(session.price_cents for session in planned(prices, total))
        if not coupon:
            assert [share.price_cents for share in priced.shares] == [session.price_cents for session in planned(prices, total)]


# -- sold


@pytest.mark.django_db
@pytest.mark.parametrize("rounding", MODES)
@pytest.mark.parametrize("includes", [True, False])
def test_an_order_says_what_was_priced(make_studio, rounding, includes):
    studio = make_studio(tax_rate=D19)
    studio.account.settings = {"tax_rounding": rounding, "prices_include_tax": includes, "fees_are_taxed": False}
    total, tax = (10000, 1597) if includes else (11900, 1900)

    sale = studio.sell()

    with account_scope(studio.account):
        order = Order.objects.get()
        sums = order.subtotal_cents, order.discount_cents, order.tax_cents, order.total_amount_cents
        assert sums == (10000, 0, tax, total)
        assert (order.prices_include_tax, order.tax_rounding, order.tax_code) == (includes, rounding, "")
        assert order.package_metadata["tax"] == {"rates": {str(studio.service.pk): "19.00"}, "fees": False}
        lines = order.lines.values_list("kind", "quantity", "unit_price_cents", "amount_cents", "tax_cents", "tax_rate")
        assert list(lines) == [("item", 1, 10000, total, tax, D19)]
        stored = list(order.bookings.order_by("position").values_list("price_cents", "tax_cents"))
    assert stored == ([(3334, 532), (3333, 532), (3333, 533)] if includes else [(3967, 633), (3967, 634), (3966, 633)])
    assert sale.payment.amount_cents == total
    assert set(broken()) <= {"I21"}  # nobody owns the studio


@pytest.mark.django_db
def test_several_sessions_of_a_service_are_sold_by_the_piece(make_studio):
    studio = make_studio(tax_rate=D7)

    sale = studio.sell(service=studio.service, quantity=3)

    with account_scope(studio.account):
        lines = Order.objects.get().lines.values_list("quantity", "unit_price_cents", "amount_cents", "tax_cents", "tax_rate")
        assert list(lines) == [(3, 5000, 15000, 981, D7)]
    assert [(booking.price_cents, booking.tax_cents) for booking in sale.bookings] == [(5000, 327)] * 3
    assert set(broken()) <= {"I21"}  # nobody owns the studio


@pytest.mark.django_db
def test_a_package_of_several_rates_with_a_coupon(make_studio):
    studio = make_studio(tax_rate=D19)
    book = ServiceFactory(account=studio.account, price_cents=5000, tax_rate=D7)
    package = PackageFactory(account=studio.account, price_cents=9000, package_name="Mixed")
    for position, service in enumerate([studio.service, book, studio.service], start=1):
        PackageItemFactory(account=studio.account, package=package, service=service, quantity=1, position=position)
    CouponFactory(account=studio.account, code="TEN", kind="fixed", value=1000)

    sale = studio.sell(package=package, coupon="ten")

    with account_scope(studio.account):
        order = Order.objects.get()
        lines = order.lines.order_by("position").values_list("kind", "description", "amount_cents", "tax_cents", "tax_rate")
        assert list(lines) == [
            ("item", "Mixed", 6000, 958, D19),
            ("item", "Mixed", 3000, 196, D7),
            ("discount", "Coupon TEN", -667, -106, D19),
            ("discount", "Coupon TEN", -333, -22, D7),
        ]
        assert (order.subtotal_cents, order.discount_cents, order.tax_cents, order.total_amount_cents) == (9000, 1000, 1026, 8000)
    assert [(one.price_cents, one.tax_cents) for one in sale.bookings] == [(2667, 426), (2667, 174), (2666, 426)]
    assert set(broken()) <= {"I21"}  # nobody owns the studio


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("settings", "tax_code", "tax", "rate"),
    [
        ({}, "", 0, None),
        ({"package_tax_rate": "19"}, "", 0, None),
        ({"package_tax_rate": "19", "gift_taxed_at_sale": True}, "", 798, D19),
        ({"package_tax_rate": "19", "gift_taxed_at_sale": True, "prices_include_tax": False, "tax_rounding": "net_sum"}, "", 798, D19),
        ({"package_tax_rate": "19", "gift_taxed_at_sale": True}, "exempt", 0, None),
    ],
)
def test_a_gift_code_costs_what_it_is_worth(studio, settings, tax_code, tax, rate):
    studio.account.settings, studio.client.tax_code = settings, tax_code

    studio.sell(package=None, gift_cents=5000)

    with account_scope(studio.account):
        order = Order.objects.get()
        assert (order.total_amount_cents, order.tax_cents, order.prices_include_tax, order.tax_code) == (5000, tax, True, tax_code)
        assert list(order.lines.values_list("amount_cents", "tax_cents", "tax_rate")) == [(5000, tax, rate)]
    assert set(broken()) <= {"I21"}  # nobody owns the studio


@pytest.mark.django_db
def test_a_price_without_a_coupon_takes_no_query(studio, statements):
    with account_scope(studio.account):
        plan = session_plan(studio.package)
        with statements() as made:
            price_sale(account=studio.account, client=studio.client, plan=plan, name="x", package=studio.package, at=NOW)
    assert made() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("paid", "status"), [(11899, "unpaid"), (11900, "paid")])
def test_granted_sessions_are_paid_when_the_price_with_its_tax_is(make_studio, paid, status):
    studio = make_studio(tax_rate=D19)
    studio.account.settings = {"prices_include_tax": False}
    sale = studio.sell()
    with account_scope(studio.account):
        order = lock_order(sale.order.pk)
        add_line(order, kind="fee", description="Towel", amount_cents=500)
        order.paid_cents = paid
        order.save(update_fields=["paid_cents"])

        (granted,) = grant_sessions(order, service=studio.service, count=1, reason="The heating was off")

    assert granted.payment_status == status
