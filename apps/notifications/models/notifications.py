"""What a person is told inside the product, and what they want to be told where."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Index, Q, UniqueConstraint

from apps.core.constraints import TenantKey
from apps.core.models import TenantModel, TimestampedModel


class Kind(models.TextChoices):
    """What a message is about: what a reader filters by and chooses channels for. Several events may speak as one kind."""

    BOOKING_REQUESTED = "booking_requested"
    BOOKING_CONFIRMED = "booking_confirmed"
    BOOKING_DECLINED = "booking_declined"
    BOOKING_RESCHEDULED = "booking_rescheduled"
    BOOKING_CANCELLED = "booking_cancelled"
    BOOKING_REINSTATED = "booking_reinstated"
    BOOKING_NO_SHOW = "booking_no_show"
    BOOKING_HOLD_LAPSED = "booking_hold_lapsed"
    BOOKING_REMINDER = "booking_reminder"
    OCCURRENCE_BELOW_MINIMUM = "occurrence_below_minimum"
    WAITLIST_OFFER = "waitlist_offer"
    ORDER_PLACED = "order_placed"
    ORDER_CANCELLED = "order_cancelled"
    PACKAGE_EXPIRING = "package_expiring"
    PACKAGE_EXPIRED = "package_expired"
    PACKAGE_PAUSED = "package_paused"
    PACKAGE_EXTENDED = "package_extended"
    PACKAGE_TRANSFERRED = "package_transferred"
    PAYMENT_RECEIVED = "payment_received"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_INSTRUCTIONS = "payment_instructions"
    PAYMENT_OVERDUE = "payment_overdue"
    PAYMENT_REVIEW = "payment_review"
    PAYMENT_LEFT_OVER = "payment_left_over"
    REFUND_SENT = "refund_sent"
    REFUND_FAILED = "refund_failed"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_CLOSED = "dispute_closed"
    INVOICE_ISSUED = "invoice_issued"
    CREDIT_NOTE_ISSUED = "credit_note_issued"
    GIFT_CODE_READY = "gift_code_ready"
    REVIEW_REQUESTED = "review_requested"
    REVIEW_RECEIVED = "review_received"
    REVIEW_REPLIED = "review_replied"
    REVIEW_HIDDEN = "review_hidden"
    DOCUMENT_SHARED = "document_shared"
    WEBHOOK_PAUSED = "webhook_paused"
    SITE_OWNERSHIP = "site_ownership"
    SITE_TRANSFER = "site_transfer"
    TICKET_OPENED = "ticket_opened"
    TICKET_REPLIED = "ticket_replied"
    TICKET_STATUS = "ticket_status"
    TICKET_OVERDUE = "ticket_overdue"
    COMMENT_RECEIVED = "comment_received"
    TASK_DUE = "task_due"
    IMPORT_FINISHED = "import_finished"
    EXPORT_READY = "export_ready"


class Channel(models.TextChoices):
    """How a message reaches its reader."""

    IN_APP = "in_app"
    EMAIL = "email"
    SMS = "sms"


class Notification(TenantModel):
    """One message to one login (source 004), in the language and the zone its reader had when it was written.

    ``key`` names what it tells: the same change makes no second row, however often its handler runs. ``data`` holds the ids that a
    frontend needs to go there by itself.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    event_id = models.BigIntegerField(null=True, blank=True)
    key = models.CharField(max_length=64, editable=False)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    title = models.CharField(max_length=200)
    message = models.TextField(max_length=2000)
    action_url = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="notifications_notification_tenant_key"),
            UniqueConstraint(fields=["account", "user", "key"], name="notifications_notification_once"),
        ]
        indexes: ClassVar = [
            Index(fields=["user", "-id"], name="notifications_notification_own"),  # customer/notifications/, live
            Index(fields=["account", "user", "-id"], name="notifications_notification_all"),  # notifications/
            # unread-count/, ?unread=; begins like the one above, which the planner otherwise prefers for its order on disk
            Index(fields=["account", "user", "-id"], name="notifications_notification_new", condition=Q(read_at=None)),
        ]

    def __str__(self) -> str:
        return self.title


class Preference(TimestampedModel):
    """One person's own choice for one kind and one channel, over all accounts; without a row the default holds."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=32, choices=Kind.choices)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    is_enabled = models.BooleanField()

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints: ClassVar = [UniqueConstraint(fields=["user", "kind", "channel"], name="notifications_preference_unique")]

    def __str__(self) -> str:
        return f"{self.kind} by {self.channel}: {'on' if self.is_enabled else 'off'}"
