"""Coupons: who may use which for what, what they take off, and that a use is counted once."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.db.models import F

from apps.checkout import pricing
from apps.checkout import services as checkout
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.errors import CouponRefused
from apps.payments.models import Coupon, CouponUse
from apps.payments.services.coupons import discount_of, find_coupon
from apps.payments.services.settling import lapse_payment, mark_received
from apps.payments.services.unpaid import give_up_sale
from factories.catalog import ServiceFactory
from factories.money import CouponFactory
from factories.packages import PackageFactory, PackageItemFactory
from tests.bookings.life import broken
from tests.bookings.test_races import at_once
from tests.payments.credit import call
from tests.studio import NOW, open_studio

HOUR = timedelta(hours=1)


@contextmanager
def refused(why):
    with pytest.raises(CouponRefused) as caught, transaction.atomic():
        yield caught
    assert caught.value.extras["why"] == why


def coupon_of(studio, **fields):
    return CouponFactory(account=studio.account, **{"code": "SPRING", **fields})


def sold(studio, **options):
    return studio.sell(**{"coupon": "SPRING", **options})


# -- what it takes off


@pytest.mark.parametrize(
    ("kind", "value", "subtotal", "cents"),
    [
        ("percent", 10, 10000, 1000),
        ("percent", 15, 10, 2),  # 1.5 cents
        ("percent", 15, 3, 0),  # 0.45 cents
        ("percent", 100, 4999, 4999),
        ("fixed", 1000, 10000, 1000),
        ("fixed", 20000, 10000, 10000),
        ("fixed", 1000, 0, 0),
    ],
)
def test_discount(kind, value, subtotal, cents):
    assert discount_of(Coupon(kind=kind, value=value), subtotal) == cents


@pytest.mark.django_db
def test_a_sale_with_a_coupon(studio):
    coupon = coupon_of(studio)

    sale = sold(studio, coupon=" spring ")

    with account_scope(studio.account):
        order = Order.objects.get()
        assert (order.subtotal_cents, order.discount_cents, order.total_amount_cents) == (10000, 1000, 9000)
        lines = order.lines.order_by("position").values_list("kind", "description", "quantity", "unit_price_cents", "amount_cents")
        name = studio.package.package_name
        assert list(lines) == [("item", name, 1, 10000, 10000), ("discount", "Coupon SPRING", 1, -1000, -1000)]
        assert [booking.price_cents for booking in sale.bookings] == [3000, 3000, 3000]
        assert sale.payment.amount_cents == 9000
        use = CouponUse.objects.get()
        assert (use.coupon_id, use.order_id, use.client_id, use.amount_cents) == (coupon.pk, order.pk, studio.client.pk, 1000)
        assert Coupon.objects.get().uses == 1
    assert set(broken()) <= {"I21"}  # nobody owns the studio


@pytest.mark.django_db
def test_a_sale_that_costs_nothing_any_more_is_paid(studio):
    coupon_of(studio, value=100)

    sale = sold(studio)

    with account_scope(studio.account):
        assert (sale.payment, Order.objects.get().payment_status) == (None, "paid")
        assert {booking.price_cents for booking in sale.bookings} == {0}
    assert set(broken()) <= {"I21"}  # nobody owns the studio


# -- who may use it


@pytest.mark.django_db
def test_an_unknown_code_and_an_inactive_one_look_the_same_to_clients(studio, make_studio, other_account):
    coupon_of(studio, is_active=False)
    coupon_of(make_studio(other_account), code="ELSEWHERE")
    told = []
    for code in ("NEVER", "SPRING", "ELSEWHERE"):
        with refused("unknown") as caught, acting(None, "customer"):
            sold(studio, coupon=code)
        told.append((caught.value.code, caught.value.message, caught.value.extras))

    assert told[0] == told[1] == told[2]
    with refused("inactive"), acting(None, "staff"):
        sold(studio)
    with account_scope(studio.account):
        assert Order.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"valid_from": NOW + HOUR}, "not_yet"),
        ({"valid_from": NOW}, None),
        ({"valid_until": NOW}, "expired"),
        ({"valid_until": NOW + HOUR}, None),
        ({"minimum_cents": 10001}, "too_small"),
        ({"minimum_cents": 10000}, None),
        ({"max_uses": 5, "uses": 5}, "used_up"),
        ({"max_uses": 5, "uses": 4}, None),
    ],
)
def test_conditions(studio, fields, why):
    coupon_of(studio, **fields)
    if why is None:
        assert sold(studio).order.discount_cents == 1000
    else:
        with refused(why):
            sold(studio)


@pytest.mark.django_db
def test_only_for_the_package_or_the_service_it_is_for(studio):
    other = ServiceFactory(account=studio.account)
    package = PackageFactory(account=studio.account, price_cents=100)
    PackageItemFactory(account=studio.account, package=package, service=other)
    coupon_of(studio, code="P", package=studio.package)
    coupon_of(studio, code="S", service=studio.service)
    coupon_of(studio, code="BOTH", package=studio.package, service=studio.service)
    sales = {
        "its package": {"package": studio.package},
        "its service": {"service": studio.service},
        "other package": {"package": package},
        "other service": {"service": other},
        "gift": {"package": None, "gift_cents": 5000},
    }
    fits = {"P": {"its package"}, "S": {"its service"}, "BOTH": {"its package", "its service"}, "ALL": set(sales) - {"gift"}}
    coupon_of(studio, code="ALL")
    with account_scope(studio.account):
        Coupon.objects.update(max_uses_per_client=None)

    for code, expected in fits.items():
        assert {name: why_not(studio, coupon=code, **what) for name, what in sales.items()} == {
            name: None if name in expected else "not_for_this" for name in sales
        }, code


def why_not(studio, **options):
    """Why a sale is refused its coupon; None when it is not."""
    try:
        with transaction.atomic():
            sold(studio, **options)
    except CouponRefused as error:
        return error.extras["why"]
    return None


@pytest.mark.django_db
def test_per_client(studio):
    coupon_of(studio, max_uses_per_client=1)
    sold(studio)

    with refused("used_up"):
        sold(studio)
    sold(studio, client=studio.other_client())

    with account_scope(studio.account):
        assert Coupon.objects.get().uses == 2


@pytest.mark.django_db
def test_first_orders(studio):
    coupon_of(studio, first_order_only=True, max_uses_per_client=None)
    sold(studio)

    with refused("not_first"):
        sold(studio)
    with account_scope(studio.account):
        Order.objects.update(status="cancelled")
    sold(studio)


@pytest.mark.django_db
def test_a_client_who_is_not_saved_yet_has_used_nothing(studio):
    coupon_of(studio, first_order_only=True)
    with account_scope(studio.account):
        nobody = type(studio.client)(account=studio.account)
        assert find_coupon("SPRING", client=nobody, package=studio.package, subtotal_cents=1, at=NOW).code == "SPRING"


# -- the API


# -- a sale that is given up


def used(studio):
    """(uses of the coupon, orders that use it)."""
    with account_scope(studio.account):
        return Coupon.objects.get().uses, list(CouponUse.objects.values_list("order_id", flat=True))


def unpaid(studio, what):
    """A client's transfer for what is sold with the only use of a coupon."""
    with acting(None, "public"):
        return studio.sell(
            method="bank_transfer", by="client", coupon="SPRING", **({"service": studio.service} if what == "service" else {})
        )


