"""POST /api/public/<slug>/checkout/: guests buy, and a guest learns nothing of whom they say they are."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine

from apps.bookings.models import Booking
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Coupon, CouponUse, DepositRule, Payment
from factories.accounts import AccountFactory
from factories.clients import ClientFactory
from factories.packages import PackageFactory
from factories.users import CustomerFactory
from tests.bookings.life import book, everything
from tests.checkout.api.visiting import ADA, TEN, URL, at_ten, clients, send, set_fields, stored
from tests.conftest import ApiClient
from tests.payments.credit import rich
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


# -- guests


def test_a_guest_books_a_start_and_becomes_a_client(studio):
    body = send(studio, **at_ten(studio), phone_number="+49 30 901820")

    order = stored(studio, Order, number=body["order"]["number"])
    assert body == {
        "order": {
            "number": order.number,
            "status": "active",
            "payment_status": "unpaid",
            "subtotal_cents": 5000,
            "discount_cents": 0,
            "tax_cents": 0,
            "total_amount_cents": 5000,
            "paid_cents": 0,
            "balance_due_cents": 5000,
            "currency": "EUR",
            "expires_at": None,
            "sessions": [
                {
                    "position": 1,
                    "service": studio.service.pk,
                    "service_name": studio.service.name,
                    "practitioner": studio.practitioner.pk,
                    "practitioner_name": studio.practitioner.display_name,
                    "status": "confirmed",
                    "start_time": "2026-11-23T09:00:00Z",
                    "end_time": "2026-11-23T10:00:00Z",
                    "timezone": "Europe/Berlin",
                    "hold_expires_at": None,
                    "price_cents": 5000,
                    "tax_cents": 0,
                    "currency": "EUR",
                }
            ],
        },
        "payment": {
            "token": body["payment"]["token"],
            "method": "cash",
            "status": "pending",
            "amount_cents": 5000,
            "currency": "EUR",
            "expires_at": None,
            "failure": "",
            "instructions": None,
        },
        "credit_cents": 0,
    }
    assert clients(studio)[1:] == [("ada@example.com", "Ada Lovelace", "active", "public", None)]
    assert (str(order.client.phone_number), order.source, order.placed_by_id) == ("+4930901820", "public", None)
    with account_scope(studio.account):
        assert set(Event.objects.filter(subject_type="orders.order").values_list("actor_id", "source")) == {(None, "public")}


def test_a_package_is_bought_without_a_time_by_bank_transfer(studio):
    studio.account.settings = {"bank_transfer_instructions": "IBAN DE02 1203 0000 0000 2020 51"}
    studio.account.save()

    body = send(studio, package=studio.package.pk, method="bank_transfer")

    assert [session["status"] for session in body["order"]["sessions"]] == ["draft"] * 3
    assert body["payment"]["instructions"] == {
        "reference": body["order"]["number"],
        "amount_cents": 10000,
        "currency": "EUR",
        "text": "IBAN DE02 1203 0000 0000 2020 51",
    }


def test_a_start_by_bank_transfer_is_held(studio):
    body = send(studio, **at_ten(studio), method="bank_transfer")

    (session,) = body["order"]["sessions"]
    assert (session["status"], session["hold_expires_at"]) == ("held", body["payment"]["expires_at"])
    assert session["hold_expires_at"] > "2026-11-24"


def test_a_known_address_reuses_the_client_whatever_its_spelling(studio):
    known = ClientFactory(account=studio.account, email="Ada@Example.com", full_name="Augusta King", stage="lead", source="fair")

    body = send(studio)

    assert stored(studio, Order, number=body["order"]["number"]).client_id == known.pk
    assert clients(studio)[1:] == [("Ada@Example.com", "Augusta King", "active", "fair", None)]


def test_the_address_of_a_login_makes_a_client_that_is_not_linked_to_it(studio):
    CustomerFactory(user__email="ada@example.com", full_name="Augusta King")

    send(studio)

    assert clients(studio)[1:] == [("ada@example.com", "Ada Lovelace", "active", "public", None)]


def shape(value):
    """Keys and kinds of an answer, with what may differ between two purchases left out."""
    if isinstance(value, dict):
        differing = ("number", "token", "request_id", "reference")
        return {key: type(found).__name__ if key in differing else shape(found) for key, found in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else value


def known_client(studio, **fields):
    """A client with a history, whom nobody may learn anything about."""
    known = ClientFactory(account=studio.account, email="known@example.com", full_name="Known Person", tags=["vip"], **fields)
    missed = studio.draft(client=known)
    set_fields(book(studio, missed, start=MONDAY_TEN + timedelta(days=1)), status="no_show")
    return known


def as_anybody(studio, **body):
    """(answer to a known address, answer to an unknown one, in the same situation) as (status, shape)."""
    found = []
    for email in ("known@example.com", "unknown@example.com"):
        response = ApiClient().post(URL, {"method": "cash", "full_name": "Me", **body, "email": email})
        found.append((response.status_code, shape(response.json())))
        assert b"Known Person" not in response.content
    return found


def test_a_guest_cannot_tell_a_known_address_from_an_unknown_one(studio):
    known_client(studio, tax_code="exempt")
    set_fields(studio.service, tax_rate=Decimal("19.00"))
    with account_scope(studio.account):
        for number, rule in enumerate(({"first_order_only": True}, {"min_no_shows": 1}, {"client_tag": "vip"}), start=1):
            DepositRule.objects.create(account=studio.account, name=f"{rule}", kind="percent", value=number * 10, **rule)

    for wanted in (
        {"service": studio.service.pk},
        {"package": studio.package.pk},
        {"service": studio.service.pk, "method": "bank_transfer"},
        {"service": studio.service.pk, "coupon": "NOPE"},
        {"service": studio.service.pk, "method": "stripe"},
        {"service": studio.service.pk, "method": "wallet"},
        {"service": studio.service.pk, "use_wallet_cents": 1},
        {"service": studio.service.pk, "start_time": "2026-11-22T10:00:00+01:00", "practitioner": studio.practitioner.pk},
    ):
        known, unknown = as_anybody(studio, **wanted)
        assert known == unknown, wanted
    sold = as_anybody(studio, service=studio.service.pk)[0][1]
    # A stranger's terms: taxed, with the deposit of a first order.
    assert (sold["order"]["tax_cents"], sold["payment"]["amount_cents"]) == (798, 500)


def test_the_test_above_would_see_a_difference(studio):
    """Its negative control: on the client's own terms, which staff sell on, the two would differ."""
    known = known_client(studio, tax_code="exempt")
    set_fields(studio.service, tax_rate=Decimal("19.00"))

    theirs, strangers = studio.draft(client=known), studio.draft(client=studio.other_client())

    assert (theirs.order.total_amount_cents, strangers.order.total_amount_cents) == (4202, 5000)


