"""Absence, in states and in money, and taking it back (rules.md §3)."""

from datetime import timedelta

import pytest

from apps.bookings.errors import SlotTaken, TooLate
from apps.bookings.models import Booking
from apps.bookings.services.endings import (
    complete_booking,
    undo_no_show,
)
from apps.bookings.services.scheduling import Override, hold_booking
from tests.bookings.life import book, broken, do, everything, money, pay, row_of
from tests.bookings.test_endings import NO_SHOW, SOUND, absent, policy
from tests.studio import MONDAY_TEN

HOUR = timedelta(hours=1)


def test_without_words_on_absence_the_session_is_used_up(studio):
    sale = studio.sell()
    pay(studio, sale)

    row, quote = absent(studio, book(studio, sale.bookings[0]), at=MONDAY_TEN + timedelta(minutes=15))

    assert (row.status, row.start_time, quote["kept_cents"], quote["fee_cents"]) == ("no_show", MONDAY_TEN, 3334, 0)
    assert row.consequence["why"] == "no_show"


def test_a_policy_may_return_an_absent_session_for_a_fee(make_studio):
    declared = {"fee": {"kind": "fixed", "value": 800}, "session": "returned"}
    studio = make_studio(cancellation_policy=policy(no_show=declared))
    sale = studio.sell()

    row, _ = absent(studio, book(studio, sale.bookings[0]))

    assert (row.status, money(studio, sale.order)["lines"]) == ("draft", [("item", 10000), ("fee", 800)])


def test_a_waived_absence_costs_nothing(studio):
    sale = studio.sell(service=studio.service)
    pay(studio, sale)

    row, quote = absent(studio, book(studio, sale.bookings[0]), waive=True, reason="the door was locked")

    assert (row.status, quote["refund_cents"], quote["tier"]["why"]) == ("no_show", 5000, "waived")


NO_SHOW_RULES = {
    "used up": None,
    "with a fee": {"fee": {"kind": "fixed", "value": 6000}, "session": "consumed"},
    "half": {"fee": {"kind": "percent", "value": 50}, "session": "consumed"},
}


@pytest.mark.parametrize("rule", NO_SHOW_RULES)
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("paid", [True, False])
def test_undoing_an_absence_restores_state_money_and_order_exactly(make_studio, rule, single, paid):
    studio = make_studio(quantity=1, price_cents=5000, cancellation_policy=policy(no_show=NO_SHOW_RULES[rule]))
    sale = studio.sell(**({"service": studio.service} if single else {}))
    if paid:
        pay(studio, sale)
    booking = book(studio, sale.bookings[0])
    row_before, before = row_of(studio, booking), money(studio, sale.order)

    absent(studio, booking)
    assert row_of(studio, booking).order.status == "completed"
    do(studio, undo_no_show, booking, at=NO_SHOW + timedelta(hours=72), reason="came by the back door")

    row, after = row_of(studio, booking), money(studio, sale.order)
    lines = after.pop("lines")
    assert lines[:1] == before.pop("lines")
    assert sum(cents for _, cents in lines) == before["total"]
    assert after == before
    changed = {"version", "status_changed_at", "updated_at"}
    for field in Booking._meta.concrete_fields:
        if field.name not in changed:
            assert getattr(row, field.attname) == getattr(row_before, field.attname), field.name
    assert row.version == row_before.version + 2
    assert broken(*SOUND) == {}
    do(studio, complete_booking, booking, at=NO_SHOW + timedelta(hours=72))


def test_undoing_is_too_late_after_72_hours(studio):
    booking = book(studio)
    absent(studio, booking)
    before = everything(studio)

    with pytest.raises(TooLate) as refused:
        do(studio, undo_no_show, booking, at=NO_SHOW + timedelta(hours=72, seconds=1))

    assert refused.value.extras["possible_until"] == (NO_SHOW + timedelta(hours=72)).isoformat()
    assert everything(studio) == before


def test_undoing_finds_the_time_taken(studio):
    booking, other = book(studio), studio.draft(client=studio.other_client())
    absent(studio, booking)
    book(studio, other, override=Override("a walk-in"), at=NO_SHOW)
    before = everything(studio)

    with pytest.raises(SlotTaken):
        do(studio, undo_no_show, booking, at=NO_SHOW + HOUR)

    assert everything(studio) == before


def test_undoing_frees_a_lapsed_hold_and_takes_the_next_seat(make_studio):
    studio = make_studio(capacity=2)
    first = book(studio)
    absent(studio, first)
    walk_in = book(studio, studio.draft(client=studio.other_client()), override=Override("a walk-in"), at=NO_SHOW)
    held = do(
        studio,
        hold_booking,
        studio.draft(client=studio.other_client()),
        practitioner=studio.practitioner,
        start_time=MONDAY_TEN,
        override=Override("perhaps"),
        at=NO_SHOW,
        expires_at=NO_SHOW + timedelta(minutes=1),
    )
    assert (walk_in.seat, held.seat) == (1, 2)

    with pytest.raises(SlotTaken):
        do(studio, undo_no_show, first, at=NO_SHOW)
    do(studio, undo_no_show, first, at=NO_SHOW + timedelta(minutes=2))

    assert (row_of(studio, first).seat, row_of(studio, held).status) == (2, "draft")
    assert broken(*SOUND) == {}
