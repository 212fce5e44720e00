"""Refunds at the same moment (RC6): one row is locked, and says no by itself when nobody locks it."""

import time
from collections import Counter

import pytest
from django.db import connection

from apps.orders.models import Order
from apps.payments.adapters.base import DisputeAnswer, DisputeState
from apps.payments.models import Payment
from apps.payments.services import disputes, refund_states
from apps.payments.services.disputes import settle_dispute
from apps.payments.services.refunds import request_refund
from tests.bookings.test_races import at_once
from tests.payments.refunding import paid, sums, unsound
from tests.payments.test_disputes import paid_by_card
from tests.studio import NOW, open_studio

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

GUARD, CHECK_VIOLATION = "payments_payment_back_of_captured", "23514"


@pytest.fixture
def lock_removed(monkeypatch):
    """Nobody locks order or payment any more, and there is time between looking and writing."""

    def row(payment_id):
        found = Payment.objects.get(pk=payment_id)
        time.sleep(0.3)
        return found

    def orders(ids):
        return {order.pk: order for order in Order.objects.select_related("account").filter(pk__in=list(ids))}

    monkeypatch.setattr(refund_states, "lock_order", lambda pk: orders([pk])[pk])
    monkeypatch.setattr(refund_states, "lock_row", row)
    monkeypatch.setattr(disputes, "lock_orders", orders)
    monkeypatch.setattr(disputes, "lock_row", row)


@pytest.fixture
def guard_dropped(transactional_db):
    """A database without the CHECK; it comes back at the end, when the table is empty again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [GUARD])
        definition = cursor.fetchone()[0]
        cursor.execute(f"ALTER TABLE payments_payment DROP CONSTRAINT {GUARD}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_payment CASCADE")
        cursor.execute(f"ALTER TABLE payments_payment ADD CONSTRAINT {GUARD} {definition}")


def twenty_refunds_of_sixty(method="cash"):
    """From a payment of 100; (outcomes, the payment's sums)."""
    studio = open_studio(price_cents=100)
    payment = paid(studio, method)
    outcomes = at_once(studio.account, [lambda: request_refund(payment, amount_cents=60, at=NOW)] * 20)
    return Counter(outcomes), sums(studio, payment)


@pytest.mark.parametrize(("method", "after"), [("cash", (100, 60, 0, 0)), ("bank_transfer", (100, 0, 60, 0))])
def test_one_of_twenty_refunds_of_sixty_from_a_hundred_succeeds(method, after):
    outcomes, found = twenty_refunds_of_sixty(method)

    assert outcomes == {"done": 1, "RefundExceedsCaptured": 19}
    assert found == after
    assert unsound() == []


def test_negative_control_without_the_lock_more_is_given_back_than_came_in(lock_removed):
    outcomes, (captured, _, refunding, _) = twenty_refunds_of_sixty("bank_transfer")

    assert outcomes["done"] > 1
    assert (captured, refunding) == (100, 60)  # each wrote what it had read: the others are lost
    assert "I08" in unsound()


# -- against a dispute


def refund_and_dispute(rounds=5):
    """All of a payment is refunded and disputed at once; the sums after each round."""
    answer = DisputeAnswer("dp_1", DisputeState.OPEN, 10000, "EUR", "pi_1", "fraudulent")
    found = []
    for _ in range(rounds):
        studio = open_studio()
        payment = paid_by_card(studio)
        calls = [lambda: request_refund(payment, at=NOW), lambda: settle_dispute(provider="stripe", answer=answer, at=NOW)]  # noqa: B023  run before the loop goes on
        outcomes = at_once(studio.account, calls)
        found.append((tuple(outcomes), sums(studio, payment)))
    return found


def test_a_refund_and_a_dispute_share_what_came_in():
    for outcomes, (captured, refunded, refunding, disputed) in refund_and_dispute():
        assert outcomes in (("done", "done"), ("RefundExceedsCaptured", "done"))
        assert captured == refunded + refunding + disputed
    assert unsound() == []


def test_without_the_locks_the_constraint_refuses_one_of_them(lock_removed):
    found = refund_and_dispute(rounds=2)

    assert all("IntegrityError" in outcomes or CHECK_VIOLATION in outcomes for outcomes, _ in found)
    assert all(captured == sum(back) for _, (captured, *back) in found)


def test_negative_control_without_locks_and_constraint_both_have_all_of_it(guard_dropped, lock_removed):
    ((outcomes, found),) = refund_and_dispute(rounds=1)

    assert outcomes == ("done", "done")
    assert found == (10000, 0, 10000, 10000)
    assert "I08" in unsound()
