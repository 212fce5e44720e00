"""Who is offered freed time, and who is next. What runs by itself is run through the queue."""

import logging
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction

from apps.bookings.errors import OfferClosed
from apps.bookings.models import Booking, WaitlistEntry, WaitlistOffer
from apps.bookings.services.endings import cancel_booking, complete_booking
from apps.bookings.services.scheduling import Override, confirm_booking, release_hold, reschedule_booking
from apps.bookings.services.waiting import decline_offer, lapse_offer, wake_entry
from apps.bookings.tasks import release_lapsed_holds
from apps.checkout import waitlist
from apps.checkout.tasks import sweep_waitlists
from apps.checkout.waitlist import accept_offer
from apps.core.db import rows
from apps.core.errors import InvalidTransition
from apps.core.events import deliver
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from tests.checkout.waiting import HOUR, LATER, broken, freed, held, offer, state, sweep, taken, travel, wait, work
from tests.studio import MONDAY_TEN, NOW


@pytest.fixture(autouse=True)
def _empty_queue(db):
    """What tests with transactions of their own have left there."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


# -- passing on


def test_freed_time_is_offered_in_order_and_a_decline_passes_it_on(studio):
    booking = taken(studio)
    first, urgent, third = wait(studio), wait(studio, priority=5), wait(studio)
    with travel(NOW):
        with account_scope(studio.account):
            cancel_booking(booking, by="client")
        work()
        assert held(studio) == [(urgent.client_id, MONDAY_TEN)]

        for client, entry in ((first, urgent), (third, first)):
            with account_scope(studio.account):
                decline_offer(WaitlistOffer.objects.get(entry=entry))
            work()
            assert held(studio) == [(client.client_id, MONDAY_TEN)]

        with account_scope(studio.account):
            decline_offer(WaitlistOffer.objects.get(entry=third))
        work()
    assert held(studio) == []  # everybody was asked once
    assert [state(studio, entry)[2] for entry in (first, urgent, third)] == [[(MONDAY_TEN, "declined")]] * 3


def test_a_handler_that_runs_twice_offers_once(studio):
    booking = taken(studio)
    first, second = wait(studio), wait(studio)
    with travel(NOW):
        with account_scope(studio.account):
            cancel_booking(booking, by="provider")
            event = Event.objects.get(type="booking.cancelled")
        handler = "apps.checkout.handlers.offer_what_a_session_gave_up"
        for _ in range(2):
            deliver(account_id=studio.account.pk, event_id=event.pk, handler=handler)
    assert state(studio, first) == ("offered", 0, [(MONDAY_TEN, "open")])
    assert state(studio, second) == ("waiting", 0, [])


def test_moved_released_and_lapsed_time_is_offered(studio):
    entries = [wait(studio, start_time=MONDAY_TEN + hours * HOUR) for hours in range(3)]
    moved, released, lapsed = (taken(studio, MONDAY_TEN + hours * HOUR) for hours in range(3))
    with travel(NOW):
        with account_scope(studio.account):
            reschedule_booking(moved, start_time=MONDAY_TEN + 5 * HOUR)
            Booking.objects.filter(pk__in=[released.pk, lapsed.pk]).update(status="held", hold_expires_at=NOW + HOUR)
            release_hold(released)
            Booking.objects.filter(pk=lapsed.pk).update(hold_expires_at=NOW)
        release_lapsed_holds(timestamp=0)
        work()
    assert [state(studio, entry) for entry in entries] == [("offered", 0, [(MONDAY_TEN + h * HOUR, "open")]) for h in range(3)]


def test_off_means_off_but_staff_may_offer(studio):
    studio.account.settings = {"waitlist_mode": "off"}
    studio.account.save()
    entry = wait(studio)

    assert freed(studio) == []
    with travel(NOW):
        sweep(studio)
    assert held(studio) == []
    assert offer(studio, entry).status == "open"


def test_a_group_offers_as_many_seats_as_there_are(make_studio):
    studio = make_studio(capacity=4)
    taken(studio)
    one, three, two, last = wait(studio), wait(studio, party=3), wait(studio, party=2), wait(studio)

    assert freed(studio) == [one.pk, two.pk]
    assert [state(studio, entry)[0] for entry in (one, three, two, last)] == ["offered", "waiting", "offered", "waiting"]


def test_who_cannot_take_it_is_passed_over(studio, caplog):
    caplog.set_level(logging.INFO, logger=waitlist.logger.name)
    greedy = wait(studio)
    with account_scope(studio.account):
        for hours in range(1, 6):  # five open holds: as many as one client may have
            held_one = studio.sell(service=studio.service, client=greedy.client).bookings[0]
            waitlist.hold_booking(held_one, practitioner=studio.practitioner, start_time=MONDAY_TEN + hours * HOUR, at=NOW)
    second = wait(studio)

    assert freed(studio) == [second.pk]
    assert [record.getMessage() for record in caplog.records] == [f"waitlist entry {greedy.pk} is passed over: limit_reached"]
    assert broken(studio) == []


def test_auto_accept_books_at_once_from_far_enough_away(studio):
    entry = wait(studio, auto_accept_hours=49)
    night = wait(studio, auto_accept_hours=24, first_day=date(2026, 11, 24), last_day=date(2026, 11, 24))
    near = wait(studio, auto_accept_hours=50)

    assert freed(studio) == [entry.pk]
    assert freed(studio, MONDAY_TEN + 24 * HOUR, at=datetime(2026, 11, 22, 4, tzinfo=UTC)) == [night.pk]
    assert state(studio, entry) == ("booked", 0, [(MONDAY_TEN, "accepted")])
    assert state(studio, night) == ("booked", 0, [(MONDAY_TEN + 24 * HOUR, "accepted")])
    assert freed(studio, MONDAY_TEN + 48 * HOUR, at=MONDAY_TEN) == [near.pk]  # 48 hours away: asked
    assert state(studio, near)[0] == "offered"
    with account_scope(studio.account):
        assert Payment.objects.count() == 2


# -- lapsing


def test_a_lapse_passes_on_and_three_put_the_entry_to_sleep(studio):
    entry = wait(studio)
    days = [MONDAY_TEN + n * 24 * HOUR for n in range(3)]
    for number, start in enumerate(days, start=1):
        made = offer(studio, entry, start, at=NOW)
        with account_scope(studio.account), transaction.atomic():
            lapse_offer(made, at=NOW + HOUR)
        assert state(studio, entry)[:2] == ("sleeping" if number == 3 else "waiting", number)
    with account_scope(studio.account):
        assert set(Order.objects.values_list("status", "total_amount_cents", "payment_status")) == {("cancelled", 0, "unpaid")}
        assert Event.objects.filter(type="waitlist.slept").count() == 1
    assert freed(studio, MONDAY_TEN + 72 * HOUR) == []

    with account_scope(studio.account):
        wake_entry(entry, at=NOW)
        with pytest.raises(InvalidTransition), transaction.atomic():
            wake_entry(entry, at=NOW)
    assert state(studio, entry)[:2] == ("waiting", 0)
    assert freed(studio, MONDAY_TEN + 72 * HOUR) == [entry.pk]
    assert broken(studio) == []


def test_an_offer_does_not_lapse_before_its_time(studio):
    made = offer(studio, wait(studio))

    with account_scope(studio.account), pytest.raises(OfferClosed), transaction.atomic():
        lapse_offer(made, at=NOW + HOUR - timedelta(seconds=1))
    assert len(held(studio)) == 1


def test_the_sweep_lapses_and_the_next_one_is_asked(studio):
    booking, first, second = taken(studio), wait(studio, start_time=MONDAY_TEN), wait(studio, start_time=MONDAY_TEN)
    with travel(NOW):
        with account_scope(studio.account):
            cancel_booking(booking, by="provider")
        work()
    with travel(LATER):
        sweep(studio)
    assert state(studio, first) == ("waiting", 1, [(MONDAY_TEN, "lapsed")])
    assert state(studio, second) == ("offered", 0, [(MONDAY_TEN, "open")])
    assert broken(studio) == []


def test_a_hold_freed_by_the_clock_lapses_its_offer_and_voids_what_was_sold(studio):
    first, second = wait(studio, start_time=MONDAY_TEN), wait(studio, start_time=MONDAY_TEN)
    with travel(NOW):
        freed(studio)
    with travel(LATER):
        release_lapsed_holds(timestamp=0)  # each minute, before any sweep
        work()
    assert state(studio, first) == ("waiting", 1, [(MONDAY_TEN, "lapsed")])
    assert state(studio, second) == ("offered", 0, [(MONDAY_TEN, "open")])
    with account_scope(studio.account):
        assert list(Order.objects.order_by("pk").values_list("status", "total_amount_cents")) == [("cancelled", 0), ("active", 5000)]
    assert broken(studio) == []


def test_a_hold_released_by_staff_closes_its_offer(studio):
    entry = wait(studio, start_time=MONDAY_TEN)
    made = offer(studio, entry)
    with travel(NOW):
        with account_scope(studio.account):
            release_hold(Booking.objects.get(offer=made))
        with account_scope(studio.account), pytest.raises(OfferClosed), transaction.atomic():
            accept_offer(made)
        work()
    assert state(studio, entry) == ("waiting", 0, [(MONDAY_TEN, "declined")])
    with account_scope(studio.account):
        assert Order.objects.get().status == "cancelled"


def test_a_hold_confirmed_by_staff_accepts_its_offer(studio):
    entry = wait(studio, start_time=MONDAY_TEN)
    made = offer(studio, entry)
    with travel(NOW), account_scope(studio.account):
        confirm_booking(Booking.objects.get(offer=made))
    with travel(NOW + 2 * HOUR):
        work()
    assert state(studio, entry) == ("booked", 0, [(MONDAY_TEN, "accepted")])
    with account_scope(studio.account):
        assert Payment.objects.get().amount_cents == 5000
    assert broken(studio) == []


def test_the_sweep_finds_new_openings_and_ends_what_has_passed(studio):
    past, asleep = wait(studio, start_time=MONDAY_TEN - HOUR), wait(studio, start_time=MONDAY_TEN - HOUR)
    new, later = wait(studio, first_day=date(2026, 11, 23), last_day=date(2026, 11, 24)), wait(studio)
    with account_scope(studio.account):
        WaitlistEntry.objects.filter(pk=asleep.pk).update(status="sleeping")
    with travel(MONDAY_TEN - HOUR + timedelta(minutes=1)):
        sweep(studio)
    assert [state(studio, entry)[0] for entry in (past, asleep)] == ["expired", "expired"]
    assert state(studio, new) == ("offered", 0, [(MONDAY_TEN, "open")])
    assert state(studio, later) == ("offered", 0, [(MONDAY_TEN + 24 * HOUR, "open")])


def test_more_seats_are_found_by_the_sweep(make_studio):
    studio = make_studio(capacity=1)
    taken(studio)
    entry = wait(studio, start_time=MONDAY_TEN)
    with travel(NOW):
        sweep(studio)
        assert state(studio, entry)[0] == "waiting"
        studio.service.capacity = 2
        with account_scope(studio.account):
            studio.service.save()
        sweep(studio)
    assert state(studio, entry)[0] == "offered"


def test_every_account_with_a_waitlist_is_swept(studio, other_account):
    wait(studio)

    assert sweep_waitlists(timestamp=0) == 1
    queued = rows("SELECT args ->> 'account_id' FROM procrastinate_jobs WHERE task_name = 'waitlist.sweep_account'")
    assert queued == [(str(studio.account.pk),)]
    assert other_account.pk != studio.account.pk


# -- broadcast


@pytest.fixture
def broadcasting(studio):
    studio.account.settings = {"waitlist_mode": "broadcast"}
    studio.account.save()
    return studio


def test_a_broadcast_asks_ten_and_holds_nothing(broadcasting):
    entries = [wait(broadcasting) for _ in range(12)]

    asked = freed(broadcasting)

    assert asked == [entry.pk for entry in entries[:10]]
    assert held(broadcasting) == []
    assert freed(broadcasting) == []  # it is still running
    with account_scope(broadcasting.account):
        assert set(WaitlistOffer.objects.values_list("mode", "status", "expires_at")) == {("broadcast", "open", NOW + HOUR)}
        assert Order.objects.count() == 0


def test_the_first_yes_books_and_the_others_are_told(broadcasting):
    entries = [wait(broadcasting) for _ in range(3)]
    freed(broadcasting)

    with account_scope(broadcasting.account):
        first, second, third = WaitlistOffer.objects.order_by("pk")
        accept_offer(second, at=NOW)
        with pytest.raises(OfferClosed) as late, transaction.atomic():
            accept_offer(first, at=NOW)
        assert late.value.extras == {"status": "withdrawn"}
        session = Booking.objects.get()
        assert (session.client_id, session.status, session.offer_id) == (entries[1].client_id, "confirmed", second.pk)
        assert Payment.objects.get().amount_cents == 5000
        assert third.pk
    assert [state(broadcasting, entry)[0] for entry in entries] == ["waiting", "booked", "waiting"]
    assert broken(broadcasting) == []


def test_a_broadcast_that_nobody_answers_goes_to_the_next_ten(broadcasting):
    entries = [wait(broadcasting, start_time=MONDAY_TEN) for _ in range(11)]
    with travel(NOW):
        freed(broadcasting)
    with travel(LATER):
        sweep(broadcasting)
    assert state(broadcasting, entries[0]) == ("waiting", 1, [(MONDAY_TEN, "lapsed")])
    assert state(broadcasting, entries[10]) == ("offered", 0, [(MONDAY_TEN, "open")])


def test_a_broadcast_for_a_group_goes_on_while_there_is_room(make_studio):
    studio = make_studio(capacity=3)
    studio.account.settings = {"waitlist_mode": "broadcast"}
    studio.account.save()
    single, pair, other = wait(studio), wait(studio, party=2), wait(studio)
    freed(studio)

    with account_scope(studio.account):
        offers = {o.entry_id: o for o in WaitlistOffer.objects.all()}
        accept_offer(offers[single.pk], at=NOW)
        assert [state(studio, e)[0] for e in (pair, other)] == ["offered", "offered"]
        accept_offer(offers[other.pk], at=NOW)
    assert [state(studio, e)[0] for e in (single, pair, other)] == ["booked", "waiting", "booked"]
    assert broken(studio) == []


def test_a_broadcast_books_for_who_has_accepted_beforehand(broadcasting):
    asked, at_once = wait(broadcasting, priority=1), wait(broadcasting, auto_accept_hours=1)

    assert freed(broadcasting) == [at_once.pk]
    assert state(broadcasting, at_once)[0] == "booked"
    assert state(broadcasting, asked) == ("waiting", 0, [])


def test_an_offer_ends_with_a_session_that_was_over_before_its_handlers_ran(studio):
    entry = wait(studio)
    made = offer(studio, entry)
    with travel(NOW), account_scope(studio.account):
        session = confirm_booking(Booking.objects.get(offer=made), at=NOW)
        complete_booking(session, override=Override("came early"), at=NOW)

    with travel(LATER):
        work()

    assert state(studio, entry) == ("booked", 0, [(MONDAY_TEN, "accepted")])
    with account_scope(studio.account):
        assert Payment.objects.filter(order=made.order).count() == 1
    assert broken(studio) == []
