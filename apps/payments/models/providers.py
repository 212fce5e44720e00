"""Somebody else's servers and statements: how we are known there, and what they told us."""

from typing import ClassVar

from django.db import models
from django.db.models import Index, Q, UniqueConstraint

from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history
from apps.payments.models.payment import Payment


class Provider(models.TextChoices):
    STRIPE = "stripe"
    PAYPAL = "paypal"


class ProviderAccount(TenantModel):
    """An account's own credentials at a provider. ``secrets`` is encrypted (apps.core.vault) and never shown or logged."""

    provider = models.CharField(max_length=16, choices=Provider.choices)
    public = models.JSONField(default=dict, blank=True, help_text="What may be shown: publishable key, client id …")
    secrets = models.TextField(blank=True, editable=False)
    payee = models.CharField(max_length=255, blank=True, help_text="Who gets the money, as the provider names this account.")
    is_active = models.BooleanField(default=True)
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider last knew these credentials.")

    history = history(excluded_fields=["secrets"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_provideraccount_tenant_key"),
            UniqueConstraint(
                fields=["account", "provider"],
                name="payments_provideraccount_unique_provider",
                violation_error_message="This provider is set up already.",
            ),
        ]

    def __str__(self) -> str:
        return self.provider


class ProviderEvent(TenantModel):
    """What a provider told us, stored as it came before anything is done about it; each event once."""

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        IGNORED = "ignored"  # about nothing that concerns us
        QUARANTINED = "quarantined"  # it contradicts what we know; staff have to look
        FAILED = "failed"

    provider = models.CharField(max_length=16, choices=Provider.choices)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    subject = models.CharField(max_length=10)
    reference = models.CharField(max_length=255, blank=True)
    body = models.TextField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.RECEIVED)
    note = models.CharField(max_length=255, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    processed_at = models.DateTimeField(null=True, blank=True)
    payment = TenantForeignKey(Payment, models.SET_NULL, related_name="provider_events", null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_providerevent_tenant_key"),
            SameAccount("payment", name="payments_providerevent_payment_account"),
            UniqueConstraint(fields=["account", "provider", "event_id"], name="payments_providerevent_once"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="payments_providerevent_recent"),  # provider-events/
            Index(fields=["created_at"], name="payments_providerevent_left", condition=Q(status__in=["received", "failed"])),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.type}"


class BankLine(TenantModel):
    """A line of a bank statement that was imported; ``fingerprint`` makes the same line of two files one row."""

    class Status(models.TextChoices):
        MATCHED = "matched"
        UNMATCHED = "unmatched"
        MISMATCH = "mismatch"  # the reference is known, the amount is not
        IGNORED = "ignored"

    booked_on = models.DateField()
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    text = models.CharField(max_length=500, help_text="Purpose and sender, as the bank wrote them.")
    fingerprint = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status.choices)
    note = models.CharField(max_length=255, blank=True)
    payment = TenantForeignKey(Payment, models.RESTRICT, related_name="bank_lines", null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_bankline_tenant_key"),
            SameAccount("payment", name="payments_bankline_payment_account"),
            UniqueConstraint(fields=["account", "fingerprint"], name="payments_bankline_once"),
            UniqueConstraint(fields=["payment"], condition=Q(status="matched"), name="payments_bankline_one_per_payment"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="payments_bankline_recent")]  # bank-lines/

    def __str__(self) -> str:
        return f"{self.booked_on} {self.amount_cents} {self.currency}"
