"""Whatever happens to a wallet in whatever order: lots, balance, statement, books and a plain sum say the same (security.md P3)."""

from datetime import timedelta

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.doctor import invariants
from apps.core.errors import DomainError
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import WalletBalance
from apps.payments.services.refunds import request_refund
from apps.payments.services.settling import lapse_payment
from apps.payments.services.wallet import balance_of, expire_credit, take_credit
from tests.payments.credit import give, held, order_of, spend
from tests.portal import become
from tests.studio import NOW

BOUNDED = settings(
    max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
CENTS = st.integers(1, 100)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("give"), CENTS, st.integers(1, 6) | st.none()),
        st.tuples(st.just("spend"), CENTS, st.booleans()),
        st.tuples(st.just("refund"), CENTS, st.integers(0, 9)),
        st.tuples(st.just("release"), st.integers(0, 9)),
        st.tuples(st.just("take"), CENTS),
        st.tuples(st.just("expire")),
        st.tuples(st.just("wait"), st.integers(1, 4)),
    ),
    min_size=4,
    max_size=25,
)


class Life:
    """One wallet with its clock, and what a child would count: what is in it and set aside."""

    def __init__(self, studio):
        self.studio, self.at, self.payments, self.reserved = studio, NOW, [], []

    def give(self, cents, days):
        end = self.at + timedelta(days=days) if days else None
        before = self.spendable()
        give(self.studio, cents, expires_at=end, at=self.at)
        assert self.spendable() == before + cents

    def spend(self, cents, reserve):
        before = self.spendable()
        payment = spend(self.studio, cents, order=order_of(self.studio, cents), reserve=reserve, at=self.at)
        assert self.spendable() == before - cents
        (self.reserved if reserve else self.payments).append(payment)

    def refund(self, cents, which):
        if self.payments:
            before = self.spendable()
            request_refund(self.payments[which % len(self.payments)], amount_cents=cents, reason="asked", at=self.at)
            assert self.spendable() == before + cents

    def release(self, which):
        if self.reserved:
            before, payment = self.spendable(), self.reserved[which % len(self.reserved)]
            lapse_payment(payment, at=self.at)
            self.reserved.remove(payment)
            assert self.spendable() == before + payment.amount_cents

    def take(self, cents):
        before = self.spendable()
        take_credit(client=self.studio.client, amount_cents=cents, currency="EUR", reason="by mistake", at=self.at)
        assert self.spendable() == before - cents

    def expire(self):
        for pk in WalletBalance.objects.values_list("pk", flat=True):
            before = self.spendable()
            expire_credit(pk, at=self.at)
            assert self.spendable() == before == held(self.studio)

    def wait(self, days):
        self.at += timedelta(days=days)

    def spendable(self):
        return balance_of(self.studio.client, "EUR", at=self.at)


@BOUNDED
@given(steps=STEPS)
def test_everything_that_counts_credit_agrees_after_every_step(studio, steps):
    with account_scope(studio.account), transaction.atomic():
        become(studio)
        life = Life(studio)
        for name, *values in steps:
            before = held(studio)
            try:
                with transaction.atomic():
                    getattr(life, name)(*values)
            except DomainError:
                assert held(studio) == before  # a refusal changes nothing
            assert held(studio) >= life.spendable() >= 0
            with platform_scope("test"):
                assert {one.code: one.find() for one in invariants() if one.code.startswith("I15")} == {"I15": [], "I15.books": []}
        transaction.set_rollback(True)
