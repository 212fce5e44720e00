"""The abstract bases of every table, and the kernel's own two tables."""

from typing import Any, ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import CheckConstraint, Func, Index, Q, UniqueConstraint
from django.db.models.functions import Now
from django_scopes import ScopedManager
from simple_history.models import HistoricalRecords

from apps.core.constraints import TenantKey


class TimestampedModel(models.Model):
    """created_at and updated_at, both set by the application's clock (aware UTC)."""

    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        abstract = True


def scoped(queryset_class: type[models.QuerySet] = models.QuerySet, *, manager_class: type[models.Manager] = models.Manager) -> Any:
    """A manager that raises ScopeError without an account scope and otherwise sees only that account's rows."""
    return ScopedManager(account="account_id", _manager_class=manager_class.from_queryset(queryset_class))


class TenantModel(TimestampedModel):
    """A row that belongs to one account. Under forced row-level security in the database and a scoped manager here."""

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="+", db_index=False)

    objects: ClassVar[Any] = scoped()

    class Meta:
        abstract = True

    @property
    def concerned_client_id(self) -> int | None:
        """The client that an event about this row is about, if it is about one."""
        return getattr(self, "client_id", None)


class TenantForeignKey(models.ForeignKey):
    """A reference to another row of the same account.

    It has no database constraint of its own: ``SameAccount`` in Meta.constraints is the composite key that guards it.
    """

    def __init__(self, to: Any, on_delete: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)


class TenantHistory(models.Model):
    """Base of the historical tables of tenant models: scoped like the models themselves."""

    objects: ClassVar[Any] = scoped()

    class Meta:
        abstract = True


def global_history(**options: Any) -> HistoricalRecords:
    """simple-history for a model that belongs to no account, with ids that do not run out."""
    return HistoricalRecords(history_id_field=models.BigAutoField(), **options)


def history(**options: Any) -> HistoricalRecords:
    """simple-history for a tenant model. The table carries account_id and needs TenantPolicies in the migration."""
    return global_history(bases=[TenantHistory], **options)


class StoredArchive(models.Model):
    """A file that a job makes for somebody, to be fetched once until ``expires_at``; its key leads into ``core.storage``."""

    class State(models.TextChoices):
        RUNNING = "running"
        READY = "ready"
        FETCHED = "fetched"
        EXPIRED = "expired"
        FAILED = "failed"

    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    storage_key = models.CharField(max_length=100, blank=True, editable=False)
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes.")
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @staticmethod
    def rules(table: str) -> list[CheckConstraint]:
        """The CHECKs of the model that has these columns."""
        return [
            CheckConstraint(condition=Q(storage_key="") | Q(storage_key__regex=r"^[0-9]+/[0-9a-f-]{36}$"), name=f"{table}_key"),
            CheckConstraint(condition=~Q(state="ready") | ~Q(storage_key="") & Q(expires_at__isnull=False), name=f"{table}_ready"),
        ]


class TransactionIdField(models.Field):
    """PostgreSQL's xid8, filled by the database with the id of the writing transaction."""

    def db_type(self, connection: Any) -> str:
        return "xid8"


class CurrentTransactionId(Func):
    function = "pg_current_xact_id"
    template = "%(function)s()"
    arity = 0
    output_field = TransactionIdField()


class Event(TenantModel):
    """One thing that happened: audit trail, client timeline and outbox in one append-only row.

    ``id`` is the sequence of the log over all accounts (gaps allowed). ``transaction`` lets a reader stop at the snapshot
    horizon, behind which rows of slower transactions may still appear. ``changes`` holds {field: [before, after]}.
    """

    id = models.BigAutoField(primary_key=True)
    transaction = TransactionIdField(db_default=CurrentTransactionId(), editable=False)
    type = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=64)
    subject_id = models.BigIntegerField()
    actor_id = models.BigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=32, blank=True)
    changes = models.JSONField(default=dict, blank=True)
    client_id = models.BigIntegerField(null=True, blank=True, help_text="The client it is about.")
    version = models.PositiveIntegerField(null=True, blank=True, help_text="The subject's version after it, where it has one.")

    class Meta:
        constraints: ClassVar = [TenantKey(name="core_event_tenant_key")]
        indexes: ClassVar = [
            Index(fields=["account", "subject_type", "subject_id", "id"], name="core_event_subject"),  # events/?subject_type=&subject_id=
            Index(fields=["account", "transaction", "id"], name="core_event_in_order"),  # events/?after=
            BrinIndex(fields=["created_at"], name="core_event_by_time", autosummarize=True),  # ranges of time, sent to a webhook again
            Index(fields=["account", "client_id", "-id"], name="core_event_client", condition=Q(client_id__isnull=False)),  # timelines
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject_type}:{self.subject_id}"


class Counter(TenantModel):
    """The last number given out under ``name`` (orders, invoices …) in one account: gapless because the row is locked."""

    name = models.CharField(max_length=32)
    value = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [UniqueConstraint(fields=["account", "name"], name="core_counter_unique_name")]

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class IdempotencyKey(TenantModel):
    """The first use of an Idempotency-Key and, once it has finished, the reply to repeat for 24 hours."""

    key = models.CharField(max_length=255)
    actor_id = models.BigIntegerField(null=True, blank=True)
    request_hash = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    response = models.TextField(blank=True)
    state = models.JSONField(null=True, blank=True, help_text="What was written before the outside world was called: where to go on.")

    class Meta:
        constraints: ClassVar = [
            UniqueConstraint(fields=["account", "actor_id", "key"], nulls_distinct=False, name="core_idempotencykey_unique_key"),
        ]

    def __str__(self) -> str:
        return self.key
