from typing import Any, ClassVar

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from apps.core.admin import ScopedForm, ScopedInline, TenantAdmin
from apps.packages.models import Package, PackageItem
from apps.packages.services import update_package


class PackageItemForm(ScopedForm):
    """``position`` only orders the rows: the service numbers them anew, so any two may trade places."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "position" in self.fields:
            self.fields["position"].required = False

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | {"position"}


class PackageItemInline(ScopedInline):
    resource = "package"
    model = PackageItem
    form = PackageItemForm
    fields = ("service", "quantity", "position")
    ordering = ("position",)
    select_related = ("service",)


@admin.register(Package)
class PackageAdmin(TenantAdmin):
    """Bundles of sessions. Packages that were sold keep what was sold, whatever is changed here."""

    resource = "package"
    list_display = ("package_name", "price_cents", "valid_days", "is_public", "is_active", "updated_at")
    list_filter = ("is_active", "is_public", "transferable")
    search_fields = ("package_name", "description")
    ordering = ("package_name", "pk")
    fields = ("package_name", "description", "price_cents", "valid_days", "transferable", "is_public", "is_active")
    inlines: ClassVar = [PackageItemInline]

    def save_formset(self, request: HttpRequest, form: ModelForm, formset: Any, change: bool) -> None:
        """All items at once through the service, in the order of their positions; new rows without one come last."""
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        if not formset.has_changed():
            return
        kept = [row.cleaned_data for row in formset.forms if row.cleaned_data.get("service") and not row.cleaned_data.get("DELETE")]
        kept.sort(key=lambda row: float("inf") if row["position"] is None else row["position"])
        update_package(form.instance, items=[{"service": row["service"], "quantity": row["quantity"]} for row in kept])
