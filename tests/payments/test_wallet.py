"""Credit: what is spent first, what ends, what comes back, and that books, lots and balance always say the same."""

from datetime import timedelta

import pytest

from apps.core.errors import Invalid
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.payments.errors import AmountMismatch, InsufficientFunds, NoWallet
from apps.payments.models import Book, Payment, Wallet, WalletBalance, WalletLot, WalletSpend
from apps.payments.services.collecting import create_payment
from apps.payments.services.settling import mark_received
from apps.payments.services.wallet import (
    balance_of,
    create_wallet_for_user,
    expire_credit,
    release_credit,
    return_credit,
    take_credit,
    wallet_of,
)
from apps.payments.tasks_credit import sweep_credit, sweep_credit_of
from apps.users.models import User
from apps.users.selectors import customers_with_user
from factories.clients import ClientFactory
from factories.users import CustomerFactory, UserFactory
from factories.wallet import WalletFactory
from tests.payments.credit import books, call, give, held, left, lines, order_of, rich, spend
from tests.portal import become
from tests.studio import NOW, Studio, open_studio

DAY = timedelta(days=1)


@pytest.fixture
def wealthy(studio) -> Studio:
    """100.00 of credit without an end."""
    rich(studio, 10000)
    return studio


# -- the wallet itself


def test_a_wallet_is_made_once_and_is_the_users(db):
    user = UserFactory()

    first, second = create_wallet_for_user(user), create_wallet_for_user(User.objects.get(pk=user.pk))

    assert (first.pk, user.wallet) == (second.pk, first)
    assert Wallet.objects.get() == first


def test_customer_user_wallet_is_there_after_the_first_credit(studio):
    person = become(studio, CustomerFactory(create_wallet=False))
    assert not hasattr(User.objects.get(pk=person.user_id), "wallet")

    give(studio, 500)

    with account_scope(studio.account):
        assert person.user.wallet.balances.get().balance_cents == 500
        assert wallet_of(studio.client) == Wallet.objects.get()


def test_the_factory_makes_customers_with_a_wallet(db):
    assert CustomerFactory().user.wallet == Wallet.objects.get()


@pytest.mark.parametrize("count", [1, 3])
def test_customers_are_listed_with_their_wallets_in_one_statement(db, count, django_assert_num_queries):
    CustomerFactory.create_batch(count)

    with django_assert_num_queries(1):
        assert len([customer.user.wallet for customer in customers_with_user()]) == count


def test_a_wallet_of_the_factory_has_a_balance_with_or_without_a_profile(account):
    plain, person = UserFactory(), CustomerFactory()

    with account_scope(account):
        for user in (plain, person.user):
            wallet = WalletFactory(user=user, balance=700, balance__account=account)
            assert wallet.balances.get().balance_cents == 700
        assert plain.customer.clients.count() == 1


def test_a_client_without_a_login_has_no_wallet(studio):
    with pytest.raises(NoWallet):
        give(studio, 100)
    with pytest.raises(NoWallet):
        spend(studio, 100)
    with account_scope(studio.account):
        assert balance_of(studio.client, "EUR") == 0
    assert not Wallet.objects.exists()


# -- coming in


def test_credit_is_a_lot_a_line_and_an_entry(studio):
    (lot,) = rich(studio, {"amount_cents": 2500, "reason": "sorry"})

    assert (lot.source, lot.amount_cents, lot.remaining_cents, lot.currency) == ("goodwill", 2500, 2500, "EUR")
    assert lines(studio) == [("credit", 2500, 2500)]
    assert books(studio) == {"goodwill": 2500, "wallet": -2500}
    assert held(studio) == 2500


def test_credit_whose_books_somebody_else_writes_posts_nothing(studio):
    rich(studio, {"amount_cents": 2500, "from_book": "", "source": "refund"})

    assert books(studio) == {}
    assert held(studio) == 2500


@pytest.mark.parametrize("wrong", [{"amount_cents": 0}, {"amount_cents": -5}, {"amount_cents": 5, "expires_at": NOW}])
def test_credit_that_makes_no_sense_is_refused(studio, wrong):
    become(studio)

    with pytest.raises(Invalid):
        give(studio, **wrong)
    with account_scope(studio.account):
        assert not WalletBalance.objects.exists()


# -- going out


def test_what_ends_first_is_spent_first_then_what_was_given_then_the_oldest(studio):
    bought = {"source": WalletLot.Source.TOP_UP, "from_book": Book.CASH}
    never, late, soon_bought, soon, soon_later = rich(
        studio,
        100,
        {"amount_cents": 100, "expires_at": NOW + 9 * DAY},
        {"amount_cents": 100, "expires_at": NOW + DAY, **bought},
        {"amount_cents": 100, "expires_at": NOW + DAY},
        {"amount_cents": 100, "expires_at": NOW + DAY, "source": WalletLot.Source.REFERRAL},
    )
    everything = (soon, soon_later, soon_bought, late, never)

    found = []
    for _ in range(5):
        spend(studio, 90)
        found.append(left(studio, *everything))

    assert found == [
        [10, 100, 100, 100, 100],
        [0, 20, 100, 100, 100],
        [0, 0, 30, 100, 100],
        [0, 0, 0, 40, 100],
        [0, 0, 0, 0, 50],
    ]
    assert held(studio) == 50


