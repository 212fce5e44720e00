"""Chargebacks (rules.md §5): what is held, what is frozen, and how it ends; told in any order and any number of times."""

from datetime import timedelta

import pytest

from apps.bookings.errors import OrderFrozen
from apps.bookings.services.endings import check_in, complete_booking
from apps.bookings.services.scheduling import hold_booking, reschedule_booking, schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.core.errors import InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.adapters.base import DisputeAnswer, DisputeState
from apps.payments.errors import RefundExceedsCaptured
from apps.payments.handlers import thaw_what_was_paid_again
from apps.payments.models import Dispute, Payment
from apps.payments.services import create_payment, mark_received, record_paid
from apps.payments.services.disputes import settle_dispute
from apps.payments.services.ledger import post_payment
from apps.payments.services.refunds import request_refund
from factories.clients import ClientFactory
from factories.payments import PaymentFactory
from tests.bookings.life import TUESDAY_TEN
from tests.bookings.owned import book, sessions, states
from tests.payments.refunding import books, do, order_of, refunds, stored, sums, told, unsound
from tests.studio import MONDAY_TEN, NOW


def paid_by_card(studio):
    """The studio's package, paid by Stripe."""
    with account_scope(studio.account):
        studio.package.transferable = True
        studio.package.save()
    order = studio.sell(collect=False).order
    with account_scope(studio.account):
        payment = PaymentFactory(
            account=studio.account,
            order=order,
            method="stripe",
            status="succeeded",
            amount_cents=10000,
            captured_cents=10000,
            received_at=NOW,
            provider_ref="pi_1",
            capture_ref="ch_1",
        )
        post_payment(payment)
        record_paid(Order.objects.select_related("account").get(pk=order.pk), 10000)
    return payment


def say(studio, state, **fields):
    """What Stripe says about the dispute."""
    words = {"reference": "dp_1", "amount_cents": 10000, "currency": "EUR", "charge_reference": "pi_1", "reason": "fraudulent"}
    return do(studio, settle_dispute, provider="stripe", answer=DisputeAnswer(**{**words, "state": DisputeState(state), **fields}))


def frozen(studio):
    with account_scope(studio.account):
        return list(Order.objects.order_by("pk").values_list("frozen_at", flat=True))


def test_an_open_dispute_holds_the_money(studio):
    payment = paid_by_card(studio)

    for _ in range(3):
        say(studio, "open", charge_reference="ch_1")

    assert sums(studio, payment) == (10000, 0, 0, 10000)
    assert order_of(studio, payment) == (10000, 10000, 0, "paid")
    assert books(studio, "stripe", "disputed", "receivable") == {"stripe": 0, "disputed": 10000, "receivable": 0}
    assert frozen(studio) == [NOW]
    assert told(studio, "dispute.", "order.frozen") == ["dispute.opened", "order.frozen"]
    with pytest.raises(RefundExceedsCaptured):
        do(studio, request_refund, payment, amount_cents=1)
    assert unsound() == []


def test_a_dispute_that_is_won_restores_everything(studio):
    payment = paid_by_card(studio)
    say(studio, "open")

    for _ in range(2):
        say(studio, "won")

    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert books(studio, "stripe", "disputed") == {"stripe": 10000, "disputed": 0}
    assert frozen(studio) == [None]
    assert told(studio, "dispute.", "order.thawed") == ["dispute.opened", "dispute.won", "order.thawed"]
    assert unsound() == []


def test_a_dispute_that_is_lost_is_a_refund_nobody_decided(studio):
    payment = paid_by_card(studio)
    say(studio, "open")

    for _ in range(2):
        say(studio, "lost")

    assert refunds(studio) == [("stripe", 10000, "succeeded")]
    assert sums(studio, payment) == (10000, 10000, 0, 0)
    assert order_of(studio, payment) == (10000, 10000, 10000, "refunded")
    assert books(studio, "stripe", "disputed", "receivable") == {"stripe": 0, "disputed": 0, "receivable": 10000}
    assert frozen(studio) == [NOW]
    assert unsound() == []


@pytest.mark.parametrize("end", ["won", "lost"])
def test_the_end_may_be_told_first_and_the_beginning_late(studio, end):
    payment = paid_by_card(studio)

    for state in (end, "open", end, "open"):
        say(studio, state)

    assert sums(studio, payment) == (10000, 10000 if end == "lost" else 0, 0, 0)
    assert told(studio, "dispute.") == ["dispute.opened", f"dispute.{end}"]
    assert unsound() == []


def test_an_end_is_the_end(studio):
    payment = paid_by_card(studio)
    say(studio, "won")

    say(studio, "lost")

    assert sums(studio, payment) == (10000, 0, 0, 0)


def test_only_what_had_not_gone_back_is_held_and_staff_are_told(studio):
    payment = paid_by_card(studio)
    do(studio, request_refund, payment, amount_cents=4000)  # on its way

    dispute = say(studio, "open")

    assert (dispute.amount_cents, sums(studio, payment)) == (6000, (10000, 0, 4000, 6000))
    assert stored(studio, payment).review == "dispute_exceeds_refundable"
    say(studio, "lost")
    assert sums(studio, payment) == (10000, 6000, 4000, 0)
    assert unsound() == []