def test_limits_of_the_client_who_was_claimed_are_said_as_anybody_would_hear_them(studio):
    known = known_client(studio)
    set_fields(studio.service, limits={"client": {"per_day": 1}})
    book(studio, studio.draft(client=known))
    eleven = {**at_ten(studio), "service": studio.service.pk, "start_time": "2026-11-23T11:00:00+01:00"}

    refused = ApiClient().post(URL, {"method": "cash", "full_name": "Me", "email": "known@example.com", **eleven})
    body = refused.json()

    assert (refused.status_code, body["error"], body["message"]) == (
        409,
        "slot_taken",
        "Another session takes place at that time.",
    )
    assert set(body) == {"error", "message", "request_id", "rule", "alternatives"}
    assert [start["start"][11:16] for start in body["alternatives"]] != []
    assert "2026-11-23T11:00:00+01:00" not in [start["start"] for start in body["alternatives"]]
    # Whoever is not that client hears the same of a start that is taken, and is free to take this one.
    taken = ApiClient().post(URL, {"method": "cash", **ADA, **eleven, "start_time": TEN})
    assert {**taken.json(), "request_id": "", "alternatives": []} == {**body, "request_id": "", "alternatives": []}
    assert set(taken.json()["alternatives"][0]) == set(body["alternatives"][0])
    assert send(studio, **eleven)["order"]["sessions"][0]["status"] == "confirmed"


def test_a_second_place_of_a_group_is_refused_in_the_same_words(studio):
    known = ClientFactory(account=studio.account, email="known@example.com")
    set_fields(studio.service, capacity=3)
    book(studio, studio.draft(client=known))

    response = ApiClient().post(
        URL, {"method": "cash", "service": studio.service.pk, "full_name": "Me", "email": "known@example.com", **at_ten(studio)}
    )

    assert (response.status_code, response.json()["error"]) == (409, "slot_taken")


