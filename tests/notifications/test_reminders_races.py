"""Reminders with real transactions: many senders at once, changes in between, and a mail server that was away."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction

from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import reschedule_booking
from apps.core.tenancy import account_scope, platform_scope
from apps.notifications.models import Delivery, Reminder
from apps.notifications.services import reminders as service
from apps.notifications.services.reminders import claim_due, plan_reminders, send_reminder
from apps.notifications.services.sending import send_delivery
from tests.bookings.life import TUESDAY_TEN, book, do
from tests.notifications.reminding import A_DAY_BEFORE, HOUR, at_time, messages, plan, reachable, reminders, rule, tick
from tests.studio import NOW, Studio

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TOGETHER = 8


@pytest.fixture
def reminded(studio: Studio):
    """A session with a planned reminder, and its client's address."""
    reachable(studio)
    rule(studio, 1440, ("email", "in_app"))
    booking = at_time(NOW, book, studio, at=NOW)
    plan(studio, booking)
    return booking


def all_at_once(calls: list[Callable[[], Any]]) -> list[Exception]:
    """Run them in threads that start together; what they raised."""
    barrier, failed = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        try:
            barrier.wait(10)
            call()
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return failed


def test_many_senders_of_one_reminder_send_it_once(studio, reminded):
    with account_scope(studio.account):
        ids = list(Reminder.objects.values_list("pk", flat=True))

    def send(pk: int) -> None:
        with account_scope(studio.account), transaction.atomic():
            send_reminder(pk, at=A_DAY_BEFORE)

    failed = all_at_once([lambda pk=pk: send(pk) for pk in ids for _ in range(TOGETHER // 2)])

    assert failed == []
    assert messages(studio) == (1, 1)


def test_without_the_sessions_lock_they_would_collide(studio, reminded, monkeypatch):
    """Negative control: unlocked, several find it planned; what then holds is the key of the message and of the reminder."""
    told: list[int] = []
    meeting = threading.Barrier(2)
    real = service._tell

    def counted(reminder: Reminder, *args: Any) -> None:
        told.append(reminder.pk)
        meeting.wait(5)
        real(reminder, *args)

    monkeypatch.setattr(service, "_tell", counted)
    monkeypatch.setattr(service, "_lock", lambda pk: service.Booking.objects.select_related("account", "client").get(pk=pk))
    monkeypatch.setattr("django.db.models.query.QuerySet.select_for_update", lambda self, **options: self)
    with account_scope(studio.account):
        pk = Reminder.objects.get(channel="email").pk

    def send() -> None:
        with account_scope(studio.account), transaction.atomic():
            send_reminder(pk, at=A_DAY_BEFORE)

    all_at_once([send, send])

    assert told == [pk, pk]
    assert messages(studio) == (0, 1)


def test_planning_by_many_at_once_makes_each_reminder_once(studio, reminded):
    with account_scope(studio.account):
        Reminder.objects.all().delete()

    def again() -> None:
        with account_scope(studio.account), transaction.atomic():
            plan_reminders(reminded.pk, at=NOW)

    assert all_at_once([again] * TOGETHER) == []
    assert reminders(studio) == [(2, 1440, "email", "planned", ""), (2, 1440, "in_app", "planned", "")]


def test_two_workers_claim_different_reminders(studio, reminded):
    with platform_scope("first"), transaction.atomic():
        first = claim_due(A_DAY_BEFORE, limit=1)
        others: list[Any] = []

        def second() -> None:
            with platform_scope("second"):
                others.extend(claim_due(A_DAY_BEFORE, limit=10))

        assert all_at_once([second]) == []
    assert len(first) == len(others) == 1
    assert first != others


def test_a_cancellation_and_the_sender_at_once_never_remind_of_what_is_cancelled(studio, reminded):
    """Whoever comes first wins; the reminder is written before the cancellation or not at all."""
    with account_scope(studio.account):
        pk = Reminder.objects.get(channel="email").pk

    def send() -> None:
        with account_scope(studio.account), transaction.atomic():
            send_reminder(pk, at=A_DAY_BEFORE)

    failed = all_at_once([send, lambda: do(studio, cancel_booking, reminded, at=A_DAY_BEFORE)])

    assert failed == []
    [(_, _, _, state, _)] = reminders(studio, channel="email")
    assert state in ("sent", "skipped")
    assert messages(studio) == (0, 1 if state == "sent" else 0)
    # And if it was written first, it is still looked at before it leaves the house.
    with account_scope(studio.account):
        mails = list(Delivery.objects.filter(kind="booking_reminder").values_list("pk", flat=True))
    with time_machine.travel(A_DAY_BEFORE, tick=True):
        assert [send_delivery(studio.account.pk, one) for one in mails] == [""] * len(mails)
    assert [one for one in mail.outbox if "Reminder" in one.subject] == []


@pytest.mark.parametrize(
    ("change", "leaves"), [("none", 1), ("cancelled", 0), ("moved", 0), ("started", 0)], ids=["control", "cancelled", "moved", "started"]
)
def test_a_reminder_that_waited_for_the_mail_server_is_looked_at_again(studio, reminded, change, leaves):
    tick(studio, A_DAY_BEFORE)
    later = A_DAY_BEFORE + HOUR
    if change == "cancelled":
        do(studio, cancel_booking, reminded, at=later)
    if change == "moved":
        do(studio, reschedule_booking, reminded, start_time=TUESDAY_TEN, at=later)
    if change == "started":
        later = A_DAY_BEFORE + 24 * HOUR
    with account_scope(studio.account):
        one = Delivery.objects.get(kind="booking_reminder")

    with time_machine.travel(later, tick=True):
        send_delivery(studio.account.pk, one.pk)

    with account_scope(studio.account):
        one.refresh_from_db()
    assert len([m for m in mail.outbox if "Reminder" in m.subject]) == leaves
    assert (one.state, one.error) == (("sent", "") if leaves else ("skipped", "not_current"))
