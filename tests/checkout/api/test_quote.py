"""POST checkout/quote/: what a sale would cost, exactly what it then costs, and nothing written."""

from decimal import Decimal

import pytest
import time_machine

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.models import Order
from apps.payments.models import Coupon, CouponUse, Instalment
from factories.money import CouponFactory, DepositRuleFactory
from tests.bookings.life import everything
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.django_db

QUOTE, CHECKOUT = "/api/checkout/quote/", "/api/checkout/"


@pytest.fixture
def desk(client_as):
    return client_as("front_desk")


def quoted(client, studio, status=200, **body):
    with time_machine.travel(NOW, tick=True):
        response = client.post(QUOTE, {"client": studio.client.pk, **body})
    assert response.status_code == status, response.content
    return response.json()


def configure(studio, **settings):
    with platform_scope("test"):
        Account.objects.filter(pk=studio.account.pk).update(settings=settings)


def test_a_quote(desk, make_studio, account):
    studio = make_studio(account, tax_rate=Decimal("19.00"))
    CouponFactory(account=account, code="SPRING")
    DepositRuleFactory(account=account)
    configure(studio, balance_due_hours=24)
    untouched = everything(studio)

    body = quoted(
        desk, studio, package=studio.package.pk, coupon="spring", practitioner=studio.practitioner.pk, start_time=MONDAY_TEN.isoformat()
    )

    now = body["schedule"][0].pop("due_at")
    assert now.startswith("2026-11-21T08:00:0")
    name = studio.package.package_name
    assert body == {
        "currency": "EUR",
        "prices_include_tax": True,
        "tax_code": "",
        "coupon": "SPRING",
        "lines": [
            {
                "kind": "item",
                "description": name,
                "quantity": 1,
                "unit_price_cents": 10000,
                "amount_cents": 10000,
                "tax_rate": "19.00",
                "tax_cents": 1597,
            },
            {
                "kind": "discount",
                "description": "Coupon SPRING",
                "quantity": 1,
                "unit_price_cents": -1000,
                "amount_cents": -1000,
                "tax_rate": "19.00",
                "tax_cents": -160,
            },
        ],
        "subtotal_cents": 10000,
        "discount_cents": 1000,
        "taxes": [{"tax_rate": "19.00", "net_cents": 7563, "tax_cents": 1437, "gross_cents": 9000}],
        "tax_cents": 1437,
        "total_amount_cents": 9000,
        "sessions": [{"position": number, "service": studio.service.pk, "price_cents": 3000, "tax_cents": 479} for number in (1, 2, 3)],
        "schedule": [
            {"kind": "deposit", "amount_cents": 2700},
            {"kind": "balance", "amount_cents": 6300, "due_at": "2026-11-22T09:00:00Z"},
        ],
        "due_now_cents": 2700,
        "credit_cents": 0,
        "from_wallet_cents": 0,
        "to_pay_now_cents": 2700,
    }
    assert everything(studio) == untouched
    with account_scope(account):
        assert (Order.objects.count(), CouponUse.objects.count(), Instalment.objects.count(), Coupon.objects.get().uses) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "settings", [{}, {"prices_include_tax": False}, {"tax_rounding": "net_sum"}, {"prices_include_tax": False, "tax_rounding": "gross_sum"}]
)
@pytest.mark.parametrize("what", ["package", "service"])
def test_the_sale_costs_what_was_quoted(desk, make_studio, account, settings, what):
    studio = make_studio(account, tax_rate=Decimal("7.00"), price_cents=9999)
    CouponFactory(account=account, code="TEN", kind="fixed", value=333)
    configure(studio, **settings)
    wish = {what: getattr(studio, what).pk, "coupon": "ten", "instalments": 2, "method": "cash"}

    quote = quoted(desk, studio, **wish)
    with time_machine.travel(NOW, tick=True):
        sale = desk.post(CHECKOUT, {"client": studio.client.pk, **wish}).json()

    order = sale["order"]
    sums = ("subtotal_cents", "discount_cents", "tax_cents", "total_amount_cents")
    assert {name: order[name] for name in sums} == {name: quote[name] for name in sums}
    assert [one["price_cents"] for one in order["bookings"]] == [one["price_cents"] for one in quote["sessions"]]
    assert sale["payment"]["amount_cents"] == quote["to_pay_now_cents"]
    with account_scope(account):
        assert list(Instalment.objects.order_by("position").values_list("amount_cents", flat=True)) == [
            one["amount_cents"] for one in quote["schedule"]
        ]


def test_a_free_order_a_gift_and_a_client_without_tax(desk, make_studio, account):
    studio = make_studio(account, tax_rate=Decimal("19.00"))
    CouponFactory(account=account, code="FREE", value=100)

    free = quoted(desk, studio, service=studio.service.pk, coupon="FREE")
    assert (free["total_amount_cents"], free["tax_cents"], free["due_now_cents"], free["schedule"]) == (0, 0, 0, [])
    gift = quoted(desk, studio, gift_cents=2500)
    assert (gift["total_amount_cents"], gift["taxes"], gift["sessions"], gift["due_now_cents"]) == (2500, [], [], 2500)
    with account_scope(account):
        Client.objects.filter(pk=studio.client.pk).update(tax_code="reverse_charge")
    net = quoted(desk, studio, service=studio.service.pk)
    assert (net["tax_code"], net["total_amount_cents"], net["tax_cents"], net["taxes"]) == ("reverse_charge", 4202, 0, [])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"coupon": "NEVER", "service": True}, 409, "coupon_refused"),
        ({}, 400, "validation_error"),
        ({"service": True, "package": True}, 400, "validation_error"),
        ({"service": True, "use_wallet_cents": 100}, 409, "no_wallet"),
        ({"service": True, "use_wallet_cents": 5001}, 400, "validation_error"),
        ({"service": True, "method": "wallet"}, 409, "no_wallet"),
        ({"service": True, "method": "stripe"}, 409, "provider_off"),
        ({"service": True, "method": "barter"}, 400, "validation_error"),
        ({"service": True, "instalments": 1}, 400, "validation_error"),
        ({"service": True, "start_time": "2026-11-23T09:00:00Z"}, 400, "validation_error"),
        ({"service": True, "price_cents": 1}, 400, "unknown_field"),
    ],
)
def test_refusals(desk, make_studio, account, body, status, code):
    studio = make_studio(account)
    wish = {name: getattr(studio, name).pk if value is True else value for name, value in body.items()}

    answer = quoted(desk, studio, status, **wish)

    assert answer["error"] == code
    if code == "coupon_refused":
        assert answer["why"] == "unknown"


def test_why_a_coupon_is_refused_is_told_to_staff(desk, make_studio, account):
    studio = make_studio(account)
    CouponFactory(account=account, code="OLD", is_active=False)

    answer = quoted(desk, studio, 409, service=studio.service.pk, coupon="old")

    assert (answer["error"], answer["why"]) == ("coupon_refused", "inactive")


@pytest.mark.parametrize(("role", "status"), [("manager", 200), ("practitioner", 403), ("bookkeeper", 403), (None, 401)])
def test_who_may_ask(client_as, make_studio, account, role, status):
    studio = make_studio(account)

    quoted(client_as(role), studio, status, service=studio.service.pk)
