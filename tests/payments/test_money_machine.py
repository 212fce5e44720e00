"""Two thousand random moves of money through the real services: whatever happens in whatever order, everything agrees.

Another run: ``MONEY_SEED=7 pytest tests/payments/test_money_machine.py``.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction

from apps.core.db import rows
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import ProviderEvent
from apps.payments.services import collecting, refund_states
from apps.payments.services.inbox import process_event
from apps.payments.services.ledger import Leg, post
from tests.payments.machine import World, effects, unchanged
from tests.payments.moves import play
from tests.payments.returns import hear_everything
from tests.security.worlds import thaw
from tests.studio import NOW

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

STEPS, BETWEEN = 2000, 250
SEED = int(os.environ.get("MONEY_SEED", "20261121"))
OFTEN, SOMETIMES, RARELY = 20, 6, 1
AT_LEAST = {
    OFTEN: [
        "sold package", "sold service", "sold gift", "sold to a guest", "with coupon", "with credit", "in parts", "taxed", "collected",
        "paid by card", "approved at PayPal", "received cash", "scheduled", "cancelled", "completed", "plain refund", "polled",
        "refund that reduces the price", "credit given", "webhook delivered", "webhook repeated", "webhook replayed", "waited",
    ],
    SOMETIMES: [
        "in instalments", "declined", "challenged", "webhooks reversed", "webhook lost", "no-show", "transferred", "order refunded",
        "refund to the wallet", "bank refund sent", "dispute opened", "credit taken", "gift code redeemed", "stopped waiting",
        "imported a statement", "matched a transfer", "invoice issued by hand", "received bank_transfer",
    ],
    RARELY: [
        "challenge succeeded", "debit finished", "no-show undone", "refund cancelled", "bank_transfer refund cancelled", "dispute won",
        "dispute lost", "refund came back", "received bank_transfer late", "points redeemed", "gift code void",
        "approved at PayPal in vain", "refund approved", "refund by stripe: failed", "refund by paypal: failed", "browser came back: succeeded",
    ],
}  # fmt: skip
"""What the moves must have done, in their own words."""
STORED_AT_LEAST = {
    OFTEN: ["cash succeeded", "bank_transfer succeeded", "stripe succeeded", "paypal succeeded", "wallet succeeded", "stripe cancelled",
            "invoice", "credit_note", "event processed", "credit spend", "line adjustment", "line item", "coupon used"],
    SOMETIMES: ["bank_transfer succeeded late", "refund by cash succeeded", "refund by stripe succeeded", "refund by paypal succeeded",
                "refund by wallet succeeded", "refund by bank_transfer succeeded", "session forfeited", "line fee",
                "credit expire", "credit return", "scheduled deposit", "scheduled instalment", "order refunded", "bank line matched",
                "order overpaid"],
    RARELY: ["refund by stripe failed", "refund by paypal failed", "refund by bank_transfer cancelled", "dispute won", "dispute lost",
             "gift code redeemed", "gift code void", "bank line mismatch"],
}  # fmt: skip
"""What must be in the tables in the end."""


@pytest.fixture
def world(stripe_fake: Any, paypal_fake: Any) -> Iterator[World]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield World(seed=SEED, clock=clock, stripe=stripe_fake, paypal=paypal_fake)


CASH = "(SELECT min(id) FROM payments_payment WHERE method = 'cash' AND status = 'succeeded' AND captured_cents > refunded_cents + 1)"
"""What some of the controls spoil."""


def story(world: World) -> str:
    """What to know of a run that went wrong: the seed, and its last moves."""
    return "\n".join([f"seed {world.seed}, step {world.step}", *world.log])


def go_on(world: World, steps: int) -> None:
    try:
        play(world, steps)
    except Exception as error:
        raise AssertionError(story(world)) from error
    world.minute()
    wrong = world.wrong()
    assert not wrong, f"{wrong}\n{story(world)}"


def come_to_rest(world: World) -> None:
    """Everybody has heard of everything; then providers and we say the same."""
    hear_everything(world)
    world.settle_down()
    hear_everything(world)
    world.minute()
    wrong = world.wrong()
    assert not wrong, f"{wrong}\n{story(world)}"
    assert [world.at_providers(house) for house in world.houses] == [[], []], story(world)


def too_rare(happened: Counter[str], wanted: dict[int, list[str]]) -> dict[str, int]:
    return {kind: happened[kind] for least, kinds in wanted.items() for kind in kinds if happened[kind] < least}


def test_two_thousand_moves(world):
    for _ in range(STEPS // BETWEEN):
        go_on(world, BETWEEN)
    come_to_rest(world)

    assert world.step == STEPS
    assert too_rare(world.done, AT_LEAST) == {}
    assert too_rare(effects(), STORED_AT_LEAST) == {}
    assert sum(world.refused.values()) < STEPS / 4, world.refused
    with unchanged():
        for house in world.houses:
            with account_scope(house.account):
                heard = list(ProviderEvent.objects.order_by("-pk").values_list("pk", flat=True)[:60])
            for event in heard:
                process_event(house.account.pk, event, again=True)


# -- the controls: what is wrong is found


WRONG = {
    "UPDATE payments_payment SET captured_cents = captured_cents - 1, amount_cents = amount_cents - 1 WHERE id = {cash}": {"I10", "I13"},
    "UPDATE payments_payment SET refunded_cents = refunded_cents + 1 WHERE id = {cash}": {"I08", "I08.orders"},
    "UPDATE payments_payment SET refunding_cents = refunding_cents + 1 WHERE id = {cash}": {"I08"},
    "UPDATE payments_ledgerentry SET amount_cents = amount_cents + 1 WHERE book = 'cash'": {"I14", "unbalanced", "held by berlin"},
    "UPDATE payments_walletbalance SET balance_cents = balance_cents + 1": {"I15", "I15.books"},
    "UPDATE payments_invoice SET sequence = sequence + 1000 WHERE sequence = 1": {"I60", "I70", "gaps"},
    "UPDATE orders_order SET paid_cents = paid_cents + 1 WHERE id = (SELECT min(id) FROM orders_order)": {"I10", "I14.receivable"},
    "UPDATE orders_orderline SET amount_cents = amount_cents + 1 WHERE id = (SELECT min(id) FROM orders_orderline)": {"I06.lines"},
    "UPDATE payments_coupon SET uses = uses + 1": {"I61"},
}


class _Seen(Exception):
    """Ends the transaction of something that is broken on purpose."""


def found_after(world: World, sql: str) -> set[str]:
    """What is wrong once a row was changed behind the services' backs; it is changed back."""
    found: set[str] = set()
    try:
        with transaction.atomic():
            for table in ("payments_ledgerentry", "payments_invoice"):
                thaw(table)
            with platform_scope("control"), connection.cursor() as cursor:
                cursor.execute("ALTER TABLE payments_ledgerentry DISABLE TRIGGER USER")
                cursor.execute(sql.format(cash=CASH))
                assert cursor.rowcount
            found = set(world.wrong())
            raise _Seen
    except _Seen:
        return found