def test_spending_is_a_payment_of_the_order(wealthy):
    order = order_of(wealthy, 4000)

    payment = spend(wealthy, 4000, order=order)

    assert (payment.method, payment.status, payment.captured_cents) == ("wallet", "succeeded", 4000)
    assert (order.paid_cents, order.payment_status) == (4000, "paid")
    with account_scope(wealthy.account):
        assert list(WalletSpend.objects.values_list("payment", "amount_cents", "returned_cents")) == [(payment.pk, 4000, 0)]
    assert lines(wealthy) == [("credit", 10000, 10000), ("spend", -4000, 6000)]
    assert books(wealthy) == {"goodwill": 10000, "wallet": -6000, "receivable": -4000}  # the factory's order has no sale in the books


def test_a_wallet_pays_what_is_sold(wealthy):
    sale = wealthy.sell(method="wallet")

    assert (sale.payment.method, sale.payment.status, sale.order.payment_status) == ("wallet", "succeeded", "paid")
    assert held(wealthy) == 0
    assert books(wealthy) == {"goodwill": 10000, "deferred": -10000}


def test_more_than_there_is_is_refused_and_nothing_is_written(wealthy):
    with pytest.raises(InsufficientFunds) as refused:
        spend(wealthy, 10001)

    assert refused.value.extras == {"available_cents": 10000}
    assert lines(wealthy) == [("credit", 10000, 10000)]
    with account_scope(wealthy.account):
        assert not Payment.objects.exists()


@pytest.mark.parametrize("cents", [0, -1, 5001])
def test_an_order_takes_what_it_lacks_and_no_more(wealthy, cents):
    with pytest.raises(AmountMismatch):
        spend(wealthy, cents, order=order_of(wealthy, 5000))
    assert held(wealthy) == 10000


def test_credit_never_crosses_accounts_or_currencies(wealthy):
    elsewhere = open_studio()
    become(elsewhere, wealthy.client.customer)

    with pytest.raises(InsufficientFunds) as refused:
        spend(elsewhere, 1)
    assert refused.value.extras == {"available_cents": 0}

    with pytest.raises(InsufficientFunds):
        spend(wealthy, 1, order=order_of(wealthy, 5000, currency="USD"))
    with account_scope(wealthy.account):
        assert (balance_of(wealthy.client, "EUR"), balance_of(wealthy.client, "USD")) == (10000, 0)
    with account_scope(elsewhere.account):
        assert balance_of(elsewhere.client, "EUR") == 0


def test_whoever_pays_the_order_pays_with_their_own_credit(wealthy):
    payer = ClientFactory(account=wealthy.account, customer=CustomerFactory())
    give(wealthy, 700, client=payer)

    payment = spend(wealthy, 700, order=order_of(wealthy, 700, payer=payer))

    assert payment.client_id == payer.pk
    assert held(wealthy) == 10000


def test_a_gift_code_is_bought_with_money_only(studio):
    rich(studio, 5000, {"amount_cents": 3000, "source": "gift"}, {"amount_cents": 2000, "source": "top_up", "from_book": Book.CASH})
    wanted = {"order_type": "gift", "service": None}

    with pytest.raises(InsufficientFunds) as refused:
        spend(studio, 2001, order=order_of(studio, 2001, **wanted))
    spend(studio, 2000, order=order_of(studio, 2000, **wanted))

    assert refused.value.extras == {"available_cents": 2000}
    assert held(studio) == 8000


# -- set aside


def test_credit_that_is_set_aside_is_nobody_elses_and_comes_in_with_the_rest(wealthy):
    order = order_of(wealthy, 12000)
    payment = spend(wealthy, 10000, order=order, reserve=True)

    assert (payment.status, payment.captured_cents, order.payment_status, held(wealthy)) == ("authorized", 0, "unpaid", 0)
    assert books(wealthy) == {"goodwill": 10000, "wallet": -10000}  # still the client's
    with account_scope(wealthy.account):
        mark_received(create_payment(order=order, method="cash", amount_cents=2000), at=NOW)
        payment.refresh_from_db()
        order.refresh_from_db()
    assert (payment.status, payment.captured_cents, order.payment_status, order.paid_cents) == ("succeeded", 10000, "paid", 12000)
    assert books(wealthy) == {"goodwill": 10000, "cash": 2000, "receivable": -12000}


def test_credit_that_is_not_needed_is_free_again(studio):
    lots = rich(studio, {"amount_cents": 100, "expires_at": NOW + DAY}, 100)
    payment = spend(studio, 150, reserve=True)

    call(studio, release_credit, payment, at=NOW)
    call(studio, release_credit, payment, at=NOW)

    assert (payment.status, left(studio, *lots), held(studio)) == ("cancelled", [100, 100], 200)
    with account_scope(studio.account):
        assert list(WalletSpend.objects.order_by("lot").values_list("amount_cents", "returned_cents")) == [(100, 100), (50, 50)]
        assert Event.objects.filter(type="payment.cancelled").count() == 1


