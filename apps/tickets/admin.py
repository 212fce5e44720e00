from django.contrib import admin

from apps.core.admin import ReadOnlyInline, ScopedAdmin, TenantAdmin
from apps.tickets.models import SlaTarget, SupportHours, Ticket, TicketAttachment, TicketCategory, TicketMessage, TicketTime


class TicketMessageInline(ReadOnlyInline):
    resource = "ticket"
    model = TicketMessage
    fields = ("sent_at", "side", "is_internal", "author", "body")
    ordering = ("pk",)
    show_change_link = False


class TicketAttachmentInline(ReadOnlyInline):
    resource = "ticket"
    model = TicketAttachment
    fields = ("created_at", "name", "content_type", "size", "is_internal", "uploaded_by")
    ordering = ("pk",)
    show_change_link = False


class TicketTimeInline(ReadOnlyInline):
    resource = "ticket"
    model = TicketTime
    fields = ("created_at", "booking", "minutes", "note", "logged_by")
    ordering = ("pk",)
    show_change_link = False


@admin.register(Ticket)
class TicketAdmin(TenantAdmin):
    """Tickets with everything that was said, to read; they are answered in the app."""

    resource = "ticket"
    list_display = ("number", "subject", "client", "site", "priority", "status", "assignee", "solution_due_at", "opened_at")
    list_filter = ("status", "priority")
    search_fields = ("subject", "client__full_name", "client__email")
    date_hierarchy = "opened_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("client", "site", "assignee__user")
    inlines = (TicketMessageInline, TicketAttachmentInline, TicketTimeInline)
    writes = frozenset()


@admin.register(TicketCategory)
class TicketCategoryAdmin(ScopedAdmin):
    """Kinds of questions."""

    resource = "ticket-category"
    list_display = ("name", "is_active")
    search_fields = ("name",)
    ordering = ("name", "pk")


@admin.register(SlaTarget)
class SlaTargetAdmin(ScopedAdmin):
    """How soon tickets are answered and solved."""

    resource = "sla-target"
    list_display = ("priority", "first_answer_minutes", "solution_minutes")
    ordering = ("pk",)


@admin.register(SupportHours)
class SupportHoursAdmin(ScopedAdmin):
    """When the support is open."""

    resource = "support-hours"
    list_display = ("weekday", "start", "end")
    ordering = ("weekday", "start")
