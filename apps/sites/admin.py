from django.contrib import admin

from apps.core.admin import ReadOnlyInline, TenantAdmin
from apps.sites.models import Site, SiteOwnership, SiteTransfer


class OwnershipInline(ReadOnlyInline):
    resource = "site"
    model = SiteOwnership
    fields = ("client", "role", "is_primary", "acquired_at", "ended_at")
    ordering = ("acquired_at", "pk")
    select_related = ("client",)


@admin.register(Site)
class SiteAdmin(TenantAdmin):
    """Websites and to whom they belong, to read. They are changed in the app, where their owners' primary sites follow."""

    resource = "site"
    list_display = ("site_title", "slug", "site_url", "status", "subscription_status", "monthly_amount_cents", "price_cents", "updated_at")
    list_filter = ("status", "subscription_status")
    search_fields = ("site_title", "slug", "site_url")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    inlines = (OwnershipInline,)
    writes = frozenset()


@admin.register(SiteTransfer)
class SiteTransferAdmin(TenantAdmin):
    """Offers of sites to new owners, to read."""

    resource = "site"
    list_display = ("created_at", "site", "from_client", "client", "status", "expires_at", "decided_at")
    list_filter = ("status",)
    search_fields = ("site__slug", "site__site_title", "client__full_name", "from_client__full_name")
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-pk")
    list_select_related = ("site", "from_client", "client")
    writes = frozenset()
