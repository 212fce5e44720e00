"""The books in the admin: to read. ``admin`` imports this module."""

from typing import ClassVar

from django.contrib import admin

from apps.core.admin import ReadOnlyInline, ScopedAdmin
from apps.payments.models import LedgerEntry, LedgerTransaction


class LedgerEntryInline(ReadOnlyInline):
    resource = "ledger"
    model = LedgerEntry
    fields = ("book", "amount_cents", "currency", "order", "booking", "client")
    ordering = ("pk",)
    select_related = ("order", "booking", "client")
    show_change_link = False


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ScopedAdmin):
    """Transactions of the books with their legs. The database lets nobody change them."""

    resource = "ledger"
    list_display = ("created_at", "kind", "order", "client", "memo", "reverses")
    list_filter = ("kind",)
    search_fields = ("memo", "order__number", "client__full_name", "client__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client", "reverses")
    inlines: ClassVar[list] = [LedgerEntryInline]
    writes = frozenset()
