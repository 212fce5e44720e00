from typing import ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.orders.models import Order
from apps.payments.api.staff.online import ONLINE_ACTIONS, OnlinePayments
from apps.payments.api.staff.refunds import PaymentRefunds, PaymentWithRefundsSerializer
from apps.payments.api.staff.serializers import MarkReceivedInput
from apps.payments.models import Payment
from apps.payments.services import mark_received


class PaymentFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Payment.Status.choices)
    method = filters.ChoiceFilter(choices=Payment.Method.choices)
    order = ScopedChoiceFilter(model=Order)
    client = ScopedChoiceFilter(model=Client)

    class Meta:
        model = Payment
        fields: ClassVar[list[str]] = []


class PaymentViewSet(OnlinePayments, PaymentRefunds, ListMixin, RetrieveMixin, StaffViewSet):
    """Payments of the account's orders. They are made by a checkout; here they are marked as received and given back."""

    model = Payment
    serializer_class = PaymentWithRefundsSerializer
    filterset_class = PaymentFilter
    idempotent = frozenset({"mark_received", "refund"}) | ONLINE_ACTIONS
    staged = frozenset({"refund"}) | ONLINE_ACTIONS

    @extend_schema(request=MarkReceivedInput, responses=PaymentWithRefundsSerializer)
    @action(detail=True, methods=["post"], url_path="mark-received")
    def mark_received(self, request: Request, pk: str) -> Response:
        """Cash is in the till, or the bank transfer has arrived: settles the full amount. 409 `invalid_transition` otherwise."""
        payment = self.get_object()
        self.validated(MarkReceivedInput, request)
        mark_received(payment)
        return Response(self.represent(payment.pk))
