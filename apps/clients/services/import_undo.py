"""Taking an import back: people it entered and nobody has used since go, fields it changed and nobody has changed since become what they
were. What stays is said row by row. Locks: the import, then clients by id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.clients.models import Client, ClientImport, ClientImportRow
from apps.clients.services.imports import must_be
from apps.core import jobs, merging
from apps.core.db import joined
from apps.core.events import acting, emit, emit_many
from apps.core.tenancy import account_scope

State, RowState = ClientImport.State, ClientImportRow.State
BATCH = 200
HAS_RECORDS, WAS_CHANGED, IS_GONE = "It has records by now.", "It was changed since.", "It is gone."


@joined
def undo_import(source: ClientImport) -> ClientImport:
    """Take an import back, by a job. Raises InvalidTransition."""
    source = ClientImport.objects.select_for_update(no_key=True).get(pk=source.pk)
    must_be(source, State.DONE, State.CANCELLED, State.FAILED)
    before, source.state = source.state, State.UNDOING
    source.save(update_fields=["state", "updated_at"])
    emit("client_import.undo_started", source, changes={"state": [before, source.state]})
    jobs.defer_once(run_undo, f"clients.import.{source.pk}", account_id=source.account_id, import_id=source.pk)
    return source


@jobs.task(name="clients.undo_import", queue="imports", retry=jobs.RETRY)
def run_undo(account_id: int, import_id: int, *, most: int | None = None) -> bool:
    """Go on taking back, ``most`` batches at most; says whether it is done. A row is dealt with once, whoever runs this."""
    count = 0
    while most is None or count < most:
        with account_scope(account_id):
            source = ClientImport.objects.get(pk=import_id)
            with acting(source.uploaded_by_id, "import"):
                if not _undo_batch(import_id):
                    return True
        count += 1
    return False


@joined
def _undo_batch(import_id: int, *, at: datetime | None = None) -> bool:
    """One batch, last row first; False when none is left."""
    source = ClientImport.objects.select_for_update(no_key=True).get(pk=import_id)
    if source.state != State.UNDOING:
        return False
    waiting = ClientImportRow.objects.filter(source=source, state__in=(RowState.CREATED, RowState.UPDATED)).order_by("-line")
    rows = list(waiting[:BATCH])
    if not rows:
        source.state, source.finished_at = State.UNDONE, at or timezone.now()
        source.save(update_fields=["state", "finished_at", "updated_at"])
        counts = {name: [None, getattr(source, name)] for name in ("removed", "restored", "left")}
        emit("client_import.undone", source, changes={"state": [State.UNDOING, source.state], **counts})
        return False
    locked = Client.objects.select_for_update().filter(pk__in=[row.client_id for row in rows if row.client_id]).order_by("pk")
    clients = {client.pk: client for client in locked}
    _remove([row for row in rows if row.state == RowState.CREATED], clients)
    _restore([row for row in rows if row.state == RowState.UPDATED], clients)
    for row in rows:
        row.reason = row.reason[:500]
        setattr(source, row.state, getattr(source, row.state) + 1)
    now = timezone.now()
    for row in rows:
        row.updated_at = now
    ClientImportRow.objects.bulk_update(rows, ["state", "reason", "updated_at"])
    source.save(update_fields=["removed", "restored", "left", "updated_at"])
    return True


def _remove(rows: Sequence[ClientImportRow], clients: dict[int, Client]) -> None:
    """Delete the people that rows have entered, unless something refers to them or they are not as they were entered."""
    used = _with_records(list(clients))
    going: list[Client] = []
    for row in rows:
        client = clients.get(row.client_id or 0)
        row.state, row.reason = RowState.LEFT, IS_GONE
        if client is None:
            continue
        if client.pk in used:
            row.reason = HAS_RECORDS
        elif client.updated_at > row.created_at:
            row.reason = WAS_CHANGED
        else:
            row.state, row.reason = RowState.REMOVED, ""
            going.append(client)
    if going:
        emit_many("client.deleted", Client, [(client.pk, {}) for client in going], account_id=going[0].account_id)
        Client.objects.filter(pk__in=[client.pk for client in going]).delete()


def _with_records(ids: list[int]) -> set[int]:
    """Those that any row of any app refers to."""
    found: set[int] = set()
    for model, name in merging.relations_to(Client).values():
        if model is not ClientImportRow:
            found.update(model.objects.filter(**{f"{name}__in": ids}).values_list(f"{name}_id", flat=True))  # type: ignore[attr-defined]
    return found


def _restore(rows: Sequence[ClientImportRow], clients: dict[int, Client]) -> None:
    """Put back each field that still is what the import made of it."""
    changed: dict[int, dict[str, list[Any]]] = {}
    for row in rows:
        client = clients.get(row.client_id or 0)
        row.state, row.reason = RowState.RESTORED, ""
        kept = []
        for name, (before, after) in row.changes.items():
            if client is None:
                break
            current = getattr(client, name)
            current = current if isinstance(current, str | list | dict) else str(current)
            if current != after:
                kept.append(name)
                continue
            setattr(client, name, before)
            changed.setdefault(client.pk, {})[name] = [changed.get(client.pk, {}).get(name, [after])[0], before]
        if client is None or kept:
            row.state, row.reason = RowState.LEFT, IS_GONE if client is None else f"{WAS_CHANGED} ({', '.join(kept)})"
    for pk in sorted(changed):
        client = clients[pk]
        client.save(update_fields=[*changed[pk], "updated_at"])
    if rows:
        emit_many("client.updated", Client, [(pk, changed[pk]) for pk in sorted(changed)], account_id=rows[0].account_id)