@pytest.mark.django_db
@pytest.mark.parametrize("what", ["service", "package"])
def test_a_sale_that_is_given_up_gives_its_use_back_and_takes_it_again(studio, what):
    coupon_of(studio, max_uses=1)
    sale = unpaid(studio, what)
    assert used(studio) == (1, [sale.order.pk])

    for _ in range(2):
        call(studio, lapse_payment, sale.payment, at=NOW + 48 * HOUR)
        call(studio, give_up_sale, sale.order)
        assert used(studio) == (0, [])
    assert broken("I61") == {}

    call(studio, mark_received, sale.payment, at=NOW + 49 * HOUR)
    assert used(studio) == (1, [sale.order.pk])
    with account_scope(studio.account):
        use = CouponUse.objects.get()
        assert (use.client_id, use.amount_cents) == (studio.client.pk, sale.order.discount_cents)
    assert broken("I61") == {}


@pytest.mark.django_db
def test_a_sale_that_is_paid_late_keeps_its_price_when_the_coupon_is_used_up(studio):
    coupon_of(studio, max_uses=1)
    late = unpaid(studio, "package")
    call(studio, lapse_payment, late.payment, at=NOW + 48 * HOUR)
    other = sold(studio, client=studio.other_client())

    call(studio, mark_received, late.payment, at=NOW + 49 * HOUR)

    assert used(studio) == (1, [other.order.pk])
    with account_scope(studio.account):
        order = Order.objects.get(pk=late.order.pk)
    assert (order.status, order.payment_status, order.total_amount_cents) == ("active", "paid", 9000)
    assert broken("I61", "I06", "I10") == {}


COUPONS = "/api/coupons/"
GIVEN = {"code": "SPRING", "kind": "percent", "value": 10}


