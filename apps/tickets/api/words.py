"""What every door says and takes about tickets."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from apps.bookings.api.reviews import PlainTextField
from apps.core.api.fields import OneLineField
from apps.core.api.listing import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, FilterSet, Listing
from apps.core.api.reading import ResourceSerializer
from apps.tickets.models import TicketMessage

MAX_SUBJECT, MAX_TEXT, MAX_CATEGORY, MAX_NOTE = 200, 10_000, 80, 500


class LongText(PlainTextField):
    """Plain text of at most 10,000 characters. It is shown as it is, never as markup."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_TEXT, **kwargs})


def subject_field(**kwargs: Any) -> OneLineField:
    """The one line that says what a ticket is about; it is in the titles of mails."""
    return OneLineField(max_length=MAX_SUBJECT, **kwargs)


def category_field(**kwargs: Any) -> OneLineField:
    """A category by its name."""
    words = "One of the business's categories by name (`ticket-categories/`), or empty. Where it has none, any words."
    return OneLineField(max_length=MAX_CATEGORY, allow_blank=True, help_text=words, **kwargs)


class PageSerializer(serializers.Serializer):
    """What belongs to one ticket; shaped like every list, and always one page."""

    next = serializers.CharField(read_only=True, allow_null=True, help_text="Always null.")
    previous = serializers.CharField(read_only=True, allow_null=True, help_text="Always null.")


PAGES = [
    OpenApiParameter("cursor", str, description="Place in the list, taken from `next` or `previous`."),
    OpenApiParameter("page_size", int, description=f"Rows per page, 1 to {MAX_PAGE_SIZE}; {DEFAULT_PAGE_SIZE} by default."),
    OpenApiParameter("ordering", str, enum=["id", "-id"], description="Default `id`: the oldest first."),
]


class PagesSerializer(serializers.Serializer):
    """Pages of what belongs to one ticket."""

    next = serializers.URLField(read_only=True, allow_null=True)
    previous = serializers.URLField(read_only=True, allow_null=True)


def one_page(results: list[dict[str, Any]]) -> dict[str, Any]:
    """A list that is bounded by its ticket, as lists are answered."""
    return {"next": None, "previous": None, "results": results}


def page_of_messages(
    request: Request,
    serializer_class: type[ResourceSerializer],
    messages: Callable[[], QuerySet],
    filterset_class: type[FilterSet] | None = None,
) -> dict[str, Any]:
    """A page of what was said about a ticket, oldest first unless asked otherwise."""
    return Listing(
        view=None,
        model=TicketMessage,
        serializer_class=serializer_class,
        base=messages,
        filterset_class=filterset_class,
        orderings={"id": "id"},
        default_ordering="id",
        search=None,
        scope_values={},
        scoped=lambda: None,
    ).page(request)
