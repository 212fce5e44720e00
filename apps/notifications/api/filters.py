from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from apps.core.api.listing import FilterSet, FlagFilter
from apps.notifications.models import Kind, Notification


class NotificationFilter(FilterSet):
    unread = FlagFilter(method="only_unread", help_text="`true`: not read yet; `false`: read.")
    type = filters.ChoiceFilter(field_name="kind", choices=Kind.choices)

    class Meta:
        model = Notification
        fields: ClassVar[list[str]] = []

    def only_unread(self, queryset: QuerySet, name: str, value: bool) -> QuerySet:
        return queryset.filter(read_at__isnull=value)

    def used(self) -> dict[str, Any]:
        """``false`` is a filter, too."""
        return {name: value for name, value in self.form.cleaned_data.items() if value not in (None, "", []) and name in self.filters}
