from django.contrib import admin
from django.http import HttpRequest

from apps.core.admin import ScopedAdmin
from apps.location.models import Country


@admin.register(Country)
class CountryAdmin(ScopedAdmin):
    """Reference data: everybody reads, superusers write."""

    list_display = ("code", "name", "dialing_code", "currency")
    search_fields = ("=code", "name")
    ordering = ("name",)

    def may(self, request: HttpRequest, action: str) -> bool:
        return action == "retrieve" or super().may(request, action)