# -- back


def test_a_refund_goes_back_to_the_lots_that_last_longest(studio):
    lots = rich(studio, {"amount_cents": 100, "expires_at": NOW + DAY}, {"amount_cents": 100, "expires_at": NOW + 2 * DAY}, 100)
    payment = spend(studio, 250)
    found = []

    for cents in (40, 40, 120, 50):
        call(studio, return_credit, payment, amount_cents=cents, at=NOW)
        found.append(left(studio, *lots))

    assert found == [[0, 0, 90], [0, 30, 100], [50, 100, 100], [100, 100, 100]]
    assert held(studio) == 300
    with pytest.raises(AmountMismatch):
        call(studio, return_credit, payment, amount_cents=1, at=NOW)


def test_what_comes_back_to_a_lot_that_has_ended_can_be_used_for_the_grace(studio):
    (lot,) = rich(studio, {"amount_cents": 100, "expires_at": NOW + DAY})
    payment = spend(studio, 60)
    later = NOW + 3 * DAY

    call(studio, return_credit, payment, amount_cents=60, at=later)

    with account_scope(studio.account):
        lot.refresh_from_db()
        assert (lot.remaining_cents, lot.expires_at) == (60, later + 30 * DAY)  # the 40 that were left have expired
        assert balance_of(studio.client, "EUR", at=later + 30 * DAY - DAY) == 60
    assert lines(studio)[-2:] == [("expire", -40, 0), ("return", 60, 60)]


# -- the end


def test_credit_cannot_be_spent_from_its_end_on_even_before_the_job(studio):
    (lot,) = rich(studio, {"amount_cents": 100, "expires_at": NOW + DAY})

    spend(studio, 10, at=NOW + DAY - timedelta(microseconds=1))
    with pytest.raises(InsufficientFunds) as refused:
        spend(studio, 10, at=NOW + DAY)

    assert refused.value.extras == {"available_cents": 0}
    with account_scope(studio.account):
        assert balance_of(studio.client, "EUR", at=NOW + DAY) == 0
    assert (left(studio, lot), held(studio)) == ([90], 90)  # the refusal took nothing off


def test_the_end_is_written_down_once(studio):
    rich(studio, {"amount_cents": 100, "expires_at": NOW + DAY, "reason": "sorry"}, 30)
    with account_scope(studio.account):
        balance = WalletBalance.objects.get()

    assert call(studio, expire_credit, balance.pk, at=NOW) == 0
    assert call(studio, expire_credit, balance.pk, at=NOW + DAY) == 100
    assert call(studio, expire_credit, balance.pk, at=NOW + DAY) == 0

    assert lines(studio)[2:] == [("expire", -100, 30)]
    assert books(studio) == {"goodwill": 130, "wallet": -30, "forfeited": -100}


def test_the_job_ends_what_has_ended_of_every_account(studio, time_machine):
    elsewhere = open_studio()
    for one in (studio, elsewhere):
        rich(one, {"amount_cents": 100, "expires_at": NOW + DAY}, {"amount_cents": 30, "expires_at": NOW + 3 * DAY})
    time_machine.move_to(NOW + DAY)

    assert sweep_credit(0) == 2
    for one in (studio, elsewhere):
        sweep_credit_of(one.account.pk)
        sweep_credit_of(one.account.pk)

    assert [held(one) for one in (studio, elsewhere)] == [30, 30]
    assert sweep_credit(0) == 0


# -- by hand


def test_a_correction_takes_any_credit(wealthy):
    call(wealthy, take_credit, client=wealthy.client, amount_cents=3000, currency="EUR", reason="by mistake", at=NOW)

    assert lines(wealthy)[-1] == ("debit", -3000, 7000)
    assert books(wealthy) == {"goodwill": 7000, "wallet": -7000}


def test_only_cashable_credit_is_paid_out(studio):
    rich(studio, 5000, {"amount_cents": 2000, "is_cashable": True, "source": "top_up", "from_book": Book.CASH})
    wanted = {"client": studio.client, "currency": "EUR", "reason": "moves away", "to_book": Book.BANK, "at": NOW}

    with pytest.raises(InsufficientFunds) as refused:
        call(studio, take_credit, amount_cents=2001, **wanted)
    call(studio, take_credit, amount_cents=2000, **wanted)

    assert refused.value.extras == {"available_cents": 2000}
    assert books(studio) == {"goodwill": 5000, "cash": 2000, "bank": -2000, "wallet": -5000}


def test_taking_in_wallet_money_does_not_take_in_other_reservations(wealthy):
    order = order_of(wealthy, 10000)
    aside = spend(wealthy, 4000, order=order, reserve=True)

    spend(wealthy, 1000, order=order)

    with account_scope(wealthy.account):
        aside.refresh_from_db()
    assert (aside.status, order.paid_cents) == ("authorized", 1000)
