"""Selling a site: ownership with the money, once, and only for whoever it was sold to (source 003)."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from apps.accounts.models import Role
from apps.bookings.models import Side
from apps.checkout.collecting import collect
from apps.checkout.errors import NotForSale
from apps.checkout.quoting import quote_sale
from apps.checkout.refunds import Refunding, refund_order
from apps.checkout.services import sell
from apps.checkout.sites import grant_site
from apps.checkout.tasks import hand_over_sites
from apps.clients.services import create_client
from apps.clients.services.linking import link_clients
from apps.core.errors import Invalid
from apps.core.events import acting
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.errors import CouponRefused
from apps.payments.models import Payment
from apps.payments.services import mark_received
from apps.payments.services.ledger import balances
from apps.payments.services.refunds import request_refund
from apps.payments.services.settling import lapse_payment
from apps.sites.errors import DuplicateOwnership
from apps.sites.models import SiteOwnership
from apps.sites.services import add_site_to_customer, remove_site_from_customer, update_site
from apps.users.models import User
from factories.accounts import MembershipFactory
from factories.clients import ClientFactory
from factories.orders import OrderFactory
from factories.users import CustomerFactory, UserFactory
from tests.bookings.life import broken
from tests.checkout.waiting import work
from tests.sites.life import Agency
from tests.studio import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def agency(account) -> Agency:
    MembershipFactory(account=account, role=Role.OWNER)
    return Agency(account)


def buy(agency, slug="a", client=None, method="cash", **options):
    with account_scope(agency.account):
        return sell(account=agency.account, client=client or agency.joe, method=method, site=agency.sites[slug], at=NOW, **options)


def order_online(agency, slug="a", client=None, method="bank_transfer"):
    """As a client places it, without staff."""
    with acting(None, "public"):
        return buy(agency, slug, client, method, by=Side.CLIENT)


def pay(agency, sale):
    with account_scope(agency.account):
        mark_received(Payment.objects.get(order=sale.order), at=NOW)
    work()


def stored(agency, sale) -> Order:
    with account_scope(agency.account):
        return Order.objects.select_related("client", "site").get(pk=sale.order.pk)


def refused(agency, error, slug="a", client=None, **options):
    with pytest.raises(error) as said, transaction.atomic():
        buy(agency, slug, client, **options)
    return said.value


def test_a_site_belongs_to_its_buyer_once_it_is_paid(agency):
    sale = buy(agency)
    order = sale.order

    assert (order.order_type, order.site, order.total_amount_cents, order.status, order.activated_at) == (
        "site",
        agency.sites["a"],
        9900,
        "active",
        None,
    )
    assert (sale.bookings, order.package_metadata["name"], order.total_sessions) == ([], "Site a", 0)
    work()
    assert agency.owned(agency.joe) == []
    assert books_of(agency) == {"receivable": 9900, "deferred": -9900}

    pay(agency, sale)

    after = stored(agency, sale)
    assert agency.owned(agency.joe) == ["a*"]
    assert (after.status, after.payment_status, after.activated_at is not None, after.site.subscription_status) == (
        "completed",
        "paid",
        True,
        "active",
    )
    assert agency.said("site.owner_added")[0]["origin"] == [None, "sale"]
    assert books_of(agency) == {"cash": 9900, "revenue": -9900}
    assert broken() == {}


def books_of(agency):
    """The account's balances that are not zero."""
    with account_scope(agency.account):
        return {book: cents for (book, _), cents in balances().items() if cents}


def in_settings(account, **values):
    account.settings = {**account.settings, **values}
    account.save(update_fields=["settings"])


def test_a_second_purchase_adds_a_site_and_a_repeated_settlement_changes_nothing(agency):
    for slug in "ab":
        pay(agency, buy(agency, slug))
    assert agency.owned(agency.joe) == ["a*", "b"]

    with account_scope(agency.account):
        remove_site_from_customer(agency.sites["b"], customer=agency.joe.customer)
        events = Event.objects.count()
        for order in Order.objects.all():
            assert grant_site(order) is None
        assert (Event.objects.count(), SiteOwnership.objects.count()) == (events, 2)
    assert agency.owned(agency.joe) == ["a*"], "what staff took back does not return with a repeated message"


