"""Offers of freed time are real holds: how they are made and answered."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from apps.bookings.errors import NoticeTooShort, OfferClosed, QuietHours, SlotTaken
from apps.bookings.models import Booking, WaitlistEntry, WaitlistOffer
from apps.bookings.services.waiting import decline_offer, leave_waitlist
from apps.checkout.waitlist import accept_offer, answer_by_token, token_of
from apps.core.errors import InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from tests.checkout.waiting import HOUR, broken, freed, held, offer, state, taken, wait
from tests.studio import MONDAY_TEN, NOW

# -- an offer is a hold


def test_an_offer_holds_the_clients_own_session_for_an_hour(studio):
    sale = studio.sell()
    entry = wait(studio, client=studio.client)

    made = offer(studio, entry)

    with account_scope(studio.account):
        session = Booking.objects.get(offer=made)
        assert (session.pk, session.status, session.start_time) == (sale.bookings[0].pk, "held", MONDAY_TEN)
        assert (made.expires_at, session.hold_expires_at, made.order, made.mode) == (NOW + HOUR, NOW + HOUR, None, "sequential")
        assert Order.objects.count() == 1
        assert Event.objects.filter(type="waitlist.offered", subject_id=made.pk).count() == 1
    assert state(studio, entry) == ("offered", 0, [(MONDAY_TEN, "open")])


def test_an_offer_uses_the_order_of_the_entry_first(studio):
    first, second = studio.sell(), studio.sell()
    entry = wait(studio, client=studio.client, order=second.order)

    made = offer(studio, entry)

    with account_scope(studio.account):
        assert Booking.objects.get(offer=made).order_id == second.order.pk
    assert first.order.pk != second.order.pk


def test_an_offer_without_a_session_sells_one_and_charges_nothing(studio):
    made = offer(studio, wait(studio))

    with account_scope(studio.account):
        order = Order.objects.get()
        assert made.order == order
        assert (order.total_amount_cents, order.payment_status, order.payments.count()) == (5000, "unpaid", 0)
        assert list(Event.objects.filter(subject_id=order.pk, type__startswith="order.").values_list("type", flat=True)) == [
            "order.reserved"
        ]


@pytest.mark.parametrize(
    ("notice", "own", "lasts"),
    [
        (0, 0, timedelta(minutes=60)),
        (49 * 60 - 30, 0, timedelta(minutes=30)),
        (60, 49 * 60 - 10, timedelta(minutes=10)),
        (49 * 60 - 10, 60, timedelta(minutes=10)),
    ],
)
def test_an_offer_lasts_an_hour_or_until_the_notice(make_studio, notice, own, lasts):
    studio = make_studio(min_notice_minutes=notice)  # Monday 09:00Z is 49 hours after NOW

    assert offer(studio, wait(studio, notice_minutes=own)).expires_at == NOW + lasts


def test_an_offer_that_leaves_no_time_to_answer_is_refused(studio):
    entry = wait(studio, notice_minutes=49 * 60)

    with pytest.raises(NoticeTooShort):
        offer(studio, entry)
    assert state(studio, entry) == ("waiting", 0, [])
    with account_scope(studio.account):
        assert Order.objects.count() == 0


def test_an_offer_waits_for_the_end_of_quiet_hours_unless_the_start_is_near(studio):
    entry, night = wait(studio), datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # 05:00 in Berlin, 29 hours before

    with pytest.raises(QuietHours) as refused:
        offer(studio, entry, at=night)
    assert refused.value.extras == {"possible_from": "2026-11-22T07:00:00+00:00"}
    assert freed(studio, at=night) == []
    assert freed(studio, at=night + 3 * HOUR) == [entry.pk]


def test_an_offer_at_night_for_the_next_morning_is_made(studio):
    entry, night = wait(studio), datetime(2026, 11, 22, 22, 0, tzinfo=UTC)  # 23:00 in Berlin, eleven hours before

    assert freed(studio, at=night) == [entry.pk]


def test_an_offer_goes_to_whoever_is_awake(studio):
    wait(studio, priority=9)
    awake = wait(studio, timezone="Asia/Tokyo", earliest=None, latest=None)

    assert freed(studio, at=datetime(2026, 11, 22, 4, 0, tzinfo=UTC)) == [awake.pk]


def test_a_party_holds_a_seat_each(make_studio):
    studio = make_studio(capacity=3)
    own = studio.draft()
    entry = wait(studio, client=studio.client, party=2)

    made = offer(studio, entry)

    with account_scope(studio.account):
        sessions = Booking.objects.filter(offer=made).order_by("seat")
        assert [(s.status, s.seat, s.attendee_name) for s in sessions] == [("held", 1, ""), ("held", 2, "Guest 2")]
        assert [s.order_id for s in sessions] == [own.order_id, made.order_id]
        accept_offer(made, at=NOW)
        assert [s.status for s in sessions.all()] == ["confirmed", "confirmed"]
        assert Payment.objects.get(order=made.order).amount_cents == 5000
    assert broken(studio) == []


def test_a_party_without_sessions_buys_them_in_one_order(make_studio):
    studio = make_studio(capacity=3)

    made = offer(studio, wait(studio, party=3))

    assert made.order.total_amount_cents == 15000
    assert broken(studio) == []


def test_only_who_waits_is_offered_time(studio):
    entry = wait(studio)
    offer(studio, entry)

    with pytest.raises(InvalidTransition) as refused:
        offer(studio, entry, start=MONDAY_TEN + HOUR)
    assert refused.value.extras == {"allowed_actions": ["leave"]}
    assert len(held(studio)) == 1


def test_a_taken_start_cannot_be_offered(studio):
    taken(studio)
    entry = wait(studio)

    with pytest.raises(SlotTaken):
        offer(studio, entry)
    assert state(studio, entry) == ("waiting", 0, [])


# -- the answer


def test_accepting_confirms_and_asks_for_the_money(studio):
    entry = wait(studio)
    made = offer(studio, entry)

    with account_scope(studio.account):
        accepted = accept_offer(made, method="bank_transfer", at=NOW + HOUR / 2)
        session = Booking.objects.get(offer=made)
        payment = Payment.objects.get(order=made.order)
        assert (accepted.status, accepted.answered_at) == ("accepted", NOW + HOUR / 2)
        assert (session.status, session.hold_expires_at) == ("confirmed", None)
        assert (payment.status, payment.method, payment.amount_cents) == ("pending", "bank_transfer", 5000)
        assert Event.objects.filter(type="order.placed", subject_id=made.order_id).count() == 1
    assert state(studio, entry) == ("booked", 0, [(MONDAY_TEN, "accepted")])
    assert broken(studio) == []


def test_accepting_a_service_that_requires_approval_requests_it(make_studio):
    studio = make_studio(requires_approval=True)
    made = offer(studio, wait(studio))

    with account_scope(studio.account):
        accept_offer(made, at=NOW)
        assert Booking.objects.get(offer=made).status == "pending"


def test_accepting_twice_or_too_late_is_refused(studio):
    made = offer(studio, wait(studio))
    other = offer(studio, wait(studio), start=MONDAY_TEN + HOUR)

    with account_scope(studio.account):
        accept_offer(made, at=NOW)
        with pytest.raises(OfferClosed) as again, transaction.atomic():
            accept_offer(made, at=NOW)
        with pytest.raises(OfferClosed) as late, transaction.atomic():
            accept_offer(other, at=NOW + HOUR)
        assert Payment.objects.count() == 1
    assert (again.value.extras, late.value.extras) == ({"status": "accepted"}, {"status": "lapsed"})


def test_declining_frees_the_time_and_cancels_what_was_sold(studio):
    entry = wait(studio)
    made = offer(studio, entry)

    with account_scope(studio.account):
        decline_offer(made, at=NOW)
        order = Order.objects.get(pk=made.order_id)
        assert (order.status, order.total_amount_cents, order.payment_status) == ("cancelled", 0, "unpaid")
        assert [(b.status, b.cancelled_side) for b in order.bookings.all()] == [("cancelled", "system")]
        with pytest.raises(OfferClosed), transaction.atomic():
            decline_offer(made, at=NOW)
    assert state(studio, entry) == ("waiting", 0, [(MONDAY_TEN, "declined")])
    assert (held(studio), broken(studio)) == ([], [])


def test_declining_gives_a_package_session_back(studio):
    studio.sell()
    made = offer(studio, wait(studio, client=studio.client))

    with account_scope(studio.account):
        decline_offer(made, at=NOW)
        assert set(Booking.objects.values_list("status", "offer")) == {("draft", None)}
        assert Order.objects.get().status == "active"


def test_leaving_releases_an_open_offer(studio):
    entry = wait(studio)
    offer(studio, entry)

    with account_scope(studio.account):
        leave_waitlist(entry, at=NOW)
        with pytest.raises(InvalidTransition), transaction.atomic():
            leave_waitlist(entry, at=NOW)
    assert state(studio, entry) == ("left", 0, [(MONDAY_TEN, "declined")])
    assert (held(studio), broken(studio)) == ([], [])


def test_a_token_answers_for_its_offer_only(studio, other_account):
    made, entry = None, wait(studio)
    made = offer(studio, entry)
    token = token_of(made)

    assert made.nonce not in token[: len(made.nonce)]
    for wrong in ("", token[:-1], token + "x", token_of(WaitlistOffer(account=other_account, pk=made.pk, nonce=made.nonce))):
        with pytest.raises(OfferClosed), transaction.atomic():
            answer_by_token(token=wrong, accept=True, at=NOW)
    with account_scope(studio.account):
        forged = WaitlistOffer(account=studio.account, pk=made.pk, nonce="0" * 32)
    with pytest.raises(OfferClosed), transaction.atomic():
        answer_by_token(token=token_of(forged), accept=True, at=NOW)
    assert answer_by_token(token=token, accept=True, at=NOW).status == "accepted"
    assert state(studio, entry)[0] == "booked"


def test_a_token_can_decline(studio):
    entry = wait(studio)

    answer_by_token(token=token_of(offer(studio, entry)), accept=False, at=NOW)

    assert state(studio, entry) == ("waiting", 0, [(MONDAY_TEN, "declined")])


# -- doctor


def test_doctor_finds_an_entry_without_its_offer_and_a_sale_that_outlived_its_offer(studio):
    made = offer(studio, wait(studio))
    assert broken(studio) == []

    with account_scope(studio.account):
        WaitlistOffer.objects.filter(pk=made.pk).update(status="lapsed")
    assert broken(studio) == ["I50"]
    with account_scope(studio.account):
        WaitlistEntry.objects.filter(pk=made.entry_id).update(status="waiting")
    assert broken(studio) == ["I50"]
    with account_scope(studio.account):
        Order.objects.filter(pk=made.order_id).update(status="cancelled")
    assert "I50" not in broken(studio)
