"""Coupons and deposit rules in the admin; ``admin`` imports this module."""

from django.contrib import admin

from apps.core.admin import TenantAdmin
from apps.payments.models import Coupon, DepositRule


@admin.register(Coupon)
class CouponAdmin(TenantAdmin):
    """Codes that take something off a sale. ``uses`` is counted by the sales."""

    resource = "coupon"
    list_display = ("code", "kind", "value", "package", "service", "uses", "max_uses", "valid_until", "is_active")
    list_filter = ("is_active", "kind")
    search_fields = ("code",)
    ordering = ("code", "pk")
    fields = (
        "code",
        "kind",
        "value",
        "package",
        "service",
        "minimum_cents",
        "max_uses",
        "max_uses_per_client",
        "first_order_only",
        "valid_from",
        "valid_until",
        "uses",
        "is_active",
    )


@admin.register(DepositRule)
class DepositRuleAdmin(TenantAdmin):
    """When a sale asks for a deposit."""

    resource = "deposit-rule"
    list_display = ("name", "kind", "value", "package", "service", "client_tag", "minimum_cents", "is_active")
    list_filter = ("is_active", "kind")
    search_fields = ("name", "client_tag")
    ordering = ("name", "pk")
    fields = (
        "name",
        "kind",
        "value",
        "package",
        "service",
        "client_tag",
        "minimum_cents",
        "first_order_only",
        "min_no_shows",
        "is_active",
    )
