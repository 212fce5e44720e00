"""Giving one payment back (rules.md §5): how much, in which steps, and what order and books say about it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Role
from apps.core.errors import DomainError, Invalid, InvalidTransition, QuoteStale
from apps.core.tenancy import account_scope
from apps.orders.models import OrderLine
from apps.orders.services import add_line, lock_order
from apps.payments.errors import NeedsSecondPerson, NoWallet, RefundExceedsCaptured
from apps.payments.models import Refund, WalletLot
from apps.payments.services import create_payment, mark_received
from apps.payments.services.refunds import (
    allocate,
    approve_refund,
    cancel_refund,
    mark_sent,
    quote_refund,
    refund_order_money,
    request_refund,
)
from apps.payments.services.wallet import balance_of, spend_credit
from factories.accounts import MembershipFactory
from factories.money import RefundFactory
from factories.payments import PaymentFactory
from tests.bookings.owned import sessions
from tests.payments.refunding import books, do, order_of, paid, paid_twice, refunds, stored, sums, told, unsound
from tests.portal import become
from tests.studio import NOW, open_studio


def change_settings(studio, **values):
    studio.account.settings = {**studio.account.settings, **values}
    studio.account.save(update_fields=["settings"])


# -- at once


def test_cash_goes_back_at_once_and_is_due_again(studio):
    payment = paid(studio)

    refund = do(studio, request_refund, payment, amount_cents=4000, reason="Moved away")

    assert (refund.status, refund.method, refund.completed_at, refund.client_id) == ("succeeded", "cash", NOW, studio.client.pk)
    assert sums(studio, payment) == (10000, 4000, 0, 0)
    assert order_of(studio, payment) == (10000, 10000, 4000, "part_paid")
    assert books(studio, "cash", "receivable") == {"cash": 6000, "receivable": 4000}
    assert told(studio, "refund.") == ["refund.requested", "refund.succeeded"]
    assert unsound() == []


def test_sessions_are_paid_only_while_their_order_is(studio):
    payment = paid(studio)
    with account_scope(studio.account):
        order = payment.order
    seen = []

    def look():
        seen.append((order_of(studio, payment)[3], {one.payment_status for one in sessions(studio, order)}))

    look()
    do(studio, request_refund, payment, amount_cents=4000)
    look()
    with account_scope(studio.account):
        mark_received(create_payment(order=order, method="cash", amount_cents=4000), at=NOW)
    look()
    do(studio, request_refund, payment, amount_cents=1000, reduces_price=True)
    look()
    do(studio, refund_order_money, order, amount_cents=9000)
    look()

    assert seen == [("paid", {"paid"}), ("part_paid", {"unpaid"}), ("paid", {"paid"}), ("paid", {"paid"}), ("refunded", {"refunded"})]


def test_without_an_amount_all_of_it_goes_back(studio):
    payment = paid(studio)
    do(studio, request_refund, payment, amount_cents=1)

    refund = do(studio, request_refund, payment)

    assert refund.amount_cents == 9999
    assert order_of(studio, payment) == (10000, 10000, 10000, "refunded")
    assert books(studio, "cash", "receivable") == {"cash": 0, "receivable": 10000}
    assert unsound() == []


def test_a_refund_that_reduces_the_price_is_not_due_again(studio):
    payment = paid(studio)

    do(studio, request_refund, payment, amount_cents=4000, reduces_price=True)

    assert order_of(studio, payment) == (6000, 10000, 4000, "paid")
    with account_scope(studio.account):
        assert OrderLine.objects.filter(order_id=payment.order_id, kind="adjustment").get().amount_cents == -4000
    assert unsound() == []


def test_what_an_order_is_overpaid_by_reduces_no_price(studio):
    _, (_, second) = paid_twice(studio, ("cash", 10000), ("cash", 3000))

    do(studio, request_refund, second, amount_cents=3000, reduces_price=True)

    assert order_of(studio, second) == (10000, 13000, 3000, "paid")


@pytest.mark.parametrize("amount", [10001, 2**62])
def test_more_than_came_in_is_refused_and_says_how_much_may_go_back(studio, amount):
    payment = paid(studio)

    with pytest.raises(RefundExceedsCaptured) as refused:
        do(studio, request_refund, payment, amount_cents=amount)

    assert refused.value.extras == {"refundable_cents": 10000}
    assert refunds(studio) == []


@pytest.mark.parametrize("words", [{"amount_cents": 0}, {"amount_cents": -1}, {"amount_cents": 1, "currency": "USD"}])
def test_nothing_less_than_nothing_and_other_currencies_are_refused(studio, words):
    payment = paid(studio)

    with pytest.raises(Invalid) as refused:
        do(studio, request_refund, payment, **words)

    assert list(refused.value.fields) == ["currency" if "currency" in words else "amount_cents"]
    assert sums(studio, payment) == (10000, 0, 0, 0)


@pytest.mark.parametrize("status", ["new", "pending", "requires_action", "authorized", "failed", "cancelled", "unknown"])
def test_only_a_payment_that_succeeded_goes_back(studio, status):
    payment = PaymentFactory(account=studio.account, status=status)

    with pytest.raises(InvalidTransition):
        do(studio, request_refund, payment, amount_cents=1)

    assert refunds(studio) == []


# -- in two steps


def test_a_bank_transfer_waits_until_it_is_sent(studio):
    payment = paid(studio, "bank_transfer")

    refund = do(studio, request_refund, payment, amount_cents=4000)

    assert (refund.status, refund.completed_at) == ("pending", None)
    assert sums(studio, payment) == (10000, 0, 4000, 0)
    assert order_of(studio, payment) == (10000, 10000, 0, "paid")
    assert books(studio, "bank") == {"bank": 10000}
    assert unsound() == []

    refund = do(studio, mark_sent, refund)

    assert (refund.status, refund.completed_at) == ("succeeded", NOW)
    assert sums(studio, payment) == (10000, 4000, 0, 0)
    assert order_of(studio, payment) == (10000, 10000, 4000, "part_paid")
    assert books(studio, "bank", "receivable") == {"bank": 6000, "receivable": 4000}
    assert told(studio, "refund.") == ["refund.requested", "refund.pending", "refund.succeeded"]
    assert unsound() == []


def test_what_is_on_its_way_cannot_go_back_again(studio):
    payment = paid(studio, "bank_transfer")
    do(studio, request_refund, payment, amount_cents=6000)

    with pytest.raises(RefundExceedsCaptured) as refused:
        do(studio, request_refund, payment, amount_cents=4001)

    assert refused.value.extras == {"refundable_cents": 4000}


def test_a_transfer_that_is_not_sent_after_all_can_go_back_again(studio):
    payment = paid(studio, "bank_transfer")
    refund = do(studio, request_refund, payment)

    refund = do(studio, cancel_refund, refund)

    assert refund.status == "cancelled"
    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert do(studio, request_refund, payment).amount_cents == 10000
    assert told(studio, "refund.") == ["refund.requested", "refund.pending", "refund.cancelled", "refund.requested", "refund.pending"]
    assert unsound() == []


@pytest.mark.parametrize("use_case", [mark_sent, cancel_refund, approve_refund])
def test_a_refund_that_has_ended_stays_as_it_is(studio, use_case):
    refund = do(studio, request_refund, paid(studio), amount_cents=1)

    with pytest.raises(InvalidTransition) as refused:
        do(studio, use_case, refund)

    assert refused.value.extras == {"allowed_actions": []}


def test_a_providers_refund_is_not_for_hands(studio):
    refund = RefundFactory(account=studio.account, method="stripe")

    for use_case in (mark_sent, cancel_refund):
        with pytest.raises(InvalidTransition) as refused:
            do(studio, use_case, refund)
        assert refused.value.extras == {"allowed_actions": ["check"]}


# -- by two people


@pytest.fixture
def people(studio):
    return [MembershipFactory(account=studio.account, role=Role.MANAGER).user for _ in range(2)]


def test_above_the_limit_somebody_else_has_to_agree(studio, people):
    change_settings(studio, refund_approval_above_cents=5000)
    payment = paid(studio)
    first, second = people

    refund = do(studio, request_refund, payment, amount_cents=5001, requested_by=first)

    assert (refund.status, sums(studio, payment)) == ("requested", (10000, 0, 5001, 0))
    for nobody_else in (first, None):
        with pytest.raises(NeedsSecondPerson):
            do(studio, approve_refund, refund, approved_by=nobody_else)
    assert stored(studio, refund).status == "requested"

    refund = do(studio, approve_refund, refund, approved_by=second)

    assert (refund.status, refund.requested_by, refund.approved_by) == ("succeeded", first, second)
    assert sums(studio, payment) == (10000, 5001, 0, 0)
    assert told(studio, "refund.") == ["refund.requested", "refund.approved", "refund.succeeded"]
    assert unsound() == []


def test_small_refunds_of_one_order_add_up(studio):
    change_settings(studio, refund_approval_above_cents=5000)
    payment = paid(studio)

    made = [do(studio, request_refund, payment, amount_cents=cents) for cents in (3000, 2000, 1)]

    assert [stored(studio, one).status for one in made] == ["succeeded", "succeeded", "requested"]


def test_up_to_the_limit_one_person_is_enough(studio):
    change_settings(studio, refund_approval_above_cents=5000)

    assert do(studio, request_refund, paid(studio), amount_cents=5000).status == "succeeded"


def test_a_limit_is_not_got_around_by_several_tenders(studio):
    change_settings(studio, refund_approval_above_cents=5000)
    order, _ = paid_twice(studio, ("cash", 5000), ("bank_transfer", 5000))

    made = do(studio, refund_order_money, order, amount_cents=6000)

    assert [(one.amount_cents, one.status) for one in made] == [(3000, "requested"), (3000, "requested")]


def test_a_transfer_above_the_limit_takes_three_steps(studio, people):
    change_settings(studio, refund_approval_above_cents=1)
    refund = do(studio, request_refund, paid(studio, "bank_transfer"), requested_by=people[0])

    refund = do(studio, approve_refund, refund, approved_by=people[1])
    assert refund.status == "pending"
    assert do(studio, mark_sent, refund).status == "succeeded"


def test_a_request_that_is_turned_down_frees_its_money(studio):
    change_settings(studio, refund_approval_above_cents=1)
    payment = paid(studio)

    do(studio, cancel_refund, do(studio, request_refund, payment))

    assert sums(studio, payment) == (10000, 0, 0, 0)
    assert unsound() == []


# -- credit


def test_money_goes_back_as_credit_that_may_be_paid_out(studio):
    become(studio)
    payment = paid(studio)

    refund = do(studio, request_refund, payment, amount_cents=2500, to_wallet=True)

    assert (refund.method, refund.status) == ("wallet", "succeeded")
    with account_scope(studio.account):
        lot = WalletLot.objects.get()
        assert (lot.refund_id, lot.source, lot.remaining_cents, lot.is_cashable) == (refund.pk, "refund", 2500, True)
    assert books(studio, "cash", "wallet", "receivable") == {"cash": 10000, "wallet": -2500, "receivable": 2500}
    assert unsound() == []


def test_who_has_no_login_gets_no_credit(studio):
    with pytest.raises(NoWallet):
        do(studio, request_refund, paid(studio), to_wallet=True)

    assert refunds(studio) == []


def test_who_has_no_login_is_told_before_anybody_approves(studio):
    change_settings(studio, refund_approval_above_cents=1)

    with pytest.raises(NoWallet):
        do(studio, request_refund, paid(studio), to_wallet=True)


def test_credit_goes_back_to_the_lots_it_came_from(studio):
    become(studio)
    do(studio, request_refund, paid(studio), amount_cents=3000, to_wallet=True)
    order = studio.sell(collect=False).order
    with account_scope(studio.account):
        spent = spend_credit(order=order, amount_cents=2000, reserve=False, at=NOW)
        assert balance_of(studio.client, "EUR", at=NOW) == 1000

    refund = do(studio, request_refund, spent, amount_cents=500)

    assert (refund.method, refund.status) == ("wallet", "succeeded")
    with account_scope(studio.account):
        assert balance_of(studio.client, "EUR", at=NOW) == 1500
        assert [lot.remaining_cents for lot in WalletLot.objects.all()] == [1500]
    assert books(studio, "wallet") == {"wallet": -1500}
    assert unsound() == []


# -- quotes


def test_a_quote_says_what_would_happen_and_changes_nothing(studio):
    payment = paid(studio)

    quote = do(studio, quote_refund, payment, amount_cents=4000)

    del quote["token"], quote["expires_at"]
    assert quote == {
        "refund_cents": 4000,
        "fee_cents": 0,
        "currency": "EUR",
        "per_tender": [{"payment": payment.pk, "method": "cash", "amount_cents": 4000}],
        "sessions": [],
        "balance_due_cents": 4000,
        "needs_approval": False,
    }
    assert refunds(studio) == []


@pytest.mark.parametrize(
    ("total", "amount", "reduces", "due"),
    [(10000, 4000, False, 4000), (10000, 4000, True, 0), (13000, 3000, False, 6000), (8000, 3000, False, 1000), (8000, 3000, True, 0)],
)
def test_what_will_be_due_is_what_is_due_afterwards(studio, total, amount, reduces, due):
    payment = paid(studio)
    with account_scope(studio.account):
        order = lock_order(payment.order_id)
        if total != 10000:
            add_line(order, kind="adjustment", description="A change", amount_cents=total - 10000)

    quote = do(studio, quote_refund, payment, amount_cents=amount, reduces_price=reduces)
    do(studio, request_refund, payment, amount_cents=amount, reduces_price=reduces, quote=quote["token"])

    assert (quote["balance_due_cents"], stored(studio, order).balance_due_cents) == (due, due)


def test_a_quote_binds_the_commit(studio):
    payment = paid(studio)
    quote = do(studio, quote_refund, payment)
    do(studio, request_refund, payment, amount_cents=1)

    with pytest.raises(QuoteStale) as refused:
        do(studio, request_refund, payment, quote=quote["token"])

    assert refused.value.extras["quote"]["refund_cents"] == 9999
    assert sums(studio, payment) == (10000, 1, 0, 0)


# -- over several tenders


def test_money_goes_back_in_proportion_with_the_largest_remainder(studio):
    order, (cash, bank, more) = paid_twice(studio, ("cash", 3333), ("bank_transfer", 3333), ("cash", 3334))

    with account_scope(studio.account):
        shares = [(payment.pk, cents) for payment, cents in allocate(order, 1000)]

    assert shares == [(cash.pk, 333), (bank.pk, 333), (more.pk, 334)]


def test_what_went_back_before_does_not_count_again(studio):
    order, (cash, bank) = paid_twice(studio, ("cash", 5000), ("bank_transfer", 5000))
    do(studio, request_refund, cash, amount_cents=4000)

    made = do(studio, refund_order_money, order, amount_cents=3000)

    assert [(one.payment_id, one.amount_cents) for one in made] == [(cash.pk, 500), (bank.pk, 2500)]
    assert len({one.group for one in made}) == 1
    with pytest.raises(RefundExceedsCaptured):
        do(studio, refund_order_money, order, amount_cents=3001)
    assert unsound() == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_refunds_in_any_order_keep_the_books_and_the_sums(db, data):
    studio = open_studio()
    shares = data.draw(st.lists(st.integers(1, 5000), min_size=1, max_size=4))
    order, payments = paid_twice(studio, *(("cash" if n % 2 else "bank_transfer", cents) for n, cents in enumerate(shares)))
    for _ in range(data.draw(st.integers(1, 5))):
        amount, which = data.draw(st.integers(1, 6000)), data.draw(st.sampled_from(["order", "payment", "finish", "cancel"]))
        with account_scope(studio.account):
            waiting = Refund.objects.filter(status="pending").first()
        try:
            if which == "order":
                made = do(studio, refund_order_money, order, amount_cents=amount)
                assert sum(one.amount_cents for one in made) == amount
            elif which == "payment":
                do(studio, request_refund, data.draw(st.sampled_from(payments)), amount_cents=amount, reduces_price=amount % 2 == 0)
            elif waiting is not None:
                do(studio, mark_sent if which == "finish" else cancel_refund, waiting)
        except DomainError as error:
            assert isinstance(error, RefundExceedsCaptured)  # noqa: PT017
        assert unsound() == []
