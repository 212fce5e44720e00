"""Taking an import back: people it entered and nobody has used since go, fields it changed and nobody has changed since become what they
were. What stays is said row by row. Locks: the import, then clients by id.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from apps.clients.duplicates import email_key
from apps.clients.models import Client, ClientImport, ClientImportRow
from apps.clients.services.imports import must_be
from apps.core import jobs, merging
from apps.core.db import joined
from apps.core.events import acting, emit, emit_many
from apps.core.tenancy import account_scope

State, RowState = ClientImport.State, ClientImportRow.State
BATCH = 200
HAS_RECORDS, WAS_CHANGED, IS_GONE = "It has records by now.", "It was changed since.", "It is gone."
EMAIL_TAKEN = "Somebody else has its e-mail by now. (email)"


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
    written = _last_written(source, list(clients))
    _restore([row for row in rows if row.state == RowState.UPDATED], clients, written)
    _remove([row for row in rows if row.state == RowState.CREATED], clients, written)
    for row in rows:
        row.reason = row.reason[:500]
        setattr(source, row.state, getattr(source, row.state) + 1)
    now = timezone.now()
    for row in rows:
        row.updated_at = now
    ClientImportRow.objects.bulk_update(rows, ["state", "reason", "updated_at"])
    source.save(update_fields=["removed", "restored", "left", "updated_at"])
    return True


def _last_written(source: ClientImport, ids: list[int]) -> dict[int, datetime]:
    """{client that this import has entered: when the import, or this undo, wrote it last}: later rows may have filled it in."""
    theirs = ClientImportRow.objects.filter(source=source, client__in=ids)
    filled = ~Q(changes={})
    found = (
        theirs.order_by()
        .values("client_id")
        .annotate(
            entered=Max("created_at", filter=Q(state=RowState.CREATED)),
            last=Greatest(  # of those that there are: NULL is no time
                Max("created_at", filter=Q(state=RowState.CREATED) | filled), Max("updated_at", filter=Q(state=RowState.RESTORED) & filled)
            ),
        )
    )
    return dict(found.filter(entered__isnull=False).values_list("client_id", "last"))


def _remove(rows: Sequence[ClientImportRow], clients: dict[int, Client], written: dict[int, datetime]) -> None:
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
        elif client.updated_at > written[client.pk]:
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


def _restore(rows: Sequence[ClientImportRow], clients: dict[int, Client], written: dict[int, datetime]) -> None:
    """Put back each field that still is what the import made of it. Of somebody whom the import has entered: unless they were changed."""
    changed: dict[int, dict[str, list[Any]]] = {}
    for row in rows:
        client = clients.get(row.client_id or 0)
        row.state, row.reason = RowState.LEFT, IS_GONE
        if client is None:
            continue
        if client.pk in written and client.updated_at > written[client.pk]:
            row.reason = WAS_CHANGED
            continue
        back, kept = _going_back(row, client)
        is_taken = "email" in back and _is_taken(back["email"], client)
        if is_taken:
            del back["email"]
        for name, before in back.items():
            setattr(client, name, before)
            after = row.changes[name][1]
            changed.setdefault(client.pk, {})[name] = [changed.get(client.pk, {}).get(name, [after])[0], before]
        if back:  # at once: the next row may give the address that is free now to whom it was taken from
            client.save(update_fields=[*back, "updated_at"])
            if client.pk in written:
                written[client.pk] = client.updated_at
        reasons = [f"{WAS_CHANGED} ({', '.join(kept)})"] if kept else []
        reasons += [EMAIL_TAKEN] if is_taken else []
        row.state, row.reason = RowState.LEFT if reasons else RowState.RESTORED, " ".join(reasons)
    if changed:
        emit_many("client.updated", Client, [(pk, changed[pk]) for pk in sorted(changed)], account_id=rows[0].account_id)


def _going_back(row: ClientImportRow, client: Client) -> tuple[dict[str, Any], list[str]]:
    """({field: what it was}, the fields that somebody has changed since)."""
    back, kept = {}, []
    for name, (before, after) in row.changes.items():
        current = getattr(client, name)
        if (current if isinstance(current, str | list | dict) else str(current)) == after:
            back[name] = before
        else:
            kept.append(name)
    return back, kept


def _is_taken(email: str, client: Client) -> bool:
    """Whether another client has this address by now. Who comes with it at this very moment makes the job begin this batch again."""
    if not email or client.merged_into_id is not None:
        return False
    return Client.objects.current().filter(email_key=email_key(email)).exclude(pk=client.pk).exists()
