"""Lists of clients as files: made by a job, fetched once, announced to the owners (security.md T28, T33)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from apps.accounts.models import Account
from apps.clients.importing.writing import table
from apps.clients.models import Client, ClientExport, Segment
from apps.clients.search import containing
from apps.clients.segments import within
from apps.clients.services.archives import is_ready, take_archive
from apps.core import jobs, storage
from apps.core.db import joined
from apps.core.events import acting, current_actor, emit
from apps.core.tenancy import account_scope

State = ClientExport.State
DAY = timedelta(days=1)
"""How long a list waits to be fetched."""
CHUNK = 2_000
COLUMNS = ("id", "full_name", "email", "phone_number", "stage", "source", "owner", "tags", "tax_id", "billing_address", "created_at")


@joined
def request_export(*, account: Account, format: str, filters: Mapping[str, Any]) -> ClientExport:
    """Have a list made by a job. ``filters`` are JSON: stage, tag, source, owner, segment (ids), search. Emits ``client.list_exported``."""
    export = ClientExport.objects.create(
        account_id=account.pk, format=format, filters=dict(filters), requested_by_id=current_actor().actor_id
    )
    emit("client.list_exported", export, changes={"format": [None, format], "filters": [None, sorted(filters)]})
    jobs.defer_many(make_export, [{"account_id": account.pk, "export_id": export.pk}])
    return export


@jobs.task(name="clients.make_export", queue="imports", retry=jobs.RETRY)
def make_export(account_id: int, export_id: int) -> None:
    """Write the file. Run again after it is ready, it does nothing."""
    with account_scope(account_id):
        export = ClientExport.objects.select_related("account").get(pk=export_id)
        if export.state == State.RUNNING:
            with acting(export.requested_by_id, "job"):
                _make(export, at=timezone.now())


@joined
def _make(export: ClientExport, *, at: datetime) -> None:
    clients = chosen(export.account, export.filters, at=at)
    keys = _custom_keys(clients)
    content, count = table(export.format, [*COLUMNS, *keys], _rows(clients, keys))
    key = storage.new_key(export.account_id)
    storage.write(key, content)
    locked = ClientExport.objects.select_for_update(no_key=True).get(pk=export.pk)
    if locked.state != State.RUNNING:  # another worker was faster
        storage.remove_later([key])
        return
    locked.rows = count
    is_ready(locked, key=key, size=len(content), at=at, kept_for=DAY)
    emit("client.list_ready", locked, changes={"state": [State.RUNNING, locked.state], "rows": [None, count]})


def chosen(account: Account, filters: Mapping[str, Any], *, at: datetime) -> QuerySet:
    """The clients that a list is about, those merged into others left out."""
    clients: Any = Client.objects.current().filter(account_id=account.pk)
    plain = {name: filters[name] for name in ("stage", "source", "owner") if name in filters}
    clients = clients.filter(**plain)
    if "tag" in filters:
        clients = clients.filter(tags__contains=[filters["tag"]])
    if "segment" in filters:
        segment = Segment.objects.filter(pk=filters["segment"]).first()
        clients = within(clients, segment.conditions, account=account, at=at) if segment is not None else clients.none()
    return containing(clients, filters["search"]) if filters.get("search") else clients


def _custom_keys(clients: QuerySet) -> list[str]:
    """The custom fields that any of them has, at most 200."""
    found: set[str] = set()
    for fields in clients.exclude(custom_fields={}).order_by().values_list("custom_fields", flat=True).iterator(CHUNK):
        found.update(fields)
    return sorted(found)[:200]


def _rows(clients: QuerySet, keys: list[str]) -> Iterator[list[Any]]:
    wanted = ("pk", "full_name", "email", "phone_text", "stage", "source", "owner__user__email", "tags", "tax_id")
    last = 0
    while True:
        ordered = clients.filter(pk__gt=last).annotate(phone_text=Cast("phone_number", TextField())).order_by("pk")
        found = list(ordered.values_list(*wanted, "billing_address", "created_at", "custom_fields")[:CHUNK])
        if not found:
            return
        for *cells, created_at, custom in found:
            cells[7] = ", ".join(cells[7])
            yield [*cells, created_at.isoformat(), *(_text(custom.get(key)) for key in keys)]
        last = found[-1][0]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@joined
def fetch_export(export: ClientExport) -> str:
    """The key of the file, once: it is deleted an hour later. Raises ExportGone. Emits ``client.list_fetched``."""
    key: str = take_archive(export)
    emit("client.list_fetched", export, changes={"state": [State.READY, State.FETCHED]})
    return key
