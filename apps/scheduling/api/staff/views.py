from typing import Any, ClassVar

from apps.accounts.api.doors import StaffViewSet
from apps.catalog.models import Practitioner
from apps.core.api.doors import ResourceMixin
from apps.core.api.listing import DayFilter, FilterSet, MomentFilter, ScopedChoiceFilter
from apps.scheduling.api.staff.serializers import DateOverrideSerializer, TimeOffSerializer, WeeklyHoursSerializer
from apps.scheduling.models import DateOverride, TimeOff, WeeklyHours


class PractitionerFilter(FilterSet):
    practitioner = ScopedChoiceFilter(model=Practitioner)


class DateOverrideFilter(PractitionerFilter):
    """``from`` is the first date, ``to`` the one after the last (``from`` cannot be written as an attribute)."""


DateOverrideFilter.base_filters["from"] = DayFilter(field_name="date", lookup_expr="gte", help_text="First date.")
DateOverrideFilter.base_filters["to"] = DayFilter(field_name="date", lookup_expr="lt", help_text="Date after the last.")


class TimeOffFilter(PractitionerFilter):
    """What touches the span from ``from`` to ``to``."""


TimeOffFilter.base_filters["from"] = MomentFilter(
    field_name="ends_at", lookup_expr="gt", help_text="Ends after this instant or local date."
)
TimeOffFilter.base_filters["to"] = MomentFilter(field_name="starts_at", lookup_expr="lt", help_text="Starts before it.")


class WeeklyHoursViewSet(ResourceMixin, StaffViewSet):
    """When practitioners work in an ordinary week."""

    model = WeeklyHours
    serializer_class = WeeklyHoursSerializer
    filterset_class = PractitionerFilter


class DateOverrideViewSet(ResourceMixin, StaffViewSet):
    """Other hours on single dates."""

    model = DateOverride
    serializer_class = DateOverrideSerializer
    filterset_class = DateOverrideFilter
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "date": "date"}


class TimeOffViewSet(ResourceMixin, StaffViewSet):
    """Holidays, illness and closures."""

    model = TimeOff
    serializer_class = TimeOffSerializer
    filterset_class = TimeOffFilter
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "starts_at": "starts_at"}
