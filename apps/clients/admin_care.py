"""What is kept about clients beside their record, to read: it is written in the app."""

from django.contrib import admin

from apps.clients.models import BlockedContact, ClientConsent, ClientNote, ClientTask, CustomField, Segment
from apps.core.admin import ReadOnlyAdmin, TenantAdmin


@admin.register(ClientNote)
class ClientNoteAdmin(ReadOnlyAdmin):
    """Notes of staff about clients."""

    resource = "client-note"
    list_display = ("created_at", "client", "is_pinned", "author")
    list_filter = ("is_pinned",)
    search_fields = ("client__full_name", "client__email")
    ordering = ("-created_at", "-pk")
    list_select_related = ("client", "author__user")
    fields = ("client", "body", "is_pinned", "author", "created_at", "updated_at")


@admin.register(ClientTask)
class ClientTaskAdmin(ReadOnlyAdmin):
    """What there is to do for clients."""

    resource = "client-task"
    list_display = ("title", "client", "due_at", "assignee", "done_at")
    search_fields = ("title", "client__full_name", "client__email")
    ordering = ("-pk",)
    list_select_related = ("client", "assignee__user")
    fields = ("client", "title", "due_at", "assignee", "author", "done_at", "done_by", "announced_at", "created_at")


@admin.register(ClientConsent)
class ClientConsentAdmin(ReadOnlyAdmin):
    """What clients agreed to and withdrew."""

    resource = "client"
    list_display = ("given_at", "client", "purpose", "granted", "source")
    list_filter = ("granted",)
    search_fields = ("purpose", "client__full_name", "client__email")
    ordering = ("-given_at", "-pk")
    list_select_related = ("client",)
    fields = ("client", "purpose", "granted", "wording", "source", "given_at", "created_at")


@admin.register(BlockedContact)
class BlockedContactAdmin(ReadOnlyAdmin):
    """Strangers to whom nothing is sold online."""

    resource = "blocked-contact"
    list_display = ("email", "phone_number", "reason", "author", "created_at")
    search_fields = ("email", "phone_number", "reason")
    ordering = ("-created_at", "-pk")
    list_select_related = ("author__user",)
    fields = ("email", "phone_number", "reason", "author", "created_at")


@admin.register(CustomField)
class CustomFieldAdmin(TenantAdmin):
    """The declared fields of clients."""

    resource = "custom-field"
    list_display = ("label", "key", "kind", "is_required", "is_active", "position")
    list_filter = ("kind", "is_active")
    search_fields = ("key", "label")
    ordering = ("position", "pk")
    fields = ("key", "label", "kind", "options", "is_required", "is_active", "position")
    writes = frozenset()


@admin.register(Segment)
class SegmentAdmin(TenantAdmin):
    """Saved selections of clients."""

    resource = "segment"
    list_display = ("name", "created_at", "updated_at")
    search_fields = ("name",)
    ordering = ("name", "pk")
    fields = ("name", "conditions", "created_at", "updated_at")
    writes = frozenset()
