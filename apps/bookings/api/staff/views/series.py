from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.policy import allows
from apps.bookings.api.staff.serializers.series import (
    SeriesChangeCommit,
    SeriesChangeInput,
    SeriesChangeQuoteSerializer,
    SeriesCreateInput,
    SeriesDetailSerializer,
    SeriesInput,
    SeriesQuoteSerializer,
    SeriesSerializer,
)
from apps.bookings.models import BookingSeries
from apps.bookings.recurrence import Rule
from apps.bookings.services.series import SeriesWish, create_series, quote_series
from apps.bookings.services.series_changes import SeriesChange, change_series, quote_series_change
from apps.catalog.models import Practitioner, Service
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.errors import NotAllowed


class SeriesFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client)
    practitioner = ScopedChoiceFilter(model=Practitioner)
    service = ScopedChoiceFilter(model=Service)
    status = filters.ChoiceFilter(choices=BookingSeries.Status.choices)

    class Meta:
        model = BookingSeries
        fields: ClassVar[list[str]] = []


class SeriesViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """Recurring bookings: ask with a quote, commit with its token, and later change this occurrence, the following, or all."""

    model = BookingSeries
    serializer_class = SeriesSerializer
    filterset_class = SeriesFilter
    idempotent = frozenset({"create", "change"})

    @extend_schema(responses=SeriesDetailSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The series with its occurrences, in the order of the rule."""
        return Response(self.represent(self.get_object().pk, SeriesDetailSerializer))

    @extend_schema(request=SeriesInput, responses=SeriesQuoteSerializer)
    @action(detail=False, methods=["post"])
    def quote(self, request: Request) -> Response:
        """Ask what a series would book; nothing is changed.

        400 `local_time_missing`, `local_time_ambiguous`; 409 `no_sessions_left` (for a series that ends with the sessions).
        """
        return Response(quote_series(self._wish(self.validated(SeriesInput, request))))

    @extend_schema(request=SeriesCreateInput, responses={201: SeriesDetailSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Book a series in one transaction.

        409 `series_conflict` with `occurrences` and `totals` as in the quote: not all fit (`all_or_nothing`, `nearest`), or none
        (`skip`); `quote_stale` with the new `quote`; `no_sessions_left`. Then nothing is booked.
        """
        data = self.validated(SeriesCreateInput, request)
        token = data.pop("quote")
        series = create_series(self._wish(data), quote=token)
        return Response(self.represent(series.pk, SeriesDetailSerializer), status=status.HTTP_201_CREATED)

    @extend_schema(request=SeriesChangeInput, responses=SeriesChangeQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="change/quote")
    def quote_change(self, request: Request, pk: str) -> Response:
        """Ask what a change would do to each occurrence, and cost; nothing is changed. 409 `too_late`, `invalid_transition`."""
        series = self.get_object()
        return Response(quote_series_change(series, SeriesChange(**self._change_input(SeriesChangeInput, series, request))))

    @extend_schema(request=SeriesChangeCommit, responses=SeriesDetailSerializer)
    @action(detail=True, methods=["post"])
    def change(self, request: Request, pk: str) -> Response:
        """Move or cancel occurrences that are to come; answers with the series that those which changed belong to.

        Where some stay behind (earlier ones, the past), moved ones go on as a new series with `previous`. 409 `series_conflict` with
        `occurrences`, `quote_stale` with the new `quote`, `too_late` (it has begun), `invalid_transition`.
        """
        series = self.get_object()
        data = self._change_input(SeriesChangeCommit, series, request)
        token = data.pop("quote")
        left = change_series(series, SeriesChange(**data), quote=token)
        return Response(self.represent(left.pk, SeriesDetailSerializer))

    def _wish(self, data: dict[str, Any]) -> SeriesWish:
        rule = {name: data.pop(name) for name in ("frequency", "start", "every", "month_end", "count", "until")}
        return SeriesWish(account=self.account, rule=Rule(**rule, weekdays=tuple(data.pop("weekdays"))), **data)

    def _change_input(self, serializer_class: Any, series: BookingSeries, request: Request) -> dict[str, Any]:
        serializer = serializer_class(data=request.data, context={**self.get_serializer_context(), "series": series})
        serializer.is_valid(raise_exception=True)
        data: dict[str, Any] = serializer.validated_data
        if data["waive"] and not allows(self.membership.role, "booking-override", "use"):
            raise NotAllowed("Your role does not allow waivers.")
        return data
