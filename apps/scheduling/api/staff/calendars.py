"""external-calendars/: calendars that practitioners keep elsewhere and that block their time here."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Role
from apps.catalog.models import Practitioner
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import Computed, InputSerializer, NothingToSay, ResourceSerializer, ScopedRelatedField
from apps.core.errors import NotAllowed
from apps.core.outbound import MAX_URL
from apps.scheduling.models import ExternalCalendar, calendar_is_stale
from apps.scheduling.services import add_calendar, ask_again, change_calendar, remove_calendar


def _is_stale(is_active: bool, last_success_at: datetime | None, created_at: datetime) -> bool:
    return calendar_is_stale(is_active, last_success_at, created_at, timezone.now())


class ExternalCalendarSerializer(ResourceSerializer):
    """A calendar kept elsewhere. Its address is a secret and is not shown again; `host` says where it lies.

    It is read about every ten minutes. When that fails, `last_error` holds a short code (`http_404`, `timeout`, `not_a_calendar`,
    `too_large`, `too_complex`, `too_many_events`, `address_not_public` …) and the busy times it had go on blocking; `is_stale` says that
    they are more than a day old.
    """

    is_stale = Computed(
        _is_stale,
        needs=("is_active", "last_success_at", "created_at"),
        schema=serializers.BooleanField(),
        help_text="Its busy times are more than a day old. They still block.",
    )

    last_error = serializers.CharField(source="error", read_only=True, help_text="Why the last reading failed; empty when it did not.")

    class Meta:
        model = ExternalCalendar
        fields: ClassVar = [
            "id",
            "practitioner",
            "label",
            "host",
            "is_active",
            "is_stale",
            "last_error",
            "failures",
            "busy_count",
            "skipped_count",
            "last_fetched_at",
            "last_success_at",
            "next_fetch_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


URL_HELP = "Where the calendar's iCalendar file lies: `https://`, `http://` or `webcal://`, on the public internet."


class ExternalCalendarInput(InputSerializer):
    """A calendar to read busy times from."""

    practitioner = ScopedRelatedField(model=Practitioner)
    url = serializers.CharField(max_length=MAX_URL, help_text=URL_HELP)
    label = serializers.CharField(max_length=100, allow_blank=True, default="")  # type: ignore[assignment]  # a word of fields, too


class ExternalCalendarChange(InputSerializer):
    """What to change. Switching it off forgets its busy times; under another address they stay until that has been read."""

    url = serializers.CharField(max_length=MAX_URL, required=False, help_text=URL_HELP)
    label = serializers.CharField(max_length=100, allow_blank=True, required=False)  # type: ignore[assignment]
    is_active = serializers.BooleanField(required=False)


class ExternalCalendarFilter(FilterSet):
    practitioner = ScopedChoiceFilter(model=Practitioner)


class ExternalCalendarViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Calendars that practitioners keep elsewhere: what is busy there is no slot here. Practitioners look after their own."""

    model = ExternalCalendar
    serializer_class = ExternalCalendarSerializer
    filterset_class = ExternalCalendarFilter
    http_method_names: ClassVar = ["get", "post", "patch", "delete", "head", "options"]
    idempotent = frozenset({"create"})

    @extend_schema(request=ExternalCalendarInput, responses={201: ExternalCalendarSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Let a calendar block a practitioner's time. It is read within moments: see `last_success_at` and `last_error`.

        400 for an address that is not on the public internet, 409 `too_many_calendars` beyond ten.
        """
        data = self.validated(ExternalCalendarInput, request)
        self._refuse_of_others(data["practitioner"])
        return Response(self.represent(add_calendar(**data).pk), status=status.HTTP_201_CREATED)

    @extend_schema(request=ExternalCalendarChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change its label or address, or switch it off and on."""
        calendar = self._mine()
        change_calendar(calendar, **self.validated(ExternalCalendarChange, request))
        return Response(self.represent(calendar.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Forget the calendar; what it blocked is free."""
        remove_calendar(self._mine())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=NothingToSay, responses={202: ExternalCalendarSerializer})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, pk: str) -> Response:
        """Read the calendar now instead of at its time; 202, and moments later `last_fetched_at` is another.

        409 `fetched_just_now` with `possible_from` within ten minutes of the last try.
        """
        calendar = self._mine()
        self.validated(NothingToSay, request)
        ask_again(calendar)
        return Response(self.represent(calendar.pk), status=status.HTTP_202_ACCEPTED)

    def _mine(self) -> ExternalCalendar:
        calendar: ExternalCalendar = self.get_object()
        self._refuse_of_others(calendar.practitioner)
        return calendar

    def _refuse_of_others(self, practitioner: Practitioner) -> None:
        """Practitioners look after their own calendars, managers after everybody's."""
        if self.membership.role == Role.PRACTITIONER and practitioner.member_id != self.membership.pk:  # type: ignore[attr-defined]
            raise NotAllowed