def test_a_free_site_is_handed_over_at_once(agency):
    agency.do(update_site, agency.sites["a"], price_cents=0)

    sale = buy(agency)
    work()

    assert (sale.payment, agency.owned(agency.joe)) == (None, ["a*"])
    assert broken() == {}


@pytest.mark.parametrize(
    ("settings", "price", "expected"),
    [
        ({}, None, (9900, 9900, 0)),
        ({"package_tax_rate": "19"}, None, (9900, 9900, 1581)),
        ({"package_tax_rate": "19"}, 50000, (50000, 50000, 7983)),
        ({"package_tax_rate": "19", "prices_include_tax": False}, 50000, (50000, 59500, 9500)),
    ],
)
def test_it_costs_its_price_or_the_first_month_with_tax_like_anything_else(agency, settings, price, expected):
    in_settings(agency.account, **settings)
    agency.do(update_site, agency.sites["a"], price_cents=price)

    with account_scope(agency.account):
        quote = quote_sale(account=agency.account, client=agency.joe, site=agency.sites["a"], at=NOW)
    order = buy(agency).order

    assert (order.subtotal_cents, order.total_amount_cents, order.tax_cents) == expected
    assert (quote["subtotal_cents"], quote["total_amount_cents"], quote["tax_cents"]) == expected
    assert [line["description"] for line in quote["lines"]] == ["Site a"]
    assert broken("I06", "I06.lines", "I06.tax", "I14.net", "I14.receivable") == {}


def test_who_pays_no_tax_pays_the_net(agency):
    in_settings(agency.account, package_tax_rate="19")
    exempt = ClientFactory(account=agency.account, tax_code="exempt")

    order = buy(agency, client=exempt).order

    assert (order.total_amount_cents, order.tax_cents, order.tax_code) == (8319, 0, "exempt")


def test_there_are_no_coupons_starts_and_other_goods_with_a_site(agency):
    assert refused(agency, CouponRefused, coupon="SPRING").extras["why"] in ("unknown", "not_for_this")
    refused(agency, Invalid, gift_cents=5000)
    refused(agency, Invalid, start_time=NOW)


# -- what is not for sale


def test_the_owner_cannot_buy_it_again_and_nobody_else_either(agency):
    agency.give("a")

    refused(agency, DuplicateOwnership)
    refused(agency, NotForSale, client=agency.person("Ann"))
    with account_scope(agency.account), pytest.raises(NotForSale):
        quote_sale(account=agency.account, client=agency.person("Bob"), site=agency.sites["a"], at=NOW)


@pytest.mark.parametrize("status", ["archived", "suspended"])
def test_a_site_that_is_not_in_use_is_not_for_sale(agency, status):
    agency.do(update_site, agency.sites["a"], status=status)

    refused(agency, NotForSale)


def test_a_site_with_a_collaborator_only_can_be_bought_by_them(agency):
    agency.give("a", role="collaborator")

    pay(agency, buy(agency))

    with account_scope(agency.account):
        assert SiteOwnership.objects.get().role == "owner"


def test_one_order_is_open_at_a_time_and_a_voided_one_frees_the_site(agency):
    first = buy(agency)

    assert refused(agency, NotForSale).extras == {"order": first.order.pk}
    assert refused(agency, NotForSale, client=agency.person("Ann")).extras == {}
    with pytest.raises(IntegrityError, match="orders_order_one_sale_of_site"), transaction.atomic():
        OrderFactory(account=agency.account, order_type="site", service=None, site=agency.sites["a"])

    with account_scope(agency.account):
        refunds, result = refund_order(first.order, asked=Refunding(), at=NOW)
    work()

    assert (refunds, result["refund_cents"]) == ([], 0)
    after = stored(agency, first)
    assert (after.status, after.total_amount_cents, agency.said("order.cancelled")[0]["status"]) == (
        "cancelled",
        0,
        ["active", "cancelled"],
    )
    buy(agency, client=agency.person("Bob"))
    assert broken() == {}


