from datetime import timedelta
from typing import Any, ClassVar

import orjson
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.policy import LIFE_OF_A_BOOKING, allows
from apps.bookings.api.inputs import (
    CancelInput,
    EndingQuoteSerializer,
    HoldInput,
    MoveQuoteSerializer,
    NoShowInput,
    OverridableInput,
    ReasonInput,
    RescheduleInput,
    ScheduleInput,
    VersionInput,
    etag,
    with_version,
)
from apps.bookings.api.staff.serializers.bookings import BookingSerializer
from apps.bookings.api.staff.views.documents import DocumentActions
from apps.bookings.models import Booking, Status
from apps.bookings.services.endings import (
    cancel_booking,
    check_in,
    complete_booking,
    decline_booking,
    mark_no_show,
    quote_cancellation,
    quote_no_show,
    undo_no_show,
)
from apps.bookings.services.scheduling import (
    confirm_booking,
    hold_booking,
    quote_reschedule,
    release_hold,
    reschedule_booking,
    schedule_booking,
)
from apps.catalog.models import Practitioner
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin, valid_pk
from apps.core.api.listing import FilterSet, InstantFilter, ScopedChoiceFilter
from apps.core.errors import NotAllowed
from apps.orders.models import Order


class BookingFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)
    payment_status = filters.ChoiceFilter(choices=Booking.PaymentStatus.choices)
    practitioner = ScopedChoiceFilter(model=Practitioner)
    client = ScopedChoiceFilter(model=Client)
    order = ScopedChoiceFilter(model=Order)

    class Meta:
        model = Booking
        fields: ClassVar[list[str]] = []


# ``from`` is a word of Python's; a class body cannot say it.
BookingFilter.base_filters["from"] = InstantFilter(field_name="start_time", lookup_expr="gte", help_text="Starts at or after this instant.")
BookingFilter.base_filters["to"] = InstantFilter(field_name="start_time", lookup_expr="lt", help_text="Starts before this instant.")


class BookingViewSet(DocumentActions, ListMixin, RetrieveMixin, OwnClientsViewSet):
    """Sessions of the account. They are made by a checkout; here they get their time, take place or end.

    Every answer carries the booking's ``version`` as its ETag. Send it back as ``If-Match`` (or ``version`` in the body) to be refused
    with 412 `stale_version` when somebody was faster. `allowed_actions` says what the state allows; anything else is
    409 `invalid_transition`.
    """

    model = Booking
    serializer_class = BookingSerializer
    filterset_class = BookingFilter
    idempotent = frozenset(action for action in LIFE_OF_A_BOOKING if not action.startswith("quote_"))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._shown(valid_pk(self.model, self.kwargs["pk"]))

    def _shown(self, pk: int) -> Response:
        booking = self.represent(pk)
        return Response(booking, headers=etag(booking))

    def replayed_headers(self, body: str) -> dict[str, str]:
        return etag(orjson.loads(body))

    def _wanted(self, serializer_class: Any) -> tuple[Booking, dict[str, Any]]:
        """The booking of the address and what is asked of it, with the version the caller has seen."""
        booking = self.get_object()
        data = with_version(self.request, self.validated(serializer_class, self.request))
        if (data.get("override") or data.get("waive")) and not allows(self.membership.role, "booking-override", "use"):
            raise NotAllowed("Your role does not allow overrides and waivers.")
        return booking, data

    @extend_schema(request=ScheduleInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def schedule(self, request: Request, pk: str) -> Response:
        """Give a draft session its practitioner and start; a service that requires approval makes it `pending` first.

        409 `slot_taken` (with `alternatives`), `outside_hours`, `notice_too_short`, `beyond_horizon`, `limit_reached`,
        `already_scheduled`, `already_booked`, `package_expired`, `package_paused`, `invalid_transition`.
        """
        booking, data = self._wanted(ScheduleInput)
        schedule_booking(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=HoldInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        """Keep a time for a draft session for some minutes, until `confirm/`. At most five open holds per client."""
        booking, data = self._wanted(HoldInput)
        at, minutes = timezone.now(), data.pop("minutes")
        hold_booking(booking, expires_at=at + timedelta(minutes=minutes) if minutes else None, at=at, **data)
        return self._shown(booking.pk)

    @extend_schema(request=VersionInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Give a held time back; the session is a draft again."""
        booking, data = self._wanted(VersionInput)
        release_hold(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=VersionInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Confirm a held session, or approve a pending one. 409 `hold_expired` when the hold has run out."""
        booking, data = self._wanted(VersionInput)
        confirm_booking(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=ReasonInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: str) -> Response:
        """Refuse a pending request: everything goes back to the client for nothing."""
        booking, data = self._wanted(ReasonInput)
        decline_booking(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=RescheduleInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def reschedule(self, request: Request, pk: str) -> Response:
        """Move a session: the same row, order, money and history, a new version.

        409 as for `schedule/`, `too_late` or `limit_reached` by the client's policy, `quote_stale`; 412 `stale_version`.
        """
        booking, data = self._wanted(RescheduleInput)
        reschedule_booking(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=RescheduleInput, responses=MoveQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="reschedule/quote")
    def quote_reschedule(self, request: Request, pk: str) -> Response:
        """What a move would do and cost; nothing is changed."""
        booking, data = self._wanted(RescheduleInput)
        return Response(quote_reschedule(booking, **data))

    @extend_schema(request=OverridableInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"], url_path="check-in")
    def check_in(self, request: Request, pk: str) -> Response:
        """The client is here. 409 `too_early` before the day of the session."""
        booking, data = self._wanted(OverridableInput)
        check_in(booking, override=data["override"], version=data["version"])
        return self._shown(booking.pk)

    @extend_schema(request=OverridableInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        """The session took place and is consumed. 409 `too_early` before its start, unless overridden."""
        booking, data = self._wanted(OverridableInput)
        complete_booking(booking, override=data["override"], version=data["version"])
        return self._shown(booking.pk)

    @extend_schema(request=NoShowInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"], url_path="no-show")
    def no_show(self, request: Request, pk: str) -> Response:
        """The client did not come. 409 `too_early` before the start and the account's tolerance."""
        booking, data = self._wanted(NoShowInput)
        mark_no_show(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=NoShowInput, responses=EndingQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="no-show/quote")
    def quote_no_show(self, request: Request, pk: str) -> Response:
        """What a no-show would cost; nothing is changed."""
        booking, data = self._wanted(NoShowInput)
        return Response(quote_no_show(booking, waive=data["waive"], version=data["version"]))

    @extend_schema(request=ReasonInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"], url_path="undo-no-show")
    def undo_no_show(self, request: Request, pk: str) -> Response:
        """Take a no-show back, with its fee, within 72 hours. 409 `too_late` afterwards."""
        booking, data = self._wanted(ReasonInput)
        undo_no_show(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=CancelInput, responses=BookingSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a session: a package's goes back to it as a draft, or is consumed by the policy; a single service's order follows.

        409 `quote_stale` (with the new quote), `invalid_transition`; 412 `stale_version`.
        """
        booking, data = self._wanted(CancelInput)
        cancel_booking(booking, **data)
        return self._shown(booking.pk)

    @extend_schema(request=CancelInput, responses=EndingQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="cancel/quote")
    def quote_cancel(self, request: Request, pk: str) -> Response:
        """What a cancellation would do and cost; nothing is changed."""
        booking, data = self._wanted(CancelInput)
        return Response(quote_cancellation(booking, by=data["by"], waive=data["waive"], void=data["void"], version=data["version"]))
