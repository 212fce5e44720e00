from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.staff.serializers.bookings import BookingSerializer
from apps.bookings.models import Status
from apps.bookings.services.packages import allowed_order_actions
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.api.fields import InstantField
from apps.core.api.reading import Computed, FromChildren, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import SPENT, ClientPackage, Order, PackagePause
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
    allowed_actions = Computed(
        allowed_order_actions,
        needs=["order_type", "status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What the state allows now, as the last part of the address; a pause that is only planned can be resumed, too.",
    )
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
            "parent",
            "allowed_actions",
            "bookings",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class PauseSerializer(ResourceSerializer):
    """Local days of the account on which a package rests, both included; without ``last_day`` until it is resumed."""

    class Meta:
        model = PackagePause
        fields: ClassVar = ["first_day", "last_day", "days_added", "reason"]
        read_only_fields = fields
        parent = "order_id"
        order = ("first_day",)
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"days_added": {"help_text": "By how many days the validity has grown for it."}}


class ClientPackageSerializer(OrderSerializer):
    """A package a client owns: its order. ``parent`` is the order that was paid, when the sessions came from another client."""

    pauses = PauseSerializer(many=True, read_only=True)

    class Meta(OrderSerializer.Meta):
        model = ClientPackage
        fields: ClassVar = [*OrderSerializer.Meta.fields, "pauses"]
        read_only_fields = fields


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
    instructions = InstructionsSerializer(required=False)  # read-only ones count as always there

    class Meta(PaymentSerializer.Meta):
        fields: ClassVar = [*PaymentSerializer.Meta.fields, "instructions"]


class SaleSerializer(serializers.Serializer):
    """A sale: the order, its sessions, and the expected payment (null for a free order)."""

    order = OrderSerializer()
    bookings = BookingSerializer(many=True)
    payment = SalePaymentSerializer(allow_null=True)
