from typing import Any, ClassVar

from django.db import models
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.selectors import setting
from apps.checkout.api.paying import Paying
from apps.checkout.api.staff.packages import PACKAGE_CHANGES, PackageActions, ScheduleNext
from apps.checkout.api.staff.refunds import OrderRefunds
from apps.checkout.api.staff.serializers import (
    CheckoutInput,
    ClientPackageInput,
    ClientPackageSerializer,
    OrderSerializer,
    PayInput,
    SaleInput,
    SalePaymentSerializer,
    SaleSerializer,
)
from apps.checkout.collecting import collect
from apps.checkout.services import sell
from apps.clients.api.own import OwnClientsViewSet
from apps.clients.models import Client
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.orders.models import ClientPackage, Order
from apps.packages.models import Package
from apps.payments.api.staff.ledger import OrderStatements
from apps.payments.api.staff.serializers import PaymentSerializer
from apps.payments.models import PROVIDERS, Payment
from apps.payments.services.gifts import reissue_gift_code


class OrderFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client)
    package = ScopedChoiceFilter(model=Package)
    status = filters.ChoiceFilter(choices=Order.Status.choices)
    payment_status = filters.ChoiceFilter(choices=Order.PaymentStatus.choices)
    order_type = filters.ChoiceFilter(choices=Order.Type.choices)

    class Meta:
        model = Order
        fields: ClassVar[list[str]] = []


class Selling(Paying):
    """Selling and collecting: in one transaction, or in stages where a provider has to be told.

    The plain text of a gift code is shown in the answer and kept nowhere: neither with the reply of an Idempotency-Key nor with what is
    to be gone on with. A sale that was cut off before it answered gets a new one, because nobody has seen the first.
    """

    gift_code = ""

    def _replied(self: Any, response: Response) -> Response:
        """What is kept with an Idempotency-Key has no code in it: it is shown once."""
        if isinstance(response.data, dict) and response.data.get("gift_code"):
            super()._replied(Response({**response.data, "gift_code": ""}, status=response.status_code))  # type: ignore[misc]
            return response
        return super()._replied(response)  # type: ignore[misc]

    def sell(self: Any, input_class: type[SaleInput], request: Request) -> Response:
        """Sell what the input says, begin the payment at its provider, answer 201 {order, bookings, payment, credit}."""

        def begin() -> dict[str, Any] | Response:
            data = self.validated(input_class, request)
            return_url = data.pop("return_url")
            sale = sell(account=self.account, placed_by=self.caller, **data)
            self.gift_code = sale.gift_code
            state = {
                "account": self.account.pk,
                "order": sale.order.pk,
                "payment": sale.payment and sale.payment.pk,
                "credit": sale.credit and sale.credit.pk,
                "gift": bool(sale.gift_code),
                "return_url": return_url,
            }
            return state if sale.payment is not None and sale.payment.method in PROVIDERS else self.sold(state)

        return self.in_stages(begin, self.tell_provider, self.sold)

    def sold(self: Any, state: dict[str, Any]) -> Response:
        """201 {order, bookings, payment, credit}, read back from the database."""
        order = reading.represent(OrderSerializer, Order.objects.filter(pk=state["order"]))[0]
        body = {
            "order": order,
            "bookings": order["bookings"],
            "payment": self.due(state["payment"]) if state["payment"] else None,
            "credit": reading.represent(PaymentSerializer, Payment.objects.filter(pk=state["credit"]))[0] if state["credit"] else None,
        }
        if state["gift"]:
            body["gift_code"] = self.gift_code or reissue_gift_code(Order.objects.get(pk=state["order"]))
        return Response(body, status=status.HTTP_201_CREATED)

    def due(self: Any, payment_id: int) -> dict[str, Any]:
        """A payment with what the client needs to make it."""
        payment = reading.represent(PaymentSerializer, Payment.objects.filter(pk=payment_id))[0]
        if payment["method"] == Payment.Method.BANK_TRANSFER:
            payment["instructions"] = {
                "reference": payment["reference"],
                "amount_cents": payment["amount_cents"],
                "currency": payment["currency"],
                "text": setting(self.account, "bank_transfer_instructions"),
            }
        shown: dict[str, Any] = self.with_answer(payment)
        return shown


class OrderViewSet(Selling, OrderRefunds, OrderStatements, PackageActions, ListMixin, RetrieveMixin, OwnClientsViewSet):
    """Purchases of the account's clients."""

    model: ClassVar[type[models.Model]] = Order
    serializer_class: ClassVar[Any] = OrderSerializer
    filterset_class = OrderFilter
    search_fields = ("number", "client__full_name")
    idempotent = PACKAGE_CHANGES | {"pay", "refund"}
    staged = frozenset({"pay", "refund"})

    @extend_schema(request=PayInput, responses={201: SalePaymentSerializer})
    @action(detail=True, methods=["post"])
    def pay(self, request: Request, pk: str) -> Response:
        """Expect money for an order: what is due next, or `amount_cents` of the balance. Takes the place of payments still open.

        409 `nothing_to_pay`, `provider_off`, `insufficient_funds`, `no_wallet`.
        """

        def begin() -> dict[str, Any] | Response:
            order, data = self.get_object(), self.validated(PayInput, request)
            return_url = data.pop("return_url")
            payment = collect(order, **data)
            state = {"account": self.account.pk, "payment": payment.pk, "return_url": return_url}
            return state if payment.method in PROVIDERS else finish(state)

        def finish(state: dict[str, Any]) -> Response:
            return Response(self.due(state["payment"]), status=status.HTTP_201_CREATED)

        return self.in_stages(begin, self.tell_provider, finish)


class ClientPackageViewSet(ScheduleNext, OrderViewSet):
    """Packages that clients own: a view of their orders. Creating one is a checkout."""

    model = ClientPackage
    serializer_class = ClientPackageSerializer
    idempotent = frozenset({"create", "schedule_next"}) | OrderViewSet.idempotent
    staged = frozenset({"create"}) | OrderViewSet.staged

    @extend_schema(request=ClientPackageInput, responses={201: SaleSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sell a package. 409 `package_empty`, `not_for_sale`, and with a start everything that scheduling may answer."""
        return self.sell(ClientPackageInput, request)


class CheckoutViewSet(Selling, StaffViewSet):
    """The sale."""

    serializer_class = SaleSerializer
    idempotent = frozenset({"create"})
    staged = frozenset({"create"})

    @extend_schema(request=CheckoutInput, responses={201: SaleSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sell a package, a single service or a gift code: one order, its draft sessions with their shares in cents, one payment.

        The `gift_code` is shown in the first answer only: with a repeated Idempotency-Key it is empty. A code that was lost can be
        voided and given anew at gift-codes/.

        409 `package_empty`, `not_for_sale`, `coupon_refused`, `insufficient_funds`, `no_wallet`, `provider_off`, and with a start
        everything that scheduling may answer; then nothing is written. A provider that does not answer leaves the payment `unknown`
        (201): it is asked again, and so may you with `payments/<id>/check/`.
        """
        return self.sell(CheckoutInput, request)
