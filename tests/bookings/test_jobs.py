"""One piece of a periodic job that fails keeps none of the others waiting, and the job fails visibly at its end."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connection

from apps.bookings.models import Booking
from apps.bookings.services.scheduling import hold_booking
from apps.bookings.tasks import close_past_sessions, release_lapsed_holds
from apps.core.tenancy import account_scope
from apps.orders.services import lock_order
from tests.bookings.life import TUESDAY_TEN, book, do, row_of
from tests.studio import MONDAY_TEN, NOW, open_studio

TWO_DAYS = timedelta(days=2)


@pytest.mark.django_db(transaction=True)
def test_a_session_with_terms_that_cannot_be_read_does_not_keep_others_open():
    first, second = open_studio(), open_studio()
    for studio in (first, second):
        studio.account.settings = {"after_session": "no_show"}
        studio.account.save(update_fields=["settings"])
    unreadable, plain, elsewhere = book(first), book(first, start=MONDAY_TEN + timedelta(hours=1)), book(second)
    with account_scope(first.account):
        Booking.objects.filter(pk=unreadable.pk).update(policy={"rules": {"no_show": {"fee": {"kind": "none"}}}})

    with time_machine.travel(MONDAY_TEN + TWO_DAYS, tick=False), pytest.raises(KeyError):
        close_past_sessions(0)

    assert row_of(first, unreadable).status == "confirmed"
    assert [row_of(first, plain).status, row_of(second, elsewhere).status] == ["no_show", "no_show"]


@pytest.mark.django_db(transaction=True)
def test_a_hold_whose_order_somebody_has_locked_does_not_keep_others_from_being_freed():
    studio = open_studio()
    slot = {"practitioner": studio.practitioner}
    busy = do(studio, hold_booking, studio.draft(), start_time=MONDAY_TEN, **slot)
    free = do(studio, hold_booking, studio.draft(), start_time=TUESDAY_TEN, **slot)
    locked, done = threading.Event(), threading.Event()

    def keep_locked():
        with account_scope(studio.account):
            lock_order(busy.order_id)
            locked.set()
            done.wait(10)
        connection.close()

    other = threading.Thread(target=keep_locked)
    other.start()
    try:
        locked.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        with time_machine.travel(NOW + timedelta(hours=1), tick=True), pytest.raises(OperationalError, match="lock timeout"):
            release_lapsed_holds(0)
    finally:
        done.set()
        other.join()
        connection.close()

    assert [row_of(studio, one).status for one in (busy, free)] == ["held", "draft"]