def test_what_is_broken_behind_the_services_is_found(world):
    for _ in range(10):
        go_on(world, 100)
        with platform_scope("test"):
            if rows(f"SELECT FROM payments_payment WHERE id = {CASH}") and world.step >= 200:
                break

    assert {sql: codes - found_after(world, sql) for sql, codes in WRONG.items()} == {sql: set() for sql in WRONG}
    assert world.wrong() == {}


def test_money_that_only_a_provider_knows_of_is_found(world):
    go_on(world, 120)
    come_to_rest(world)
    charge = next(one for one in world.houses[0].stripe["charges"].values() if one["amount_captured"])
    charge["amount_captured"] -= 1

    assert {what for _, what, *_ in world.at_providers(world.houses[0])} == {"captured", "book"}


def short_refund(refund: Any) -> None:
    """Books that lose a cent of every refund."""
    legs = [Leg("receivable", refund.amount_cents - 1, refund.order_id), Leg("cash", 1 - refund.amount_cents, refund.order_id)]
    post(account_id=refund.account_id, kind="refund", currency=refund.currency, order_id=refund.order_id, refund_id=refund.pk, legs=legs)


GUARDS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "the amount of a refund in the books": (refund_states, "post_refund", short_refund),
    "the books of a payment": (collecting, "post_payment", lambda payment: None),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_the_machine_fails(world, monkeypatch, guard):
    module, name, broken = GUARDS[guard]
    monkeypatch.setattr(module, name, broken)

    with pytest.raises(AssertionError, match="I13"):
        go_on(world, 200)