def test_a_paid_sale_that_waits_can_be_taken_back_with_its_money(agency):
    nobody = ClientFactory(account=agency.account, email="")
    sale = buy(agency, client=nobody)
    pay(agency, sale)
    assert agency.said("order.site_waiting") == [{"why": [None, "no_email"]}]

    with account_scope(agency.account):
        refunds, result = refund_order(sale.order, asked=Refunding(), at=NOW)
    work()

    assert ([refund.amount_cents for refund in refunds], result["refund_cents"]) == ([9900], 9900)
    assert stored(agency, sale).status == "cancelled"
    assert broken() == {}


def test_money_that_goes_back_later_leaves_the_site_to_staff(agency):
    sale = buy(agency)
    pay(agency, sale)

    with account_scope(agency.account):
        request_refund(Payment.objects.get(order=sale.order), amount_cents=9900, reason="Unhappy", at=NOW)
    for _ in range(2):
        work()

    assert stored(agency, sale).payment_status == "refunded"
    assert agency.owned(agency.joe) == ["a*"]
    assert agency.said("order.site_kept") == [{"site": [None, str(agency.sites["a"].site_id)]}]


# -- who gets it


def lead(agency, email="lead@example.test"):
    with account_scope(agency.account):
        return create_client(account_id=agency.account.pk, full_name="Lena Lead", email=email)


def test_a_lead_gets_a_login_to_claim(agency, mailoutbox):
    client = lead(agency)
    pay(agency, buy(agency, client=client))

    user = User.objects.get(email="lead@example.test")
    assert (user.has_usable_password(), user.customer.full_name, user.customer.is_verified) == (False, "Lena Lead", False)
    assert agency.owned(user.customer) == ["a*"]
    pay(agency, buy(agency, "b", client=client))
    assert agency.owned(user.customer) == ["a*", "b"]
    assert User.objects.filter(email="lead@example.test").count() == 1
    assert broken() == {}


def test_a_login_with_the_proved_address_is_the_owner(agency):
    user = UserFactory(email="lead@example.test")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)

    pay(agency, buy(agency, client=lead(agency)))

    user.refresh_from_db()
    assert agency.owned(user.customer) == ["a*"]


def test_whoever_merely_registered_the_address_gets_nothing_until_it_is_proved(agency):
    thief = CustomerFactory(user__email="lead@example.test")
    sale = buy(agency, client=lead(agency))
    pay(agency, sale)

    assert (agency.owned(thief), stored(agency, sale).status) == ([], "active")
    assert agency.said("order.site_waiting") == [{"why": [None, "email_unverified"]}]
    assert (hand_over_sites(0), agency.owned(thief), len(agency.said("order.site_waiting"))) == (1, [], 1)

    EmailAddress.objects.create(user=thief.user, email=thief.user.email, verified=True, primary=True)
    link_clients(thief.user)
    work()

    assert (agency.owned(thief), stored(agency, sale).status) == (["a*"], "completed")
    assert broken() == {}


def test_a_card_of_their_own_at_the_account_is_used_when_the_address_is_proved(agency):
    """The lead has the address of Joe's login, and Joe is a client already."""
    sale = buy(agency, client=lead(agency, agency.joe.customer.user.email))
    pay(agency, sale)
    assert agency.owned(agency.joe) == []

    EmailAddress.objects.create(user=agency.joe.customer.user, email=agency.joe.customer.user.email, verified=True, primary=True)
    assert hand_over_sites(0) == 1

    assert agency.owned(agency.joe) == ["a*"]
    with account_scope(agency.account):
        assert SiteOwnership.objects.get().client == agency.joe


