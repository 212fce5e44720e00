"""A pause against a session that gets its time at the same moment, and two transfers of the same sessions: who is first decides."""

import threading
import time
from datetime import date

import pytest
from django.db import connections

from apps.bookings.errors import PackagePaused
from apps.bookings.models import Booking
from apps.bookings.services import packages, pauses
from apps.bookings.services.pauses import pause_order
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.core.errors import DomainError, Invalid
from apps.core.tenancy import account_scope
from apps.orders.models import Order, PackagePause
from factories.clients import ClientFactory
from tests.bookings.owned import broken, own, sessions
from tests.studio import MONDAY_TEN, NOW, open_studio

MONDAY = date(2026, 11, 23)
ROUNDS = 6


def at_once(*calls):
    """Run each call in a thread and connection of its own; returns what it answered or raised, in order."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number, call):
        try:
            barrier.wait()
            answers[number] = call()
        except DomainError as error:
            answers[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def in_scope(studio, use_case, *args, **options):
    def call():
        with account_scope(studio.account):
            return use_case(*args, **{"at": NOW, **options})

    return call


def race(studio):
    """Pause and schedule at once; returns (what scheduling answered, sessions inside the pause afterwards)."""
    order = own(studio)
    booking = sessions(studio, order)[0]
    slot = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN}
    paused, scheduled = at_once(
        in_scope(studio, pause_order, order, first_day=MONDAY, last_day=MONDAY, reason="Ill"),
        in_scope(studio, schedule_booking, booking, **slot),
    )
    assert isinstance(paused, PackagePause)
    with account_scope(studio.account):
        inside = Booking.objects.filter(order=order, start_time=MONDAY_TEN).count()
        Booking.objects.filter(order=order).update(
            status="draft", start_time=None, end_time=None, busy_from=None, busy_until=None, practitioner=None
        )
    return scheduled, inside


@pytest.fixture
def slow_pause(monkeypatch):
    """Time between looking for sessions inside and writing the pause, so that whatever can slip in does."""
    look = pauses._sessions_inside

    def slowly(*args):
        found = look(*args)
        time.sleep(0.5)
        return found

    monkeypatch.setattr(pauses, "_sessions_inside", slowly)


@pytest.mark.django_db(transaction=True)
def test_nothing_slips_into_a_pause_that_is_being_written(slow_pause):
    studio = open_studio()

    for _ in range(ROUNDS):
        scheduled, inside = race(studio)
        assert inside == 0
        assert isinstance(scheduled, Booking | PackagePaused)  # first and returned, or second and refused


@pytest.mark.django_db(transaction=True)
def test_negative_control_without_the_orders_lock_a_session_slips_in(slow_pause, monkeypatch):
    def unlocked(ids):
        return {order.pk: order for order in Order.objects.select_related("account").filter(pk__in=ids)}

    monkeypatch.setattr(packages, "lock_orders", unlocked)
    studio = open_studio()

    assert sum(race(studio)[1] for _ in range(ROUNDS)) > 0


@pytest.mark.django_db(transaction=True)
def test_a_session_is_given_to_one_of_two_clients():
    studio = open_studio()
    order = own(studio, transferable=True)
    booking = sessions(studio, order)[0]
    people = ClientFactory.create_batch(2, account=studio.account)

    answers = at_once(*(in_scope(studio, transfer_sessions, order, to_client=one, sessions=[booking.pk]) for one in people))

    assert {type(answer) for answer in answers} == {Order, Invalid}
    assert broken() == []
