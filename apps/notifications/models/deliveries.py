"""What leaves the house: mails and short messages, with their state, and in whose name they are sent."""

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel
from apps.notifications.models.notifications import Channel, Kind

OUTWARD = (Channel.EMAIL, Channel.SMS)
OUTWARD_CHOICES = [(channel.value, channel.label) for channel in OUTWARD]


def new_token() -> str:
    """64 random bits of a Message-ID."""
    return secrets.token_hex(8)


class Delivery(TenantModel):
    """One message on its way to one address. Its words are frozen when it is made, so every attempt sends the same.

    A worker claims it (``sending``, ``claimed_at``), calls outside any transaction and records the answer; what a dead worker left is
    claimed again. ``message_token`` makes a Message-ID that stays the same over attempts, by which receivers fold duplicates. The words
    are emptied 30 days after the end; who was told what kind of thing, when and where, stays.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        SKIPPED = "skipped"

    key = models.CharField(max_length=64, editable=False)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    channel = models.CharField(max_length=8, choices=OUTWARD_CHOICES)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", null=True, blank=True)
    client = TenantForeignKey(Client, models.CASCADE, related_name="+", db_index=False, null=True, blank=True)
    notification_id = models.BigIntegerField(null=True, blank=True, help_text="The same message inside the product, if there is one.")
    event_id = models.BigIntegerField(null=True, blank=True)
    address = models.CharField(max_length=254, help_text="E-mail address or phone number.")
    language = models.CharField(max_length=8)
    timezone = models.CharField(max_length=64)
    subject = models.CharField(max_length=255, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    attachments = models.JSONField(default=list, blank=True, help_text="[{name, type, text}]")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    message_token = models.CharField(max_length=16, default=new_token, editable=False)
    message_id = models.CharField(max_length=255, blank=True, help_text="As the receiving side knows it.")
    error = models.CharField(max_length=500, blank=True)
    emptied_at = models.DateTimeField(null=True, blank=True, help_text="When its words were deleted.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            TenantKey(name="notifications_delivery_tenant_key"),
            SameAccount("client", name="notifications_delivery_client_account"),
            UniqueConstraint(fields=["account", "key", "channel", "address"], name="notifications_delivery_once"),
            CheckConstraint(
                condition=(
                    Q(state="pending", next_attempt_at__isnull=False)
                    | Q(state="sending", claimed_at__isnull=False)
                    | Q(state="sent", sent_at__isnull=False)
                    | Q(state__in=["failed", "skipped"])
                ),
                name="notifications_delivery_state",
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="notifications_delivery_recent"),  # deliveries/
            Index(fields=["account", "client"], name="notifications_delivery_client", condition=Q(client__isnull=False)),
            Index(fields=["next_attempt_at"], name="notifications_delivery_due", condition=Q(state="pending")),  # the sweep
            Index(fields=["claimed_at"], name="notifications_delivery_left", condition=Q(state="sending")),  # the sweep
            Index(fields=["updated_at"], name="notifications_delivery_full", condition=Q(emptied_at=None)),  # emptying
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel} to {self.address}"


class SenderIdentity(TenantModel):
    """In whose name an account writes. Credentials of an SMS provider are kept encrypted and never shown."""

    class SmsProvider(models.TextChoices):
        NONE = "", "None"
        CONSOLE = "console"
        TWILIO = "twilio"

    sender_name = models.CharField(max_length=100, blank=True, help_text="Shown as the sender; empty: the account's name.")
    reply_to = models.EmailField(max_length=254, blank=True, help_text="Where answers go; empty: nowhere.")
    sms_provider = models.CharField(max_length=8, choices=SmsProvider.choices, blank=True, default=SmsProvider.NONE)
    sms_sender = models.CharField(max_length=20, blank=True, help_text="Number or name that short messages come from.")
    sms_credentials = models.TextField(blank=True, editable=False)

    class Meta:
        verbose_name_plural = "sender identities"
        constraints: ClassVar = [
            TenantKey(name="notifications_senderidentity_tenant_key"),
            UniqueConstraint(fields=["account"], name="notifications_senderidentity_one"),
        ]

    def __str__(self) -> str:
        return self.sender_name or f"account {self.account_id}"