def test_a_login_that_may_not_sign_in_and_an_owner_of_before_stand_in_the_way(agency):
    UserFactory(email="lead@example.test", is_active=False)
    first, second = buy(agency, client=lead(agency)), buy(agency, "b")
    agency.give("b", agency.person("Ann"))

    pay(agency, first)
    pay(agency, second)

    assert [change["why"][1] for change in agency.said("order.site_waiting")] == ["login_inactive", "owned"]
    assert hand_over_sites(0) == 2
    assert len(agency.said("order.site_waiting")) == 2

    with account_scope(agency.account):
        ann = SiteOwnership.objects.get(site=agency.sites["b"]).customer
        remove_site_from_customer(agency.sites["b"], customer=ann)
    hand_over_sites(0)
    assert agency.owned(agency.joe) == ["b*"]


def test_what_staff_gave_by_hand_before_the_money_came_is_not_given_twice(agency):
    sale = buy(agency)
    agency.do(add_site_to_customer, agency.sites["a"], customer=agency.joe.customer)

    pay(agency, sale)

    assert (agency.owned(agency.joe), stored(agency, sale).status) == (["a*"], "completed")
    with account_scope(agency.account):
        assert SiteOwnership.objects.count() == 1


# -- online


@pytest.fixture
def online(agency):
    in_settings(agency.account, online_bank_transfer=True, late_money="keep")
    return agency


def lapse(agency, sale):
    with account_scope(agency.account):
        lapse_payment(Payment.objects.get(order=sale.order), at=NOW + timedelta(days=30))
    work()


def test_an_order_of_a_client_that_is_not_paid_in_time_frees_the_site(online):
    sale = order_online(online)

    assert sale.payment.expires_at is not None
    lapse(online, sale)

    assert (stored(online, sale).status, stored(online, sale).total_amount_cents) == ("cancelled", 0)
    buy(online, client=online.person("Ann"))
    assert broken() == {}


def test_late_money_takes_the_sale_up_again_where_the_site_is_still_free(online):
    sale = order_online(online)
    lapse(online, sale)

    pay(online, sale)

    assert (stored(online, sale).status, online.owned(online.joe)) == ("completed", ["a*"])
    assert broken() == {}


@pytest.mark.parametrize("taken", ["ordered", "owned"])
def test_late_money_for_a_site_that_is_gone_is_left_over(online, taken):
    sale, ann = order_online(online), online.person("Ann")
    lapse(online, sale)
    if taken == "ordered":
        buy(online, client=ann)
    else:
        online.give("a", ann)

    pay(online, sale)

    assert (stored(online, sale).status, stored(online, sale).payment_status, online.owned(online.joe)) == ("cancelled", "overpaid", [])
    assert online.said("payment.left_over")[0]["payment_status"] == [None, "overpaid"]
    assert broken() == {}


@pytest.mark.parametrize("begun", [{}, {"method": "stripe", "status": "requires_action", "provider_ref": "pi_1", "reference": ""}])
def test_another_payment_of_the_client_waits_no_longer_and_one_that_staff_expect_waits_for_them(online, begun):
    sale = order_online(online)
    with account_scope(online.account):
        Payment.objects.filter(order=sale.order).update(**{"failure": "", **begun})
        again = collect(stored(online, sale), method="bank_transfer", by=Side.CLIENT, at=NOW)
        assert again.expires_at == sale.payment.expires_at
        assert collect(stored(online, sale), method="cash", by=Side.PROVIDER, at=NOW).expires_at is None


def test_money_of_a_site_on_another_card_of_the_client_goes_back_later(agency):
    """They had a card of their own: the site is that card's, and staff hear that it stays."""
    client = lead(agency)
    sale = buy(agency, client=client)
    own_card = ClientFactory(account=agency.account, email="other@example.test", customer=CustomerFactory(user__email="lead@example.test"))
    EmailAddress.objects.create(user=own_card.customer.user, email="lead@example.test", verified=True, primary=True)
    pay(agency, sale)
    assert agency.owned(own_card) == ["a*"]

    with account_scope(agency.account):
        request_refund(Payment.objects.get(order=sale.order), amount_cents=9900, reason="Unhappy", at=NOW)
    work()

    assert agency.said("order.site_kept") == [{"site": [None, str(agency.sites["a"].site_id)]}]
