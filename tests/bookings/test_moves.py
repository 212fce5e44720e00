"""Moving a session: the same row, order, money and history; the policy of moves; what moving cannot launder (rules.md §3)."""

from datetime import timedelta

import pytest

from apps.bookings.errors import LimitReached, NoticeTooShort, OutsideHours, SlotTaken, TooLate
from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking, quote_cancellation
from apps.bookings.services.packages import grant_sessions
from apps.bookings.services.scheduling import Override, quote_reschedule, reschedule_booking
from apps.core.errors import Invalid, StaleVersion
from apps.core.tenancy import account_scope
from tests.bookings.life import SOON, TUESDAY_TEN, book, bring, broken, do, events_of, everything, money, pay, row_of, second_practitioner
from tests.studio import MONDAY_TEN, NOW

HOUR = timedelta(hours=1)
FRIDAY_TEN = MONDAY_TEN + timedelta(days=4)
LATE = MONDAY_TEN - HOUR
HALF_PRICE_LATE = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 50}, "session": "consumed"},
    ],
    "grace": {"minutes": 0, "if_hours_away": 0},
}
SOUND = ("I01", "I02", "I03", "I04", "I05", "I06", "I06.lines", "I10", "I30")


def move(studio, booking, start=TUESDAY_TEN, **options):
    return do(studio, reschedule_booking, booking, start_time=start, **options)


def configure(studio, **settings):
    studio.account.settings = {**studio.account.settings, **settings}
    studio.account.save(update_fields=["settings"])


def test_moving_keeps_row_order_money_and_history(studio):
    sale = studio.sell()
    booking = book(studio, sale.bookings[1])
    before, sums, events = row_of(studio, booking), money(studio, sale.order), events_of(studio, booking)
    other = second_practitioner(studio)

    move(studio, booking, practitioner=other)

    row = row_of(studio, booking)
    assert (row.pk, row.order_id, row.position, row.price_cents, row.status) == (before.pk, before.order_id, 2, 3333, "confirmed")
    assert (row.start_time, row.end_time, row.practitioner_id) == (TUESDAY_TEN, TUESDAY_TEN + HOUR, other.pk)
    assert (row.busy_from, row.busy_until, row.local_start) == (TUESDAY_TEN, TUESDAY_TEN + HOUR, "2026-11-24T10:00:00")
    assert (row.version, row.booked_at, row.policy) == (before.version + 1, before.booked_at, before.policy)
    assert money(studio, sale.order) == sums
    with account_scope(studio.account):
        assert Booking.objects.count() == 3
        assert [h.start_time for h in row.history.order_by("history_id")] == [None, MONDAY_TEN, TUESDAY_TEN]
    (event,) = events_of(studio, booking)[len(events) :]
    assert event.type == "booking.rescheduled"
    assert event.changes["start_time"] == [MONDAY_TEN.isoformat(), TUESDAY_TEN.isoformat()]
    assert event.changes["practitioner"] == [studio.practitioner.pk, other.pk]
    book(studio)  # the old time is free
    with pytest.raises(SlotTaken):
        book(studio, practitioner=other, start=TUESDAY_TEN)
    assert broken(*SOUND) == {}


@pytest.mark.parametrize("status", ["held", "pending", "confirmed"])
def test_moving_keeps_the_state(make_studio, status):
    studio = make_studio(requires_approval=True)
    booking = bring(studio, status)
    expires = booking.hold_expires_at

    move(studio, booking)

    assert (row_of(studio, booking).status, row_of(studio, booking).hold_expires_at) == (status, expires)


