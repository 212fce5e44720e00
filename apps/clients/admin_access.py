from django.contrib import admin

from apps.clients.models import GuestAccess
from apps.core.admin import ReadOnlyAdmin


@admin.register(GuestAccess)
class GuestAccessAdmin(ReadOnlyAdmin):
    """Links that were mailed to clients, and which of them were opened; no secret is kept, so none can be read."""

    resource = "client"
    list_display = ("created_at", "client", "expires_at", "opened_at", "closed_at")
    search_fields = ("client__full_name", "client__email")
    ordering = ("-created_at", "-pk")
    list_select_related = ("client",)
    fields = ("client", "created_at", "expires_at", "opened_at", "closed_at")
