"""refunds/, disputes/, and the refund actions of payments and orders, as the staff app meets them."""

import pytest
import time_machine

from apps.accounts.models import Role
from apps.core.tenancy import account_scope
from apps.payments.models import ProviderAccount, Refund
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.refunds import execute_refund
from factories.money import DisputeFactory, RefundFactory
from tests.bookings.owned import own, sessions
from tests.payments.counter import Counter, set_up
from tests.payments.refunding import books, order_of, paid, refunds, stored, sums, told, unsound
from tests.studio import NOW, open_studio


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=True):
        yield


def post(client, path, status=200, headers=None, **body):
    """POST to /api/…; the answer, which must have this status."""
    response = client.post(f"/api/{path}/", body, headers=headers or {})
    assert response.status_code == status, response.content
    return response.json()


# -- one payment


def test_cash_goes_back_at_once_and_the_payment_says_so(studio, owner):
    payment = paid(studio)

    answer = post(owner, f"payments/{payment.pk}/refund", amount_cents=4000, reason="Moved away")

    names = ("captured_cents", "refunded_cents", "refunding_cents", "refundable_cents", "status", "allowed_actions")
    assert {name: answer[name] for name in names} == {
        "captured_cents": 10000,
        "refunded_cents": 4000,
        "refunding_cents": 0,
        "refundable_cents": 6000,
        "status": "succeeded",
        "allowed_actions": ["refund"],
    }
    assert [(one["amount_cents"], one["method"], one["status"], one["reason"]) for one in answer["refunds"]] == [
        (4000, "cash", "succeeded", "Moved away")
    ]
    order = owner.get(f"/api/orders/{payment.order_id}/").json()
    assert (order["refunded_cents"], order["balance_due_cents"], order["payment_status"]) == (4000, 4000, "part_paid")


def test_a_bank_refund_is_pending_until_it_is_marked_as_sent(studio, owner):
    payment = paid(studio, "bank_transfer")

    answer = post(owner, f"payments/{payment.pk}/refund", amount_cents=4000)
    (refund,) = answer["refunds"]
    assert (answer["refunded_cents"], answer["refunding_cents"], refund["status"]) == (0, 4000, "pending")
    assert refund["allowed_actions"] == ["mark-sent", "cancel"]

    sent = post(owner, f"refunds/{refund['id']}/mark-sent")

    assert (sent["status"], sent["payment"], sent["allowed_actions"]) == ("succeeded", payment.pk, [])
    assert owner.get(f"/api/payments/{payment.pk}/").json()["refunded_cents"] == 4000
    assert post(owner, f"refunds/{refund['id']}/mark-sent", 409)["error"] == "invalid_transition"
    assert post(owner, f"refunds/{refund['id']}/cancel", 409)["error"] == "invalid_transition"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"amount_cents": 10001}, 409, "refund_exceeds_captured"),
        ({"amount_cents": 0}, 400, "validation_error"),
        ({"amount_cents": -5}, 400, "validation_error"),
        ({"amount_cents": 1.5}, 400, "validation_error"),
        ({"amount_cents": True}, 400, "validation_error"),
        ({"amount_cents": 2**63}, 400, "validation_error"),
        ({"currency": "USD"}, 400, "validation_error"),
        ({"amount": 5}, 400, "unknown_field"),
        ({"reason": "x" * 501}, 400, "validation_error"),
        ({"quote": "nonsense"}, 400, "validation_error"),
        ({"to_wallet": True}, 409, "no_wallet"),
    ],
)
def test_what_cannot_be_refunded_is_said_and_changes_nothing(studio, owner, body, status, error):
    payment = paid(studio)

    answer = post(owner, f"payments/{payment.pk}/refund", status, **body)

    assert answer["error"] == error
    assert answer.get("refundable_cents") == (10000 if error == "refund_exceeds_captured" else None)
    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert refunds(studio) == []


def test_a_pending_payment_cannot_be_refunded(studio, owner):
    payment = studio.sell().payment

    assert post(owner, f"payments/{payment.pk}/refund", 409)["error"] == "invalid_transition"


def test_the_same_key_refunds_once(studio, owner):
    payment = paid(studio)
    key = {"Idempotency-Key": "once"}

    first = post(owner, f"payments/{payment.pk}/refund", headers=key, amount_cents=100)
    again = post(owner, f"payments/{payment.pk}/refund", headers=key, amount_cents=100)

    assert again == first
    assert refunds(studio) == [("cash", 100, "succeeded")]
    assert post(owner, f"payments/{payment.pk}/refund", 422, headers=key, amount_cents=200)["error"] == "idempotency_conflict"