@pytest.mark.django_db
def test_coupons_are_managed(owner, studio):
    made = owner.post(COUPONS, {**GIVEN, "package": studio.package.pk, "valid_until": "2027-01-01T00:00:00Z"})
    assert made.status_code == 201, made.content
    body = made.json()
    assert {name: body[name] for name in ("code", "kind", "value", "currency", "package", "service", "minimum_cents", "uses")} == {
        **GIVEN,
        "currency": "EUR",
        "package": studio.package.pk,
        "service": None,
        "minimum_cents": 0,
        "uses": 0,
    }
    assert (body["max_uses"], body["max_uses_per_client"], body["first_order_only"], body["is_active"]) == (None, 1, False, True)
    place = f"{COUPONS}{body['id']}/"
    sold(studio)

    assert owner.patch(place, {"is_active": False}).json()["uses"] == 1
    found = owner.get(COUPONS, {"search": "spri", "is_active": "false", "package": studio.package.pk}).json()
    assert [row["id"] for row in found["results"]] == [body["id"]]
    assert owner.delete(place).json()["error"] == "in_use"
    second = owner.post(COUPONS, {**GIVEN, "code": "unused"}).json()
    assert owner.delete(f"{COUPONS}{second['id']}/").status_code == 204


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"value": 101},
        {"value": 0},
        {"kind": "free"},
        {"code": ""},
        {"code": "x" * 41},
        {"max_uses": 0},
        {"max_uses": 1},  # it was used twice
        {"minimum_cents": -1},
        {"valid_from": "2027-01-02T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"},
        {"uses": 7},
        {"package": 0},
        {"code": "other"},  # taken, in another case
    ],
)
def test_a_coupon_that_cannot_be(owner, studio, change):
    coupon = coupon_of(studio, uses=2)
    coupon_of(studio, code="OTHER")

    answer = owner.patch(f"{COUPONS}{coupon.pk}/", change)

    assert answer.status_code == 400, answer.content
    assert set(answer.json()) >= {"error", "message"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "status"), [("manager", 201), ("front_desk", 403), ("bookkeeper", 403), ("practitioner", 403), (None, 401)]
)
def test_who_may_write_coupons(client_as, account, role, status):
    assert client_as(role).post(COUPONS, GIVEN).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 3])
def test_listing_coupons_takes_a_fixed_number_of_statements(owner, studio, statements, count):
    for number in range(count):
        coupon_of(studio, code=f"C{number}")
    owner.get(COUPONS)

    with statements() as made:
        assert len(owner.get(COUPONS).json()["results"]) == count

    assert len([sql for sql in made() if "payments_coupon" in sql]) == 1


# -- at the same moment


@pytest.fixture
def everybody_looks_first(monkeypatch):
    """Ten sales have all found the coupon free before the first of them counts."""
    barrier, look = threading.Barrier(10, timeout=60), pricing.find_coupon

    def look_together(*args, **options):
        found = look(*args, **options)
        barrier.wait()
        return found

    monkeypatch.setattr(pricing, "find_coupon", look_together)


def use_all_at_once(studio, clients):
    """What came of one sale for each client, all with the coupon; and what is written of them."""
    calls = [partial(studio.sell, service=studio.service, client=client, coupon="SPRING") for client in clients]
    outcomes = sorted(at_once(studio.account, calls))
    with account_scope(studio.account):
        return outcomes, (Coupon.objects.get().uses, CouponUse.objects.count(), Order.objects.count())


ONCE = ["CouponRefused"] * 9 + ["done"], (1, 1, 1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_last_use_is_given_once(everybody_looks_first):
    studio = open_studio()
    coupon_of(studio, max_uses=1)

    assert use_all_at_once(studio, [studio.other_client() for _ in range(10)]) == ONCE


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_client_uses_it_once_also_from_ten_windows(everybody_looks_first):
    studio = open_studio()
    coupon_of(studio, max_uses_per_client=1)

    assert use_all_at_once(studio, [studio.client] * 10) == ONCE


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_without_the_guard_it_is_used_ten_times(everybody_looks_first, monkeypatch):
    """The control: the same sales with a redemption that only writes, and without the CHECK behind it."""
    studio = open_studio()
    coupon_of(studio, max_uses=1)

    def only_write(coupon, *, order, client, amount_cents):
        Coupon.objects.filter(pk=coupon.pk).update(uses=F("uses") + 1, max_uses=None)
        CouponUse.objects.create(account_id=order.account_id, coupon=coupon, order=order, client=client, amount_cents=amount_cents)

    monkeypatch.setattr(checkout, "redeem_coupon", only_write)

    assert use_all_at_once(studio, [studio.other_client() for _ in range(10)]) == (["done"] * 10, (10, 10, 10))
