from typing import Any, ClassVar

from django.db import models
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.selectors import setting
from apps.checkout.api.staff.packages import PACKAGE_CHANGES, PackageActions, ScheduleNext
from apps.checkout.api.staff.serializers import (
    CheckoutInput,
    ClientPackageInput,
    ClientPackageSerializer,
    OrderSerializer,
    SaleSerializer,
)
from apps.checkout.services import Sale, sell
from apps.clients.models import Client
from apps.core.api import reading
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.orders.models import ClientPackage, Order
from apps.packages.models import Package
from apps.payments.api.staff.serializers import PaymentSerializer
from apps.payments.models import Payment


class OrderFilter(FilterSet):
    client = ScopedChoiceFilter(model=Client)
    package = ScopedChoiceFilter(model=Package)
    status = filters.ChoiceFilter(choices=Order.Status.choices)
    payment_status = filters.ChoiceFilter(choices=Order.PaymentStatus.choices)
    order_type = filters.ChoiceFilter(choices=Order.Type.choices)

    class Meta:
        model = Order
        fields: ClassVar[list[str]] = []


class OrderViewSet(PackageActions, ListMixin, RetrieveMixin, StaffViewSet):
    """Purchases of the account's clients."""

    model: ClassVar[type[models.Model]] = Order
    serializer_class: ClassVar[Any] = OrderSerializer
    filterset_class = OrderFilter
    search_fields = ("number", "client__full_name")
    idempotent = PACKAGE_CHANGES


class Selling:
    """The answer to a sale."""

    def sold(self: Any, sale: Sale) -> Response:
        """201 {order, bookings, payment}, read back from the database."""
        order = reading.represent(OrderSerializer, Order.objects.filter(pk=sale.order.pk))[0]
        payment = None
        if sale.payment:
            payment = reading.represent(PaymentSerializer, Payment.objects.filter(pk=sale.payment.pk))[0]
            if payment["method"] == Payment.Method.BANK_TRANSFER:
                payment["instructions"] = {
                    "reference": payment["reference"],
                    "amount_cents": payment["amount_cents"],
                    "currency": payment["currency"],
                    "text": setting(self.account, "bank_transfer_instructions"),
                }
        return Response({"order": order, "bookings": order["bookings"], "payment": payment}, status=status.HTTP_201_CREATED)


class ClientPackageViewSet(Selling, ScheduleNext, OrderViewSet):
    """Packages that clients own: a view of their orders. Creating one is a checkout."""

    model = ClientPackage
    serializer_class = ClientPackageSerializer
    idempotent = frozenset({"create", "schedule_next"}) | PACKAGE_CHANGES

    @extend_schema(request=ClientPackageInput, responses={201: SaleSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sell a package. 409 `package_empty`, `not_for_sale`, and with a start everything that scheduling may answer."""
        data = self.validated(ClientPackageInput, request)
        return self.sold(sell(account=self.account, placed_by=self.caller, **data))


class CheckoutViewSet(Selling, StaffViewSet):
    """The sale."""

    serializer_class = SaleSerializer
    idempotent = frozenset({"create"})

    @extend_schema(request=CheckoutInput, responses={201: SaleSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sell a package or a single service: one order, its draft sessions with their shares in cents, one payment.

        409 `package_empty`, `not_for_sale`, and with a start everything that scheduling may answer; then nothing is written.
        """
        data = self.validated(CheckoutInput, request)
        return self.sold(sell(account=self.account, placed_by=self.caller, **data))
