"""Reminders: planned with the session, looked at again when they are due, and never sent about what does not take place."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking, check_in
from apps.bookings.services.scheduling import confirm_booking, reschedule_booking, schedule_booking
from apps.core.tenancy import account_scope
from apps.notifications import tasks_reminders
from apps.notifications.models import Delivery, Reminder
from apps.notifications.tasks_reminders import send_due_reminders
from tests.bookings.life import TUESDAY_TEN, book, do, row_of
from tests.notifications.reminding import (
    A_DAY_BEFORE,
    DAY,
    HOUR,
    MINUTE,
    at_time,
    messages,
    plan,
    reachable,
    reminders,
    rule,
    sent,
    tick,
)
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.django_db


def booked(studio: Studio, at=NOW, start=MONDAY_TEN) -> Booking:
    """A session that was booked and planned for at this moment."""
    booking = at_time(at, book, studio, studio.draft(), start, at=at)
    plan(studio, booking, at)
    return booking


def test_a_confirmed_session_gets_a_reminder_of_each_rule_and_channel(studio):
    rule(studio, 1440, ("email",))
    rule(studio, 120, ("in_app", "email"))

    booked(studio)

    assert reminders(studio) == [
        (2, 1440, "email", "planned", ""),
        (2, 120, "email", "planned", ""),
        (2, 120, "in_app", "planned", ""),
    ]


def test_planning_twice_or_late_comes_to_the_same(studio):
    rule(studio)
    booking = booked(studio)
    before = reminders(studio)

    plan(studio, booking, NOW + HOUR)

    assert reminders(studio) == before


def test_a_reminder_is_sent_once_when_it_is_due(studio):
    reachable(studio)
    rule(studio, 1440, ("in_app", "email"))
    booked(studio)

    assert tick(studio, A_DAY_BEFORE - MINUTE) == []
    assert tick(studio, A_DAY_BEFORE) == ["sent", "sent"]
    assert tick(studio, A_DAY_BEFORE + MINUTE) == []
    assert messages(studio) == (1, 1)
    with account_scope(studio.account):
        [mail] = Delivery.objects.all()
        assert Reminder.objects.get(channel="email").delivery_id == mail.pk
    assert mail.attachments[0]["name"] == "session.ics"
    assert f"SEQUENCE:{2}\r\n" in mail.attachments[0]["text"]


def test_what_was_past_when_the_session_was_booked_is_not_sent_late(studio):
    rule(studio)
    rule(studio, 120)

    booked(studio, at=A_DAY_BEFORE)

    assert reminders(studio) == [(2, 1440, "email", "skipped", "past"), (2, 120, "email", "planned", "")]


def test_a_plan_that_was_made_late_does_not_lose_what_was_due_meanwhile(studio):
    """The worker was away when the session was booked, and came back after the reminder's time."""
    reachable(studio)
    rule(studio)
    booking = at_time(NOW, book, studio, at=NOW)

    plan(studio, booking, A_DAY_BEFORE + HOUR)

    assert tick(studio, A_DAY_BEFORE + HOUR) == ["sent"]


def test_a_cancelled_session_is_not_reminded_of(studio):
    reachable(studio)
    rule(studio)
    booking = booked(studio)
    do(studio, cancel_booking, booking)

    plan(studio, booking)

    assert reminders(studio) == [(2, 1440, "email", "skipped", "cancelled")]
    assert tick(studio, A_DAY_BEFORE) == []


def test_a_session_that_was_cancelled_a_moment_ago_is_not_reminded_of_before_its_handler_has_run(studio):
    """Negative control: with the plan of ``send_reminder`` taken out, this sends."""
    reachable(studio)
    rule(studio)
    booking = booked(studio)
    do(studio, cancel_booking, booking)

    assert tick(studio, A_DAY_BEFORE) == ["skipped"]
    assert (reminders(studio), messages(studio)) == ([(2, 1440, "email", "skipped", "cancelled")], (0, 0))


def test_a_moved_session_is_reminded_of_its_new_time_only(studio):
    reachable(studio)
    rule(studio)
    booking = booked(studio)
    at_time(NOW + HOUR, do, studio, reschedule_booking, booking, start_time=TUESDAY_TEN)

    assert tick(studio, A_DAY_BEFORE) == ["planned"]
    assert reminders(studio) == [(2, 1440, "email", "skipped", "changed"), (3, 1440, "email", "planned", "")]
    assert tick(studio, A_DAY_BEFORE + DAY) == ["sent"]
    assert [one.start_time for one in sent(studio)] == [TUESDAY_TEN]


def test_a_moved_session_is_reminded_of_anew_after_it_was_reminded_of(studio):
    reachable(studio)
    rule(studio)
    booking = booked(studio)
    tick(studio, A_DAY_BEFORE)
    at_time(A_DAY_BEFORE + HOUR, do, studio, reschedule_booking, booking, start_time=TUESDAY_TEN + DAY, at=A_DAY_BEFORE + HOUR)
    plan(studio, booking, A_DAY_BEFORE + HOUR)

    assert tick(studio, TUESDAY_TEN) == ["sent"]
    assert [one.start_time for one in sent(studio)] == [MONDAY_TEN, TUESDAY_TEN + DAY]


