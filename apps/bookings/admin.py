from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from apps.bookings.models import Booking, Status
from apps.bookings.services import Override, schedule_booking
from apps.catalog.models import Practitioner
from apps.core.admin import ReadOnlyInline, ScopedForm, TenantAdmin
from apps.orders.admin import Purchases


class BookingInline(ReadOnlyInline):
    resource = "booking"
    model = Booking
    fields = ("position", "service", "practitioner", "status", "payment_status", "start_time", "price_cents")
    ordering = ("position",)
    select_related = ("service", "practitioner")


Purchases.inlines.append(BookingInline)


class ScheduleForm(ScopedForm):
    """The one thing that may be done to a draft session here: give it a practitioner and a start."""

    give_to: Any = forms.ModelChoiceField(queryset=None, required=False, label="Practitioner", widget=UnfoldAdminSelectWidget)
    start = forms.SplitDateTimeField(required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="In the account's time zone.")
    override_because = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="A reason here bends notice, hours and overlap; it is kept in the log.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "give_to" in self.fields:
            give_to: Any = self.fields["give_to"]
            give_to.queryset = Practitioner.objects.filter(is_active=True).order_by("display_name")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors and "give_to" in self.fields and not (self.cleaned_data["give_to"] and self.cleaned_data["start"]):
            raise ValidationError("Choose a practitioner and a start.")
        return cleaned


SCHEDULING = ("give_to", "start", "override_because")


@admin.register(Booking)
class BookingAdmin(TenantAdmin):
    """Sessions, to read, and to schedule while they are drafts: the same service as the API's."""

    resource = "booking"
    form = ScheduleForm
    list_display = ("__str__", "order", "client", "service", "practitioner", "status", "payment_status", "start_time")
    list_filter = ("status", "payment_status", "practitioner", "service")
    search_fields = ("order__number", "client__full_name", "client__email")
    date_hierarchy = "start_time"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client", "service", "practitioner")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        draft = obj is None or obj.status == Status.DRAFT
        return draft and self._writable_here() and self.admin_site.may(request, self.resource, "schedule")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return tuple(field.name for field in self.model._meta.fields if field.name not in ("id", "account", "occupied"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        session = (None, {"fields": list(self.get_readonly_fields(request, obj))})
        return [("Schedule", {"fields": list(SCHEDULING)}), session] if self.has_change_permission(request, obj) else [session]

    def save_model(self, request: HttpRequest, obj: Booking, form: ModelForm, change: bool) -> None:
        wanted = form.cleaned_data
        override = Override(wanted["override_because"]) if wanted["override_because"] else None
        schedule_booking(obj, practitioner=wanted["give_to"], start_time=wanted["start"], override=override)
