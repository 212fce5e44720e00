"""Reminders in the admin: to read. Rules are changed through the API, which plans the sessions ahead anew; ``admin`` imports this module."""

from django.contrib import admin

from apps.core.admin import ScopedAdmin, TenantAdmin
from apps.notifications.models import Reminder, ReminderRule


@admin.register(ReminderRule)
class ReminderRuleAdmin(TenantAdmin):
    """When clients are reminded of their sessions."""

    resource = "reminder-rule"
    list_display = ("minutes_before", "channels", "service", "is_active")
    list_filter = ("is_active",)
    ordering = ("-minutes_before", "pk")
    fields = ("minutes_before", "channels", "service", "is_active", "changed_at", "replanned")
    writes = frozenset()


@admin.register(Reminder)
class ReminderAdmin(ScopedAdmin):
    """What clients were, will be and will not be reminded of."""

    resource = "reminder"
    list_display = ("due_at", "booking", "rule", "channel", "state", "reason", "sent_at")
    list_select_related = ("booking", "rule")
    list_filter = ("state", "channel", "reason")
    search_fields = ("=booking__id",)
    date_hierarchy = "due_at"
    ordering = ("-created_at", "-pk")
    fields = ("booking", "version", "rule", "channel", "start_time", "due_at", "not_before", "state", "reason", "sent_at", "delivery")
    writes = frozenset()