def test_a_quote_can_be_asked_for_and_held_to(studio, owner):
    payment = paid(studio)
    quote = post(owner, f"payments/{payment.pk}/quote-refund", amount_cents=4000)
    assert (quote["refund_cents"], quote["balance_due_cents"]) == (4000, 4000)
    assert quote["per_tender"] == [{"payment": payment.pk, "method": "cash", "amount_cents": 4000}]

    assert post(owner, f"payments/{payment.pk}/refund", 409, amount_cents=3999, quote=quote["token"])["error"] == "quote_stale"
    post(owner, f"payments/{payment.pk}/refund", amount_cents=4000, quote=quote["token"])

    assert refunds(studio) == [("cash", 4000, "succeeded")]


# -- by two people


def test_two_people_are_needed_above_the_limit(studio, client_as):
    studio.account.settings = {"refund_approval_above_cents": 1000}
    studio.account.save(update_fields=["settings"])
    asks, agrees = client_as(Role.BOOKKEEPER), client_as(Role.MANAGER)
    payment = paid(studio)

    (refund,) = post(asks, f"payments/{payment.pk}/refund", amount_cents=1001)["refunds"]
    assert (refund["status"], refund["allowed_actions"]) == ("requested", ["approve", "cancel"])
    assert post(asks, f"refunds/{refund['id']}/approve", 409)["error"] == "needs_second_person"

    assert post(agrees, f"refunds/{refund['id']}/approve")["status"] == "succeeded"
    assert told(studio, "refund.") == ["refund.requested", "refund.approved", "refund.succeeded"]


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("manager", 200), ("bookkeeper", 200), ("front_desk", 403), ("practitioner", 403), (None, 401)]
)
def test_who_may_refund(studio, client_as, role, status):
    payment, order = paid(studio), own(studio)
    client = client_as(role)

    assert client.post(f"/api/payments/{payment.pk}/refund/").status_code == status
    assert client.post(f"/api/orders/{order.pk}/refund/").status_code == status


# -- orders


def test_an_order_goes_back_after_a_quote(studio, owner):
    order = own(studio)
    first, second, _ = sessions(studio, order)

    quote = post(owner, f"orders/{order.pk}/quote-refund", sessions=[first.pk, second.pk], fee_cents=167)
    assert (quote["refund_cents"], quote["fee_cents"], quote["currency"]) == (6500, 167, "EUR")
    assert quote["sessions"] == [
        {"id": first.pk, "outcome": "refunded", "price_cents": 3334, "back_cents": 3334},
        {"id": second.pk, "outcome": "refunded", "price_cents": 3333, "back_cents": 3333},
    ]
    answer = post(owner, f"orders/{order.pk}/refund", sessions=[first.pk, second.pk], fee_cents=167, quote=quote["token"], reason="Ill")

    assert (answer["total_amount_cents"], answer["refunded_cents"], answer["balance_due_cents"]) == (3500, 6500, 0)
    assert [one["status"] for one in answer["bookings"]] == ["cancelled", "cancelled", "draft"]
    assert "refund" in answer["allowed_actions"]
    assert owner.get(f"/api/refunds/?order={order.pk}").json()["results"][0]["amount_cents"] == 6500


def test_client_packages_answer_the_same(studio, owner):
    order = own(studio)

    assert post(owner, f"client-packages/{order.pk}/quote-refund")["refund_cents"] == 10000
    assert post(owner, f"client-packages/{order.pk}/refund")["status"] == "cancelled"


def test_an_order_that_has_nothing_left_says_so(studio, owner):
    order = own(studio)
    post(owner, f"orders/{order.pk}/refund")

    for action in ("quote-refund", "refund"):
        assert post(owner, f"orders/{order.pk}/{action}", 409)["error"] == "nothing_to_refund"
    assert "refund" not in owner.get(f"/api/orders/{order.pk}/").json()["allowed_actions"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"sessions": []}, 400, "validation_error"),
        ({"sessions": [0]}, 400, "validation_error"),
        ({"sessions": [2**62]}, 400, "validation_error"),
        ({"sessions": "all"}, 400, "validation_error"),
        ({"fee_cents": -1}, 400, "validation_error"),
        ({"amount_cents": 10001}, 409, "refund_exceeds_captured"),
        ({"by": "system"}, 400, "validation_error"),
        ({"to": "wallet"}, 409, "no_wallet"),
        ({"to": "moon"}, 400, "validation_error"),
        ({"price_cents": 1}, 400, "unknown_field"),
    ],
)
def test_bad_words_about_an_order_change_nothing(studio, owner, body, status, error):
    order = own(studio)

    assert post(owner, f"orders/{order.pk}/refund", status, **body)["error"] == error
    assert [one.status for one in sessions(studio, order)] == ["draft"] * 3
    assert refunds(studio) == []


# -- lists


@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(studio, owner, statements, count):
    for _ in range(count):
        RefundFactory(account=studio.account)
        DisputeFactory(account=studio.account)

    for path, expected in (("refunds", 3), ("disputes", 3), ("payments", 4)):
        owner.get(f"/api/{path}/")
        with statements() as made:
            answer = owner.get(f"/api/{path}/").json()
        assert len(answer["results"]) == (count if path != "payments" else 2 * count)
        assert len(made()) == expected, made()


