"""Rules that change while sessions lie ahead, and quiet hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.core.events import handlers_of
from apps.core.tenancy import account_scope
from apps.notifications.handlers_reminders import CHANGES_OF_TIME, plan_again
from apps.notifications.models import Reminder, ReminderRule
from apps.notifications.quiet import QuietHours
from apps.notifications.services import reminder_rules
from apps.notifications.services.reminder_rules import change_rule, create_rule, replan
from tests.bookings.life import TUESDAY_TEN, book, broken
from tests.notifications.reminding import A_DAY_BEFORE, DAY, HOUR, MINUTE, at_time, plan, reachable, reminders, rule, sent, tick
from tests.studio import MONDAY_TEN, NOW, Studio

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(21), time(8))


def booked(studio: Studio, start: datetime = MONDAY_TEN, at: datetime = NOW):
    booking = at_time(at, book, studio, studio.draft(client=studio.other_client()), start, at=at)
    plan(studio, booking, at)
    return booking


def changed(studio: Studio, one: ReminderRule, at: datetime = NOW + HOUR, **values: object) -> ReminderRule:
    """The rule after the change, with the sessions ahead planned anew."""

    def call() -> ReminderRule:
        with account_scope(studio.account):
            now = change_rule(one, **values)
        while True:
            carry_over(studio, now)
            with account_scope(studio.account):
                now = ReminderRule.objects.get(pk=one.pk)
            if now.replanned_through is None:
                return now

    return at_time(at, call)


def carry_over(studio: Studio, one: ReminderRule) -> int:
    """One batch of the job of this change."""
    return replan(account_id=studio.account.pk, rule_id=one.pk, generation=one.generation)


# -- rules


def test_a_new_rule_reaches_the_sessions_ahead_but_sends_nothing_late(studio):
    soon, later = booked(studio), booked(studio, TUESDAY_TEN)

    def make() -> ReminderRule:
        with account_scope(studio.account):
            return create_rule(studio.account, minutes_before=1440, channels=["email"])

    one = at_time(A_DAY_BEFORE + HOUR, make)
    assert at_time(A_DAY_BEFORE + HOUR, carry_over, studio, one) == 2

    with account_scope(studio.account):
        states = dict(Reminder.objects.values_list("booking_id", "reason"))
    assert states == {soon.pk: "past", later.pk: ""}


def test_a_longer_rule_moves_what_is_planned_and_a_stopped_one_skips_it(studio):
    reachable(studio)
    one = rule(studio, 60)
    booking = booked(studio)

    changed(studio, one, minutes_before=120)
    with account_scope(studio.account):
        assert Reminder.objects.get().due_at == MONDAY_TEN - 2 * HOUR
    changed(studio, one, NOW + 2 * HOUR, is_active=False)
    assert reminders(studio, booking=booking) == [(2, 120, "email", "skipped", "rule_changed")]
    changed(studio, one, NOW + 3 * HOUR, is_active=True)
    assert reminders(studio, booking=booking) == [(2, 120, "email", "planned", "")]
    changed(studio, one, NOW + 4 * HOUR, channels=["in_app", "email"])
    assert [row[2:] for row in reminders(studio)] == [("email", "planned", ""), ("in_app", "planned", "")]


def test_what_was_sent_is_not_sent_again_by_a_changed_rule(studio):
    one = rule(studio, 1440)
    booked(studio)
    tick(studio, A_DAY_BEFORE)

    changed(studio, one, A_DAY_BEFORE + HOUR, minutes_before=120)

    assert tick(studio, MONDAY_TEN - 2 * HOUR) == []
    assert len(sent(studio)) == 1


def test_a_rule_that_is_stopped_is_obeyed_before_its_job_has_run(studio):
    """Negative control: a sender that trusts the plan sends."""
    one = rule(studio, 1440)
    booked(studio)
    with account_scope(studio.account):
        at_time(NOW + HOUR, change_rule, one, is_active=False)

    assert tick(studio, A_DAY_BEFORE) == ["skipped"]
    assert reminders(studio) == [(2, 1440, "email", "skipped", "rule_changed")]


def test_replanning_goes_in_batches_and_says_how_far_it_is(studio, monkeypatch):
    monkeypatch.setattr(reminder_rules, "BATCH", 2)
    for hours in range(3):
        booked(studio, MONDAY_TEN + hours * HOUR)
    one = rule(studio, 60)
    progress = []

    for _ in range(3):
        done = at_time(NOW + HOUR, carry_over, studio, one)
        with account_scope(studio.account):
            now = ReminderRule.objects.get(pk=one.pk)
        progress.append((done, now.replanned, now.replanned_through is None))

    assert progress == [(2, 2, False), (1, 3, True), (0, 3, True)]
    assert len(reminders(studio)) == 3


def test_a_job_that_was_cut_off_goes_on_and_an_older_one_gives_way(studio, monkeypatch):
    monkeypatch.setattr(reminder_rules, "BATCH", 2)
    for hours in range(3):
        booked(studio, MONDAY_TEN + hours * HOUR)
    one = rule(studio, 60)
    real, calls = reminder_rules.plan_reminders, []

    def cut_off(booking_id, *, at):
        calls.append(booking_id)
        if len(calls) == 2:
            raise RuntimeError("cut off")
        real(booking_id, at=at)

    monkeypatch.setattr(reminder_rules, "plan_reminders", cut_off)
    with pytest.raises(RuntimeError, match="cut off"):
        at_time(NOW, carry_over, studio, one)
    assert [at_time(NOW, carry_over, studio, one) for _ in range(2)] == [2, 1]
    assert calls[0] == calls[2]
    with account_scope(studio.account):
        at_time(NOW, change_rule, one, minutes_before=90)
    assert at_time(NOW, carry_over, studio, one) == 0


def test_changing_nothing_is_no_change(studio):
    one = rule(studio, 60)

    with account_scope(studio.account):
        assert at_time(NOW, change_rule, one, minutes_before=60, channels=["email"]).generation == 0


# -- quiet hours


@pytest.mark.parametrize(
    ("due", "start", "comes"),
    [
        ("20:59", "10:00", "20:59"),
        ("21:00", "10:00", "08:00"),
        ("23:30", "10:00", "08:00"),
        ("07:59", "10:00", "08:00"),
        ("08:00", "10:00", "08:00"),
        ("07:00", "08:30", "08:00"),  # exactly half an hour before the start
        ("07:00", "08:29", "21:00"),
        ("06:00", "07:00", "21:00"),
    ],
)
def test_quiet_hours_move_a_reminder_later_or_before_they_begin(due, start, comes):
    """All of the night from 9 to 10 November in Berlin."""

    def instant(clock: str, *, evening: bool) -> datetime:
        wall = datetime.combine(date(2026, 11, 9 if evening else 10), time.fromisoformat(clock))
        return wall.replace(tzinfo=BERLIN).astimezone(UTC)

    shifted = NIGHT.shift(instant(due, evening=due > "12"), start=instant(start, evening=False), zone=BERLIN)

    assert shifted == instant(comes, evening=comes > "12")


def test_quiet_hours_within_a_day_and_none_at_all():
    noon = QuietHours(time(12), time(14))
    at = datetime(2026, 11, 10, 12, 30, tzinfo=BERLIN)

    assert noon.shift(at, start=at + DAY, zone=BERLIN) == datetime(2026, 11, 10, 14, tzinfo=BERLIN)
    assert QuietHours(time(9), time(9)).around(at, BERLIN) is None


@pytest.mark.parametrize(("day", "hours"), [(datetime(2026, 3, 29, tzinfo=BERLIN), 10), (datetime(2026, 10, 25, tzinfo=BERLIN), 12)])
def test_a_night_with_a_clock_change_is_shorter_or_longer(day, hours):
    begins, ends = NIGHT.around(day + HOUR, BERLIN)

    assert ends - begins == timedelta(hours=hours)
    assert (begins.astimezone(BERLIN).time(), ends.astimezone(BERLIN).time()) == (time(21), time(8))


@pytest.fixture
def quiet(studio) -> Studio:
    studio.account.settings = {"reminder_quiet_from": "21:00", "reminder_quiet_to": "08:00"}
    studio.account.save(update_fields=["settings"])
    return studio


def test_a_reminder_keeps_the_quiet_hours_of_the_clients_zone(quiet):
    """Two hours before 10:00 in Berlin is 03:00 in New York: it comes at 21:00 there, the evening before."""
    reachable(quiet)
    with account_scope(quiet.account):
        user = quiet.client.customer.user
        user.timezone = "America/New_York"
        user.save(update_fields=["timezone"])
    rule(quiet, 120)

    booking = at_time(NOW, book, quiet, at=NOW)
    plan(quiet, booking)

    with account_scope(quiet.account):
        due = Reminder.objects.get().due_at
    assert due == datetime(2026, 11, 22, 21, 0, tzinfo=ZoneInfo("America/New_York"))
    assert tick(quiet, due) == ["sent"]


def test_a_late_reminder_waits_for_the_morning(quiet):
    rule(quiet, 60 * 13)  # 21:00 in Berlin on Sunday, so 08:00 on Monday
    rule(quiet, 60 * 16)  # 18:00 on Sunday
    booked(quiet)
    midnight = MONDAY_TEN - 10 * HOUR

    assert tick(quiet, midnight) == ["planned"]
    assert tick(quiet, midnight + 10 * MINUTE) == []
    assert sorted(tick(quiet, MONDAY_TEN - 2 * HOUR)) == ["sent", "skipped"]
    assert [one.rule.minutes_before for one in sent(quiet)] == [60 * 13]


def test_a_late_reminder_that_could_only_come_too_late_is_given_up(quiet):
    nine = MONDAY_TEN - HOUR
    rule(quiet, 13 * 60)  # 20:00 the evening before
    quiet.account.settings = {"reminder_quiet_from": "21:00", "reminder_quiet_to": "08:45"}
    quiet.account.save(update_fields=["settings"])
    booked(quiet, nine)

    assert tick(quiet, nine - 3 * HOUR) == ["skipped"]
    assert [row[3:] for row in reminders(quiet)] == [("skipped", "quiet_hours")]


def test_doctor_finds_what_must_not_be(studio):
    rule(studio, 1440)
    booking = booked(studio)
    codes = ("I80", "I80.once", "I80.sent", "I80.due", "I18.reminders")
    assert broken(*codes) == {}

    with account_scope(studio.account):
        pk = Reminder.objects.get().pk
        Reminder.objects.update(start_time=MONDAY_TEN + DAY, due_at=NOW - 400 * DAY)
        type(booking).objects.filter(pk=booking.pk).update(updated_at=NOW - 400 * DAY)
    assert broken(*codes) == {"I80": [(pk,)], "I80.due": [(pk,)]}
    with account_scope(studio.account):
        Reminder.objects.update(state="sent", sent_at=MONDAY_TEN + 2 * DAY)
    assert broken(*codes) == {"I80.sent": [(pk,)]}


def test_all_of_it_runs_as_jobs_of_the_commit(studio):
    """The handler is registered for every change of a session's time."""
    name = f"{plan_again.__module__}.{plan_again.__qualname__}"

    assert [one for one in CHANGES_OF_TIME if name not in handlers_of(one)] == []
