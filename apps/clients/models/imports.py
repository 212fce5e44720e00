"""Lists of clients that come in and go out as files."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.clients.models.client import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import StoredArchive, TenantForeignKey, TenantModel, history

MAX_IMPORT_BYTES = 20 * 1024 * 1024
KEY = r"^[0-9]+/[0-9a-f-]{36}$"


class Format(models.TextChoices):
    """How a list is written down."""

    CSV = "csv"
    XLSX = "xlsx"


class ClientImport(TenantModel):
    """A file with people, one a row, and how far it has been read in.

    ``columns`` and ``sample`` are the header and the first rows, ``mapping`` says which column is which field. ``done`` is how many
    rows have been dealt with, and where the job goes on after it was cut off; ``storage_key`` is empty once the file was deleted.
    """

    class State(models.TextChoices):
        PREVIEW = "preview"
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"
        FAILED = "failed"
        UNDOING = "undoing"
        UNDONE = "undone"

    class OnDuplicate(models.TextChoices):
        """What becomes of a row about somebody who is a client already."""

        SKIP = "skip"
        UPDATE = "update"
        CREATE = "create"

    name = models.CharField(max_length=200)
    format = models.CharField(max_length=4, choices=Format.choices)
    size = models.PositiveIntegerField()
    storage_key = models.CharField(max_length=100, blank=True, editable=False)
    encoding = models.CharField(max_length=16, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    columns: Any = models.JSONField(default=list)
    sample: Any = models.JSONField(default=list)
    mapping: Any = models.JSONField(default=dict, blank=True)
    on_duplicate = models.CharField(max_length=6, choices=OnDuplicate.choices, default=OnDuplicate.SKIP)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PREVIEW)
    total = models.PositiveIntegerField(null=True, blank=True, help_text="Rows of the file, when that is known.")
    done = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    bad = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0, help_text="Of an undo: clients that were deleted again.")
    restored = models.PositiveIntegerField(default=0, help_text="Of an undo: clients whose fields were put back.")
    left = models.PositiveIntegerField(default=0, help_text="Of an undo: rows that stayed as they are, or in part.")
    failure = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    history = history(excluded_fields=["columns", "sample", "storage_key"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_clientimport_tenant_key"),
            CheckConstraint(condition=Q(size__gte=1, size__lte=MAX_IMPORT_BYTES), name="clients_clientimport_size"),
            CheckConstraint(condition=Q(storage_key="") | Q(storage_key__regex=KEY), name="clients_clientimport_key"),
            CheckConstraint(condition=Q(done=F("created") + F("updated") + F("skipped") + F("bad")), name="clients_clientimport_adds_up"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="clients_clientimport_recent"),  # client-imports/
            Index(fields=["storage_key"], name="clients_clientimport_file", condition=~Q(storage_key="")),  # the sweeper of files
            Index(fields=["state", "updated_at"], name="clients_clientimport_state"),  # imports that stand still, old files
        ]

    def __str__(self) -> str:
        return self.name


class ClientImportRow(TenantModel):
    """What became of one row of a file. ``line`` is its place there; the header counts.

    ``changes`` of an updated client are {field: [before, after]}, for the undo; ``raw`` are the cells of a row that was refused.
    """

    class State(models.TextChoices):
        CREATED = "created"
        UPDATED = "updated"
        SKIPPED = "skipped"
        BAD = "bad"
        REMOVED = "removed"
        RESTORED = "restored"
        LEFT = "left"

    source = TenantForeignKey(ClientImport, models.CASCADE, related_name="rows", db_index=False)
    line = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State.choices)
    client = TenantForeignKey(Client, models.SET_NULL, related_name="import_rows", null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    duplicates: Any = models.JSONField(default=list, blank=True)
    changes: Any = models.JSONField(default=dict, blank=True)
    raw: Any = models.JSONField(default=list, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_clientimportrow_tenant_key"),
            SameAccount("source", name="clients_clientimportrow_source_account"),
            SameAccount("client", name="clients_clientimportrow_client_account"),
            UniqueConstraint(fields=["source", "line"], name="clients_clientimportrow_once"),
        ]
        indexes: ClassVar = [
            Index(fields=["source", "state", "line"], name="clients_clientimportrow_list"),  # rows/?state=bad, undo
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.state}"


class ClientExport(StoredArchive, TenantModel):
    """A list of clients as a file, to be fetched once."""

    format = models.CharField(max_length=4, choices=Format.choices)
    filters: Any = models.JSONField(default=dict, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    history = history(excluded_fields=["storage_key"])

    class Meta(StoredArchive.Meta):
        constraints: ClassVar = [
            TenantKey(name="clients_clientexport_tenant_key"),
            *StoredArchive.rules("clients_clientexport"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="clients_clientexport_recent"),  # client-exports/
            Index(fields=["storage_key"], name="clients_clientexport_file", condition=~Q(storage_key="")),  # the sweeper of files
            Index(fields=["expires_at"], name="clients_clientexport_ends", condition=~Q(storage_key="")),  # the job that deletes files
        ]

    def __str__(self) -> str:
        return f"{self.format} of {self.created_at:%Y-%m-%d}"
