"""Two records of one person become one."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.clients.models.client import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel


class ClientMerge(TenantModel):
    """``loser`` was merged into ``winner`` at ``merged_at``, and perhaps taken apart again.

    ``moved`` names every row that was moved (core.merging), ``fields`` what the winner's fields were before and after,
    ``logins`` whose logins the two had. ``merged_at`` is the ``updated_at`` of everything that was moved: a row that has another one
    was changed since, and keeps the merge from being undone.
    """

    winner = TenantForeignKey(Client, models.RESTRICT, related_name="merges", db_index=False)
    loser = TenantForeignKey(Client, models.RESTRICT, related_name="losses", db_index=False)
    merged_at = models.DateTimeField()
    merged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    moved: Any = models.JSONField(default=dict)
    fields: Any = models.JSONField(default=dict)
    logins: Any = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_clientmerge_tenant_key"),
            SameAccount("winner", name="clients_clientmerge_winner_account"),
            SameAccount("loser", name="clients_clientmerge_loser_account"),
            CheckConstraint(condition=~Q(winner=F("loser")), name="clients_clientmerge_two_rows"),
            UniqueConstraint(fields=["account", "loser"], condition=Q(undone_at=None), name="clients_clientmerge_once"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="clients_clientmerge_recent"),  # merges/
            Index(fields=["account", "winner"], name="clients_clientmerge_by_winner"),  # merges/?client=
            Index(fields=["merged_at"], name="clients_clientmerge_fresh", condition=Q(undone_at=None)),  # the job that moves stragglers
        ]

    def __str__(self) -> str:
        return f"{self.loser_id} into {self.winner_id}"

    @property
    def concerned_client_id(self) -> int:
        return self.winner_id
