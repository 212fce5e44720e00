from datetime import time
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError

from apps.core.admin import ScopedForm, TenantAdmin
from apps.scheduling.models import DateOverride, ExternalCalendar, TimeOff, WeeklyHours


@admin.register(WeeklyHours)
class WeeklyHoursAdmin(TenantAdmin):
    """Openings of the week, in the practitioner's wall time."""

    resource = "weekly-hours"
    list_display = ("practitioner", "weekday", "start", "end", "valid_from", "valid_to", "priority")
    list_filter = ("weekday", "practitioner")
    search_fields = ("practitioner__display_name",)
    ordering = ("practitioner__display_name", "weekday", "start", "pk")


class DateOverrideForm(ScopedForm):
    def clean_windows(self) -> list[dict[str, str]]:
        """A list of {"start": "HH:MM", "end": "HH:MM"}."""
        windows = self.cleaned_data["windows"]
        if not isinstance(windows, list) or not all(_is_window(window) for window in windows):
            raise ValidationError('Write a list such as [{"start": "09:00", "end": "13:00"}]; an empty list means closed.')
        return windows


def _is_window(window: Any) -> bool:
    if not isinstance(window, dict) or set(window) != {"start", "end"}:
        return False
    try:
        return all(time.fromisoformat(value).strftime("%H:%M") == value for value in window.values())
    except (TypeError, ValueError):
        return False


@admin.register(DateOverride)
class DateOverrideAdmin(TenantAdmin):
    """Other hours on one date."""

    resource = "date-override"
    form = DateOverrideForm
    list_display = ("practitioner", "date", "windows", "adds")
    list_filter = ("practitioner", "adds")
    search_fields = ("practitioner__display_name",)
    date_hierarchy = "date"
    ordering = ("-date", "-pk")


@admin.register(TimeOff)
class TimeOffAdmin(TenantAdmin):
    """Spans without work; without a practitioner the whole account is closed. Shown in the account's time zone."""

    resource = "time-off"
    list_display = ("practitioner", "starts_at", "ends_at", "reason")
    list_filter = ("practitioner",)
    search_fields = ("practitioner__display_name", "reason")
    date_hierarchy = "starts_at"
    ordering = ("-starts_at", "-pk")


@admin.register(ExternalCalendar)
class ExternalCalendarAdmin(TenantAdmin):
    """Calendars kept elsewhere, to read; their addresses are secrets."""

    resource = "external-calendar"
    list_display = ("practitioner", "label", "host", "is_active", "last_success_at", "error", "failures", "busy_count")
    list_filter = ("is_active", "error", "practitioner")
    search_fields = ("practitioner__display_name", "label", "host")
    ordering = ("practitioner__display_name", "pk")
    exclude = ("url_box", "etag", "last_modified")
    writes = frozenset()
