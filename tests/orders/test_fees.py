"""The tax of fees and of prices that are taken back: at the rate of the sale, and back to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Account
from apps.bookings.services.endings import cancel_booking, mark_no_show, undo_no_show
from apps.bookings.services.scheduling import reschedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.fees import tax_of_fee
from apps.orders.models import Order, OrderLine
from tests.bookings.life import TUESDAY_TEN, book, broken, do, pay
from tests.bookings.test_endings import LATE, NO_SHOW, policy

pytestmark = pytest.mark.django_db

D19 = Decimal("19.00")
HALF = policy("percent", 50, "consumed", no_show={"fee": {"kind": "fixed", "value": 5001}, "session": "consumed"})


@pytest.fixture
def studio(make_studio):
    """Sessions contain 19 % tax; given up late a single one costs half its price, a missed one at least 50.01."""
    return make_studio(tax_rate=D19, cancellation_policy=HALF)


def configure(studio, **settings):
    studio.account.settings = settings
    with platform_scope("test"):
        Account.objects.filter(pk=studio.account.pk).update(settings=settings)


def lines(studio, order):
    """(kind, cents, tax, rate) of an order, whose sums are true."""
    with account_scope(studio.account):
        found = list(OrderLine.objects.filter(order=order).order_by("position"))
        stored = Order.objects.get(pk=order.pk)
    assert (stored.total_amount_cents, stored.tax_cents) == (sum(one.amount_cents for one in found), sum(one.tax_cents for one in found))
    assert broken("I06", "I06.lines", "I06.tax") == {}
    return [(one.kind, one.amount_cents, one.tax_cents, one.tax_rate) for one in found]


SOLD = ("item", 10000, 1597, D19)


def test_every_session_that_is_voided_takes_its_own_tax_back(studio):
    sale = studio.sell()

    for booking in sale.bookings:
        do(studio, cancel_booking, booking, by="provider", void=True)

    back = [("adjustment", -3334, -532, D19), ("adjustment", -3333, -532, D19), ("adjustment", -3333, -533, D19)]
    assert lines(studio, sale.order) == [SOLD, *back]


def test_a_late_cancellation_fee_contains_tax(studio):
    sale = studio.sell(service=studio.service)
    pay(studio, sale)

    do(studio, cancel_booking, book(studio, sale.bookings[0]), by="client", at=LATE)

    assert lines(studio, sale.order) == [("item", 5000, 798, D19), ("adjustment", -5000, -798, D19), ("fee", 2500, 399, D19)]


@pytest.mark.parametrize("why", ["setting", "exempt", "no rate"])
def test_fees_without_tax(studio, make_studio, why):
    fee = 5001 - 3334
    if why == "setting":
        configure(studio, fees_are_taxed=False)
    elif why == "exempt":
        with account_scope(studio.account):
            Client.objects.update(tax_code="exempt")
        studio.client.tax_code, fee = "exempt", 5001 - 2801
    else:
        studio = make_studio(cancellation_policy=HALF)
    sale = studio.sell()

    do(studio, mark_no_show, book(studio, sale.bookings[0]), at=NO_SHOW)

    assert lines(studio, sale.order)[-1] == ("fee", fee, 0, None)


def test_undoing_an_absence_takes_the_very_tax_back(studio):
    sale = studio.sell()
    booking = book(studio, sale.bookings[0])
    do(studio, mark_no_show, booking, at=NO_SHOW)
    with account_scope(studio.account):  # what is decided now is not for what was sold before
        Service.objects.update(tax_rate=D19 / 2)
    configure(studio, fees_are_taxed=False)

    do(studio, undo_no_show, booking, at=NO_SHOW)

    fee = ("fee", 1667, 266, D19)
    assert lines(studio, sale.order) == [SOLD, fee, ("fee", -1667, -266, D19)]


def test_what_late_moves_have_cost_goes_back_with_its_tax(studio):
    sale = studio.sell(service=studio.service)
    booking = book(studio, sale.bookings[0])
    do(studio, reschedule_booking, booking, start_time=TUESDAY_TEN, by="client", at=LATE)

    do(studio, cancel_booking, booking, by="provider", at=LATE)

    late = ("fee", 2500, 399, D19)
    sold = ("item", 5000, 798, D19)
    assert lines(studio, sale.order) == [sold, late, ("adjustment", -5000, -798, D19), ("fee", -2500, -399, D19)]


@pytest.mark.parametrize(("rate", "tax"), [("19", 160), ("", 0)])
def test_a_transfer_fee_has_the_rate_of_what_has_no_service(studio, rate, tax):
    configure(studio, package_tax_rate=rate)
    with account_scope(studio.account):
        studio.package.transferable, studio.package.transfer_fee_cents = True, 1000
        studio.package.save()
    sale = studio.sell()
    pay(studio, sale)
    friend = studio.other_client()
    with account_scope(studio.account):
        friend.tax_code = "reverse_charge"
        friend.save(update_fields=["tax_code"])

    child = do(studio, transfer_sessions, sale.order, to_client=friend, count=2)

    assert lines(studio, sale.order) == [SOLD, ("fee", 1000, tax, Decimal("19.00") if rate else None)]
    assert (child.tax_code, child.tax_cents, lines(studio, child)) == ("reverse_charge", 0, [])


@given(st.lists(st.integers(1, 5000), max_size=6), st.decimals(0, 100, places=2, allow_nan=False), st.data())
def test_fees_that_are_all_taken_back_leave_no_tax(fees, rate, data):
    charged = tax = 0
    for fee in fees:
        tax += tax_of_fee(fee, rate, charged_cents=charged)
        charged += fee
    for left in [*sorted(data.draw(st.lists(st.integers(0, charged), max_size=6)), reverse=True), 0]:
        tax += tax_of_fee(left - charged, rate, charged_cents=charged)
        charged = left

    assert tax == 0


def test_the_doctor_finds_taxes_that_do_not_add_up(studio):
    sale = studio.sell()
    with account_scope(studio.account):
        assert sale.order.tax_cents == 1597

    def after(model, **changes):
        with platform_scope("test"):
            model._base_manager.filter(account_id=studio.account.pk).update(**changes)
        return set(broken("I06", "I06.lines", "I06.tax"))

    assert after(Order, tax_cents=1596) == {"I06.tax"}
    assert after(Order, tax_cents=1597) == set()
    assert after(type(sale.bookings[0]), tax_cents=532) == {"I06"}
    with platform_scope("test"):
        OrderLine._base_manager.update(tax_cents=10001)
        Order._base_manager.update(tax_cents=10001)
    assert "I06.tax" in broken("I06.tax")
