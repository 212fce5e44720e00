"""The waitlist: entries, offers, and who could fill a gap. It stands on this floor because an offer may need a sale."""

from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.api.slots import with_plus
from apps.bookings.api.staff.serializers.waitlist import (
    CandidateListSerializer,
    EntryChange,
    EntryInput,
    OfferInput,
    OfferWithSessionsSerializer,
    WaitlistEntrySerializer,
)
from apps.bookings.matching import candidates_for, with_position
from apps.bookings.models import WaitlistEntry, WaitlistOffer
from apps.bookings.services.waiting import change_entry, decline_offer, join_waitlist, leave_waitlist, wake_entry
from apps.catalog.models import Practitioner, Service
from apps.checkout.waitlist import accept_offer, offer_time
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import InputSerializer
from apps.core.errors import Invalid, UnknownField
from apps.core.parsing import parse_instant, parse_integer
from apps.payments.models import Payment


class EntryFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client)
    service = ScopedChoiceFilter(model=Service)
    practitioner = ScopedChoiceFilter(model=Practitioner, help_text="Who asked for this practitioner; without those who take anybody.")
    status = filters.ChoiceFilter(choices=WaitlistEntry.Status.choices)

    class Meta:
        model = WaitlistEntry
        fields: ClassVar[list[str]] = []


class OfferFilter(FilterSet):
    entry = ScopedChoiceFilter(model=WaitlistEntry)
    client = ScopedChoiceFilter(model=Client)
    practitioner = ScopedChoiceFilter(model=Practitioner)
    status = filters.ChoiceFilter(choices=WaitlistOffer.Status.choices)

    class Meta:
        model = WaitlistOffer
        fields: ClassVar[list[str]] = []


class NothingInput(InputSerializer):
    """No input."""


class AcceptInput(InputSerializer):
    """How to pay what was sold for the offer; without effect when the client's own sessions are used."""

    method = serializers.ChoiceField(choices=Payment.Method.choices, default=Payment.Method.CASH)


class WaitlistViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """Clients who wait for time, with what they were offered. Freed time is offered by itself (setting `waitlist_mode`)."""

    model = WaitlistEntry
    serializer_class = WaitlistEntrySerializer
    filterset_class = EntryFilter
    orderings: ClassVar = {"created_at": "created_at", "updated_at": "updated_at", "priority": "priority"}
    search_fields = ("client__full_name", "note")
    idempotent = frozenset({"create", "offer"})

    @classmethod
    def narrow(cls, queryset: QuerySet) -> QuerySet:
        return with_position(queryset)

    @extend_schema(request=EntryInput, responses={201: WaitlistEntrySerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put a client on the waitlist. Nothing is charged before an offer is accepted."""
        entry = join_waitlist(account=self.account, **self.validated(EntryInput, request))
        return Response(self.represent(entry.pk), status=status.HTTP_201_CREATED)

    @extend_schema(request=EntryChange, responses=WaitlistEntrySerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change what a client waits for, or their priority. 409 `invalid_transition` when they do not wait any more."""
        entry = self.get_object()
        change_entry(entry, **self.validated(EntryChange, request))
        return Response(self.represent(entry.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Leave the waitlist: time that is held by an open offer is free again. The entry stays readable as `left`."""
        leave_waitlist(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=OfferInput, responses=WaitlistEntrySerializer)
    @action(detail=True, methods=["post"])
    def offer(self, request: Request, pk: str) -> Response:
        """Hold a start for the client for up to an hour; the open offer is the last of `offers`.

        409 `invalid_transition` (only `waiting` entries), `quiet_hours` (with `possible_from`), and everything that a hold may
        answer, such as `slot_taken`.
        """
        entry = self.get_object()
        offer_time(entry, placed_by=self.caller, **self.validated(OfferInput, request))
        return Response(self.represent(entry.pk))

    @extend_schema(request=NothingInput, responses=WaitlistEntrySerializer)
    @action(detail=True, methods=["post"])
    def wake(self, request: Request, pk: str) -> Response:
        """Let a sleeping entry (three offers have lapsed) wait again. 409 `invalid_transition` for any other."""
        entry = self.get_object()
        self.validated(NothingInput, request)
        wake_entry(entry)
        return Response(self.represent(entry.pk))

    @extend_schema(
        parameters=[
            OpenApiParameter("service", int, required=True),
            OpenApiParameter("practitioner", int, required=True),
            OpenApiParameter("start_time", OpenApiTypes.DATETIME, required=True, description="With its offset."),
        ],
        filters=False,
        responses=CandidateListSerializer,
    )
    @action(detail=False, methods=["get"])
    def candidates(self, request: Request) -> Response:
        """Who could take a free start, best first: at most 50 clients, one row each."""
        query = request.query_params
        unknown = [key for key in query if key not in ("service", "practitioner", "start_time")]
        if unknown:
            raise UnknownField(fields={key: ["There is no such parameter."] for key in unknown})
        service_id = _existing(Service, query.get("service"), "service")
        practitioner_id = _existing(Practitioner, query.get("practitioner"), "practitioner")
        try:
            start_time = parse_instant(with_plus(query.get("start_time", "")))
        except ValueError as error:
            raise Invalid(fields={"start_time": [str(error)]}) from error
        bookable, found = candidates_for(self.account, service_id, practitioner_id, start_time, at=timezone.now())
        return Response({"bookable": bookable, "results": [asdict(one) for one in found]})


def _existing(model: Any, text: str | None, name: str) -> int:
    """The id of a row in reach; a foreign one and a missing one look the same."""
    if not text:
        raise Invalid(fields={name: ["This parameter is required."]})
    try:
        pk = parse_integer(text)
    except ValueError:
        pk = 0
    if not model.objects.filter(pk=pk).exists():
        raise Invalid(fields={name: [f'Invalid pk "{text}" - object does not exist.']})
    return pk


class WaitlistOfferViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """What waiting clients were offered, and their answers."""

    model = WaitlistOffer
    serializer_class = OfferWithSessionsSerializer
    filterset_class = OfferFilter
    idempotent = frozenset({"accept", "decline"})

    @extend_schema(request=AcceptInput, responses=OfferWithSessionsSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Record the client's yes: the sessions are confirmed, or requested where the service requires approval, and what was sold
        for them is expected to be paid: all of it, or a deposit by your rules.

        With `stripe` or `paypal` what was sold stays `held` (see `bookings`) until it is paid. To pay, begin the payment with
        `orders/{id}/pay/` and the same `method`, `id` being the offer's `order`: its answer has what the browser needs. The client does
        the same at `/api/customer/orders/{id}/pay/`. When nothing comes in time, the sessions lose their time.

        409 `offer_closed`, `provider_off`, `no_wallet`, `insufficient_funds`; for a broadcast also `slot_taken` and what else
        scheduling may answer.
        """
        offer = self.get_object()
        accept_offer(offer, placed_by=self.caller, **self.validated(AcceptInput, request))
        return Response(self.represent(offer.pk))

    @extend_schema(request=NothingInput, responses=OfferWithSessionsSerializer)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: str) -> Response:
        """Record the client's no: the time is offered to the next one, and the client goes on waiting. 409 `offer_closed`."""
        offer = self.get_object()
        self.validated(NothingInput, request)
        decline_offer(offer)
        return Response(self.represent(offer.pk))