def test_a_dispute_about_nothing_that_is_left_freezes_and_ends_without_money(studio):
    payment = paid_by_card(studio)
    do(studio, request_refund, payment)

    assert say(studio, "open").amount_cents == 0
    assert frozen(studio) == [NOW]
    say(studio, "lost")

    assert refunds(studio) == [("stripe", 10000, "pending")]
    assert unsound() == []


def test_what_is_not_ours_is_left_alone(studio):
    paid_by_card(studio)

    assert say(studio, "open", charge_reference="pi_2") is None
    assert say(studio, "open", charge_reference="") is None
    assert say(studio, "open", currency="USD") is None
    with account_scope(studio.account):
        assert not Dispute.objects.exists()
        assert Payment.objects.get().review == "dispute_currency_mismatch"
    assert frozen(studio) == [None]


def test_a_payment_has_to_be_settled_first(studio):
    PaymentFactory(account=studio.account, method="stripe", provider_ref="pi_1", status="pending")

    with pytest.raises(InvalidTransition):
        say(studio, "open")


# -- freezing


def test_nothing_new_is_planned_with_a_frozen_order(studio):
    payment = paid_by_card(studio)
    order = stored(studio, payment.order)
    booked = book(studio, order)
    draft = sessions(studio, order)[1]
    say(studio, "open")
    slot = {"practitioner": studio.practitioner, "start_time": TUESDAY_TEN}

    for use_case, row, words in (
        (schedule_booking, draft, slot),
        (hold_booking, draft, slot),
        (reschedule_booking, booked, slot),
        (transfer_sessions, order, {"to_client": ClientFactory(account=studio.account), "count": 1}),
    ):
        with pytest.raises(OrderFrozen):
            do(studio, use_case, row, **words)
    assert states(studio, order) == ["confirmed", "draft", "draft"]


def test_what_is_confirmed_takes_place(studio):
    payment = paid_by_card(studio)
    order = stored(studio, payment.order)
    booked = book(studio, order)
    say(studio, "open")

    do(studio, check_in, booked, at=MONDAY_TEN)
    do(studio, complete_booking, booked, at=MONDAY_TEN + timedelta(hours=1))

    assert states(studio, order) == ["completed", "draft", "draft"]


def test_a_lost_dispute_does_not_touch_what_took_place(studio):
    payment = paid_by_card(studio)
    order = stored(studio, payment.order)
    booked = book(studio, order)
    do(studio, complete_booking, booked, at=MONDAY_TEN + timedelta(hours=1))
    say(studio, "open")

    say(studio, "lost")

    assert states(studio, order) == ["completed", "draft", "draft"]
    assert stored(studio, order).balance_due_cents == 10000


def test_sessions_that_were_given_away_are_frozen_and_thawed_with_the_rest(studio):
    payment = paid_by_card(studio)
    child = do(studio, transfer_sessions, payment.order, to_client=ClientFactory(account=studio.account), count=1)
    say(studio, "open")
    assert frozen(studio) == [NOW, NOW]
    slot = {"practitioner": studio.practitioner, "start_time": TUESDAY_TEN}

    with pytest.raises(OrderFrozen):
        do(studio, schedule_booking, sessions(studio, child)[0], **slot)
    say(studio, "won")

    assert do(studio, schedule_booking, sessions(studio, child)[0], **slot).status == "confirmed"


def test_two_disputes_thaw_when_both_are_won(studio):
    paid_by_card(studio)
    say(studio, "open", amount_cents=4000)
    say(studio, "open", reference="dp_2", amount_cents=6000)

    say(studio, "won", amount_cents=4000)
    assert frozen(studio) == [NOW]
    say(studio, "won", reference="dp_2")

    assert frozen(studio) == [None]
    assert unsound() == []


def test_an_order_thaws_when_it_is_paid_again(studio):
    payment = paid_by_card(studio)
    say(studio, "lost")
    with account_scope(studio.account):
        again = create_payment(order=stored(studio, payment.order), method="cash", amount_cents=10000)
        mark_received(again, at=NOW)

        for event in Event.objects.filter(type="order.paid").order_by("pk"):
            thaw_what_was_paid_again(event)

    assert frozen(studio) == [None]
    assert order_of(studio, payment) == (10000, 20000, 10000, "paid")
    assert unsound() == []


def test_an_order_that_was_paid_before_stays_frozen(studio):
    payment = paid_by_card(studio)
    say(studio, "open")
    with account_scope(studio.account):
        for event in Event.objects.filter(type="order.paid", subject_id=payment.order_id):  # delivered late, or twice
            thaw_what_was_paid_again(event)

    assert frozen(studio) == [NOW]


def test_an_appeal_that_is_won_after_all_restores_everything(studio):
    payment = paid_by_card(studio)
    for state in ("open", "lost", "won", "won"):
        say(studio, state)

    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert order_of(studio, payment) == (10000, 10000, 0, "paid")
    assert books(studio, "stripe", "disputed", "receivable") == {"stripe": 10000, "disputed": 0, "receivable": 0}
    assert not any(frozen(studio))
    assert told(studio, "dispute.") == ["dispute.opened", "dispute.lost", "dispute.won"]
    assert unsound() == []
