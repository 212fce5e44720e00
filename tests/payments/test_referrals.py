"""Rewards for bringing somebody: pending from the first money, decided after the hold, gone with the money."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress

from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from apps.payments.models import ReferralReward
from apps.payments.services.points import points_balance
from apps.payments.services.referrals import add_referral_points, decide_reward, note_first_purchase, settle_reward_of
from apps.payments.tasks_credit import sweep_credit, sweep_credit_of
from factories.clients import ClientFactory
from factories.users import AddressFactory, CustomerFactory
from tests.payments.credit import call, order_of, rich, spend
from tests.payments.test_gifts import work
from tests.payments.test_points import give_back, pay, settings
from tests.portal import become
from tests.studio import NOW, Studio

DUE = NOW + timedelta(days=14)


@pytest.fixture
def friends(studio) -> Studio:
    """A hundred points for bringing somebody; the studio's client was brought by another one."""
    settings(studio, referral_points=100)
    inviter = CustomerFactory(create_wallet=False)
    studio.referrer = ClientFactory(account=studio.account, customer=inviter)
    become(studio, CustomerFactory(inviter=inviter))
    return studio


def buy(studio: Studio, cents: int = 5000, **fields):
    """(order, payment, reward or None) of a purchase for cash."""
    order = order_of(studio, cents, **fields)
    payment = pay(studio, order, cents)
    return order, payment, call(studio, note_first_purchase, order, at=NOW)


def decide(studio: Studio, reward: ReferralReward, at=DUE) -> tuple[str, str]:
    decided = call(studio, decide_reward, reward, at=at)
    return decided.status, decided.why


def points(studio: Studio) -> int:
    with account_scope(studio.account):
        return points_balance(studio.referrer)


def brought(studio: Studio):
    """One more who was brought by the same client, as the studio's client."""
    with account_scope(studio.account):
        studio.client = ClientFactory(account=studio.account, customer=CustomerFactory(inviter=studio.referrer.customer))


def test_points_of_source_001_come_with_a_wallet(friends):
    entry = call(friends, add_referral_points, customer=friends.referrer.customer, account=friends.account, points=7, reason="thanks")

    assert (entry.client, entry.points, entry.kind, entry.reason) == (friends.referrer, 7, "referral", "thanks")
    assert friends.referrer.customer.user.wallet.user_id == friends.referrer.customer.user_id


def test_somebody_who_is_no_client_here_gets_no_points(friends):
    with pytest.raises(Invalid):
        call(friends, add_referral_points, customer=CustomerFactory(), account=friends.account, points=7)


def test_the_first_paid_order_promises_a_reward_once_by_its_event(friends):
    pay(friends, order_of(friends, 5000), 5000)

    work(friends, "order.paid")

    with account_scope(friends.account):
        reward = ReferralReward.objects.get()
    assert (reward.referrer_id, reward.referee_id) == (friends.referrer.pk, friends.client.pk)
    assert (reward.points, reward.status) == (100, "pending")
    assert points(friends) == 0


def test_it_is_granted_after_the_hold_and_once(friends):
    _, _, reward = buy(friends)
    assert reward.grant_at == DUE

    assert decide(friends, reward, at=DUE - timedelta(seconds=1)) == ("pending", "")
    assert decide(friends, reward) == ("granted", "")
    assert decide(friends, reward) == ("granted", "")
    assert points(friends) == 100


def test_the_job_decides_what_is_due(friends, time_machine):
    buy(friends)
    time_machine.move_to(DUE)

    assert sweep_credit(0) == 1
    for _ in range(2):
        sweep_credit_of(friends.account.pk)

    assert points(friends) == 100


def test_only_the_first_order_with_money_counts(friends):
    rich(friends, 5000)
    order = order_of(friends, 5000)
    spend(friends, 5000, order=order)
    assert call(friends, note_first_purchase, order, at=NOW) is None  # credit

    assert buy(friends)[2] is not None
    assert buy(friends)[2] is None


def test_a_client_who_bought_before_is_not_new(friends):
    settings(friends, referral_points=0)
    assert buy(friends)[2] is None  # no programme
    settings(friends, referral_points=100)

    assert buy(friends)[2] is None


