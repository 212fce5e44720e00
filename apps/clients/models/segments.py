"""Saved selections of clients."""

from typing import ClassVar

from django.db import models
from django.db.models import UniqueConstraint

from apps.core.constraints import TenantKey
from apps.core.models import TenantModel, history


class Segment(TenantModel):
    """A named set of conditions (``apps.clients.segments``); a client belongs to it when all of them hold at the time of asking."""

    name = models.CharField(max_length=100)
    conditions = models.JSONField(default=list, help_text="[{field, is, value}, …]")

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_segment_tenant_key"),
            UniqueConstraint(
                fields=["account", "name"],
                name="clients_segment_unique_name",
                violation_error_message="A segment with this name exists already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
