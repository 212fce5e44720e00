"""P3 (security.md §3): payments that are authorised, captured and refunded in parts, wallet credit, and webhooks in any order and
multiplicity keep I07 to I16; and once everything is told, telling it again changes nothing.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.core.errors import DomainError
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import Payment, ProviderEvent, Refund
from apps.payments.services.inbox import process_event, receive_event
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.refunds import execute_refund, request_refund
from tests.payments import machine
from tests.payments.counter import Counter, set_up
from tests.payments.credit import give
from tests.payments.machine import at_this_moment, unchanged
from tests.portal import become
from tests.studio import NOW

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BOUNDED = settings(
    max_examples=12,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KEPT = tuple(f"I{number:02}" for number in range(7, 17))
PROVIDER = st.sampled_from(["stripe", "paypal"])
WHICH = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), PROVIDER, st.integers(0, 900)),
        st.tuples(
            st.just("authorise"), WHICH, st.sampled_from(["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_usBankAccount"])
        ),
        st.tuples(st.just("capture"), WHICH),
        st.tuples(st.just("refund"), WHICH, st.integers(1, 5000), st.booleans()),
        st.tuples(st.just("pay_by_wallet")),
        st.tuples(st.just("dispute"), WHICH, st.booleans()),
        st.tuples(st.just("tell"), PROVIDER, st.randoms(use_true_random=False), st.integers(1, 3)),
    ),
    min_size=6,
    max_size=16,
)


@pytest.fixture(autouse=True)
def _saturday() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


class Life:
    """One business with both providers. What it is told is kept until somebody tells it."""

    def __init__(self, studio: Any, *fakes: Any) -> None:
        self.account_id = studio.account.pk
        self.studio = studio
        self.counters = {fake.name: Counter(studio, fake, fake.name) for fake in fakes}
        self.sold: list[Payment] = []
        self.told = {fake.name: len(fake.account["events"]) for fake in fakes}

    def payment(self, which: int) -> Payment | None:
        if not self.sold:
            return None
        with account_scope(self.account_id):
            return Payment.objects.get(pk=self.sold[which % len(self.sold)].pk)

    # -- steps

    def sell(self, provider: str, credit: int) -> None:
        sale = self.counters[provider].sell(start_time=None, use_wallet_cents=credit)
        assert sale.payment is not None
        begin_payment(self.account_id, sale.payment.pk)
        self.sold.append(sale.payment)

    def authorise(self, which: int, card: str) -> None:
        payment = self.payment(which)
        if payment is None or payment.status not in ("requires_action", "pending"):
            return
        fake = self.counters[payment.method].fake
        if payment.method == "stripe":
            fake.confirm(payment.provider_ref, card)
        elif fake.account["orders"][payment.provider_ref]["status"] != "COMPLETED":
            fake.approve(payment.provider_ref)

    def capture(self, which: int) -> None:
        payment = self.payment(which)
        if payment is not None:
            recheck_payment(self.account_id, payment.pk)

    def refund(self, which: int, cents: int, reduces_price: bool) -> None:
        payment = self.payment(which)
        if payment is not None:
            with account_scope(self.account_id), transaction.atomic():
                refund = request_refund(payment, amount_cents=cents, reduces_price=reduces_price)
            execute_refund(self.account_id, refund.pk)

    def pay_by_wallet(self) -> None:
        sale = self.counters["stripe"].sell(method="wallet", start_time=None)
        assert sale.payment is not None
        self.sold.append(sale.payment)

    def dispute(self, which: int, lost: bool) -> None:
        payment = self.payment(which)
        if payment is None or payment.method != "stripe" or payment.refundable_cents < 1 or payment.refunding_cents:
            return
        fake = self.counters["stripe"].fake
        opened = fake.do("disputes", payment_intent=payment.provider_ref, amount=payment.refundable_cents)
        fake.do(f"disputes/{opened['id']}", status="lost" if lost else "won")

    def tell(self, provider: str, dice: Any, times: int) -> None:
        fake = self.counters[provider].fake
        fresh = list(fake.account["events"])[self.told[provider] :] * times
        self.told[provider] = len(fake.account["events"])
        dice.shuffle(fresh)
        for event in fresh:
            self.hear(provider, event)

    def hear(self, provider: str, event: str) -> None:
        headers, body = self.counters[provider].fake.signed(event)
        stored, _ = receive_event(self.account_id, provider, headers=headers, body=body)
        if stored is not None:
            process_event(self.account_id, stored)

    # -- in the end

    def tell_the_rest(self) -> None:
        """Everybody hears of everything, and asks about it."""
        for intent in [one["id"] for one in self.counters["stripe"].fake.intents if one["status"] == "processing"]:
            self.counters["stripe"].fake.do(f"finish/{intent}")
        for payment in self.sold:
            recheck_payment(self.account_id, payment.pk)
        with account_scope(self.account_id):
            refunds = list(Refund.objects.filter(status__in=("pending", "unknown")).values_list("pk", flat=True))
        for refund in refunds:
            execute_refund(self.account_id, refund)
        for provider, counter in self.counters.items():
            for event in list(counter.fake.account["events"])[self.told[provider] :]:
                self.hear(provider, event)
            self.told[provider] = len(counter.fake.account["events"])

    def tell_everything_again(self) -> None:
        with account_scope(self.account_id):
            heard = list(ProviderEvent.objects.order_by("pk").values_list("pk", "provider", "event_id"))
        for pk, _, _ in [*heard, *reversed(heard)]:
            process_event(self.account_id, pk, again=True)
        for _, provider, event in heard:
            self.hear(provider, event)


def broken() -> dict[str, list[Any]]:
    """What of I07 to I16 does not hold, by this process's clock."""
    with platform_scope("P3"):
        asked = ((code, find()) for code, find in at_this_moment() if code.split(".")[0] in KEPT)
        return {code: found for code, found in asked if found}


@BOUNDED
@given(steps=STEPS)
def test_any_sequence_keeps_the_invariants_and_can_be_told_again(studio, stripe_fake, paypal_fake, steps):
    life = open_counters(studio, stripe_fake, paypal_fake)
    life.sell("stripe", 0)
    for name, *values in steps:
        with suppress(DomainError):  # refused, and nothing of it is left: that is what is asked next
            getattr(life, name)(*values)
        assert broken() == {}
    life.tell_the_rest()
    assert broken() == {}
    with unchanged():
        life.tell_everything_again()
    with account_scope(studio.account):
        house = {"stripe": machine.stripe_says(stripe_fake.account), "paypal": machine.paypal_says(paypal_fake.account)}
        assert {provider: machine.we_say(provider) for provider in house} == house


def open_counters(studio: Any, *fakes: Any) -> Life:
    """The same business for every example: what the ones before have left is part of what must stay sound."""
    if studio.client.customer is None:
        become(studio)
        give(studio, 60_000)
        for fake in fakes:
            set_up(studio.account, fake.name, fake.credentials)
    return Life(studio, *fakes)


def test_the_control_what_was_not_told_before_changes_something(studio, stripe_fake, paypal_fake):
    life = open_counters(studio, stripe_fake, paypal_fake)
    life.sell("stripe", 0)
    life.authorise(0, "pm_card_visa")

    with pytest.raises(AssertionError, match="payments_payment"):
        tell_as_if_known(life)


def tell_as_if_known(life: Life) -> None:
    with unchanged():
        life.tell_the_rest()
