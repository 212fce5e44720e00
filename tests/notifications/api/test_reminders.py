"""Rules and reminders over HTTP."""

import pytest
import time_machine
from django.db import IntegrityError, transaction

from apps.core.events import Event
from apps.core.tenancy import account_scope
from apps.notifications.models import Reminder, ReminderRule
from factories.reminders import ReminderFactory, ReminderRuleFactory
from tests.bookings.life import book
from tests.notifications.reminding import at_time, plan, rule
from tests.studio import NOW

pytestmark = pytest.mark.django_db

RULES = "/api/reminder-rules/"
NEW = {"minutes_before": 120, "channels": ["email", "in_app"]}


def error_of(answer):
    return answer.status_code, answer.json()["error"], sorted(answer.json().get("fields", {}))


def events(account):
    with account_scope(account):
        return list(Event.objects.filter(type__startswith="reminder_rule.").order_by("pk").values_list("type", "changes"))


def test_a_rule_is_made_changed_stopped_and_deleted(owner, account):
    made = owner.post(RULES, NEW)
    assert made.status_code == 201
    body = made.json()
    assert {name: body[name] for name in ("minutes_before", "channels", "service", "is_active", "replanning")} == {
        "minutes_before": 120,
        "channels": ["email", "in_app"],
        "service": None,
        "is_active": True,
        "replanning": {"is_done": False, "sessions": 0},
    }
    path = f"{RULES}{body['id']}/"

    assert owner.patch(path, {"channels": ["sms"]}).json()["channels"] == ["sms"]
    assert owner.patch(path, {"is_active": False}).json()["is_active"] is False
    assert owner.get(path).json()["minutes_before"] == 120
    assert owner.delete(path).status_code == 204
    assert [name for name, _ in events(account)] == [
        "reminder_rule.created",
        "reminder_rule.changed",
        "reminder_rule.changed",
        "reminder_rule.deleted",
    ]
    assert events(account)[1][1] == {"channels": [["email", "in_app"], ["sms"]]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**NEW, "minutes_before": 9}, ["minutes_before"]),
        ({**NEW, "minutes_before": 86_401}, ["minutes_before"]),
        ({**NEW, "minutes_before": "soon"}, ["minutes_before"]),
        ({**NEW, "minutes_before": None}, ["minutes_before"]),
        ({**NEW, "channels": []}, ["channels"]),
        ({**NEW, "channels": ["pigeon"]}, ["channels.0"]),
        ({**NEW, "channels": ["email"] * 4}, ["channels"]),
        ({**NEW, "channels": "email"}, ["channels"]),
        ({**NEW, "service": 999_999}, ["service"]),
        ({"minutes_before": 60}, ["channels"]),
    ],
)
def test_a_rule_that_says_nothing_sensible_is_refused(owner, account, body, fields):
    assert error_of(owner.post(RULES, body)) == (400, "validation_error", fields)
    with account_scope(account):
        assert ReminderRule.objects.count() == 0


def test_two_rules_cannot_say_the_same(owner, studio):
    assert owner.post(RULES, NEW).status_code == 201
    assert error_of(owner.post(RULES, {**NEW, "channels": ["sms"]})) == (400, "validation_error", ["minutes_before", "service"])
    assert owner.post(RULES, {**NEW, "service": studio.service.pk}).status_code == 201
    assert [name for name, _ in events(studio.account)] == ["reminder_rule.created"] * 2


def test_a_rule_with_reminders_stays(owner, account):
    one = ReminderFactory(account=account).rule

    assert error_of(owner.delete(f"{RULES}{one.pk}/")) == (409, "in_use", [])
    with account_scope(account):
        assert ReminderRule.objects.filter(pk=one.pk).exists()
    assert events(account) == []


@pytest.mark.parametrize("role", ["practitioner", "front_desk", "bookkeeper"])
def test_rules_are_for_managers_to_change_and_for_everybody_to_read(client_as, account, role):
    one = ReminderRuleFactory(account=account)
    api = client_as(role)

    assert [row["id"] for row in api.get(RULES).json()["results"]] == [one.pk]
    assert api.post(RULES, NEW).status_code == 403
    assert api.patch(f"{RULES}{one.pk}/", {"is_active": False}).status_code == 403
    assert api.delete(f"{RULES}{one.pk}/").status_code == 403


def test_other_accounts_have_other_rules(other_owner, account):
    one = ReminderRuleFactory(account=account)

    assert other_owner.get(RULES).json()["results"] == []
    assert other_owner.get(f"{RULES}{one.pk}/").status_code == 404
    assert other_owner.patch(f"{RULES}{one.pk}/", {"is_active": False}).status_code == 404


def test_the_reminders_of_a_session_say_what_became_of_them(owner, studio):
    one = rule(studio)
    booking = at_time(NOW, book, studio, at=NOW)
    other = at_time(NOW, book, studio, studio.draft(client=studio.other_client()), booking.start_time.replace(hour=11), at=NOW)
    for each in (booking, other):
        plan(studio, each)

    with time_machine.travel(NOW, tick=False):
        listed = owner.get(f"/api/reminders/?booking={booking.pk}").json()["results"]

    assert [
        {name: row[name] for name in ("booking", "version", "rule", "rule_minutes_before", "channel", "state", "due_at")} for row in listed
    ] == [
        {
            "booking": booking.pk,
            "version": 2,
            "rule": one.pk,
            "rule_minutes_before": 1440,
            "channel": "email",
            "state": "planned",
            "due_at": "2026-11-22T09:00:00Z",
        }
    ]
    assert len(owner.get("/api/reminders/").json()["results"]) == 2
    assert owner.get("/api/reminders/?state=sent").json()["results"] == []
    assert error_of(owner.get("/api/reminders/?booking=999999")) == (400, "validation_error", ["booking"])
    path = f"/api/reminders/{listed[0]['id']}/"
    assert owner.get(path).json() == listed[0]
    assert [getattr(owner, method)(path).status_code for method in ("patch", "delete")] == [405, 405]
    assert owner.post("/api/reminders/", {}).status_code == 405


@pytest.mark.parametrize("path", ["/api/reminder-rules/", "/api/reminders/"])
@pytest.mark.parametrize("count", [1, 3])
def test_lists_take_a_fixed_number_of_statements(owner, account, statements, path, count):
    for n in range(count):
        ReminderFactory(account=account, rule__minutes_before=60 + n)
    owner.get(path)

    with statements() as made:
        assert len(owner.get(path).json()["results"]) == count
    assert len(made()) == 3


def test_quiet_hours_are_settings(owner, account):
    answer = owner.patch("/api/account/settings/", {"reminder_quiet_from": "21:00", "reminder_quiet_to": "07:30"})

    assert answer.status_code == 200, answer.content
    assert {name: answer.json()[name] for name in ("reminder_quiet_from", "reminder_quiet_to")} == {
        "reminder_quiet_from": "21:00",
        "reminder_quiet_to": "07:30",
    }
    assert owner.patch("/api/account/settings/", {"reminder_quiet_from": "25:00"}).status_code == 400
    assert owner.patch("/api/account/settings/", {"reminder_quiet_from": ""}).status_code == 200


def test_a_reminder_needs_its_own_account(account, other_account):
    """The composite key says so, whatever the code does."""
    foreign = ReminderRuleFactory(account=other_account)

    with pytest.raises(IntegrityError, match="notifications_reminder_rule_account"), transaction.atomic():
        ReminderFactory(account=account, rule=foreign)
    with account_scope(account):
        assert Reminder.objects.count() == 0