def test_moving_onto_itself_changes_nothing(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    booking = book(studio)
    before = everything(studio)

    for options in ({}, {"by": "client", "at": LATE}, {"anybody": True}, {"practitioner": studio.practitioner}):
        quote = do(studio, quote_reschedule, booking, start_time=MONDAY_TEN, **options)
        assert (quote["fee_cents"], quote["late"]) == (0, False)
        assert move(studio, booking, MONDAY_TEN, **options).version == booking.version
    assert everything(studio) == before


def test_a_session_is_not_in_its_own_way(make_studio):
    studio = make_studio(duration_minutes=120, slot_step_minutes=60)
    booking = book(studio)

    move(studio, booking, MONDAY_TEN + HOUR)

    assert row_of(studio, booking).start_time == MONDAY_TEN + HOUR
    with pytest.raises(SlotTaken):
        book(studio, start=MONDAY_TEN + 2 * HOUR)


def test_moving_obeys_the_slots_and_refusals_write_nothing(make_studio):
    studio = make_studio(min_notice_minutes=60)
    booking, _ = book(studio), book(studio, start=TUESDAY_TEN)
    stranger = second_practitioner(studio)
    with account_scope(studio.account):
        stranger.offerings.update(is_active=False)
    before = everything(studio)

    for error, options in (
        (SlotTaken, {"start": TUESDAY_TEN}),
        (OutsideHours, {"start": TUESDAY_TEN.replace(hour=20)}),
        (NoticeTooShort, {"start": NOW + timedelta(minutes=59)}),
        (Invalid, {"start": TUESDAY_TEN + HOUR, "practitioner": stranger}),
    ):
        with pytest.raises(error):
            move(studio, booking, **options)
        assert everything(studio) == before
    row = move(studio, booking, TUESDAY_TEN, override=Override("both agreed"))
    assert (row.overlap_allowed, row.override_reason) == (True, "both agreed")
    assert move(studio, row, FRIDAY_TEN).overlap_allowed is False  # within the rules again


def test_whoever_is_free_takes_it_the_same_one_first(studio):
    other = second_practitioner(studio)
    booking = book(studio)

    same = move(studio, booking, TUESDAY_TEN, anybody=True)
    assert (same.practitioner_id, same.allocation) == (studio.practitioner.pk, "same")
    book(studio, start=FRIDAY_TEN)
    assert move(studio, same, FRIDAY_TEN, anybody=True).practitioner_id == other.pk


def test_a_session_that_was_moved_meanwhile_is_not_moved_from_old_news(studio):
    other = second_practitioner(studio)
    old_news = book(studio)
    move(studio, row_of(studio, old_news), practitioner=other)

    with pytest.raises(StaleVersion):
        move(studio, old_news, FRIDAY_TEN)


# -- the policy of moves


def test_late_moves_are_charged_and_stick(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    booking = book(studio)

    quote = do(studio, quote_reschedule, booking, start_time=FRIDAY_TEN, by="client", at=LATE)
    move(studio, booking, FRIDAY_TEN, by="client", at=LATE, quote=quote["token"])

    row = row_of(studio, booking)
    assert (quote["fee_cents"], quote["late"], quote["start_time"]) == (2500, True, FRIDAY_TEN)
    assert (row.fee_cents, row.late_seconds, row.moves) == (2500, 3600, 1)
    assert money(studio, booking.order)["lines"] == [("item", 5000), ("fee", 2500)]
    assert money(studio, booking.order)["total"] == 7500
    # Days before the new start: the fee is charged once, and the tier of the start given up late still applies.
    move(studio, row, FRIDAY_TEN + HOUR, by="client", at=LATE + HOUR / 2)
    assert row_of(studio, booking).late_seconds == 3600
    assert money(studio, booking.order)["total"] == 7500
    do(studio, cancel_booking, row_of(studio, booking), at=LATE + HOUR)
    assert row_of(studio, booking).cancelled_late is True
    assert broken(*SOUND) == {}


def test_late_moves_can_be_refused_by_setting(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    configure(studio, late_move="refuse")
    booking = book(studio)
    before = everything(studio)

    with pytest.raises(TooLate) as refused:
        move(studio, booking, FRIDAY_TEN, by="client", at=LATE)

    assert refused.value.extras["possible_until"] == (MONDAY_TEN - timedelta(hours=24)).isoformat()
    assert everything(studio) == before
    move(studio, booking, FRIDAY_TEN, by="client", at=MONDAY_TEN - timedelta(hours=24))


def test_a_waived_late_move_is_free_but_sticks(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    booking = book(studio)

    move(studio, booking, FRIDAY_TEN, by="client", at=LATE, waive=True, reason="our train strike")

    assert (row_of(studio, booking).fee_cents, row_of(studio, booking).late_seconds) == (0, 3600)
    assert events_of(studio, booking)[-1].changes["fee_waived"] == ["", "our train strike"]


def test_free_moves_are_counted_for_clients_only(make_studio):
    studio = make_studio(cancellation_policy={**HALF_PRICE_LATE, "free_moves": 1})
    configure(studio, free_cancellation_after_move_minutes=100_000)
    booking = book(studio)

    move(studio, booking, TUESDAY_TEN)  # the business's own
    move(studio, booking, TUESDAY_TEN + HOUR, by="client", at=SOON)
    before = everything(studio)
    with pytest.raises(LimitReached) as refused:
        move(studio, booking, TUESDAY_TEN, by="client", at=SOON)

    assert refused.value.extras["rule"] == "free_moves"
    assert everything(studio) == before
    move(studio, booking, MONDAY_TEN, at=SOON)


def test_moving_a_hold_is_not_a_move_of_the_limit(make_studio):
    studio = make_studio(cancellation_policy={**HALF_PRICE_LATE, "free_moves": 0})
    booking = bring(studio, "held")

    move(studio, booking, TUESDAY_TEN, by="client", at=SOON)

    assert row_of(studio, booking).moves == 0


@pytest.mark.parametrize(("allowed", "moved", "free"), [(0, 60, True), (60, 60, False), (60, 120, True), (60, -120, True)])
def test_a_move_by_the_business_opens_free_cancellation(make_studio, allowed, moved, free):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    configure(studio, free_cancellation_after_move_minutes=allowed)
    booking = book(studio, studio.sell().bookings[0], start=MONDAY_TEN + 2 * HOUR)

    move(studio, booking, MONDAY_TEN + 2 * HOUR + timedelta(minutes=moved), at=LATE - 2 * HOUR)

    assert row_of(studio, booking).free_cancellation is free
    do(studio, cancel_booking, row_of(studio, booking), at=LATE)
    assert row_of(studio, booking).status == ("draft" if free else "cancelled")


def test_the_business_gives_back_what_a_late_move_has_cost(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    booking = book(studio)
    move(studio, booking, FRIDAY_TEN, by="client", at=LATE)

    do(studio, cancel_booking, row_of(studio, booking), by="provider", at=LATE + HOUR)

    sums = money(studio, booking.order)
    assert (sums["total"], sums["lines"]) == (0, [("item", 5000), ("fee", 2500), ("adjustment", -5000), ("fee", -2500)])
    assert broken(*SOUND) == {}


LOST_WITHIN_A_DAY = {**HALF_PRICE_LATE, "tiers": HALF_PRICE_LATE["tiers"][:1]}


@pytest.mark.parametrize("at", [LATE, MONDAY_TEN + HOUR])
def test_a_late_move_costs_the_price_where_the_session_would_be_lost(make_studio, at):
    """Otherwise moving would launder what cancelling costs: the whole session."""
    studio = make_studio(cancellation_policy=LOST_WITHIN_A_DAY)
    booking = book(studio)

    assert do(studio, quote_reschedule, booking, start_time=FRIDAY_TEN, by="client", at=at)["fee_cents"] == 5000
    move(studio, booking, FRIDAY_TEN, by="client", at=at)
    assert money(studio, booking.order)["total"] == 10000

    do(studio, cancel_booking, row_of(studio, booking), at=at + HOUR)  # in time for the new start, but the tier sticks
    assert money(studio, booking.order)["total"] == 5000
    assert broken(*SOUND) == {}


@pytest.mark.parametrize("policy", [HALF_PRICE_LATE, LOST_WITHIN_A_DAY])
def test_a_package_session_that_was_moved_late_pays_once(make_studio, policy):
    studio = make_studio(cancellation_policy=policy)
    sale = studio.sell()
    booking = book(studio, sale.bookings[0])
    move(studio, booking, FRIDAY_TEN, by="client", at=LATE)
    assert money(studio, sale.order)["total"] == (11667 if policy is HALF_PRICE_LATE else 13334)

    do(studio, cancel_booking, row_of(studio, booking), at=LATE + HOUR)

    # As if it had been cancelled instead of moved: the session is used up, and nothing is charged besides.
    assert (row_of(studio, booking).status, row_of(studio, booking).fee_cents) == ("cancelled", 0)
    assert money(studio, sale.order)["total"] == 10000
    assert broken(*SOUND) == {}


def test_after_its_start_a_session_is_not_moved_for_nothing(studio):
    booking = book(studio)

    for at, fee in ((MONDAY_TEN, 0), (MONDAY_TEN + timedelta(seconds=1), 5000)):
        assert do(studio, quote_reschedule, booking, start_time=FRIDAY_TEN, by="client", at=at)["fee_cents"] == fee


def test_what_the_business_moved_is_free_until_its_start_only(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    booking = book(studio)
    move(studio, booking, TUESDAY_TEN)

    for at, fee in ((TUESDAY_TEN, 0), (TUESDAY_TEN + timedelta(seconds=1), 5000)):
        assert do(studio, quote_reschedule, booking, start_time=FRIDAY_TEN, by="client", at=at)["fee_cents"] == fee
        assert do(studio, quote_cancellation, booking, at=at)["kept_cents"] == fee


def test_what_is_granted_while_a_fee_is_owed_is_paid_like_the_rest(make_studio):
    studio = make_studio(cancellation_policy=HALF_PRICE_LATE)
    sale = studio.sell()
    pay(studio, sale)
    booking = book(studio, sale.bookings[0])
    move(studio, booking, FRIDAY_TEN, by="client", at=LATE)

    with account_scope(studio.account):
        (granted,) = grant_sessions(sale.order, service=studio.service, count=1, reason="An apology", at=LATE)
    do(studio, cancel_booking, booking, by="provider", at=LATE)  # the fee goes back

    assert (row_of(studio, granted).payment_status, money(studio, sale.order)["payment_status"]) == ("paid", "paid")
    assert broken("I11", *SOUND) == {}
