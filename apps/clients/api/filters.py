"""Filters by client that other apps' lists share."""

from typing import Any

from django.db.models import QuerySet

from apps.clients.models import Client
from apps.core.api.listing import ScopedChoiceFilter


class OfClientFilter(ScopedChoiceFilter):
    """``?client=<id>`` over rows that keep the client that they were written with: those of records merged into this one belong to it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(model=Client, lookup_expr="in", **kwargs)

    def filter(self, rows: QuerySet, value: int | None) -> QuerySet:
        if value is None:
            return rows
        merged = Client.objects.filter(pk=value).values_list("merged_ids", flat=True).first() or []
        return rows.filter(**{f"{self.field_name}__in": [value, *merged]})


__all__ = ["OfClientFilter"]
