from typing import Any, ClassVar

import orjson
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.api.customer.serializers import (
    OwnBookingSerializer,
    OwnCancelInput,
    OwnDocumentSerializer,
    OwnDocumentUpload,
    OwnRescheduleInput,
    OwnReviewInput,
    OwnReviewSerializer,
    OwnScheduleInput,
    for_clients,
)
from apps.bookings.api.inputs import EndingQuoteSerializer, MoveQuoteSerializer, VersionInput, etag, with_version
from apps.bookings.api.slots import answer_slots
from apps.bookings.api.staff.serializers.slots import SlotListSerializer
from apps.bookings.models import Booking, BookingDocument, Review, Side, Status
from apps.bookings.services.documents import add_document
from apps.bookings.services.endings import cancel_booking, quote_cancellation
from apps.bookings.services.reviews import create_review
from apps.bookings.services.scheduling import (
    confirm_booking,
    hold_booking,
    quote_reschedule,
    reschedule_booking,
    schedule_booking,
)
from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin, valid_pk
from apps.core.api.files import download
from apps.core.api.listing import InstantFilter, one_page
from apps.core.api.multipart import AnyAnswer, FormParser
from apps.core.api.schema import on_one_page
from apps.core.errors import Invalid, NotFound, UnknownField


class OwnBookingFilter(ClientFilterSet):
    status = filters.ChoiceFilter(choices=Status.choices)

    class Meta:
        model = Booking
        fields: ClassVar[list[str]] = []


# ``from`` is a word of Python's; a class body cannot say it.
OwnBookingFilter.base_filters["from"] = InstantFilter(
    field_name="start_time", lookup_expr="gte", help_text="Starts at or after this instant."
)
OwnBookingFilter.base_filters["to"] = InstantFilter(field_name="start_time", lookup_expr="lt", help_text="Starts before this instant.")


