"""Notes, tasks and consents of clients. What people wrote stays in its row: events say only that something was written."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.accounts.models import Membership
from apps.clients.errors import AlreadyDone
from apps.clients.models import Client, ClientConsent, ClientNote, ClientTask
from apps.core.db import joined
from apps.core.events import current_actor, emit


@joined
def add_note(*, client: Client, body: str, is_pinned: bool = False, author: Membership | None = None) -> ClientNote:
    """Write down something about a client; emits ``note.added``."""
    note = ClientNote.objects.create(account_id=client.account_id, client=client, body=body, is_pinned=is_pinned, author=author)
    emit("note.added", note)
    return note


@joined
def change_note(note: ClientNote, **fields: Any) -> ClientNote:
    """Change ``body`` or ``is_pinned``; emits ``note.changed`` when something did."""
    changed = _change(note, fields)
    if changed:
        emit("note.changed", note, changes={name: value for name, value in changed.items() if name != "body"})
    return note


@joined
def delete_note(note: ClientNote) -> None:
    """Emits ``note.deleted``; the text is gone."""
    emit("note.deleted", note)
    note.delete()


@joined
def add_task(
    *,
    client: Client,
    title: str,
    due_at: datetime | None = None,
    assignee: Membership | None = None,
    author: Membership | None = None,
) -> ClientTask:
    """Something to do for a client; emits ``task.added``."""
    task = ClientTask.objects.create(
        account_id=client.account_id, client=client, title=title, due_at=due_at, assignee=assignee, author=author
    )
    emit("task.added", task, changes={"due_at": [None, _text(due_at)], "assignee": [None, assignee.pk if assignee else None]})
    return task


@joined
def change_task(task: ClientTask, **fields: Any) -> ClientTask:
    """Change ``title``, ``due_at`` or ``assignee``; emits ``task.changed``. Another time or person is announced anew."""
    task = ClientTask.objects.select_for_update(no_key=True).get(pk=task.pk)
    if {name for name in ("due_at", "assignee") if name in fields and fields[name] != getattr(task, name)}:
        fields["announced_at"] = None
    changed = _change(task, fields)
    if changed:
        emit("task.changed", task, changes={name: value for name, value in changed.items() if name in ("due_at", "assignee")})
    return task


@joined
def finish_task(task: ClientTask, *, by: Membership | None = None, at: datetime | None = None) -> ClientTask:
    """It is done; emits ``task.done``. Raises AlreadyDone."""
    task = ClientTask.objects.select_for_update(no_key=True).get(pk=task.pk)
    if task.done_at is not None:
        raise AlreadyDone
    task.done_at, task.done_by = at or timezone.now(), by
    task.save(update_fields=["done_at", "done_by", "updated_at"])
    emit("task.done", task)
    return task


@joined
def reopen_task(task: ClientTask) -> ClientTask:
    """It is not done after all; emits ``task.reopened`` when it was."""
    task = ClientTask.objects.select_for_update(no_key=True).get(pk=task.pk)
    if task.done_at is not None:
        task.done_at = task.done_by = None
        task.save(update_fields=["done_at", "done_by", "updated_at"])
        emit("task.reopened", task)
    return task


@joined
def delete_task(task: ClientTask) -> None:
    """Emits ``task.deleted``."""
    emit("task.deleted", task)
    task.delete()


@joined
def announce_due_task(task_id: int, *, at: datetime | None = None) -> bool:
    """Say of an open task that it has come due, once (``task.due``); whether it was said now.

    Each in a transaction of its own: of one change a reader hears one message.
    """
    at = at or timezone.now()
    due = ClientTask.objects.select_for_update(no_key=True, skip_locked=True).filter(done_at=None, announced_at=None, due_at__lte=at)
    task = due.filter(pk=task_id).first()
    if task is None:
        return False
    task.announced_at = at
    task.save(update_fields=["announced_at", "updated_at"])
    emit("task.due", task, changes={"due_at": [None, _text(task.due_at)], "assignee": [None, task.assignee_id]})
    return True


@joined
def record_consent(
    *,
    client: Client,
    purpose: str,
    granted: bool,
    wording: str = "",
    source: str = "",
    given_at: datetime | None = None,
    at: datetime | None = None,
) -> ClientConsent:
    """Add a statement to the client's log, and keep ``Client.consents`` the latest of each purpose.

    ``given_at`` may lie in the past (a form that is entered later); then a later statement stays the one that counts.
    Emits ``consent.given`` or ``consent.withdrawn``.
    """
    at = at or timezone.now()
    client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    consent = ClientConsent.objects.create(
        account_id=client.account_id,
        client=client,
        purpose=purpose,
        granted=granted,
        wording=wording,
        source=source,
        given_at=given_at or at,
        actor_id=current_actor().actor_id,
    )
    refresh_consents(client)
    emit("consent.given" if granted else "consent.withdrawn", consent, changes={"purpose": [None, purpose]})
    return consent


def refresh_consents(client: Client) -> None:
    """Write what the log says into the client's cache, {purpose: {granted, at}}; also after a merge has moved rows."""
    log = ClientConsent.objects.filter(client_id=client.pk)
    later = log.filter(purpose=OuterRef("purpose")).filter(
        Q(given_at__gt=OuterRef("given_at")) | Q(given_at=OuterRef("given_at"), pk__gt=OuterRef("pk"))
    )
    latest = log.filter(~Exists(later)).order_by("purpose")
    client.consents = {one.purpose: {"granted": one.granted, "at": one.given_at.isoformat()} for one in latest}
    client.save(update_fields=["consents", "updated_at"])


def _change(row: Any, fields: dict[str, Any]) -> dict[str, list[Any]]:
    """Set the fields that differ and save them; {field: [before, after]} in JSON values."""
    changed = {}
    for name, value in fields.items():
        before = getattr(row, name)
        if before != value:
            setattr(row, name, value)
            changed[name] = [_text(before), _text(value)]
    if changed:
        row.save(update_fields=[*changed, "updated_at"])
    return changed


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return getattr(value, "pk", value)
