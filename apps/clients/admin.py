from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.clients import (
    admin_access,  # noqa: F401  registers the admin of mailed links
    admin_care,  # noqa: F401  registers the admin of notes, tasks, consents, blocked contacts, fields and segments
    admin_lists,  # noqa: F401  registers the admin of merges, imports and exports
    admin_subjects,  # noqa: F401  registers the admin of archives and erasures
)
from apps.clients.models import Client
from apps.clients.services import create_client, delete_client, update_client
from apps.core.admin import TenantAdmin


@admin.register(Client)
class ClientAdmin(TenantAdmin):
    """The account's people. Which login somebody has is not for staff to set, merging has rules of its own."""

    resource = "client"
    list_display = ("full_name", "email", "phone_number", "stage", "owner", "created_at")
    list_filter = ("stage", "source")
    search_fields = ("full_name", "email", "phone_number")
    list_select_related = ("owner__user",)
    date_hierarchy = "created_at"
    ordering = ("full_name", "pk")
    fields = (
        "full_name",
        "email",
        "phone_number",
        "stage",
        "source",
        "owner",
        "tags",
        "customer",
        "merged_into",
        "custom_fields",
        "consents",
        "blocked_at",
        "blocked_reason",
    )
    readonly_fields = ("merged_into", "custom_fields", "consents", "blocked_at", "blocked_reason")

    def insert(self, request: HttpRequest, row: Client, values: dict[str, Any]) -> None:
        row.pk = create_client(account_id=row.account_id, **values).pk

    def update(self, request: HttpRequest, row: Client, values: dict[str, Any]) -> None:
        update_client(row, **values)

    def remove(self, request: HttpRequest, row: Client) -> None:
        delete_client(row)
