from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.core.admin import ReadOnlyInline, ScopedAdmin, TenantAdmin
from apps.orders.models import ClientPackage, Order, OrderLine


class OrderLineInline(ReadOnlyInline):
    resource = "order"
    model = OrderLine
    fields = ("position", "kind", "description", "quantity", "unit_price_cents", "amount_cents")
    ordering = ("position",)
    show_change_link = False


class Purchases(ScopedAdmin):
    """Purchases, to read: they change through services. The apps above add their rows to ``inlines``."""

    list_filter: ClassVar[Any] = ("status", "payment_status")
    search_fields = ("number", "client__full_name", "client__email")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    inlines: ClassVar[list] = [OrderLineInline]
    writes = frozenset()


@admin.register(Order)
class OrderAdmin(TenantAdmin, Purchases):
    resource = "order"
    list_display = (
        "number",
        "client",
        "order_type",
        "total_amount_cents",
        "paid_cents",
        "currency",
        "status",
        "payment_status",
        "created_at",
    )
    list_filter = ("status", "payment_status", "order_type")


@admin.register(ClientPackage)
class ClientPackageAdmin(Purchases):
    """Packages that clients own: the same orders, seen from the package."""

    resource = "client-package"
    list_display = ("number", "client", "package", "total_amount_cents", "currency", "status", "payment_status", "expires_at")
    list_filter = ("status", "payment_status", "package")

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The history is the order's."""
        return HttpResponseRedirect(reverse("admin:orders_order_history", args=[object_id]))
