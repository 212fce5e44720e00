"""Webhooks in the admin, to read. Secrets are not shown; endpoints are made in the app, where their secret is given out once."""

from django.contrib import admin

from apps.core.admin import ScopedAdmin, TenantAdmin
from apps.integrations.models import CalendarFeed, WebhookDelivery, WebhookEndpoint


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(TenantAdmin):
    """Where events are sent."""

    resource = "webhook-endpoint"
    list_display = ("url", "description", "state", "state_reason", "state_since", "failing_since", "consecutive_failures")
    fields = (
        "url",
        "description",
        "event_types",
        "state",
        "state_reason",
        "state_since",
        "failing_since",
        "consecutive_failures",
        "previous_secret_until",
    )
    list_filter = ("state",)
    search_fields = ("url", "description")
    ordering = ("-created_at", "-pk")
    writes = frozenset()


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ScopedAdmin):
    """What was sent, and what came of it."""

    resource = "webhook-delivery"
    list_display = ("created_at", "endpoint", "event_type", "event_id", "number", "state", "attempts", "last_status", "last_error")
    fields = (
        "endpoint",
        "event_id",
        "event_type",
        "number",
        "state",
        "attempts",
        "next_attempt_at",
        "last_attempt_at",
        "last_status",
        "last_error",
        "duration_ms",
        "delivered_at",
        "created_at",
    )
    list_filter = ("state",)
    search_fields = ("event_type",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("endpoint",)
    writes = frozenset()


@admin.register(CalendarFeed)
class CalendarFeedAdmin(ScopedAdmin):
    """Secret addresses of calendars, to read. They are made in the app, where the address is given out once."""

    resource = "calendar-feed"
    list_display = ("created_at", "practitioner", "client", "detail", "label", "last_read_at", "revoked_at")
    fields = ("practitioner", "client", "detail", "label", "made_by", "by_member", "last_read_at", "revoked_at")
    list_filter = ("detail",)
    search_fields = ("label", "practitioner__display_name", "client__full_name")
    ordering = ("-created_at", "-pk")
    writes = frozenset()