def test_a_coupon_for_a_first_order_does_not_tell_who_has_bought(studio):
    known_client(studio)
    with account_scope(studio.account):
        Coupon.objects.create(account=studio.account, code="FIRST", kind="percent", value=10, first_order_only=True)
    body = {"method": "cash", "service": studio.service.pk, "full_name": "Me", "coupon": "FIRST"}

    response = ApiClient().post(URL, {**body, "email": "known@example.com"})

    assert (response.status_code, response.json()["error"], response.json()["why"]) == (409, "coupon_refused", "used_up")
    assert ApiClient().post(URL, {**body, "email": "unknown@example.com"}).json()["order"]["discount_cents"] == 500
    with account_scope(studio.account):
        assert CouponUse.objects.count() == 1


@pytest.mark.parametrize("how", [{"method": "wallet"}, {"use_wallet_cents": 1}])
def test_a_guest_spends_nobodys_credit(studio, how):
    become(studio)
    rich(studio, 5000)
    set_fields(studio.client, email="ada@example.com")
    before = everything(studio)

    body = send(studio, status=409, **how)

    assert body["error"] == "no_wallet"
    assert everything(studio) == before


def test_a_guest_uses_nobodys_sessions(studio):
    set_fields(studio.client, email="ada@example.com")
    owned = studio.sell()

    body = send(studio, **at_ten(studio))

    assert body["order"]["number"] != owned.order.number
    with account_scope(studio.account):
        assert set(Booking.objects.filter(order=owned.order).values_list("status", flat=True)) == {"draft"}


# -- what is refused


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"full_name": ""}, {"full_name"}),
        ({"email": "not an address"}, {"email"}),
        ({"full_name": None, "email": None}, {"full_name", "email"}),
        ({"full_name": "Ada\r\nBcc: x@example.com"}, {"full_name"}),
        ({"phone_number": "123"}, {"phone_number"}),
        ({"method": "barter"}, {"method"}),
        ({"service": None}, {"package"}),
        ({"start_time": TEN}, {"practitioner"}),
        ({"start_time": "2026-11-23T10:00:00", "practitioner": 1}, {"start_time", "practitioner"}),
        ({"return_url": "javascript:alert(1)"}, {"return_url"}),
        ({"return_url": "//evil.example"}, {"return_url"}),
        ({"use_wallet_cents": -1}, {"use_wallet_cents"}),
        ({"coupon": "x" * 41}, {"coupon"}),
    ],
)
def test_input_that_cannot_be_right_is_refused(studio, body, fields):
    before = everything(studio)

    answer = send(studio, status=400, **body)

    assert (answer["error"], set(answer["fields"])) == ("validation_error", fields)
    assert everything(studio) == before


@pytest.mark.parametrize(
    "name", ["client", "price_cents", "total_amount_cents", "override", "quantity", "account", "placed_by", "gift_cents"]
)
def test_what_is_not_the_buyers_to_say_is_refused(studio, name):
    response = ApiClient().post(URL, {"method": "cash", "service": studio.service.pk, **ADA, name: 1})

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, "unknown_field", [name])


def test_what_is_not_on_public_sale_does_not_exist(studio):
    private = PackageFactory(account=studio.account, is_public=False)
    elsewhere = PackageFactory(account=AccountFactory())

    for package in (private, elsewhere):
        body = send(studio, status=400, package=package.pk)
        assert body["fields"] == {"package": [f'Invalid pk "{package.pk}" - object does not exist.']}
    for row, name in ((studio.service, "service"), (studio.practitioner, "practitioner")):
        set_fields(row, is_active=False)
        assert send(studio, status=400, **{name: row.pk})["fields"][name] == [f'Invalid pk "{row.pk}" - object does not exist.']


def test_ways_of_paying_that_are_not_offered_are_refused(studio):
    studio.account.settings = {"online_cash": False}
    studio.account.save()

    assert send(studio, status=409)["error"] == "method_not_offered"
    assert send(studio, status=409, method="stripe")["error"] == "provider_off"


def test_a_start_that_is_taken_is_refused_with_others(studio):
    book(studio)
    before = everything(studio)

    body = send(studio, status=409, **at_ten(studio))

    assert (body["error"], len(body["alternatives"]) > 0) == ("slot_taken", True)
    assert everything(studio) == before


