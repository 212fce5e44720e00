"""What people were told, to read. Messages in full belong to their readers and are not shown."""

from django.contrib import admin

from apps.core.admin import ScopedAdmin
from apps.notifications import admin_reminders  # noqa: F401  registers the admin of reminders
from apps.notifications.models import Delivery, Notification, SenderIdentity


@admin.register(Delivery)
class DeliveryAdmin(ScopedAdmin):
    """Mails and short messages, and what became of them."""

    resource = "delivery"
    list_display = ("created_at", "kind", "channel", "address", "state", "attempts", "next_attempt_at", "sent_at", "error")
    fields = (
        "kind",
        "channel",
        "client",
        "user",
        "address",
        "language",
        "timezone",
        "subject",
        "state",
        "attempts",
        "next_attempt_at",
        "sent_at",
        "message_id",
        "error",
        "created_at",
        "emptied_at",
    )
    list_filter = ("state", "channel", "kind")
    search_fields = ("address",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    writes = frozenset()


@admin.register(Notification)
class NotificationAdmin(ScopedAdmin):
    """That somebody was told something, and whether they have read it."""

    resource = "delivery"
    list_display = ("created_at", "kind", "user", "read_at")
    fields = ("kind", "user", "event_id", "created_at", "read_at")
    list_filter = ("kind",)
    search_fields = ("user__email",)
    ordering = ("-pk",)
    list_select_related = ("user",)
    writes = frozenset()


@admin.register(SenderIdentity)
class SenderIdentityAdmin(ScopedAdmin):
    """In whose name the account writes; it is changed through the API."""

    resource = "sender-identity"
    list_display = ("sender_name", "reply_to", "sms_provider", "sms_sender")
    fields = ("sender_name", "reply_to", "sms_provider", "sms_sender")
    ordering = ("pk",)
    writes = frozenset()
