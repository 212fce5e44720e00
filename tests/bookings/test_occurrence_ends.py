"""Groups: cancelling everybody at once, the minimum, and seats under fire."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from apps.bookings.errors import SlotTaken
from apps.bookings.models import Booking
from apps.bookings.occurrences import undecided
from apps.bookings.services import scheduling
from apps.bookings.services.endings import check_in
from apps.bookings.services.occurrences import cancel_occurrence, decide_minimum, quote_cancel_occurrence
from apps.bookings.services.scheduling import hold_booking, schedule_booking
from apps.bookings.tasks import decide_minimums
from apps.core.errors import QuoteStale
from apps.core.tenancy import account_scope
from apps.payments.services import mark_received
from tests.bookings.groups import ELEVEN, TOMORROW, draft, events_of, join, rows, run, seats_at
from tests.studio import MONDAY_TEN, NOW, open_studio


@pytest.fixture
def group(account):
    """Classes of six, an hour long, every half hour."""
    return open_studio(account, capacity=6, slot_step_minutes=30)


# -- cancelling


def test_cancelling_returns_everything_and_says_beforehand_what_it_does(group):
    single = join(group)
    package = join(group, draft(group, package=group.package))
    elsewhere = join(group, start=TOMORROW)
    with account_scope(group.account):
        for order in (single.order, package.order):
            mark_received(order.payments.get(), at=NOW)
        paid_by = single.order.payments.get().pk
    before = rows(group)

    with account_scope(group.account), transaction.atomic():
        quote = quote_cancel_occurrence(service=group.service, practitioner=group.practitioner, start_time=MONDAY_TEN, at=NOW)
    assert rows(group) == before
    assert events_of(group, "booking.cancelled") == []
    result = run(group, cancel_occurrence, quote=quote["token"])

    assert {name: quote[name] for name in result} == result
    assert result == {
        "fee_cents": 0,
        "refund_cents": 5000,
        "currency": "EUR",
        "per_tender": [{"payment": paid_by, "method": "cash", "amount_cents": 5000}],
        "sessions": [
            {"id": single.pk, "outcome": "cancelled", "price_cents": 5000},
            {"id": package.pk, "outcome": "returned", "price_cents": package.price_cents},
        ],
    }
    with account_scope(group.account):
        states = dict(Booking.objects.filter(pk__in=[single.pk, package.pk, elsewhere.pk]).values_list("pk", "status"))
    assert states == {single.pk: "cancelled", package.pk: "draft", elsewhere.pk: "confirmed"}
    assert [one.subject_id for one in events_of(group, "booking.cancelled")] == [single.pk, package.pk]
    assert events_of(group, "booking.cancelled")[0].changes["reason"] == [None, "the room floods"]


def test_a_quote_no_longer_holds_when_somebody_has_joined(group):
    join(group)
    with account_scope(group.account), transaction.atomic():
        quote = quote_cancel_occurrence(service=group.service, practitioner=group.practitioner, start_time=MONDAY_TEN, at=NOW)
    join(group)
    before = rows(group)

    with pytest.raises(QuoteStale) as refused:
        run(group, cancel_occurrence, quote=quote["token"])

    assert len(refused.value.extras["quote"]["sessions"]) == 2
    assert rows(group) == before


# -- the minimum


@pytest.fixture
def class_of_three(account):
    """It takes three people, decided ten hours before the start."""
    return open_studio(account, capacity=6, min_attendees=3, min_attendees_hours=10)


DECISION = MONDAY_TEN - timedelta(hours=10)


def due(studio, at):
    with account_scope(studio.account):
        return [one.start_time for one in undecided(studio.account, at)]


def test_the_minimum_is_decided_from_its_hour_until_the_start(class_of_three):
    join(class_of_three)
    join(class_of_three)
    join(class_of_three, action=hold_booking, expires_at=MONDAY_TEN)  # holds do not count
    just = timedelta(microseconds=1)

    assert due(class_of_three, DECISION - just) == []
    assert due(class_of_three, DECISION) == [MONDAY_TEN]
    assert due(class_of_three, MONDAY_TEN - just) == [MONDAY_TEN]
    assert due(class_of_three, MONDAY_TEN) == []
    join(class_of_three)
    assert due(class_of_three, DECISION) == []


def test_staff_are_asked_once(class_of_three):
    join(class_of_three)
    for _ in range(2):
        with time_machine.travel(DECISION, tick=False):
            decide_minimums(0)

    (asked,) = events_of(class_of_three, "occurrence.below_minimum")
    assert (asked.subject_type, asked.subject_id, asked.source) == ("catalog.service", class_of_three.service.pk, "job:minimums")
    assert asked.changes == {
        "practitioner": [None, class_of_three.practitioner.pk],
        "start_time": [None, MONDAY_TEN.isoformat()],
        "attendees": [None, 1],
        "minimum": [None, 3],
    }
    assert [row[1] for row in rows(class_of_three)] == ["confirmed"]


def test_staff_are_asked_about_every_occurrence_of_every_account(class_of_three, make_studio):
    elsewhere = make_studio(capacity=4, min_attendees=2)
    for studio in (class_of_three, elsewhere):
        join(studio)
    join(class_of_three, start=ELEVEN)

    with time_machine.travel(DECISION + timedelta(hours=1), tick=False):
        assert decide_minimums(0) == 3
        assert decide_minimums(0) == 0


def test_the_system_cancels_where_the_account_wants_it(class_of_three):
    class_of_three.account.settings["below_minimum"] = "cancel"
    class_of_three.account.save()
    booking = join(class_of_three)
    package = join(class_of_three, draft(class_of_three, package=class_of_three.package))
    full = [join(class_of_three, start=ELEVEN) for _ in range(3)]

    with time_machine.travel(DECISION + timedelta(hours=1), tick=False):
        assert decide_minimums(0) == 1

    with account_scope(class_of_three.account):
        booking.refresh_from_db()
        package.refresh_from_db()
        assert (booking.status, booking.cancelled_side, booking.cancel_reason) == ("cancelled", "system", "Fewer than 3 attendees.")
        assert (booking.fee_cents, package.status) == (0, "draft")
        assert Booking.objects.filter(pk__in=[one.pk for one in full], status="confirmed").count() == 3
    assert events_of(class_of_three, "occurrence.below_minimum") == []


def test_staff_are_asked_when_somebody_is_there_already(class_of_three):
    class_of_three.account.settings["below_minimum"] = "cancel"
    class_of_three.account.save()
    here = join(class_of_three)
    with account_scope(class_of_three.account):
        check_in(here, at=MONDAY_TEN - timedelta(hours=1))

    with time_machine.travel(MONDAY_TEN - timedelta(minutes=30), tick=False):
        assert decide_minimums(0) == 1

    assert len(events_of(class_of_three, "occurrence.below_minimum")) == 1
    assert [row[1] for row in rows(class_of_three)] == ["checked_in"]


def test_the_decision_looks_again_before_it_is_made(class_of_three):
    join(class_of_three)
    with account_scope(class_of_three.account):
        (found,) = undecided(class_of_three.account, DECISION)
    for _ in range(2):
        join(class_of_three)

    with account_scope(class_of_three.account):
        assert decide_minimum(class_of_three.account, found, at=DECISION) == ""
    assert events_of(class_of_three, "occurrence.below_minimum") == []


def test_a_minimum_is_decided_at_most_a_year_before(group):
    group.service.min_attendees_hours = 8761

    with account_scope(group.account), pytest.raises(IntegrityError, match="catalog_service_min_attendees"), transaction.atomic():
        group.service.save()


# -- seats under fire


def fill(studio, people):
    """So many clients join at once; (what they were told, the seats that are taken)."""
    drafts, told = [draft(studio) for _ in range(people)], []
    ready = threading.Barrier(people)

    def ask(booking):
        try:
            with account_scope(studio.account):
                ready.wait()
                schedule_booking(booking, practitioner=studio.practitioner, start_time=MONDAY_TEN, at=NOW)
            told.append("seated")
        except SlotTaken:
            told.append("taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(booking,)) for booking in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(told), seats_at(studio, MONDAY_TEN)


@pytest.mark.django_db(transaction=True)
def test_twenty_for_six_seats_fill_exactly_six(make_studio):
    told, seats = fill(make_studio(capacity=6), 20)

    assert told == {"seated": 6, "taken": 14}
    assert seats == [1, 2, 3, 4, 5, 6]


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_constraint_decides_and_losers_try_the_next_seat(make_studio, monkeypatch):
    """All twenty have seen an empty class and want seat 1 before anybody writes."""
    write, together = scheduling.write_claim, threading.Barrier(20)
    first_choices = []

    def all_at_once(booking, fields):
        first_choices.append(booking.seat)
        together.wait()
        write(booking, fields)

    monkeypatch.setattr(scheduling, "lock_practitioners", lambda ids, at: dict.fromkeys(ids, False))
    monkeypatch.setattr(scheduling, "write_claim", all_at_once)

    told, seats = fill(make_studio(capacity=6), 20)

    assert first_choices == [1] * 20
    assert told == {"seated": 6, "taken": 14}
    assert seats == [1, 2, 3, 4, 5, 6]
