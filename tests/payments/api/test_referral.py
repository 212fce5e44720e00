"""/api/customer/referral/: from a shared code to points, and what becomes of them."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core import mail

from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import OrderReferral, ReferralReward
from apps.payments.tasks_credit import sweep_credit_of
from apps.users.models import Customer
from factories.clients import ClientFactory
from factories.money import ReferralRewardFactory
from factories.users import PASSWORD, CustomerFactory
from tests.accounts.conftest import AUTH
from tests.checkout.api.visiting import ADA, send, stored, verified
from tests.conftest import ApiClient
from tests.payments.credit import order_of
from tests.payments.test_gifts import work
from tests.payments.test_points import pay, settings
from tests.portal import become, sign_in
from tests.studio import NOW

URL = "/api/customer/referral/"


@pytest.fixture(autouse=True)
def saturday():
    with time_machine.travel(NOW, tick=True) as clock:
        yield clock


@pytest.fixture
def grace(studio) -> Customer:
    """A client of the studio, which rewards whoever brings somebody with a hundred points."""
    settings(studio, referral_points=100)
    person = verified(user__email="grace@example.test", create_wallet=False)
    studio.referrer = ClientFactory(account=studio.account, customer=person)
    return person


@pytest.fixture
def call(django_capture_on_commit_callbacks):
    """POST to the sign-in API, with the mail that leaves after commit."""

    def request(path, session=None, **data):
        client = ApiClient(**({"X-Session-Token": session} if session else {}))
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(f"{AUTH}/{path}", data).json()["meta"]

    return request


def mine(person, path=URL):
    response = sign_in(person).get(path)
    assert response.status_code == 200, response.content
    return response.json()


def at_studio(person):
    """(status and points of each reward, points in all) at the one business."""
    [place] = mine(person)["results"]
    return [(reward["status"], reward["points"]) for reward in place["rewards"]], place["points"]


def enter(person, code, status=201):
    response = sign_in(person).post(URL, {"code": code})
    assert response.status_code == status, response.content
    return response.json()


def paid(studio, owner, sale):
    """Staff book the transfer; the reward is thought of by the event's handler. The payment's id."""
    order = stored(studio, Order, number=sale["order"]["number"])
    [payment] = owner.get(f"/api/payments/?order={order.pk}").json()["results"]
    assert owner.post(f"/api/payments/{payment['id']}/mark-received/").status_code == 200
    work(studio, "order.paid")
    return payment["id"]


def test_the_whole_way_from_the_code_to_points_and_back(studio, owner, client_as, grace, call, saturday):
    shown = mine(grace)
    code = shown["code"]
    assert shown == {
        "code": grace.referral_code,
        "share_url": f"http://localhost:3000/sign-up?referral={code}",
        "invited": 0,
        "can_enter_code": True,
        "results": [
            {"account_slug": "berlin", "account_name": "Berlin Studio", "referral_points": 100, "points": 0, "rewards": []},
        ],
    }
    session = call("auth/signup", email="ada@example.test", password=PASSWORD, referral_code=code.lower())["session_token"]
    key = re.search(r"^([A-Z]{4}-[A-Z]{4})$", mail.outbox[-1].body, re.MULTILINE)[1]
    ada = ApiClient(call("auth/email/verify", session, key=key)["access_token"])

    sale = send(studio, ada, method="bank_transfer")
    payment = paid(studio, owner, sale)

    assert mine(grace)["invited"] == 1
    assert at_studio(grace) == ([("pending", 100)], 0)
    saturday.shift(timedelta(days=14))
    sweep_credit_of(studio.account.pk)
    assert at_studio(grace) == ([("granted", 100)], 100)
    assert mine(grace, "/api/customer/wallet/")["results"][0]["points"] == 100
    [reward] = mine(grace)["results"][0]["rewards"]
    assert set(reward) == {"id", "status", "points", "grant_at", "granted_at", "created_at"}  # not who it was

    owner = client_as("owner")  # the other one's token is over
    assert owner.post(f"/api/payments/{payment}/refund/", {"reason": "ill"}).status_code == 200
    [refund] = owner.get(f"/api/refunds/?payment={payment}").json()["results"]
    assert owner.post(f"/api/refunds/{refund['id']}/mark-sent/").status_code == 200
    work(studio, "refund.succeeded")
    assert at_studio(grace) == ([("clawed_back", 100)], 0)


# -- naming who brought one


def test_whoever_has_signed_up_may_still_say_who_brought_them(studio, grace):
    ada = become(studio, CustomerFactory())
    assert mine(ada)["can_enter_code"] is True

    shown = enter(ada, f" {grace.referral_code.lower()} ")

    ada.refresh_from_db()
    assert (shown["can_enter_code"], ada.inviter) == (False, grace)
    assert mine(grace)["invited"] == 1


@pytest.mark.parametrize("why", ["already_invited", "own_code", "circle", "bought_before"])
def test_a_code_is_refused(studio, grace, why):
    ada = become(studio, CustomerFactory(inviter=CustomerFactory() if why == "already_invited" else None))
    code = ada.referral_code if why == "own_code" else grace.referral_code
    if why == "circle":
        grace.inviter = ada
        grace.save()
    elif why == "bought_before":
        pay(studio, order_of(studio, 5000), 5000)
    inviter = ada.inviter

    body = enter(ada, code, 409)

    assert (body["error"], body["why"]) == ("referral_refused", "own_code" if why == "circle" else why)
    ada.refresh_from_db()
    assert ada.inviter == inviter


def test_what_was_bought_anywhere_counts(studio, grace, make_studio):
    ada = become(studio, CustomerFactory())
    elsewhere = make_studio()
    become(elsewhere, ada)
    pay(elsewhere, order_of(elsewhere, 5000), 5000)

    assert mine(ada)["can_enter_code"] is False
    assert enter(ada, grace.referral_code, 409)["why"] == "bought_before"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "code"),
        ({"code": "NOBODYHAS"}, "code"),
        ({"code": ""}, "code"),
        ({"code": None}, "code"),
        ({"code": ["A"]}, "code"),
        ({"code": "x" * 17}, "code"),
        ({"code": "A", "inviter": 1}, "inviter"),
    ],
)
def test_bad_input_is_refused(studio, body, field):
    response = sign_in(become(studio)).post(URL, body)

    assert (response.status_code, list(response.json()["fields"])) == (400, [field])


def test_the_code_of_a_login_that_is_switched_off_is_nobodys(studio, grace):
    grace.user.is_active = False
    grace.user.save()

    assert enter(become(studio), grace.referral_code, 400)["fields"] == {"code": ["There is no such referral code."]}


# -- buying with a code


def test_a_guest_buys_with_a_code(studio, owner, grace, saturday):
    sale = send(studio, method="bank_transfer", referral_code=grace.referral_code)
    paid(studio, owner, sale)

    assert at_studio(grace) == ([("pending", 100)], 0)
    assert mine(grace)["invited"] == 0  # nobody has signed up
    saturday.shift(timedelta(days=14))
    sweep_credit_of(studio.account.pk)
    assert at_studio(grace) == ([("granted", 100)], 100)


def test_an_order_that_is_not_paid_names_nobody_for_the_next_one(studio, owner, grace):
    """Whoever orders in the name of another gets nothing for what that one buys."""
    send(studio, method="bank_transfer", referral_code=grace.referral_code)

    paid(studio, owner, send(studio, method="bank_transfer"))

    assert at_studio(grace) == ([], 0)


def test_a_guest_who_is_the_inviter_gets_nothing(studio, owner, grace, saturday):
    with account_scope(studio.account):
        studio.referrer.email = ""
        studio.referrer.save()
    sale = send(studio, method="bank_transfer", referral_code=grace.referral_code, full_name="Grace", email="grace@example.test")
    paid(studio, owner, sale)
    saturday.shift(timedelta(days=14))
    sweep_credit_of(studio.account.pk)

    with account_scope(studio.account):
        assert [(reward.status, reward.why) for reward in ReferralReward.objects.all()] == [("refused", "self_referral")]
    assert at_studio(grace) == ([("refused", 100)], 0)


def test_the_login_keeps_the_first_code(studio, owner, grace):
    first = CustomerFactory()
    ClientFactory(account=studio.account, customer=first)
    ada = verified(inviter=first)

    paid(studio, owner, send(studio, sign_in(ada), method="bank_transfer", referral_code=grace.referral_code))

    ada.refresh_from_db()
    assert ada.inviter == first
    assert (at_studio(first), at_studio(grace)) == (([("pending", 100)], 0), ([], 0))


def test_the_login_comes_before_what_a_guest_says(studio, owner, grace):
    first = CustomerFactory()
    ClientFactory(account=studio.account, customer=first)
    ClientFactory(account=studio.account, customer=verified(inviter=first), email=ADA["email"])

    paid(studio, owner, send(studio, method="bank_transfer", referral_code=grace.referral_code))

    assert (at_studio(first), at_studio(grace)) == (([("pending", 100)], 0), ([], 0))


def test_a_login_takes_the_code_of_its_purchase(studio, owner, grace):
    ada = verified()

    paid(studio, owner, send(studio, sign_in(ada), method="bank_transfer", referral_code=grace.referral_code))

    ada.refresh_from_db()
    assert ada.inviter == grace
    assert at_studio(grace) == ([("pending", 100)], 0)
    with account_scope(studio.account):
        assert not OrderReferral.objects.exists()


def test_nobody_is_kept_from_buying_by_their_own_code(studio):
    ada = verified()

    send(studio, sign_in(ada), referral_code=ada.referral_code)

    ada.refresh_from_db()
    assert ada.inviter is None


@pytest.mark.parametrize("code", ["NOBODYHAS", "", "x" * 17, 5, ["A"]])
def test_a_purchase_with_a_code_that_nobody_has_is_refused(studio, code):
    assert list(send(studio, status=400, referral_code=code)["fields"]) == ["referral_code"]


@pytest.mark.parametrize("count", [1, 3])
def test_rewards_take_a_fixed_number_of_statements(studio, grace, count, statements):
    for _ in range(count):
        ReferralRewardFactory(account=studio.account, referrer=studio.referrer)
    client = sign_in(grace)

    with statements() as made:
        response = client.get(URL)

    assert len(response.json()["results"][0]["rewards"]) == count
    assert len(made()) == 8, made()