# -- the same request again, and too many of them


def test_the_same_key_buys_once(studio):
    first = send(studio, **at_ten(studio), headers={"Idempotency-Key": "one"})
    again = send(studio, **at_ten(studio), headers={"Idempotency-Key": "one"})

    assert again == first
    with account_scope(studio.account):
        assert Order.objects.count() == 1


def test_a_network_buys_twenty_times_an_hour(studio):
    for number in range(20):
        send(studio, email=f"guest{number}@example.com")

    refused = ApiClient().post(URL, {"method": "cash", "service": studio.service.pk, **ADA})

    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    elsewhere = ApiClient().post(URL, {"method": "cash", "service": studio.service.pk, **ADA}, REMOTE_ADDR="203.0.113.9")
    assert elsewhere.status_code == 201
    with time_machine.travel(NOW + timedelta(minutes=62), tick=True):
        assert send(studio)["order"]["status"] == "active"


def test_a_mistake_in_the_form_does_not_count(studio):
    for _ in range(21):
        send(studio, status=400, email="nobody")

    send(studio)


def test_a_network_holds_twenty_starts_at_the_same_time(studio):
    set_fields(studio.service, capacity=30)
    for hour in range(2):
        with time_machine.travel(NOW + timedelta(minutes=61 * hour), tick=True):
            for number in range(10 * hour, 10 * hour + 10):
                send(studio, **at_ten(studio), method="bank_transfer", email=f"guest{number}@example.com")

    with time_machine.travel(NOW + timedelta(minutes=130), tick=True):
        refused = ApiClient().post(URL, {"method": "bank_transfer", "service": studio.service.pk, **ADA, **at_ten(studio)})
        assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) > 3 * 86400
        send(studio, **at_ten(studio))  # what is not held is not counted


def test_what_was_not_sold_holds_nothing(studio):
    book(studio)
    for _ in range(20):
        with time_machine.travel(NOW + timedelta(minutes=61 * _), tick=True):
            send(studio, status=409, **at_ten(studio), method="bank_transfer")

    with time_machine.travel(NOW + timedelta(minutes=61 * 20), tick=True):
        eleven = {**at_ten(studio), "start_time": "2026-11-23T11:00:00+01:00"}
        assert send(studio, **eleven, method="bank_transfer")["order"]["sessions"][0]["status"] == "held"


# -- the price before


def test_a_quote_says_what_the_purchase_costs_and_writes_nothing(studio):
    with account_scope(studio.account):
        Coupon.objects.create(account=studio.account, code="SPRING", kind="percent", value=10)
    before = everything(studio)

    response = ApiClient().post(f"{URL}quote/", {"package": studio.package.pk, "coupon": "spring"})

    body = response.json()
    assert (response.status_code, body["discount_cents"], body["total_amount_cents"], body["credit_cents"]) == (200, 1000, 9000, 0)
    assert everything(studio) == before
    assert send(studio, package=studio.package.pk, coupon="spring")["order"]["total_amount_cents"] == 9000


def test_coupon_codes_cannot_be_tried_out(studio):
    answers = [ApiClient().post(f"{URL}quote/", {"package": studio.package.pk, "coupon": f"C{n}"}).status_code for n in range(101)]

    assert answers == [409] * 100 + [429]


# -- the payment's token


def test_the_token_opens_exactly_this_payment(studio):
    body = send(studio, **at_ten(studio))
    url = f"/api/public/berlin/payments/{body['payment']['token']}/"

    shown = ApiClient().get(url)

    assert shown.json()["order"] == body["order"]
    assert {**shown.json()["payment"], "token": ""} == {**body["payment"], "token": ""}
    assert shown.headers["Cache-Control"] == "no-store"
    assert ApiClient().post(f"{url}confirm/").json()["order"] == body["order"]
    with account_scope(studio.account):
        assert Payment.objects.get().status == "pending"


def test_a_token_of_another_account_or_a_changed_one_opens_nothing(studio, other_account):
    token = send(studio)["payment"]["token"]
    paths = [
        f"/api/public/new-york/payments/{token}/",
        *(f"/api/public/berlin/payments/{bad}/" for bad in (token[:-1], f"{token}x", "1", ":")),
    ]

    for path in paths:
        assert ApiClient().get(path).status_code == 404, path
        assert ApiClient().post(f"{path}confirm/").status_code == 404, path
