"""Answers, lapses and handlers at the same time, on real connections."""

import threading
import time as clock
from datetime import timedelta

import pytest
from django.db import connection

from apps.bookings.models import Booking, WaitlistOffer
from apps.bookings.services import waiting
from apps.bookings.services.waiting import lapse_offer
from apps.checkout import waitlist
from apps.checkout.waitlist import accept_offer, offer_freed_time, offer_time
from apps.core.errors import DomainError
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from tests.checkout.waiting import HOUR, broken, freed, held, offer, state, wait
from tests.studio import MONDAY_TEN, NOW, open_studio


def at_once(*calls):
    """Run every call in a thread and connection of its own, all at once; the outcome of each ("done" or the error's code)."""
    barrier, outcomes = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number, call):
        try:
            barrier.wait()
            call()
            outcomes[number] = "done"
        except DomainError as error:
            outcomes[number] = error.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _in(scope, function, *args, **options):
    def call():
        with account_scope(scope):
            function(*args, **options)

    return call


@pytest.fixture
def slow_confirmation(monkeypatch):
    """Time between the decision and its effect, so that whoever can slip in does."""
    confirm = waitlist._confirm

    def slowly(*args):
        confirm(*args)
        clock.sleep(0.4)

    monkeypatch.setattr(waitlist, "_confirm", slowly)


def _accept_against_lapse(studio):
    entry = wait(studio, start_time=MONDAY_TEN)
    made = offer(studio, entry)

    def lapse_a_moment_later():
        clock.sleep(0.15)
        lapse_offer(made, at=NOW + HOUR)

    outcomes = at_once(
        _in(studio.account, accept_offer, made, at=NOW + HOUR - timedelta(seconds=1)), _in(studio.account, lapse_a_moment_later)
    )
    with account_scope(studio.account):
        sessions = set(Booking.objects.values_list("status", flat=True))
    return outcomes, sessions, state(studio, entry)[:2]


@pytest.mark.django_db(transaction=True)
def test_of_a_yes_and_a_lapse_at_once_one_happens(slow_confirmation):
    studio = open_studio()

    outcomes, sessions, entry = _accept_against_lapse(studio)

    assert (outcomes, sessions, entry) == (["done", "offer_closed"], {"confirmed"}, ("booked", 0))
    assert broken(studio) == []


@pytest.mark.django_db(transaction=True)
def test_negative_control_without_the_locks_both_happen(slow_confirmation, monkeypatch):
    def unlocked(offer_id):
        made = WaitlistOffer.objects.select_related("entry__account", "entry__service").get(pk=offer_id)
        return waiting.Locked(made, made.entry, list(Booking.objects.filter(offer=made)))

    monkeypatch.setattr(waitlist, "lock_offer", unlocked)
    monkeypatch.setattr(waiting, "lock_offer", unlocked)

    outcomes, sessions, _ = _accept_against_lapse(open_studio())

    assert outcomes == ["done", "done"]
    assert sessions == {"cancelled"}  # confirmed to the client, and cancelled


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_say_yes_at_once_one_wins():
    studio = open_studio()
    studio.account.settings = {"waitlist_mode": "broadcast"}
    studio.account.save()
    for _ in range(10):
        wait(studio)
    freed(studio)
    with account_scope(studio.account):
        offers = list(WaitlistOffer.objects.order_by("pk"))

    outcomes = at_once(*(_in(studio.account, accept_offer, made, at=NOW) for made in offers))

    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "slot_taken", "offer_closed"}
    with account_scope(studio.account):
        assert Booking.objects.values_list("status", flat=True).get() == "confirmed"
        assert sorted(WaitlistOffer.objects.values_list("status", flat=True)) == ["accepted"] + ["withdrawn"] * 9
        assert Order.objects.count() == Payment.objects.count() == 1
    assert broken(studio) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_offers_to_one_client_at_once_one_is_made(monkeypatch):
    studio = open_studio()
    entry = wait(studio)
    find = waitlist._sessions_for

    def slowly(*args):
        clock.sleep(0.3)  # both have seen that the client waits
        return find(*args)

    monkeypatch.setattr(waitlist, "_sessions_for", slowly)
    starts = [MONDAY_TEN, MONDAY_TEN + HOUR]

    outcomes = at_once(
        *(_in(studio.account, offer_time, entry, practitioner=studio.practitioner, start_time=start, at=NOW) for start in starts)
    )

    assert sorted(outcomes) == ["done", "invalid_transition"]
    assert len(held(studio)) == 1
    assert broken(studio) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_handlers_at_once_one_offers():
    studio = open_studio()
    first, second = wait(studio, start_time=MONDAY_TEN), wait(studio, start_time=MONDAY_TEN)
    about = {"service_id": studio.service.pk, "practitioner_id": studio.practitioner.pk, "start_time": MONDAY_TEN, "at": NOW}

    at_once(*[_in(studio.account, offer_freed_time, account=studio.account, **about)] * 2)

    assert len(held(studio)) == 1
    assert (state(studio, first)[0], state(studio, second)[0]) == ("offered", "waiting")
    with account_scope(studio.account):
        assert Order.objects.count() == 1
