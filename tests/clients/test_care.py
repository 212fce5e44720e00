"""Notes, tasks, consents: below a client and at addresses of their own."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from apps.clients.models import Client, ClientConsent, ClientTask
from apps.clients.services.care import announce_due_task, change_task, finish_task, record_consent
from apps.clients.tasks import announce_due_tasks
from apps.core import jobs
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.notifications.models import Notification
from factories.accounts import MembershipFactory, token_for
from factories.clients import ClientFactory
from factories.crm import ClientConsentFactory, ClientNoteFactory, ClientTaskFactory
from tests.conftest import ApiClient

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def client(account):
    return ClientFactory(account=account)


def events(account):
    with account_scope(account):
        return [(event.type, event.client_id, event.changes) for event in Event.objects.order_by("id")]


def test_notes_are_written_pinned_and_deleted(owner, account, client):
    path = f"/api/clients/{client.pk}/notes/"
    made = owner.post(path, {"body": "Allergic to <b>nuts</b>", "is_pinned": True})
    assert made.status_code == 201
    note = made.json()
    assert (note["body"], note["is_pinned"], note["client"]) == ("Allergic to <b>nuts</b>", True, client.pk)

    assert [one["id"] for one in owner.get(path).json()["results"]] == [note["id"]]
    assert owner.get(f"{path}?is_pinned=false").json()["results"] == []
    assert owner.patch(f"/api/client-notes/{note['id']}/", {"body": "x", "is_pinned": False}).json()["body"] == "x"
    assert owner.delete(f"/api/client-notes/{note['id']}/").status_code == 204
    assert owner.get(f"/api/client-notes/{note['id']}/").status_code == 404

    assert events(account) == [
        ("note.added", client.pk, {}),
        ("note.changed", client.pk, {"is_pinned": [True, False]}),  # what was written is nowhere
        ("note.deleted", client.pk, {}),
    ]


def test_a_note_is_changed_by_its_author_and_by_managers(account, client):
    members = {role: MembershipFactory(account=account, role=role) for role in ("front_desk", "practitioner", "manager")}
    as_role = {role: ApiClient(token_for(member.user)) for role, member in members.items()}
    note = ClientNoteFactory(account=account, client=client, author=members["front_desk"])
    path = f"/api/client-notes/{note.pk}/"

    assert [as_role[role].patch(path, {"body": role}).status_code for role in members] == [200, 403, 200]
    assert as_role["practitioner"].delete(path).status_code == 403
    assert as_role["practitioner"].get(path).status_code == 200


def test_tasks_have_a_life(owner, account, client):
    member = MembershipFactory(account=account, role="front_desk")
    path = f"/api/clients/{client.pk}/tasks/"

    task = owner.post(path, {"title": "Call back", "due_at": "2026-11-23T09:00:00Z", "assignee": member.pk}).json()
    assert (task["is_done"], task["assignee"], task["client_name"]) == (False, member.pk, client.full_name)
    at = f"/api/client-tasks/{task['id']}/"
    assert owner.patch(at, {"due_at": None}).json()["due_at"] is None
    assert owner.post(f"{at}done/").json()["is_done"] is True
    assert (owner.post(f"{at}done/").status_code, owner.post(f"{at}done/").json()["error"]) == (409, "already_done")
    assert owner.post(f"{at}reopen/").json()["done_at"] is None
    assert owner.post(f"{at}reopen/").status_code == 200
    assert [one["id"] for one in owner.get(path).json()["results"]] == [task["id"]]
    assert owner.delete(at).status_code == 204

    assert [name for name, *_ in events(account)] == ["task.added", "task.changed", "task.done", "task.reopened", "task.deleted"]


def test_the_list_of_tasks_is_filtered(owner, account):
    member = MembershipFactory(account=account)
    early = ClientTaskFactory(account=account, due_at=NOW, assignee=member)
    late = ClientTaskFactory(account=account, due_at=NOW + timedelta(days=9))
    some_day = ClientTaskFactory(account=account)
    with account_scope(account):
        finish_task(late, at=NOW)

    def listed(query):
        return [task["id"] for task in owner.get(f"/api/client-tasks/?{query}").json()["results"]]

    assert listed("") == [some_day.pk, late.pk, early.pk]
    assert listed("is_done=false") == [some_day.pk, early.pk]
    assert listed("is_done=true") == [late.pk]
    assert listed(f"assignee={member.pk}") == [early.pk]
    assert listed(f"client={late.client_id}") == [late.pk]
    assert listed("due_before=2026-11-22T00:00:00Z") == [early.pk]
    assert listed("due_after=2026-11-22T00:00:00Z") == [late.pk]
    assert owner.get("/api/client-tasks/?is_done=1").status_code == 400


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("factory", "path"), [(ClientNoteFactory, "notes"), (ClientTaskFactory, "tasks"), (ClientConsentFactory, "consents")]
)
def test_lists_below_a_client_take_a_fixed_number_of_statements(owner, account, client, statements, count, factory, path):
    factory.create_batch(count, account=account, client=client)

    with statements() as made:
        answer = owner.get(f"/api/clients/{client.pk}/{path}/")

    assert len(answer.json()["results"]) == count
    assert len(made()) == 4  # token, membership, client, rows


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_of_tasks_takes_a_fixed_number_of_statements(owner, account, statements, count):
    ClientTaskFactory.create_batch(count, account=account)

    with statements() as made:
        answer = owner.get("/api/client-tasks/")

    assert (len(answer.json()["results"]), len(made())) == (count, 3)


def test_what_has_come_due_is_said_once(account, other_account):
    due = ClientTaskFactory(account=account, due_at=NOW - timedelta(minutes=1))
    elsewhere = ClientTaskFactory(account=other_account, due_at=NOW)
    ClientTaskFactory(account=account, due_at=NOW + timedelta(minutes=1))
    ClientTaskFactory(account=account)
    done = ClientTaskFactory(account=account, due_at=NOW)
    with account_scope(account):
        finish_task(done, at=NOW)

    with time_machine.travel(NOW):
        announce_due_tasks(0)
        announce_due_tasks(0)

    for where, task in ((account, due), (other_account, elsewhere)):
        with account_scope(where):
            said = Event.objects.filter(type="task.due")
            assert [(event.subject_id, event.source) for event in said] == [(task.pk, "job:clients.announce_due_tasks")]


def test_another_time_is_announced_again(account):
    task = ClientTaskFactory(account=account, due_at=NOW, announced_at=NOW)

    with account_scope(account):
        assert not announce_due_task(task.pk, at=NOW)
        change_task(task, due_at=NOW + timedelta(hours=1))
        assert not announce_due_task(task.pk, at=NOW)
        assert announce_due_task(task.pk, at=NOW + timedelta(hours=1))


def test_consents_are_a_log_and_the_client_shows_the_latest(owner, account, client):
    path = f"/api/clients/{client.pk}/consents/"
    first = owner.post(
        path, {"purpose": "newsletter", "granted": True, "wording": "Yes, please.", "source": "web", "given_at": "2026-11-01T09:00:00Z"}
    )
    assert first.status_code == 201
    owner.post(path, {"purpose": "newsletter", "granted": False, "given_at": "2026-11-03T09:00:00Z"})
    owner.post(path, {"purpose": "newsletter", "granted": True, "given_at": "2026-11-02T09:00:00Z"})  # a form that turned up late
    owner.post(path, {"purpose": "photos", "granted": True, "given_at": "2026-11-02T09:00:00Z"})

    assert owner.get(f"/api/clients/{client.pk}/").json()["consents"] == {
        "newsletter": {"granted": False, "at": "2026-11-03T09:00:00+00:00"},
        "photos": {"granted": True, "at": "2026-11-02T09:00:00+00:00"},
    }
    assert len(owner.get(path).json()["results"]) == 4
    assert [name for name, *_ in events(account)] == ["consent.given", "consent.withdrawn", "consent.given", "consent.given"]


def test_a_consent_cannot_be_changed_by_anybody(account, client):
    consent = ClientConsentFactory(account=account, client=client)

    with account_scope(account):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            ClientConsent.objects.filter(pk=consent.pk).update(granted=False)
        other = ClientFactory(account=account)
        assert ClientConsent.objects.filter(pk=consent.pk).update(client=other) == 1  # a merge


@pytest.mark.parametrize(
    "body",
    [
        {"purpose": "News Letter", "granted": True},
        {"purpose": "x", "granted": "perhaps"},
        {"purpose": "x"},
        {"purpose": "x", "granted": True, "given_at": "yesterday"},
    ],
)
def test_bad_consents_are_refused(owner, client, body):
    assert owner.post(f"/api/clients/{client.pk}/consents/", body).status_code == 400


@pytest.mark.parametrize("bad", ["", " ", "x" * 10_001, "\x00", "\ud800", ["a"]])
def test_bad_notes_are_refused(owner, client, bad):
    assert owner.post(f"/api/clients/{client.pk}/notes/", {"body": bad}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "a\r\nb"},
        {"title": "x" * 201},
        {"title": "x", "due_at": "2026-11-23T09:00:00"},
        {"title": "x", "assignee": 0},
        {"title": "x", "done_at": "2026-11-23T09:00:00Z"},
    ],
)
def test_bad_tasks_are_refused(owner, client, body):
    assert owner.post(f"/api/clients/{client.pk}/tasks/", body).status_code == 400


def test_a_task_is_nobodys_of_another_account_or_of_one_who_left(owner, account, other_account, client):
    foreign, gone = MembershipFactory(account=other_account), MembershipFactory(account=account, is_active=False)

    for member in (foreign, gone):
        assert owner.post(f"/api/clients/{client.pk}/tasks/", {"title": "x", "assignee": member.pk}).status_code == 400


def test_all_of_it_goes_with_the_client(owner, account, client):
    for factory in (ClientNoteFactory, ClientTaskFactory, ClientConsentFactory):
        factory(account=account, client=client)

    assert owner.delete(f"/api/clients/{client.pk}/").status_code == 204
    with account_scope(account):
        assert not ClientTask.objects.exists()
        assert not Client.objects.exists()


def test_the_database_keeps_other_accounts_out(account, other_account):
    note = ClientNoteFactory(account=account)

    with account_scope(other_account), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM clients_clientnote WHERE id = %s", [note.pk])
        assert cursor.fetchone() == (0,)


def test_the_log_of_consents_agrees_with_the_cache_after_any_order(account, client):
    with account_scope(account):
        for day, granted in ((5, True), (2, False), (9, False), (7, True)):
            record_consent(client=client, purpose="photos", granted=granted, given_at=datetime(2026, 11, day, tzinfo=UTC))
        client.refresh_from_db()

    assert client.consents["photos"]["granted"] is False


@pytest.mark.django_db(transaction=True)
def test_the_assignee_is_told_and_without_one_the_managers(account):
    boss, desk = MembershipFactory(account=account, role="owner"), MembershipFactory(account=account, role="front_desk")
    client = ClientFactory(account=account, full_name="Ada")
    ClientTaskFactory(account=account, client=client, title="Call back", due_at=NOW, assignee=desk)
    ClientTaskFactory(account=account, client=client, title="Send the form", due_at=NOW)
    done = ClientTaskFactory(account=account, client=client, title="Done in between", due_at=NOW, assignee=desk)

    with time_machine.travel(NOW):
        announce_due_tasks(0)
    with account_scope(account):
        finish_task(done)
    jobs.run_pending()

    with account_scope(account):
        told = {(note.user_id, note.kind, note.title, note.message) for note in Notification.objects.all()}
    assert told == {
        (desk.user_id, "task_due", "Due now: Call back", "There is something to do for Ada: Call back."),
        (boss.user_id, "task_due", "Due now: Send the form", "There is something to do for Ada: Send the form."),
    }
