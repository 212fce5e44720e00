from typing import Any, ClassVar

from django.db import models
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.bookings.api.customer.serializers import OwnBookingSerializer, for_clients
from apps.bookings.models import Booking, Side
from apps.bookings.services.packages import schedule_next
from apps.checkout.api.customer.serializers import (
    BegunOwnPaymentSerializer,
    NothingInput,
    OwnInvoiceSerializer,
    OwnOrderSerializer,
    OwnPackageSerializer,
    OwnPayInput,
    OwnPaymentSerializer,
    OwnScheduleNextInput,
)
from apps.checkout.api.paying import Paying, needs_provider
from apps.checkout.collecting import collect
from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.limits import Allowance
from apps.core.api.multipart import AnyAnswer
from apps.orders.models import ClientPackage, Order
from apps.payments.api.documents import pdf_response
from apps.payments.api.staff.invoices import PDF_ANSWER
from apps.payments.api.staff.ledger import shown
from apps.payments.api.statements import OwnStatementSerializer
from apps.payments.errors import NoWallet
from apps.payments.models import Invoice, Payment

CONFIRMATIONS = Allowance("confirm", 30)
"""Per payment and hour: each one asks a provider."""
HOUR = 3600


class OwnOrderFilter(ClientFilterSet):
    status = filters.ChoiceFilter(choices=Order.Status.choices)
    payment_status = filters.ChoiceFilter(choices=Order.PaymentStatus.choices)

    class Meta:
        model = Order
        fields: ClassVar[list[str]] = []


class OwnOrderViewSet(Paying, ListMixin, RetrieveMixin, ClientDoor):
    """What you bought, at every business you are a client of; `?account=` narrows to one. Buying is `POST /api/public/<account>/checkout/`."""

    model: ClassVar[type[models.Model]] = Order
    serializer_class: ClassVar[Any] = OwnOrderSerializer
    filterset_class = OwnOrderFilter
    guests = True
    idempotent = frozenset({"pay"})
    staged = frozenset({"pay"})

    @extend_schema(request=OwnPayInput, responses={201: BegunOwnPaymentSerializer})
    @action(detail=True, methods=["post"])
    def pay(self, request: Request, pk: str) -> Response:
        """Pay what is due next, or all that is left. The new payment takes the place of those that are still open.

        With `stripe` hand `client_secret` and `publishable_key` to Stripe.js, with `paypal` send the browser to `approve_url`; then POST
        `payments/{id}/confirm/`. `wallet` pays at once with your credit, `bank_transfer` says how in `instructions`.
        409 `nothing_to_pay`, `method_not_offered`, `provider_off`, `insufficient_funds`, `no_wallet`.
        """

        def begin() -> dict[str, Any] | Response:
            order = self.get_object()
            data = self.validated(OwnPayInput, request)
            if self.is_guest and data["method"] == Payment.Method.WALLET:
                raise NoWallet("Sign in to pay with credit.")
            with self.inside(order):
                amount = order.balance_due_cents if data["amount"] == "balance" else None
                payment = collect(order, method=data["method"], amount_cents=amount or None, by=Side.CLIENT)
            state = {"account": order.account_id, "payment": payment.pk, "return_url": data["return_url"]}
            return state if needs_provider(payment) else finish(state)

        def finish(state: dict[str, Any]) -> Response:
            found = reading.represent(OwnPaymentSerializer, Payment.objects.filter(pk=state["payment"], client_id__in=self.client_ids))[0]
            return Response(self.with_answer(found), status=status.HTTP_201_CREATED)

        return self.in_stages(begin, self.tell_provider, finish)

    @extend_schema(responses=OwnStatementSerializer)
    @action(detail=True, methods=["get"])
    def statement(self, request: Request, pk: str) -> Response:
        """What you bought, paid and got back on this order, with the balance after each."""
        order = self.get_object()
        with self.inside(order):
            return Response(shown(order))


class OwnPackageViewSet(OwnOrderViewSet):
    """The packages that you own. Each session of theirs is at `bookings/`, too."""

    model = ClientPackage
    serializer_class = OwnPackageSerializer
    idempotent = OwnOrderViewSet.idempotent | {"schedule_next"}

    def offered(self, actions: list[str]) -> list[str]:
        return for_clients(actions)

    @extend_schema(request=OwnScheduleNextInput, responses=OwnBookingSerializer)
    @action(detail=True, methods=["post"], url_path="schedule-next")
    def schedule_next(self, request: Request, pk: str) -> Response:
        """Book a time for the session that is next: granted ones first, then by position.

        409 `no_sessions_left`, and everything that `bookings/{id}/schedule/` may answer, such as `slot_taken` (with `alternatives`) or
        `payment_required` (bought online, and nothing is paid yet).
        """
        order = self.get_object()
        data = self.validated(OwnScheduleNextInput, request)
        with self.inside(order):
            booking = schedule_next(order, by=Side.CLIENT, **data)
        return Response(reading.represent(OwnBookingSerializer, Booking.objects.filter(pk=booking.pk))[0])


class OwnPaymentFilter(ClientFilterSet):
    status = filters.ChoiceFilter(choices=Payment.Status.choices)
    method = filters.ChoiceFilter(choices=Payment.Method.choices)

    class Meta:
        model = Payment
        fields: ClassVar[list[str]] = []


class OwnPaymentViewSet(Paying, ListMixin, RetrieveMixin, ClientDoor):
    """Your payments. A new one is made by `orders/{id}/pay/`."""

    model = Payment
    serializer_class = OwnPaymentSerializer
    filterset_class = OwnPaymentFilter
    guests = True
    staged = frozenset({"confirm"})

    @extend_schema(request=NothingInput, responses=OwnPaymentSerializer)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """The browser is back from Stripe.js or PayPal: ask the provider how the payment stands, and say so. May be repeated."""

        def begin() -> dict[str, Any] | Response:
            payment = self.get_object()
            self.validated(NothingInput, request)
            if not needs_provider(payment):
                return Response(self.represent(payment.pk))
            CONFIRMATIONS.take(f"payment {payment.pk}", seconds=HOUR)
            return {"account": payment.account_id, "payment": payment.pk}

        return self.in_stages(begin, self.ask_provider, lambda state: Response(self.represent(state["payment"])))


class OwnInvoiceFilter(ClientFilterSet):
    kind = filters.ChoiceFilter(choices=Invoice.Kind.choices)

    class Meta:
        model = Invoice
        fields: ClassVar[list[str]] = []


class OwnInvoiceViewSet(ListMixin, RetrieveMixin, ClientDoor):
    """Your invoices and credit notes."""

    model = Invoice
    serializer_class = OwnInvoiceSerializer
    filterset_class = OwnInvoiceFilter
    guests = True
    orderings: ClassVar = {**ClientDoor.orderings, "issued_at": "issued_at"}

    @extend_schema(responses=PDF_ANSWER)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAnswer)
    def pdf(self, request: Request, pk: str) -> HttpResponseBase:
        """The document as a PDF. Send its `ETag` back as `If-None-Match`."""
        return pdf_response(self.get_object(), request)