def test_a_new_version_with_the_same_start_is_not_reminded_of_again(studio):
    reachable(studio)
    rule(studio, 120)
    booking = booked(studio)
    tick(studio, MONDAY_TEN - 2 * HOUR)
    at_time(MONDAY_TEN - HOUR, do, studio, check_in, booking, at=MONDAY_TEN - HOUR)

    plan(studio, booking, MONDAY_TEN - HOUR)

    assert reminders(studio) == [(2, 120, "email", "sent", ""), (3, 120, "email", "skipped", "already_sent")]
    assert messages(studio) == (0, 1)


def test_a_reminder_that_was_due_a_moment_ago_outlives_a_new_version_with_the_same_start(studio):
    """Due at T, checked in right after T, planned and ticked later: it is the new version's reminder then."""
    reachable(studio)
    rule(studio, 120)
    booking = booked(studio)
    at_time(MONDAY_TEN - 119 * MINUTE, do, studio, check_in, booking, at=MONDAY_TEN - 119 * MINUTE)

    plan(studio, booking, MONDAY_TEN - 118 * MINUTE)

    assert reminders(studio) == [(2, 120, "email", "skipped", "changed"), (3, 120, "email", "planned", "")]
    assert tick(studio, MONDAY_TEN - 117 * MINUTE) == ["sent"]


def test_nobody_is_reminded_of_what_has_started(studio):
    reachable(studio)
    rule(studio)
    booked(studio)

    assert tick(studio, MONDAY_TEN) == ["skipped"]
    assert reminders(studio) == [(2, 1440, "email", "skipped", "started")]


def test_after_a_day_without_a_worker_only_the_reminder_closest_to_the_start_is_sent(studio):
    reachable(studio)
    rule(studio, 1440)
    rule(studio, 120)
    booked(studio)

    assert sorted(tick(studio, MONDAY_TEN - HOUR)) == ["sent", "skipped"]
    assert reminders(studio) == [(2, 1440, "email", "skipped", "next_is_due"), (2, 120, "email", "sent", "")]


def test_a_late_reminder_is_sent_while_the_next_is_not_due(studio):
    reachable(studio)
    rule(studio, 1440)
    rule(studio, 120)
    booked(studio)

    assert tick(studio, MONDAY_TEN - 3 * HOUR) == ["sent"]


def test_rules_of_the_same_time_remind_once(studio):
    reachable(studio)
    rule(studio, 1440)
    rule(studio, 1440, service=studio.service)
    booked(studio)

    assert sorted(tick(studio, A_DAY_BEFORE)) == ["sent", "skipped"]
    assert messages(studio) == (0, 1)


def test_a_rule_of_another_service_is_not_asked(studio, make_studio):
    other = make_studio(studio.account)
    rule(studio, service=other.service)

    booked(studio)

    assert reminders(studio) == []


def test_a_client_without_an_address_is_not_reminded(studio):
    with account_scope(studio.account):
        studio.client.email = ""
        studio.client.save(update_fields=["email"])
    rule(studio)
    booked(studio)

    assert tick(studio, A_DAY_BEFORE) == ["skipped"]
    assert reminders(studio) == [(2, 1440, "email", "skipped", "unreachable")]


def test_a_session_that_waits_for_approval_is_reminded_of_once_it_is_confirmed(make_studio):
    studio = make_studio(requires_approval=True)
    rule(studio)
    booking = at_time(NOW, do, studio, schedule_booking, studio.draft(), practitioner=studio.practitioner, start_time=MONDAY_TEN)
    plan(studio, booking)
    assert (booking.status, reminders(studio)) == ("pending", [])

    at_time(NOW + HOUR, do, studio, confirm_booking, booking, at=NOW + HOUR)
    plan(studio, booking, NOW + HOUR)

    assert reminders(studio) == [(3, 1440, "email", "planned", "")]


def test_the_database_refuses_a_second_reminder_of_one_start(studio):
    reachable(studio)
    rule(studio)
    booked(studio)
    tick(studio, A_DAY_BEFORE)

    with account_scope(studio.account):
        one = Reminder.objects.get()
        one.pk, one.version = None, one.version + 1
        with pytest.raises(IntegrityError, match="notifications_reminder_sent_once"), transaction.atomic():
            one.save(force_insert=True)


def test_reminders_of_a_closed_account_wait(studio):
    reachable(studio)
    rule(studio)
    booked(studio)
    studio.account.status = "closed"
    studio.account.save(update_fields=["status"])

    assert tick(studio, A_DAY_BEFORE) == []


def test_a_claimed_reminder_is_queued_again_when_its_job_left_no_trace(studio):
    rule(studio)
    booked(studio)

    assert at_time(A_DAY_BEFORE, send_due_reminders, 0) == 1
    assert at_time(A_DAY_BEFORE + 9 * MINUTE, send_due_reminders, 0) == 0
    assert at_time(A_DAY_BEFORE + 10 * MINUTE, send_due_reminders, 0) == 1


def test_more_than_a_batch_is_queued_in_one_run(studio, monkeypatch):
    monkeypatch.setattr(tasks_reminders, "BATCH", 2)
    rule(studio, 1440, ("email", "in_app", "sms"))
    rule(studio, 1500, ("email", "in_app"))
    booked(studio)

    assert at_time(A_DAY_BEFORE, tasks_reminders.send_due_reminders, 0) == 5


def test_the_session_stays_as_it_is(studio):
    rule(studio)
    booking = booked(studio)
    before = row_of(studio, booking)

    tick(studio, A_DAY_BEFORE)

    assert row_of(studio, booking).version == before.version
    assert timedelta() == row_of(studio, booking).updated_at - before.updated_at
