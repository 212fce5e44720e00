from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from apps.bookings.lifecycle import TRANSITIONS
from apps.bookings.models import Booking, BookingSeries, Review, Side, Status, WaitlistEntry
from apps.bookings.services.claims import Override
from apps.bookings.services.endings import (
    cancel_booking,
    check_in,
    complete_booking,
    decline_booking,
    mark_no_show,
    undo_no_show,
)
from apps.bookings.services.scheduling import confirm_booking, release_hold, reschedule_booking, schedule_booking
from apps.catalog.models import Practitioner
from apps.core.admin import ReadOnlyInline, ScopedForm, TenantAdmin
from apps.core.errors import DomainError, NotAllowed
from apps.orders.admin import Purchases


class BookingInline(ReadOnlyInline):
    resource = "booking"
    model = Booking
    fields = ("position", "service", "practitioner", "status", "payment_status", "start_time", "price_cents")
    ordering = ("position",)
    select_related = ("service", "practitioner")


Purchases.inlines.append(BookingInline)


class ScheduleForm(ScopedForm):
    """Give a session its practitioner and start, or move it to another: the business's own wish, so no policy binds it."""

    give_to: Any = forms.ModelChoiceField(queryset=None, required=False, label="Practitioner", widget=UnfoldAdminSelectWidget)
    start = forms.SplitDateTimeField(required=False, widget=UnfoldAdminSplitDateTimeWidget, help_text="In the account's time zone.")
    override_because = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="A reason here bends notice, hours, limits and overlap; it is kept in the log.",
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
BY_STAFF = "Done by staff in the admin."

# What may be done with many sessions at once: the policy's action, its name in the menu, the service.
ACTIONS: dict[str, tuple[str, Callable[[Booking], Any]]] = {
    "confirm": ("Confirm", confirm_booking),
    "decline": ("Decline requests", partial(decline_booking, reason=BY_STAFF)),
    "release": ("Release holds", release_hold),
    "check_in": ("Check in", check_in),
    "complete": ("Complete", complete_booking),
    "no_show": ("Mark as no-show", partial(mark_no_show, reason=BY_STAFF)),
    "undo_no_show": ("Take no-shows back", partial(undo_no_show, reason=BY_STAFF)),
    "cancel": ("Cancel, for nothing to the client", partial(cancel_booking, by=Side.PROVIDER, reason=BY_STAFF)),
}


def _act(action: str, admin_: "BookingAdmin", request: HttpRequest, chosen: QuerySet) -> None:
    """Run the service for each chosen session; the refused ones are said by their number, the others are done."""
    if not admin_.admin_site.may(request, admin_.resource, action) or not admin_._writable_here():
        admin_.message_user(request, "Your role does not allow this.", messages.ERROR)
        return
    name, service = ACTIONS[action]
    done = 0
    for booking in chosen.order_by("pk"):
        try:
            with transaction.atomic():
                service(booking)
            done += 1
        except DomainError as refused:
            admin_.message_user(request, f"Session {booking.pk}: {refused.message}", messages.ERROR)
    if done:
        admin_.message_user(request, f"{name}: {done}.", messages.SUCCESS)


@admin.register(Booking)
class BookingAdmin(TenantAdmin):
    """Sessions: to read, to schedule and move, and to act upon. Every change is the same service as the API's."""

    resource = "booking"
    form = ScheduleForm
    list_display = ("__str__", "order", "client", "service", "practitioner", "status", "payment_status", "start_time")
    list_filter = ("status", "payment_status", "practitioner", "service")
    search_fields = ("order__number", "client__full_name", "client__email")
    date_hierarchy = "start_time"
    ordering = ("-created_at", "-pk")
    list_select_related = ("order", "client", "service", "practitioner")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Those of the life cycle that this member's role has, in its order; nothing is deleted here."""
        if not self._writable_here():
            return {}
        return {
            action: (partial(_act, action), action, name)
            for action, (name, _) in ACTIONS.items()
            if self.admin_site.may(request, self.resource, action)
        }

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        action = "schedule" if obj is None or obj.status == Status.DRAFT else "reschedule"
        possible = obj is None or obj.status in TRANSITIONS[action].sources
        return possible and self._writable_here() and self.admin_site.may(request, self.resource, action)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return tuple(field.name for field in self.model._meta.fields if field.name not in ("id", "account", "occupied"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        session = (None, {"fields": list(self.get_readonly_fields(request, obj))})
        return [("Schedule", {"fields": list(SCHEDULING)}), session] if self.has_change_permission(request, obj) else [session]

    def save_model(self, request: HttpRequest, obj: Booking, form: ModelForm, change: bool) -> None:
        wanted = form.cleaned_data
        override = Override(wanted["override_because"]) if wanted["override_because"] else None
        if override and not self.admin_site.may(request, "booking-override", "use"):
            raise NotAllowed("Your role does not allow overrides.")
        give_to, start = wanted["give_to"], wanted["start"]
        if obj.status == Status.DRAFT:
            schedule_booking(obj, practitioner=give_to, start_time=start, override=override)
        else:
            reschedule_booking(obj, practitioner=give_to, start_time=start, override=override, by=Side.PROVIDER)


class ReadOnlyHistory(TenantAdmin):
    """Rows that change through the API's services, with their history."""

    writes = frozenset()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return tuple(field.name for field in self.model._meta.concrete_fields if field.editable and field.name not in ("id", "account"))


@admin.register(BookingSeries)
class BookingSeriesAdmin(ReadOnlyHistory):
    """Rules that give sessions their starts."""

    resource = "series"
    list_display = ("__str__", "client", "service", "practitioner", "status", "created_at")
    list_filter = ("status", "frequency", "practitioner", "service")
    search_fields = ("client__full_name",)
    ordering = ("-created_at", "-pk")


@admin.register(WaitlistEntry)
class WaitlistEntryAdmin(ReadOnlyHistory):
    """Who waits for time."""

    resource = "waitlist"
    list_display = ("client", "service", "practitioner", "status", "priority", "created_at", "expires_at")
    list_filter = ("status", "service", "practitioner")
    search_fields = ("client__full_name",)
    ordering = ("-created_at", "-pk")


@admin.register(Review)
class ReviewAdmin(ReadOnlyHistory):
    """What clients say; published, hidden and answered through the API."""

    resource = "review"
    list_display = ("client", "practitioner", "rating", "status", "created_at")
    list_filter = ("status", "rating", "practitioner")
    search_fields = ("client__full_name", "comment")
    ordering = ("-created_at", "-pk")
