"""Invoices, credit notes and bank lines in the admin: to read."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from apps.core.admin import ScopedAdmin
from apps.payments.documents_pdf import file_name
from apps.payments.models import BankLine, CreditNote, Invoice
from apps.payments.services.invoices import document_pdf


class DocumentAdmin(ScopedAdmin):
    """Frozen documents with their PDF; they are issued through the service."""

    list_display = ("number", "issued_at", "order", "client", "total_cents", "currency", "pdf")
    fields = ("number", "kind", "order", "client", "corrects", "issued_at", "net_cents", "tax_cents", "total_cents", "currency", "pdf")
    readonly_fields = ("pdf",)
    search_fields = ("number", "order__number", "client__full_name", "client__email")
    date_hierarchy = "issued_at"
    ordering = ("-created_at", "-pk")
    writes = frozenset()

    @admin.display(description="PDF")
    def pdf(self, invoice: Invoice) -> str:
        return format_html('<a href="{}">PDF</a>', reverse(self._url_name("pdf"), args=[invoice.pk]))

    def get_urls(self) -> list[URLPattern]:
        name = self._url_name("pdf").partition(":")[2]
        return [path("<int:pk>/pdf/", self.admin_site.admin_view(self.download), name=name), *super().get_urls()]

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The PDF of a document in reach."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        invoice: Any = self.get_queryset(request).filter(pk=pk).first()
        if invoice is None:
            raise Http404
        name = f'inline; filename="{file_name(invoice.number)}"'
        return HttpResponse(document_pdf(invoice), content_type="application/pdf", headers={"Content-Disposition": name})


@admin.register(Invoice)
class InvoiceAdmin(DocumentAdmin):
    """Invoices; credit notes have their own page."""

    resource = "invoice"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(kind=Invoice.Kind.INVOICE)


@admin.register(CreditNote)
class CreditNoteAdmin(DocumentAdmin):
    resource = "credit-note"


@admin.register(BankLine)
class BankLineAdmin(ScopedAdmin):
    """Lines of imported statements; they are matched through the API."""

    resource = "bank-line"
    list_display = ("booked_on", "amount_cents", "currency", "text", "status", "payment", "note")
    list_filter = ("status",)
    search_fields = ("text", "note")
    date_hierarchy = "booked_on"
    ordering = ("-created_at", "-pk")
    writes = frozenset()
