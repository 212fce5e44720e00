from typing import ClassVar

from django.contrib import admin

from apps.catalog.models import Offering, Practitioner, Service
from apps.core.admin import ScopedInline, TenantAdmin


class OfferingInline(ScopedInline):
    resource = "offering"
    model = Offering
    fields = ("service", "price_cents", "duration_minutes", "weight", "is_active")
    select_related = ("service",)


@admin.register(Service)
class ServiceAdmin(TenantAdmin):
    """What can be booked. Prices are cents of the account's currency, lengths are minutes."""

    resource = "service"
    list_display = ("name", "category", "duration_minutes", "price_cents", "capacity", "is_active")
    list_filter = ("is_active", "category", "requires_approval")
    search_fields = ("name", "category", "description")
    ordering = ("name", "pk")
    fieldsets = (
        (None, {"fields": ("name", "description", "category", "is_active")}),
        ("Price", {"fields": ("price_cents", "tax_rate")}),
        ("Time", {"fields": ("duration_minutes", "buffer_before_minutes", "buffer_after_minutes", "slot_step_minutes")}),
        (
            "Booking",
            {
                "fields": (
                    "capacity",
                    "online_capacity",
                    "min_attendees",
                    "min_attendees_hours",
                    "min_notice_minutes",
                    "horizon_days",
                    "horizon_in_working_days",
                    "season_from",
                    "season_to",
                    "requires_approval",
                )
            },
        ),
        ("Rules, set through the API", {"fields": ("cancellation_policy", "limits")}),
    )
    readonly_fields = ("cancellation_policy", "limits")


@admin.register(Practitioner)
class PractitionerAdmin(TenantAdmin):
    """Who gives sessions, and which."""

    resource = "practitioner"
    list_display = ("display_name", "headline", "timezone", "member", "is_active")
    list_filter = ("is_active", "timezone")
    search_fields = ("display_name", "headline")
    list_select_related = ("member__user",)
    ordering = ("display_name", "pk")
    fields = ("display_name", "headline", "bio", "timezone", "member", "is_active", "limits")
    readonly_fields = ("limits",)
    inlines: ClassVar = [OfferingInline]


@admin.register(Offering)
class OfferingAdmin(TenantAdmin):
    """A practitioner's own price (cents) or length (minutes) for a service."""

    resource = "offering"
    list_display = ("practitioner", "service", "price_cents", "duration_minutes", "is_active")
    list_filter = ("is_active", "practitioner", "service")
    search_fields = ("practitioner__display_name", "service__name")
    ordering = ("practitioner__display_name", "service__name", "pk")
