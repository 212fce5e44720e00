"""When clients are reminded of their sessions, and every single reminder with what became of it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.bookings.models import Booking
from apps.catalog.models import Service
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history
from apps.notifications.models.deliveries import Delivery
from apps.notifications.models.notifications import Channel

MOST_MINUTES = 60 * 24 * 60
"""No reminder is planned more than 60 days ahead of the start."""

REMINDED_ONCE = "notifications_reminder_sent_once"


class ReminderRule(TenantModel):
    """Remind ``minutes_before`` the start, on each of ``channels``; of all services, or of one.

    A change is carried over to the sessions ahead by a job in batches: ``generation`` says which change a job works for,
    ``replanned_through`` is the last session it has dealt with (null: done), ``replanned`` how many.
    """

    minutes_before = models.PositiveIntegerField(help_text="Minutes before the start, 10 to 86,400 (60 days).")
    channels = ArrayField(models.CharField(max_length=8, choices=Channel.choices), size=len(Channel), help_text="Each of them reminds.")
    service = TenantForeignKey(
        Service, models.CASCADE, related_name="+", db_index=False, null=True, blank=True, help_text="Only its sessions; null: all."
    )
    is_active = models.BooleanField(default=True)
    changed_at = models.DateTimeField(help_text="What would have been due before is not sent late.")
    generation = models.PositiveIntegerField(default=0)
    replanned_through = models.BigIntegerField(null=True, blank=True)
    replanned = models.PositiveIntegerField(default=0)

    history = history(excluded_fields=["generation", "replanned_through", "replanned"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="notifications_reminderrule_tenant_key"),
            SameAccount("service", name="notifications_reminderrule_service_account"),
            UniqueConstraint(
                fields=["account", "service", "minutes_before"],
                nulls_distinct=False,
                name="notifications_reminderrule_unique",
                violation_error_message="There is a rule for this time and these sessions already.",
            ),
            CheckConstraint(
                condition=Q(minutes_before__gte=10, minutes_before__lte=MOST_MINUTES),
                name="notifications_reminderrule_minutes",
                violation_error_message="Between 10 minutes and 60 days before the start.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.minutes_before} minutes before"


class Reminder(TenantModel):
    """One reminder of one version of a session, by one rule on one channel.

    It is sent only while that version is the session's, and at most once per rule, channel and start: the database says so, whatever
    the jobs do. ``reason`` says why one was skipped.
    """

    class State(models.TextChoices):
        PLANNED = "planned"
        SENT = "sent"
        SKIPPED = "skipped"

    class Reason(models.TextChoices):
        NONE = ""
        PAST = "past", "Its time was over when it was planned."
        CHANGED = "changed", "The session was moved or changed."
        CANCELLED = "cancelled", "The session takes place no more."
        STARTED = "started", "The session has started."
        ALREADY_SENT = "already_sent", "The client was reminded of this start by this rule before."
        NEXT_IS_DUE = "next_is_due", "A reminder closer to the start was due, too."
        QUIET = "quiet_hours", "It was late, and in the client's quiet hours."
        RULE_CHANGED = "rule_changed", "The rule was deactivated, or no longer says so."
        UNREACHABLE = "unreachable", "The client has no address on this channel, or does not want it."

    booking = TenantForeignKey(Booking, models.CASCADE, related_name="+", db_index=False)
    version = models.PositiveIntegerField(help_text="Of the session.")
    rule = TenantForeignKey(ReminderRule, models.RESTRICT, related_name="reminders")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    start_time = models.DateTimeField(help_text="The start that it reminds of.")
    due_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True, help_text="It was late, and waits for the end of the quiet hours.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PLANNED)
    reason = models.CharField(max_length=16, choices=Reason.choices, blank=True, default=Reason.NONE)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="When its job was queued last.")
    sent_at = models.DateTimeField(null=True, blank=True)
    delivery = TenantForeignKey(Delivery, models.SET_NULL, related_name="+", db_index=False, null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="notifications_reminder_tenant_key"),
            SameAccount("booking", name="notifications_reminder_booking_account"),
            SameAccount("rule", name="notifications_reminder_rule_account"),
            SameAccount("delivery", name="notifications_reminder_delivery_account"),
            UniqueConstraint(fields=["booking", "version", "rule", "channel"], name="notifications_reminder_unique"),
            UniqueConstraint(fields=["booking", "rule", "channel", "start_time"], condition=Q(state="sent"), name=REMINDED_ONCE),
            CheckConstraint(
                condition=Q(state="planned", reason="", sent_at=None)
                | Q(state="sent", reason="", sent_at__isnull=False)
                | (Q(state="skipped", sent_at=None) & ~Q(reason="")),
                name="notifications_reminder_state",
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="notifications_reminder_recent"),  # reminders/
            Index(fields=["due_at", "id"], name="notifications_reminder_due", condition=Q(state="planned")),  # the sender
            Index(fields=["account", "rule", "booking"], name="notifications_reminder_ahead", condition=Q(state="planned")),  # replanning
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.due_at:%Y-%m-%d %H:%M} of session {self.booking_id}"
