"""Payment providers and their events in the admin: to read. Secrets, and bodies of events, which hold secrets of clients, are not shown."""

from typing import Any

from django.contrib import admin

from apps.core.admin import ScopedAdmin, TenantAdmin
from apps.payments.models import ProviderAccount, ProviderEvent
from apps.payments.services.provider_accounts import kept_secrets


@admin.register(ProviderAccount)
class ProviderAccountAdmin(TenantAdmin):
    """The account's credentials at its providers; they are entered through the API."""

    resource = "provider-account"
    list_display = ("provider", "payee", "is_active", "checked_at")
    fields = ("provider", "public", "which_secrets", "payee", "is_active", "checked_at")
    readonly_fields = ("which_secrets",)
    ordering = ("provider", "pk")
    writes = frozenset()

    @admin.display(description="Secrets")
    def which_secrets(self, provider_account: Any) -> str:
        """Their names and how they end."""
        kept = kept_secrets(provider_account.provider, provider_account.secrets)
        return ", ".join(f"{one.name} …{one.last4}" for one in kept if one.is_set) or "none"


@admin.register(ProviderEvent)
class ProviderEventAdmin(ScopedAdmin):
    """What providers have told the account."""

    resource = "provider-event"
    list_display = ("created_at", "provider", "type", "status", "note", "attempts", "processed_at")
    fields = (
        "provider",
        "event_id",
        "type",
        "subject",
        "reference",
        "status",
        "note",
        "attempts",
        "payment",
        "created_at",
        "processed_at",
    )
    list_filter = ("status", "provider")
    search_fields = ("event_id", "reference")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    writes = frozenset()
