"""What providers say about refunds: said again, late, about something else, or the contrary of before."""

import pytest

from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.adapters.base import RefundAnswer, RefundState
from apps.payments.services import record_paid
from apps.payments.services.ledger import post_payment
from apps.payments.services.refunds import (
    settle_refund,
)
from factories.money import RefundFactory
from factories.payments import PaymentFactory
from tests.payments.refunding import books, do, order_of, stored, sums, told, unsound
from tests.studio import NOW


def from_provider(studio, status="pending", **fields):
    """A payment by Stripe, and a refund of 4000 of it on its way."""
    order = studio.sell(collect=False).order
    with account_scope(studio.account):
        about = {"provider_ref": "pi_1", "capture_ref": "ch_1", "received_at": NOW, "captured_cents": 10000, "refunding_cents": 4000}
        payment = PaymentFactory(account=studio.account, order=order, method="stripe", status="succeeded", amount_cents=10000, **about)
        post_payment(payment)
        record_paid(Order.objects.select_related("account").get(pk=order.pk), 10000)
        refund = RefundFactory(account=studio.account, payment=payment, amount_cents=4000, status=status, **fields)
    return payment, refund


def answer(state, **fields):
    return RefundAnswer(**{"reference": "re_1", "state": RefundState(state), "amount_cents": 4000, "currency": "EUR", **fields})


def test_a_provider_may_say_the_same_any_number_of_times(studio):
    payment, refund = from_provider(studio)

    for _ in range(3):
        do(studio, settle_refund, refund, answer=answer("succeeded", charge_reference="pi_1"))

    row = stored(studio, refund)
    assert (row.status, row.provider_ref, row.completed_at, row.next_check_at) == ("succeeded", "re_1", NOW, None)
    assert sums(studio, payment) == (10000, 4000, 0, 0)
    assert books(studio, "stripe") == {"stripe": 6000}
    assert told(studio, "refund.") == ["refund.succeeded"]
    assert unsound() == []


def test_a_late_pending_changes_nothing(studio):
    _, refund = from_provider(studio)
    do(studio, settle_refund, refund, answer=answer("succeeded"))

    do(studio, settle_refund, refund, answer=answer("pending"))

    assert stored(studio, refund).status == "succeeded"


def test_a_refusal_frees_the_money(studio):
    payment, refund = from_provider(studio)

    do(studio, settle_refund, refund, answer=answer("failed", failure="lost_or_stolen_card"))

    row = stored(studio, refund)
    assert (row.status, row.failure) == ("failed", "lost_or_stolen_card")
    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert told(studio, "refund.") == ["refund.failed"]
    assert unsound() == []


def test_a_refund_that_comes_back_is_taken_back_in_the_books(studio):
    payment, refund = from_provider(studio)
    do(studio, settle_refund, refund, answer=answer("succeeded"))

    for _ in range(2):
        do(studio, settle_refund, refund, answer=answer("failed", failure="expired_or_canceled_card"))

    assert stored(studio, refund).status == "failed"
    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert order_of(studio, payment) == (10000, 10000, 0, "paid")
    assert books(studio, "stripe", "receivable") == {"stripe": 10000, "receivable": 0}
    assert told(studio, "refund.") == ["refund.succeeded", "refund.failed"]
    assert unsound() == []


def test_a_refund_that_came_back_and_succeeds_again_is_for_staff_to_look_at(studio):
    payment, refund = from_provider(studio)
    for state in ("succeeded", "failed", "succeeded"):
        do(studio, settle_refund, refund, answer=answer(state))

    row = stored(studio, refund)
    assert (row.status, row.failure, sums(studio, payment)) == ("failed", "succeeded_after_all", (10000, 0, 0, 0))
    assert told(studio, "refund.") == ["refund.succeeded", "refund.failed", "refund.quarantined"]
    assert unsound() == []


def test_a_refund_that_succeeded_after_all_is_taken_up_while_its_money_is_there(studio):
    payment, refund = from_provider(studio)
    do(studio, settle_refund, refund, answer=answer("failed"))

    do(studio, settle_refund, refund, answer=answer("succeeded"))

    assert (stored(studio, refund).status, sums(studio, payment)) == ("succeeded", (10000, 4000, 0, 0))
    assert unsound() == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"amount_cents": 4001}, "amount_mismatch"),
        ({"currency": "USD"}, "currency_mismatch"),
        ({"charge_reference": "pi_2"}, "payment_mismatch"),
        ({"metadata": {"refund": "0"}}, "refund_mismatch"),
    ],
)
def test_an_answer_about_something_else_settles_nothing(studio, words, why):
    payment, refund = from_provider(studio)

    do(studio, settle_refund, refund, answer=answer("succeeded", **words))

    row = stored(studio, refund)
    assert (row.status, row.failure, row.next_check_at) == ("pending", why, None)
    assert sums(studio, payment) == (10000, 0, 4000, 0)
    assert told(studio, "refund.") == ["refund.quarantined"]


def test_another_name_at_the_provider_is_another_refund(studio):
    payment, refund = from_provider(studio, provider_ref="re_0")

    do(studio, settle_refund, refund, answer=answer("succeeded"))

    assert (stored(studio, refund).failure, sums(studio, payment)) == ("reference_mismatch", (10000, 0, 4000, 0))
