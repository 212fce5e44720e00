from django.contrib import admin

from apps.clients.models import Erasure, SubjectExport
from apps.core.admin import TenantAdmin


@admin.register(SubjectExport)
class SubjectExportAdmin(TenantAdmin):
    """Archives of single clients: who asked for them, and whether they were fetched."""

    resource = "subject-export"
    list_display = ("created_at", "client", "state", "requested_by", "size", "expires_at", "fetched_at")
    list_filter = ("state",)
    ordering = ("-created_at", "-pk")
    list_select_related = ("client", "requested_by")
    fields = ("client", "state", "requested_by", "size", "created_at", "ready_at", "expires_at", "fetched_at")
    writes = frozenset()


@admin.register(Erasure)
class ErasureAdmin(TenantAdmin):
    """Erasures with their certificates."""

    resource = "erasure"
    list_display = ("created_at", "client", "state", "erased_at", "kept_until")
    list_filter = ("state",)
    ordering = ("-created_at", "-pk")
    list_select_related = ("client",)
    fields = ("client", "state", "reason", "obstacles", "certificate", "source", "erased_at", "kept_until")
    writes = frozenset()