@pytest.mark.parametrize("case", ["nobody", "not_here", "no_login", "unpaid", "themselves"])
def test_nobody_is_rewarded_without_somebody_who_brought_somebody(friends, case):
    referee = friends.client.customer
    with account_scope(friends.account):
        if case == "nobody":
            referee.inviter = None
        elif case == "not_here":
            referee.inviter = CustomerFactory()
        elif case == "themselves":
            referee.inviter = referee
        referee.save()
        if case == "no_login":
            friends.client.customer = None
            friends.client.save()
    if case == "unpaid":
        order = order_of(friends, 5000)
        pay(friends, order, 4000)
        assert call(friends, note_first_purchase, order, at=NOW) is None
    else:
        assert buy(friends)[2] is None


@pytest.mark.parametrize("shared", ["login", "verified", "record", "phone"])
def test_nobody_brings_themselves_under_another_name(friends, shared):
    referrer, referee = friends.referrer, friends.client
    with account_scope(friends.account):
        if shared == "login":
            referee.email = referrer.customer.user.email.upper()
        elif shared == "verified":
            EmailAddress.objects.create(user=referrer.customer.user, email="second@example.test", verified=True)
            referee.email = "Second@example.test"
        elif shared == "record":
            referrer.email = referee.customer.user.email
        elif shared == "phone":
            referrer.customer.phone_number = "+4930123456"
            referrer.customer.save()
            referee.phone_number = "+4930123456"
        referee.save()
        referrer.save()

    assert decide(friends, buy(friends)[2]) == ("refused", "self_referral")
    assert points(friends) == 0


@pytest.mark.parametrize(("line1", "expected"), [("1  market STREET", ("refused", "same_household")), ("2 Market Street", ("granted", ""))])
def test_a_household_does_not_bring_itself(friends, line1, expected):
    for person, line in ((friends.referrer.customer, "1 Market Street"), (friends.client.customer, line1)):
        person.primary_address = AddressFactory(user=person.user, line1=line)
        person.save()

    assert decide(friends, buy(friends)[2]) == expected


def test_caps_by_month_and_for_life(friends):
    settings(friends, referral_monthly_cap=1, referral_lifetime_cap=2)
    rewards = []
    for _ in range(4):
        rewards.append(buy(friends)[2])
        brought(friends)
    january, february = NOW + timedelta(days=45), NOW + timedelta(days=75)

    assert decide(friends, rewards[0]) == ("granted", "")
    assert decide(friends, rewards[1]) == ("refused", "monthly_cap")
    assert decide(friends, rewards[2], at=january) == ("granted", "")
    assert decide(friends, rewards[3], at=february) == ("refused", "lifetime_cap")
    assert points(friends) == 200


def test_money_that_went_back_during_the_hold_rewards_nobody(friends):
    _, payment, reward = buy(friends)
    give_back(friends, payment, 5000)

    assert decide(friends, reward) == ("refused", "order_refunded")


def test_a_refund_takes_its_share_and_all_of_it_the_reward(friends):
    order, payment, reward = buy(friends)
    decide(friends, reward)
    left = []

    for cents in (1250, 0, 3750):
        give_back(friends, payment, cents)
        call(friends, settle_reward_of, order)
        left.append(points(friends))

    assert left == [75, 75, 0]
    with account_scope(friends.account):
        reward.refresh_from_db()
    assert reward.status == "clawed_back"
    assert call(friends, settle_reward_of, order) == 0


def test_points_that_are_spent_already_leave_a_debt(friends):
    order, payment, reward = buy(friends)
    decide(friends, reward)
    with account_scope(friends.account):
        call(friends, add_referral_points, customer=friends.referrer.customer, account=friends.account, points=-100)
    give_back(friends, payment, 5000)

    call(friends, settle_reward_of, order)

    assert points(friends) == -100


def test_credit_that_stays_does_not_stand_for_money_that_went_back(friends):
    rich(friends, 3000)
    order = order_of(friends, 5000)
    spend(friends, 3000, order=order)
    payment = pay(friends, order, 2000)
    reward = call(friends, note_first_purchase, order, at=NOW)
    with account_scope(friends.account):
        order.refresh_from_db()
        order.total_amount_cents = 3000  # its price came down by what went back: still paid
        order.save()
    give_back(friends, payment, 2000)

    assert decide(friends, reward) == ("refused", "order_refunded")
