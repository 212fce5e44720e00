"""Fifty debits of 10 from 100 (RC6), and ten who redeem one code: real connections, and the proof that the locks are what holds."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connections, transaction
from django.db.models import QuerySet

from apps.core.errors import DomainError
from apps.core.tenancy import account_scope
from apps.payments.models import WalletBalance, WalletLot, WalletSpend, WalletTransaction
from apps.payments.services import gifts, wallet
from apps.payments.services.gifts import issue_gift_code, redeem_gift_code
from apps.payments.services.wallet import spend_credit
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.payments.credit import order_of, rich
from tests.studio import open_studio

DEBITS = 50
pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls: list[Callable[[], object]]) -> Counter[str]:
    """Run all of them at the same moment, each on a connection of its own; how often they ended how."""
    barrier, ends = threading.Barrier(len(calls)), Counter()

    def run(call: Callable[[], object]) -> None:
        try:
            barrier.wait(30)
            call()
            ends["ok"] += 1
        except DomainError as refusal:
            ends[refusal.code] += 1
        except Exception as error:
            ends[type(error).__name__] += 1
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def fifty_debits():
    """How fifty payments of 10 end when the wallet holds 100 in three lots; (ends, balance, lots' rest, spent)."""
    studio = open_studio()
    rich(studio, 35, 35, 30)
    orders = [order_of(studio, 10) for _ in range(DEBITS)]

    def debit(order):
        with account_scope(studio.account), transaction.atomic():
            spend_credit(order=order, amount_cents=10, reserve=False)

    ends = at_once([lambda order=order: debit(order) for order in orders])
    with account_scope(studio.account):
        spent = sum(WalletSpend.objects.values_list("amount_cents", flat=True))
        rest = sum(WalletLot.objects.values_list("remaining_cents", flat=True))
        assert WalletTransaction.objects.filter(kind="spend").count() == ends["ok"]
        return ends, WalletBalance.objects.get().balance_cents, rest, spent


def test_of_fifty_debits_exactly_those_that_are_covered_succeed():
    assert fifty_debits() == (Counter(ok=10, insufficient_funds=40), 0, 0, 100)


def test_without_the_locks_more_is_spent_than_there_is(monkeypatch):
    """The negative control: the race is real."""
    take = wallet._take

    def slowly(*args):
        taken = take(*args)
        time.sleep(0.2)
        return taken

    monkeypatch.setattr(wallet, "_take", slowly)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)

    ends, _, _, spent = fifty_debits()

    assert ends["ok"] > 10
    assert spent > 100


def redeemed_by_ten():
    studio = open_studio()
    with account_scope(studio.account), transaction.atomic():
        code = issue_gift_code(account=studio.account, amount_cents=5000, reason="a competition")[1]
    people = [ClientFactory(account=studio.account, customer=CustomerFactory()) for _ in range(10)]

    def redeem(person):
        with account_scope(studio.account), transaction.atomic():
            redeem_gift_code(client=person, code=code)

    ends = at_once([lambda person=person: redeem(person) for person in people])
    with account_scope(studio.account):
        return ends, list(WalletLot.objects.values_list("amount_cents", flat=True))


def test_one_code_redeemed_by_ten_at_once_is_redeemed_once():
    assert redeemed_by_ten() == (Counter(ok=1, gift_code_refused=9), [5000])


def test_without_the_lock_a_code_is_redeemed_again(monkeypatch):
    """The negative control."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **options: self)
    monkeypatch.setattr(gifts, "_worth", slow_worth())

    ends, lots = redeemed_by_ten()

    assert ends["ok"] > 1
    assert len(lots) == ends["ok"]


def slow_worth():
    worth = gifts._worth

    def slowly(gift):
        time.sleep(0.3)
        return worth(gift)

    return slowly
