"""Merges, imports and exports, to read: they are made and undone in the app."""

from django.contrib import admin

from apps.clients.models import ClientExport, ClientImport, ClientImportRow, ClientMerge
from apps.core.admin import ReadOnlyAdmin, TenantAdmin


@admin.register(ClientMerge)
class ClientMergeAdmin(ReadOnlyAdmin):
    """Which records were made one."""

    resource = "client-merge"
    list_display = ("merged_at", "winner", "loser", "merged_by", "undone_at")
    list_select_related = ("winner", "loser", "merged_by")
    search_fields = ("winner__full_name", "loser__full_name")
    date_hierarchy = "merged_at"
    ordering = ("-merged_at", "-pk")


@admin.register(ClientImport)
class ClientImportAdmin(TenantAdmin):
    """Files that were read in."""

    resource = "client-import"
    list_display = ("created_at", "name", "state", "total", "done", "created", "updated", "skipped", "bad", "uploaded_by")
    list_filter = ("state", "format")
    list_select_related = ("uploaded_by",)
    search_fields = ("name",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    writes = frozenset()


@admin.register(ClientImportRow)
class ClientImportRowAdmin(ReadOnlyAdmin):
    """What became of each row."""

    resource = "client-import"
    list_display = ("source", "line", "state", "client", "reason")
    list_filter = ("state",)
    list_select_related = ("source", "client")
    search_fields = ("reason", "client__full_name")
    ordering = ("-source_id", "line")


@admin.register(ClientExport)
class ClientExportAdmin(TenantAdmin):
    """Lists that left the house, and who has asked for them."""

    resource = "client-export"
    list_display = ("created_at", "format", "state", "rows", "requested_by", "fetched_at")
    list_filter = ("state", "format")
    list_select_related = ("requested_by",)
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    writes = frozenset()
