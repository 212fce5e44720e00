"""Webhooks that we send: where to, and what became of each."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, BTreeIndex
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history


def message_id(event_id: int) -> str:
    """The webhook-id by which a receiver knows an event again: the same for every attempt and every replay."""
    return f"evt_{event_id}"


class WebhookEndpoint(TenantModel):
    """An address of somebody else's that is told what happens in this account.

    Events go to it only while it is `active`; what it missed is sent by a replay. ``secrets`` (the signing secret and, until
    ``previous_secret_until``, the one before it) is encrypted (apps.core.vault) and never shown or logged.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"  # by staff, or because it failed for too long
        DISABLED = "disabled"  # it said 410 Gone

    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(models.CharField(max_length=64), default=list, blank=True, help_text="What it is told; empty: everything.")
    secrets = models.TextField(editable=False)
    previous_secret_until = models.DateTimeField(null=True, blank=True, help_text="Until then both secrets sign.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(max_length=64, blank=True, help_text="Why it is not active: a short code.")
    state_since = models.DateTimeField(null=True, blank=True, help_text="Since when it is not active.")
    missed_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when it has missed events, by being stopped; empty once they were sent again."
    )
    failing_since = models.DateTimeField(null=True, blank=True, help_text="The first failure since the last success.")
    consecutive_failures = models.PositiveIntegerField(default=0)

    history = history(excluded_fields=["secrets", "missed_since", "failing_since", "consecutive_failures"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="integrations_webhookendpoint_tenant_key"),
            CheckConstraint(
                condition=Q(state="active", state_reason="", state_since=None) | ~Q(state="active") & Q(state_since__isnull=False),
                name="integrations_webhookendpoint_state_since",
            ),
            CheckConstraint(
                condition=Q(consecutive_failures=0, failing_since=None) | Q(consecutive_failures__gt=0, failing_since__isnull=False),
                name="integrations_webhookendpoint_failing_since",
            ),
        ]
        indexes: ClassVar = [
            BTreeIndex(fields=["account", "-created_at", "-id"], name="integrations_webhookendpoint_all"),  # webhook-endpoints/
        ]

    def __str__(self) -> str:
        return self.description or self.url


class WebhookDelivery(TenantModel):
    """One event for one endpoint: the body as it was frozen when it happened, and how the attempts to send it ended.

    ``number`` counts how often the event was meant to be sent there: 1, and one more for each replay. ``next_attempt_at`` is when it
    may be taken up (again); while it is `sending`, when its worker must have died.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"  # its endpoint was paused or disabled before it was accepted

    endpoint = TenantForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries", db_index=False)
    event_id = models.BigIntegerField()
    event_type = models.CharField(max_length=64)
    number = models.PositiveIntegerField(default=1)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The receiver's HTTP status, if it answered.")
    last_error = models.CharField(max_length=64, blank=True, help_text="What went wrong: a short code.")
    duration_ms = models.PositiveIntegerField(null=True, blank=True, help_text="How long the last attempt took.")
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="integrations_webhookdelivery_tenant_key"),
            SameAccount("endpoint", name="integrations_webhookdelivery_endpoint_account"),
            UniqueConstraint(fields=["endpoint", "event_id", "number"], name="integrations_webhookdelivery_once"),
            CheckConstraint(
                condition=Q(state__in=["pending", "sending"], next_attempt_at__isnull=False)
                | ~Q(state__in=["pending", "sending"]) & Q(next_attempt_at=None),
                name="integrations_webhookdelivery_waits_for_a_time",
            ),
            CheckConstraint(
                condition=Q(state="succeeded", delivered_at__isnull=False) | ~Q(state="succeeded") & Q(delivered_at=None),
                name="integrations_webhookdelivery_delivered_at",
            ),
        ]
        indexes: ClassVar = [
            BTreeIndex(fields=["account", "-created_at", "-id"], name="integrations_webhookdelivery_all"),  # webhook-deliveries/
            BTreeIndex(fields=["endpoint", "-created_at", "-id"], name="integrations_webhookdelivery_of"),  # … ?endpoint=
            BTreeIndex(
                fields=["endpoint", "next_attempt_at", "id"],
                name="integrations_webhookdelivery_due",
                condition=Q(next_attempt_at__isnull=False),
            ),
            BTreeIndex(fields=["account"], name="integrations_webhookdelivery_now", condition=Q(state="sending")),  # an account's lanes
            BrinIndex(fields=["created_at"], name="integrations_webhookdelivery_at", autosummarize=True),  # what is old enough to go
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {message_id(self.event_id)} #{self.number}"
