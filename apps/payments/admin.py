from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import ReadOnlyInline, TenantAdmin
from apps.orders.admin import Purchases
from apps.payments import (
    admin_credit,  # noqa: F401  registers the admin of credit and gift codes
    admin_documents,  # noqa: F401  registers the admin of invoices and bank lines
    admin_ledger,  # noqa: F401  registers the admin of the books
    admin_providers,  # noqa: F401  registers the admin of providers and their events
    admin_terms,  # noqa: F401  registers what is in it
)
from apps.payments.models import Dispute, Payment, Refund
from apps.payments.services import mark_received


class PaymentInline(ReadOnlyInline):
    resource = "payment"
    model = Payment
    fields = ("created_at", "method", "amount_cents", "captured_cents", "currency", "status", "reference", "received_at")
    ordering = ("created_at",)


Purchases.inlines.append(PaymentInline)


@admin.register(Payment)
class PaymentAdmin(TenantAdmin):
    """Money coming in, to read; a pending payment is settled by the action, through the same service as the API's."""

    resource = "payment"
    list_display = ("created_at", "order", "client", "method", "amount_cents", "captured_cents", "currency", "status", "reference")
    list_filter = ("status", "method")
    search_fields = ("reference", "order__number", "client__full_name", "client__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client")
    actions = ("mark_as_received",)
    writes = frozenset()

    def has_receive_permission(self, request: HttpRequest) -> bool:
        return self._writable_here() and self.admin_site.may(request, self.resource, "mark_received")

    @admin.action(description="Mark as received", permissions=["receive"])
    def mark_as_received(self, request: HttpRequest, payments: QuerySet) -> Any:
        """All of the chosen payments, or none of them when one has ended already."""
        with transaction.atomic():
            received = [mark_received(payment) for payment in payments.select_related(None).order_by("order_id", "pk")]
        self.message_user(request, f"{len(received)} received.", messages.SUCCESS)


@admin.register(Refund)
class RefundAdmin(TenantAdmin):
    """Money going back, to read. It is decided about in the app, where providers are told."""

    resource = "refund"
    list_display = ("created_at", "order", "client", "method", "amount_cents", "currency", "status", "failure", "completed_at")
    list_filter = ("status", "method")
    search_fields = ("provider_ref", "order__number", "client__full_name", "client__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client")
    writes = frozenset()


@admin.register(Dispute)
class DisputeAdmin(TenantAdmin):
    """Chargebacks, to read."""

    resource = "dispute"
    list_display = ("created_at", "order", "client", "amount_cents", "currency", "status", "reason", "closed_at")
    list_filter = ("status",)
    search_fields = ("provider_ref", "order__number", "client__full_name", "client__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client")
    writes = frozenset()
