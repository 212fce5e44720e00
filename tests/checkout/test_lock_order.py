"""Selling a first session and offering freed time meet at one practitioner: both lock the practitioner before the order numbers."""

import time as clock

import pytest

from apps.bookings.models import Booking
from apps.checkout import waitlist
from apps.checkout.services import sell
from apps.checkout.waitlist import offer_freed_time, offer_time
from apps.core.tenancy import account_scope
from tests.checkout.test_waitlist_race import _in, at_once
from tests.checkout.waiting import wait
from tests.studio import MONDAY_TEN, NOW, open_studio

TUESDAY_TEN = MONDAY_TEN.replace(day=24)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["broadcast", "sequential"])
def test_a_sale_and_an_offer_by_the_clock_do_not_wait_for_one_another(mode, monkeypatch):
    studio = open_studio(capacity=2)
    studio.account.settings = {"waitlist_mode": mode}
    studio.account.save(update_fields=["settings"])
    own = studio.other_client()
    studio.sell(client=own)
    # The first client uses a session of their own, so the practitioner is locked before the second one's order gets its number.
    wait(studio, client=own, auto_accept_hours=1)
    wait(studio, auto_accept_hours=1)
    sessions_for, sold = waitlist._sessions_for, studio.other_client()

    def slowly(*args):
        found = sessions_for(*args) if args[0].client_id == own.pk else None
        clock.sleep(0.3 if found else 0.5)
        return found or sessions_for(*args)

    monkeypatch.setattr(waitlist, "_sessions_for", slowly)

    def sell_a_moment_later():
        clock.sleep(0.4)
        about = {"account": studio.account, "client": sold, "method": "cash", "service": studio.service}
        sell(**about, practitioner=studio.practitioner, start_time=TUESDAY_TEN, at=NOW)

    about = {"service_id": studio.service.pk, "practitioner_id": studio.practitioner.pk, "start_time": MONDAY_TEN, "at": NOW}
    outcomes = at_once(_in(studio.account, offer_freed_time, account=studio.account, **about), _in(studio.account, sell_a_moment_later))

    assert outcomes == ["done", "done"]
    with account_scope(studio.account):
        booked = Booking.objects.filter(status="confirmed").order_by("start_time")
        assert list(booked.values_list("start_time", flat=True)) == [MONDAY_TEN, MONDAY_TEN, TUESDAY_TEN]


@pytest.mark.django_db(transaction=True)
def test_an_offer_by_hand_waits_for_the_practitioner_before_it_sells(monkeypatch):
    studio = open_studio()
    entry, sold = wait(studio), studio.other_client()
    sessions_for = waitlist._sessions_for

    def slowly(*args):
        found = sessions_for(*args)
        clock.sleep(0.5)
        return found

    monkeypatch.setattr(waitlist, "_sessions_for", slowly)

    def sell_with_the_practitioner_locked():
        clock.sleep(0.2)
        about = {"account": studio.account, "client": sold, "method": "cash", "service": studio.service}
        waitlist.lock_practitioners([studio.practitioner.pk], NOW)  # as whoever has booked something before in the same transaction
        sell(**about, practitioner=studio.practitioner, start_time=TUESDAY_TEN, at=NOW)

    about = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN, "at": NOW}
    outcomes = at_once(_in(studio.account, offer_time, entry, **about), _in(studio.account, sell_with_the_practitioner_locked))

    assert outcomes == ["done", "done"]
