"""The two rights of a person: to get what is kept about them, and to have it erased (rules.md §13)."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.clients.models.client import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import StoredArchive, TenantForeignKey, TenantModel, history


class SubjectExport(StoredArchive, TenantModel):
    """An archive of everything one account keeps about one client, to be fetched once."""

    client = TenantForeignKey(Client, models.CASCADE, related_name="subject_exports", db_index=False)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    history = history(excluded_fields=["storage_key"])

    class Meta(StoredArchive.Meta):
        constraints: ClassVar = [
            TenantKey(name="clients_subjectexport_tenant_key"),
            SameAccount("client", name="clients_subjectexport_client_account"),
            *StoredArchive.rules("clients_subjectexport"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="clients_subjectexport_recent"),  # subject-exports/
            Index(fields=["expires_at"], condition=~Q(storage_key=""), name="clients_subjectexport_expiring"),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"


class Erasure(TenantModel):
    """The erasure of one client, and its certificate: what was blanked, dropped and kept, table by table. It names nobody."""

    class State(models.TextChoices):
        WAITING = "waiting"  # for what forbids it to pass
        DONE = "done"
        WITHDRAWN = "withdrawn"

    client = TenantForeignKey(Client, models.CASCADE, related_name="erasures", db_index=False)
    state = models.CharField(max_length=9, choices=State.choices)
    reason = models.CharField(max_length=200, blank=True)
    obstacles: Any = models.JSONField(default=list, blank=True, help_text="What it waits for: [{code, ids}].")
    certificate: Any = models.JSONField(default=dict, blank=True)
    requested_by_id = models.BigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=32, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    kept_until = models.DateField(null=True, blank=True, help_text="When the law lets go of what was kept.")

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_erasure_tenant_key"),
            SameAccount("client", name="clients_erasure_client_account"),
            UniqueConstraint(fields=["account", "client"], condition=~Q(state="withdrawn"), name="clients_erasure_once"),
            CheckConstraint(
                condition=Q(state="done", erased_at__isnull=False) | ~Q(state="done") & Q(erased_at=None), name="clients_erasure_done"
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="clients_erasure_recent"),  # erasures/
            Index(fields=["id"], condition=Q(state="waiting"), name="clients_erasure_waiting"),
        ]

    def __str__(self) -> str:
        return f"erasure of client {self.client_id}: {self.state}"
