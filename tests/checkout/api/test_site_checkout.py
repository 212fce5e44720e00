"""checkout/ with a site: at the counter, by a customer, by a guest."""

import pytest
import time_machine
from allauth.account.models import EmailAddress

from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import mark_received
from apps.users.models import User
from factories.sites import SiteFactory
from factories.users import CustomerFactory
from tests.checkout.waiting import work
from tests.conftest import ApiClient
from tests.portal import sign_in
from tests.sites.life import Agency
from tests.studio import NOW

PUBLIC = "/api/public/berlin/checkout/"
ADA = {"full_name": "Ada Lovelace", "email": "ada@example.com"}


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def agency(account) -> Agency:
    account.settings = {**account.settings, "online_cash": True}
    account.save(update_fields=["settings"])
    return Agency(account)


def site_id(agency, slug="a") -> str:
    return str(agency.sites[slug].site_id)


def pay_all(agency):
    with account_scope(agency.account):
        for payment in Payment.objects.filter(status="pending"):
            mark_received(payment, at=NOW)
    work()


def test_staff_sell_a_site_and_the_order_says_which(owner, agency):
    body = {"client": agency.joe.pk, "site": site_id(agency), "method": "cash"}

    quote = owner.post("/api/checkout/quote/", body)
    sold = owner.post("/api/checkout/", body, headers={"Idempotency-Key": "one"})
    again = owner.post("/api/checkout/", body, headers={"Idempotency-Key": "one"})
    once_more = owner.post("/api/checkout/", body)

    assert (quote.status_code, quote.json()["total_amount_cents"]) == (200, 9900)
    assert sold.status_code == 201, sold.content
    order = sold.json()["order"]
    assert (order["order_type"], order["site"], order["package"], order["service"], order["bookings"]) == (
        "site",
        site_id(agency),
        None,
        None,
        [],
    )
    assert order["allowed_actions"] == ["pay", "refund"]
    assert again.json() == sold.json()
    assert (once_more.status_code, once_more.json()["error"], once_more.json()["order"]) == (409, "not_for_sale", order["id"])
    pay_all(agency)
    assert agency.owned(agency.joe) == ["a*"]
    assert owner.post("/api/checkout/", body).json()["error"] == "duplicate_ownership"
    assert owner.get(f"/api/orders/?order_type=site&client={agency.joe.pk}").json()["results"][0]["status"] == "completed"


@pytest.mark.parametrize(
    "value", ["", "abc", 5, True, None, [], {}, "00000000-0000-4000-8000-000000000000", "0" * 32, "\x00", "{x}", 2**70]
)
def test_what_is_no_site_of_the_account_is_refused(owner, agency, value):
    for client, url, about in ((owner, "/api/checkout/", {"client": agency.joe.pk}), (ApiClient(), PUBLIC, ADA)):
        response = client.post(url, {**about, "method": "cash", "site": value})

        assert response.status_code == 400, response.content
        assert value == "\x00" or set(response.json()["fields"]) & {"site", "package"}


def test_a_site_of_another_account_does_not_exist(owner, agency, other_account):
    foreign = SiteFactory(account=other_account)

    for client, url, about in ((owner, "/api/checkout/", {"client": agency.joe.pk}), (ApiClient(), PUBLIC, ADA)):
        response = client.post(url, {**about, "method": "cash", "site": str(foreign.site_id)})
        assert (response.status_code, response.json()["fields"]) == (
            400,
            {"site": [f'Invalid pk "{foreign.site_id}" - object does not exist.']},
        )


def test_a_customer_buys_a_second_site_at_the_public_door(agency):
    agency.give("b")
    joe = sign_in(agency.joe.customer)

    sold = joe.post(PUBLIC, {"site": site_id(agency), "method": "cash"})

    assert sold.status_code == 201, sold.content
    assert sold.json()["order"]["total_amount_cents"] == 9900
    (mine,) = joe.get("/api/customer/orders/").json()["results"]
    assert (mine["site"], mine["name"], mine["order_type"]) == (site_id(agency), "Site a", "site")
    refused = joe.post(PUBLIC, {"site": site_id(agency), "method": "cash"}).json()
    assert (refused["error"], refused["order"]) == ("not_for_sale", mine["id"])
    pay_all(agency)
    assert [site["slug"] for site in joe.get("/api/customer/my-sites/").json()["sites"]] == ["b", "a"]
    assert joe.post(PUBLIC, {"site": site_id(agency), "method": "cash"}).json()["error"] == "duplicate_ownership"


def test_a_guest_gets_a_login_with_the_money_and_not_before(agency):
    sold = ApiClient().post(PUBLIC, {"site": site_id(agency), "method": "cash", **ADA})

    assert sold.status_code == 201, sold.content
    work()
    assert not User.objects.filter(email="ada@example.com").exists()
    pay_all(agency)

    user = User.objects.get(email="ada@example.com")
    assert (user.has_usable_password(), agency.owned(user.customer)) == (False, ["a*"])
    again = ApiClient().post(PUBLIC, {"site": site_id(agency, "b"), "method": "cash", **ADA})
    assert (again.status_code, again.json()["error"]) == (401, "not_authenticated")


@pytest.mark.parametrize("verified", [True, False])
def test_a_guest_with_the_address_of_a_login_has_to_sign_in_first(agency, verified):
    user = CustomerFactory(user__email="ada@example.com").user
    EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)

    response = ApiClient().post(PUBLIC, {"site": site_id(agency), "method": "cash", **ADA, "email": "ADA@example.com"})

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")
    with account_scope(agency.account):
        assert not Order.objects.exists()


def test_a_guest_learns_nothing_of_the_client_they_claim_to_be(agency):
    """Joe's card has another address than his login."""
    agency.give("a")
    ordered = ApiClient().post(PUBLIC, {"site": site_id(agency, "b"), "method": "cash", "full_name": "X", "email": agency.joe.email})
    assert ordered.status_code == 201, ordered.content

    def told(slug, email):
        body = ApiClient().post(PUBLIC, {"site": site_id(agency, slug), "method": "cash", "full_name": "X", "email": email}).json()
        body.pop("request_id")
        return body

    for slug in "ab":
        assert (
            told(slug, agency.joe.email)
            == told(slug, "stranger@example.com")
            == {
                "error": "not_for_sale",
                "message": "This is not for sale at the moment.",
            }
        )


def test_the_price_can_be_asked_for_first_by_anybody(agency):
    response = ApiClient().post(f"{PUBLIC}quote/", {"site": site_id(agency)})

    assert (response.status_code, response.json()["total_amount_cents"], response.json()["sessions"]) == (200, 9900, [])