def test_refunds_are_found_by_what_they_belong_to(studio, owner):
    first, second = paid(studio), paid(studio, "bank_transfer")
    for payment in (first, second):
        post(owner, f"payments/{payment.pk}/refund", amount_cents=100)

    for query, expected in (
        ("status=pending", [second.pk]),
        ("method=cash", [first.pk]),
        (f"payment={second.pk}", [second.pk]),
        (f"order={first.order_id}", [first.pk]),
        (f"client={studio.client.pk}", [second.pk, first.pk]),
    ):
        assert [one["payment"] for one in owner.get(f"/api/refunds/?{query}").json()["results"]] == expected
    assert owner.get("/api/refunds/?amount=1").status_code == 400


# -- with a provider


@pytest.fixture
def counter(transactional_db, stripe_fake):
    studio = open_studio()
    set_up(studio.account, "stripe", stripe_fake.credentials)
    return Counter(studio, stripe_fake, "stripe")


def by_card(counter):
    """The studio's service, bought and paid by card."""
    sale = counter.sell()
    begin_payment(counter.account_id, sale.payment.pk)
    counter.fake.confirm(counter.payment(sale).provider_ref)
    recheck_payment(counter.account_id, sale.payment.pk)
    payment = counter.payment(sale)
    assert payment.status == "succeeded"
    return payment


def back_at_stripe(counter):
    return [(one["amount"], one["status"]) for one in counter.fake.all("refunds")]


@pytest.fixture
def manager(counter, client_as):
    return client_as(Role.MANAGER, counter.studio.account)


@pytest.mark.django_db(transaction=True)
def test_a_card_payment_goes_back_at_its_provider(counter, manager):
    payment = by_card(counter)

    answer = post(manager, f"payments/{payment.pk}/refund", amount_cents=2000, headers={"Idempotency-Key": "card"})

    assert (answer["refunded_cents"], answer["refunds"][0]["status"]) == (2000, "succeeded")
    assert back_at_stripe(counter) == [(2000, "succeeded")]
    assert order_of(counter.studio, payment) == (5000, 5000, 2000, "part_paid")
    assert books(counter.studio, "stripe") == {"stripe": 3000}
    assert unsound() == []


@pytest.mark.django_db(transaction=True)
def test_a_refund_that_the_provider_has_not_decided_is_asked_about(counter, manager):
    payment = by_card(counter)
    counter.fake.refund_mode = "pending"
    post(manager, f"orders/{payment.order_id}/refund", by="provider")
    (refund,) = manager.get(f"/api/refunds/?payment={payment.pk}").json()["results"]
    assert (refund["status"], refund["allowed_actions"]) == ("pending", ["check"])
    counter.fake.do(f"refunds/{counter.fake.refunds[0]['id']}", status="succeeded")

    assert post(manager, f"refunds/{refund['id']}/check")["status"] == "succeeded"

    assert back_at_stripe(counter) == [(5000, "succeeded")]
    assert post(manager, f"refunds/{refund['id']}/check", 409)["error"] == "invalid_transition"
    assert unsound() == []


@pytest.mark.django_db(transaction=True)
def test_no_answer_leaves_it_unknown_and_the_same_key_makes_it_once(counter, manager):
    payment = by_card(counter)
    counter.fake.fault("/v1/refunds", "reset_after", method="POST")

    (refund,) = post(manager, f"payments/{payment.pk}/refund", amount_cents=2000)["refunds"]
    assert refund["status"] == "unknown"
    assert sums(counter.studio, payment) == (5000, 0, 2000, 0)

    assert execute_refund(counter.account_id, refund["id"]) == "succeeded"

    assert back_at_stripe(counter) == [(2000, "succeeded")]
    assert sums(counter.studio, payment) == (5000, 2000, 0, 0)
    assert unsound() == []


@pytest.mark.django_db(transaction=True)
def test_a_refusal_of_the_provider_frees_the_money(counter, manager):
    payment = by_card(counter)
    counter.fake.do("disputes", payment_intent=payment.provider_ref)

    (refund,) = post(manager, f"payments/{payment.pk}/refund")["refunds"]

    assert (refund["status"], refund["failure"]) == ("failed", "charge_disputed")
    assert sums(counter.studio, payment) == (5000, 0, 0, 0)
    assert unsound() == []


@pytest.mark.django_db(transaction=True)
def test_credentials_that_are_gone_leave_it_unknown(counter, manager):
    payment = by_card(counter)
    with account_scope(counter.account_id):
        ProviderAccount.objects.all().delete()

    (refund,) = post(manager, f"payments/{payment.pk}/refund")["refunds"]

    assert (refund["status"], refund["failure"]) == ("unknown", "provider_off")
    row = stored(counter.studio, Refund(pk=refund["id"]))
    assert row.next_check_at > NOW
