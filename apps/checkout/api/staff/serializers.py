from typing import ClassVar

from rest_framework import serializers

from apps.bookings.api.staff.serializers import BookingSerializer
from apps.bookings.models import Status
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.api.fields import InstantField
from apps.core.api.reading import Computed, FromChildren, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import SPENT, ClientPackage, Order
from apps.packages.models import Package
from apps.payments.api.staff.serializers import PaymentSerializer
from apps.payments.models import Payment


def _count(*statuses: str, negate: bool = False) -> FromChildren:
    def count(order: dict[str, list[dict[str, str]]]) -> int:
        return sum((booking["status"] in statuses) is not negate for booking in order["bookings"])

    return FromChildren(count, schema=serializers.IntegerField(read_only=True))


class OrderSerializer(ResourceSerializer):
    """A purchase with all its sessions. Amounts are cents of ``currency``."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    balance_due_cents = Computed(
        lambda total, paid, refunded: max(0, total - paid + refunded),
        needs=["total_amount_cents", "paid_cents", "refunded_cents"],
        schema=serializers.IntegerField(read_only=True),
    )
    total_sessions = FromChildren(lambda order: len(order["bookings"]), schema=serializers.IntegerField(read_only=True))
    sessions_completed = _count(Status.COMPLETED)
    sessions_remaining = _count(*SPENT, negate=True)
    bookings = BookingSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields: ClassVar = [
            "id",
            "number",
            "client",
            "client_name",
            "order_type",
            "package",
            "service",
            "status",
            "payment_status",
            "subtotal_cents",
            "discount_cents",
            "tax_cents",
            "total_amount_cents",
            "paid_cents",
            "refunded_cents",
            "balance_due_cents",
            "currency",
            "package_metadata",
            "total_sessions",
            "sessions_completed",
            "sessions_remaining",
            "activated_at",
            "expires_at",
            "bookings",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ClientPackageSerializer(OrderSerializer):
    """A package a client owns: its order."""

    class Meta(OrderSerializer.Meta):
        model = ClientPackage


class SaleInput(InputSerializer):
    """What is common to every sale. With a ``start_time`` the first session is scheduled and confirmed."""

    client = ScopedRelatedField(model=Client)
    practitioner = ScopedRelatedField(model=Practitioner, required=False, allow_null=True, default=None)
    start_time = InstantField(required=False, allow_null=True, default=None)
    method = serializers.ChoiceField(choices=Payment.Method.choices)


class CheckoutInput(SaleInput):
    """Exactly one of ``package`` and ``service``. The price always comes from the catalogue."""

    package = ScopedRelatedField(model=Package, required=False, allow_null=True, default=None)
    service = ScopedRelatedField(model=Service, required=False, allow_null=True, default=None)


class ClientPackageInput(SaleInput):
    """The sale of a package."""

    package = ScopedRelatedField(model=Package)


class InstructionsSerializer(serializers.Serializer):
    """What a bank transfer has to say."""

    reference = serializers.CharField()
    amount_cents = serializers.IntegerField()
    currency = serializers.CharField()
    text = serializers.CharField()


class SalePaymentSerializer(PaymentSerializer):
    instructions = InstructionsSerializer(read_only=True, required=False)

    class Meta(PaymentSerializer.Meta):
        fields: ClassVar = [*PaymentSerializer.Meta.fields, "instructions"]


class SaleSerializer(serializers.Serializer):
    """A sale: the order, its sessions, and the expected payment (null for a free order)."""

    order = OrderSerializer()
    bookings = BookingSerializer(many=True)
    payment = SalePaymentSerializer(allow_null=True)
