"""Points: earned with money, given back with it, spent as credit."""

import pytest
from django.db import transaction

from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from apps.orders.services import add_line, lock_order
from apps.payments.errors import InsufficientFunds, NoWallet
from apps.payments.models import Payment, PointsEntry
from apps.payments.services.collecting import create_payment, record_refunded
from apps.payments.services.points import add_points, points_balance, redeem_points, settle_points_of
from apps.payments.services.settling import mark_received
from factories.clients import ClientFactory
from tests.payments.credit import books, call, held, order_of, rich, spend
from tests.payments.test_gifts import work
from tests.portal import become
from tests.studio import NOW, Studio


def settings(studio: Studio, **values: int) -> None:
    with account_scope(studio.account):
        studio.account.settings |= values
        studio.account.save()


@pytest.fixture
def shop(studio) -> Studio:
    """Two points for 1.00, each worth 5 cents; the client has a login."""
    become(studio)
    settings(studio, points_per_100_cents=2, point_value_cents=5)
    return studio


def pay(studio: Studio, order, cents: int) -> Payment:
    with account_scope(studio.account):
        return mark_received(create_payment(order=order, method="cash", amount_cents=cents), at=NOW)


def give_back(studio: Studio, payment: Payment, cents: int) -> None:
    """What a refund of this payment leaves on the rows (``refunds`` has its own tests)."""
    with account_scope(studio.account):
        payment.refresh_from_db()
        payment.refunded_cents += cents
        payment.save()
        order = payment.order
        order.refresh_from_db()
        record_refunded(order, cents)


def settle(studio: Studio, order) -> int:
    return call(studio, settle_points_of, order)


def points(studio: Studio, client=None) -> int:
    with account_scope(studio.account):
        return points_balance(client or studio.client)


def entries(studio: Studio) -> list[tuple[str, int]]:
    with account_scope(studio.account):
        return list(PointsEntry.objects.order_by("pk").values_list("kind", "points"))


def test_a_paid_order_earns_points_once_by_its_event(shop):
    pay(shop, order_of(shop, 5099), 5099)

    work(shop, "order.paid")

    assert entries(shop) == [("earned", 101)]


def test_an_order_earns_nothing_before_it_is_paid(shop):
    order = order_of(shop, 5000)
    pay(shop, order, 4999)

    assert settle(shop, order) == 0
    assert entries(shop) == []


def test_credit_earns_nothing(shop):
    rich(shop, 3000)
    order = order_of(shop, 5000)
    spend(shop, 3000, order=order)
    pay(shop, order, 2000)

    settle(shop, order)

    assert points(shop) == 40


def test_whoever_pays_earns(shop):
    payer = ClientFactory(account=shop.account)
    order = order_of(shop, 1000, payer=payer)
    pay(shop, order, 1000)

    settle(shop, order)

    assert (points(shop), points(shop, payer)) == (0, 20)


def test_without_a_rate_nothing_is_earned(studio):
    order = order_of(studio, 1000)
    pay(studio, order, 1000)

    assert settle(studio, order) == 0


def test_refunds_take_their_share_and_all_of_them_everything(shop):
    order = order_of(shop, 3333)
    payment = pay(shop, order, 3333)
    assert settle(shop, order) == 66
    left = []

    for cents in (1111, 1111, 0, 1111):
        give_back(shop, payment, cents)
        settle(shop, order)
        left.append(points(shop))

    assert left == [44, 22, 22, 0]


def test_a_later_rate_changes_nothing_that_was_earned(shop):
    order = order_of(shop, 1000)
    payment = pay(shop, order, 1000)
    settle(shop, order)
    settings(shop, points_per_100_cents=50)
    give_back(shop, payment, 500)

    settle(shop, order)

    assert entries(shop) == [("earned", 20), ("clawed_back", -10)]


def test_a_refund_that_failed_after_all_brings_the_points_back(shop):
    order = order_of(shop, 1000)
    payment = pay(shop, order, 1000)
    settle(shop, order)
    give_back(shop, payment, 500)
    settle(shop, order)
    give_back(shop, payment, -500)

    settle(shop, order)

    assert points(shop) == 20