class OwnBookingViewSet(ListMixin, RetrieveMixin, ClientDoor):
    """Your sessions, at every business you are a client of; `?account=` narrows to one. The terms you agreed to bind you.

    Every answer carries the booking's ``version`` as its ETag. Send it back as ``If-Match`` (or ``version`` in the body) to be refused
    with 412 `stale_version` when it was changed in the meantime. `allowed_actions` says what you may do now; anything else is
    409 `invalid_transition`. Ask `…/quote/` for the price of a change before you make it.
    """

    model = Booking
    serializer_class = OwnBookingSerializer
    filterset_class = OwnBookingFilter
    guests = True
    idempotent = frozenset({"schedule", "hold", "confirm", "reschedule", "cancel"})

    def offered(self, actions: list[str]) -> list[str]:
        return for_clients(actions)

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
        return booking, with_version(self.request, self.validated(serializer_class, self.request))

    @extend_schema(request=OwnScheduleInput, responses=OwnBookingSerializer)
    @action(detail=True, methods=["post"])
    def schedule(self, request: Request, pk: str) -> Response:
        """Book a time for a draft session. A service that requires approval makes it `pending`: a request.

        409 `slot_taken` (with `alternatives`), `outside_hours`, `notice_too_short`, `beyond_horizon`, `limit_reached`,
        `already_scheduled`, `already_booked`, `package_expired`, `package_paused`, `invalid_transition`, `payment_required` (bought
        online, and nothing is paid yet; with `balance_due_cents`).
        """
        booking, data = self._wanted(OwnScheduleInput)
        with self.inside(booking):
            schedule_booking(booking, by=Side.CLIENT, **data)
        return self._shown(booking.pk)

    @extend_schema(request=OwnScheduleInput, responses=OwnBookingSerializer)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        """Keep a time for a draft session until `hold_expires_at`; `confirm/` books it. At most five open holds at a business.

        409 as for `schedule/`.
        """
        booking, data = self._wanted(OwnScheduleInput)
        with self.inside(booking):
            hold_booking(booking, by=Side.CLIENT, **data)
        return self._shown(booking.pk)

    @extend_schema(request=VersionInput, responses=OwnBookingSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """Book the time that is held; a service that requires approval makes it `pending`.

        409 `hold_expired` when it was too late, `payment_required` when it is held for a payment: that books it (`orders/{id}/pay/`).
        """
        booking, data = self._wanted(VersionInput)
        with self.inside(booking):
            confirm_booking(booking, by=Side.CLIENT, **data)
        return self._shown(booking.pk)

    @extend_schema(request=OwnRescheduleInput, responses=OwnBookingSerializer)
    @action(detail=True, methods=["post"])
    def reschedule(self, request: Request, pk: str) -> Response:
        """Move a session: the same booking and money, a new version. A late move costs what the terms say.

        409 as for `schedule/`, `too_late` or `limit_reached` by the terms, `quote_stale` (with the new quote); 412 `stale_version`.
        """
        booking, data = self._wanted(OwnRescheduleInput)
        with self.inside(booking):
            reschedule_booking(booking, by=Side.CLIENT, **data)
        return self._shown(booking.pk)

    @extend_schema(request=OwnRescheduleInput, responses=MoveQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="reschedule/quote")
    def quote_reschedule(self, request: Request, pk: str) -> Response:
        """What a move would do and cost; nothing is changed."""
        booking, data = self._wanted(OwnRescheduleInput)
        with self.inside(booking):
            return Response(quote_reschedule(booking, by=Side.CLIENT, **data))

    @extend_schema(request=OwnCancelInput, responses=OwnBookingSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel a session by the terms: one of a package becomes a draft again or is used up, a single one ends.

        A draft has no time that could be given up: 409 `invalid_transition`. Also 409 `quote_stale` (with the new quote), `invalid_transition`; 412 `stale_version`.
        """
        booking, data = self._wanted(OwnCancelInput)
        with self.inside(booking):
            cancel_booking(booking, by=Side.CLIENT, may_void=False, **data)
        return self._shown(booking.pk)

    @extend_schema(request=OwnCancelInput, responses=EndingQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="cancel/quote")
    def quote_cancel(self, request: Request, pk: str) -> Response:
        """What a cancellation would do and cost; nothing is changed."""
        booking, data = self._wanted(OwnCancelInput)
        with self.inside(booking):
            return Response(quote_cancellation(booking, by=Side.CLIENT, may_void=False, version=data["version"]))

    @on_one_page(OwnDocumentSerializer)
    @action(detail=True, methods=["get"], parser_classes=[FormParser])
    def documents(self, request: Request, pk: str) -> Response:
        """The documents of a session that you may see, newest first: one page, as a session has at most twenty."""
        booking = self.get_object()
        found = shared(BookingDocument.objects.filter(booking_id=booking.pk)).order_by("-created_at", "-id")
        return Response(one_page(reading.represent(OwnDocumentSerializer, found)))

    @extend_schema(request=OwnDocumentUpload, responses={201: OwnDocumentSerializer})
    @documents.mapping.post
    def add_document(self, request: Request, pk: str) -> Response:
        """Upload a file for a session as `multipart/form-data`.

        400 `file_type_refused` (its kind is not kept, or name and content do not agree), 413 `file_too_large` (over 10 MiB)
        or `payload_too_large` (the whole form), 409 `limit_reached`, 503 `file_not_scanned`. Images lose everything but their pixels.
        """
        booking = self.get_object()
        data = self.validated(OwnDocumentUpload, request)
        file = data.pop("file")
        with self.inside(booking):
            document = add_document(booking, name=file.name, content=file.read(), is_shared=True, **data)
        answer = reading.represent(OwnDocumentSerializer, BookingDocument.objects.filter(pk=document.pk))[0]
        return Response(answer, status=status.HTTP_201_CREATED)


def shared(documents: QuerySet) -> QuerySet:
    """Those that the business lets its client see."""
    return documents.filter(is_shared=True)


class OwnDocumentViewSet(RetrieveMixin, ClientDoor):
    """One document of a session of yours: what is known about it, and its file."""

    model = BookingDocument
    serializer_class = OwnDocumentSerializer
    guests = True

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return shared(queryset)

    @extend_schema(
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file, as an attachment."),
            302: OpenApiResponse(description="With S3: `Location` serves the file for five minutes. Do not send the token there."),
        }
    )
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswer)
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        """The file itself, under its name and with its `content_type`; 409 `file_missing` when the storage has lost it."""
        document = self.get_object()
        return download(document.storage_key, name=document.name, content_type=document.content_type)


class OwnSlotViewSet(ClientDoor):
    """Starts that you can book yourself."""

    model = Booking
    serializer_class = SlotListSerializer
    guests = True

    @extend_schema(
        parameters=[
            OpenApiParameter("booking", int, description="A session of yours, to be booked or moved: its own time is free for it."),
            OpenApiParameter("account", str, description="Slug of the business, without `booking`; needed by clients of several."),
            OpenApiParameter("service", int, description="Required without `booking`."),
            OpenApiParameter("practitioner", str, description="An id, or `any` (default)."),
            OpenApiParameter("from", OpenApiTypes.DATE, required=True, description="First local date."),
            OpenApiParameter("to", OpenApiTypes.DATE, required=True, description="Last local date, exclusive; at most 62 days later."),
            OpenApiParameter("timezone", str, description="IANA zone of the dates and of the answer; the business's by default."),
            OpenApiParameter("party", int, description="Seats needed together; 1 by default."),
        ],
        responses=SlotListSerializer,
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every start listed here can be booked now, by you: seats kept for the business's own bookings and your limits are counted."""
        query = {name: value for name, value in request.query_params.items() if name not in ("account", "booking")}
        refused = {"client", "explain"} & query.keys()
        if refused:
            raise UnknownField(fields={name: ["There is no such parameter."] for name in sorted(refused)})
        booking = self._booking(request.query_params.get("booking"))
        if booking is not None:
            if "service" in query:
                raise Invalid(fields={"service": ["Leave it out: the booking says it."]})
            query |= {"booking": str(booking.pk), "service": str(booking.service_id)}
        client = self.client_at(booking)
        query["client"] = str(client.pk)
        with self.inside(client):
            return Response(answer_slots(client.account, query, timezone.now(), online=True))

    def _booking(self, text: str | None) -> Booking | None:
        if text is None:
            return None
        try:
            found: Booking | None = self.get_queryset().filter(pk=valid_pk(Booking, text)).first()
        except NotFound:
            found = None
        if found is None:
            raise Invalid(fields={"booking": [f'Invalid pk "{text}" - object does not exist.']})
        return found


class OwnReviewFilter(ClientFilterSet):
    class Meta:
        model = Review
        fields: ClassVar[list[str]] = []


class OwnReviewViewSet(ListMixin, RetrieveMixin, ClientDoor):
    """What you said about sessions that took place."""

    model = Review
    serializer_class = OwnReviewSerializer
    filterset_class = OwnReviewFilter
    guests = True

    def offered(self, actions: list[str]) -> list[str]:
        return for_clients(actions)

    @extend_schema(request=OwnReviewInput, responses={201: OwnReviewSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Rate a completed session. It waits until the business publishes it.

        409 `invalid_transition` when the session did not take place (yet), `already_reviewed`.
        """
        data = self.validated(OwnReviewInput, request)
        booking = data.pop("booking")
        with self.inside(booking):
            review = create_review(booking, **data)
        return Response(self.represent(review.pk), status=status.HTTP_201_CREATED)