def test_what_was_paid_too_much_and_goes_back_takes_no_points(shop):
    order = order_of(shop, 10000)
    payment = pay(shop, order, 15000)
    assert settle(shop, order) == 200  # of the price, not of what came in

    give_back(shop, payment, 5000)
    assert settle(shop, order) == 0
    give_back(shop, payment, 2500)
    settle(shop, order)

    assert entries(shop) == [("earned", 200), ("clawed_back", -50)]


def test_an_order_that_is_paid_again_has_its_points_again(shop):
    order = order_of(shop, 10000)
    payment = pay(shop, order, 10000)
    settle(shop, order)
    give_back(shop, payment, 4000)
    settle(shop, order)
    pay(shop, order, 4000)

    settle(shop, order)

    assert (points(shop), entries(shop)[1:]) == (200, [("clawed_back", -80), ("clawed_back", 80)])


@pytest.mark.parametrize("reduced", [False, True])
def test_a_price_that_came_down_deserves_fewer_points(shop, reduced):
    """Whether what goes back is due again or not, and whatever part of the price credit has paid."""
    rich(shop, 4000)
    order = order_of(shop, 10000)
    spend(shop, 4000, order=order)
    payment = pay(shop, order, 6000)
    settle(shop, order)

    if reduced:
        with account_scope(shop.account), transaction.atomic():
            add_line(lock_order(order.pk), kind="adjustment", description="Price reduction", amount_cents=-3000)
    give_back(shop, payment, 3000)
    settle(shop, order)

    assert entries(shop) == [("earned", 120), ("clawed_back", -60)]


def test_points_become_credit(shop):
    call(shop, add_points, client=shop.client, points=30)

    lot = call(shop, redeem_points, client=shop.client, points=20, at=NOW)

    assert (lot.source, lot.amount_cents, lot.reason) == ("goodwill", 100, "20 points")
    assert (points(shop), held(shop), books(shop)) == (10, 100, {"goodwill": 100, "wallet": -100})


def test_below_zero_nothing_can_be_spent(shop):
    order = order_of(shop, 1000)
    payment = pay(shop, order, 1000)
    settle(shop, order)
    call(shop, redeem_points, client=shop.client, points=15, at=NOW)
    give_back(shop, payment, 1000)
    settle(shop, order)
    assert points(shop) == -15

    with pytest.raises(InsufficientFunds) as refused:
        call(shop, redeem_points, client=shop.client, points=1, at=NOW)
    assert refused.value.extras == {"available_points": 0}


@pytest.mark.parametrize("wanted", [0, -5])
def test_points_are_spent_in_positive_numbers(shop, wanted):
    call(shop, add_points, client=shop.client, points=30)

    with pytest.raises(Invalid):
        call(shop, redeem_points, client=shop.client, points=wanted, at=NOW)


def test_points_that_are_worth_nothing_cannot_be_spent(studio):
    become(studio)
    call(studio, add_points, client=studio.client, points=30)

    with pytest.raises(Invalid):
        call(studio, redeem_points, client=studio.client, points=1, at=NOW)


def test_without_a_login_points_can_be_had_and_not_spent(studio):
    settings(studio, point_value_cents=5)
    call(studio, add_points, client=studio.client, points=30)

    with pytest.raises(NoWallet):
        call(studio, redeem_points, client=studio.client, points=1, at=NOW)
    assert points(studio) == 30


def test_points_stay_at_their_business(shop, make_studio):
    elsewhere = make_studio()
    become(elsewhere, shop.client.customer)
    settings(elsewhere, point_value_cents=5)
    call(shop, add_points, client=shop.client, points=30)

    with pytest.raises(InsufficientFunds):
        call(elsewhere, redeem_points, client=elsewhere.client, points=1, at=NOW)


def test_no_points_is_not_a_change(shop):
    with pytest.raises(Invalid):
        call(shop, add_points, client=shop.client, points=0)
