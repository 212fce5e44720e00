from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.staff.serializers.bookings import BookingSerializer
from apps.bookings.models import Status
from apps.catalog.models import Practitioner, Service
from apps.checkout.refunds import order_actions
from apps.clients.models import Client
from apps.core.api.fields import InstantField, StrictIntegerField
from apps.core.api.reading import Computed, FromChildren, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import SPENT, ClientPackage, Order, PackagePause
from apps.packages.models import Package
from apps.payments.api.staff.serializers import PaymentSerializer
from apps.payments.models import Instalment, Payment
from apps.sites.api.addressing import SiteField


def _count(*statuses: str, negate: bool = False) -> FromChildren:
    def count(order: dict[str, list[dict[str, str]]]) -> int:
        return sum((booking["status"] in statuses) is not negate for booking in order["bookings"])

    return FromChildren(count, schema=serializers.IntegerField(read_only=True))


class OrderSerializer(ResourceSerializer):
    """A purchase with all its sessions. Amounts are cents of ``currency``."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    site = serializers.UUIDField(
        source="site.site_id", read_only=True, allow_null=True, help_text="The `site_id` of the site that was sold."
    )
    balance_due_cents = Computed(
        lambda total, paid, refunded: max(0, total - paid + refunded),
        needs=["total_amount_cents", "paid_cents", "refunded_cents"],
        schema=serializers.IntegerField(read_only=True),
    )
    total_sessions = FromChildren(lambda order: len(order["bookings"]), schema=serializers.IntegerField(read_only=True))
    sessions_completed = _count(Status.COMPLETED)
    sessions_remaining = _count(*SPENT, negate=True)
    allowed_actions = Computed(
        order_actions,
        needs=["order_type", "status", "total_amount_cents", "paid_cents", "refunded_cents"],
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
            "site",
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
            "frozen_at",
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
    """What is common to every sale.

    With a ``start_time`` the first session is scheduled: confirmed at once for cash, bank transfer and wallet, held for the account's
    `hold_minutes` for `stripe` and `paypal` until the money is here.
    """

    client = ScopedRelatedField(model=Client)
    practitioner = ScopedRelatedField(model=Practitioner, required=False, allow_null=True, default=None)
    start_time = InstantField(required=False, allow_null=True, default=None)
    method = serializers.ChoiceField(choices=Payment.Method.choices)
    coupon = serializers.CharField(max_length=40, required=False, allow_null=True, default=None)
    use_wallet_cents = StrictIntegerField(
        min_value=0,
        required=False,
        default=0,
        help_text="This much of what is due now comes from the client's credit, the rest by `method`.",
    )
    instalments = StrictIntegerField(
        min_value=2, max_value=24, required=False, allow_null=True, default=None, help_text="Pay in so many parts; the first is due now."
    )
    return_url = serializers.URLField(
        max_length=500,
        required=False,
        allow_blank=True,
        default="",
        help_text="Where PayPal (and banks that ask back) send the client's browser afterwards.",
    )


class CheckoutInput(SaleInput):
    """Exactly one of ``package``, ``service``, ``gift_cents`` and ``site``. Prices always come from the catalogue."""

    package = ScopedRelatedField(model=Package, required=False, allow_null=True, default=None)
    service = ScopedRelatedField(model=Service, required=False, allow_null=True, default=None)
    gift_cents = StrictIntegerField(
        min_value=1, max_value=100_000_000, required=False, allow_null=True, default=None, help_text="Sell a gift code worth this much."
    )
    site = SiteField(
        required=False, allow_null=True, default=None, help_text="The `site_id` of a website. It is the client's once it is paid in full."
    )


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
    """The payment that is due now. What a method does not need is left out."""

    instructions = InstructionsSerializer(required=False, help_text="Bank transfer: what the client has to send.")
    client_secret = serializers.CharField(required=False, help_text="Stripe: for Stripe.js, with which the client enters a card.")
    publishable_key = serializers.CharField(required=False, help_text="Stripe: the business's key for Stripe.js.")
    approve_url = serializers.CharField(required=False, help_text="PayPal: where the client agrees.")

    class Meta(PaymentSerializer.Meta):
        fields: ClassVar = [*PaymentSerializer.Meta.fields, "instructions", "client_secret", "publishable_key", "approve_url"]


class SaleSerializer(serializers.Serializer):
    """A sale: the order, its sessions, and the payment that is expected now (null when nothing is)."""

    order = OrderSerializer()
    bookings = BookingSerializer(many=True)
    payment = SalePaymentSerializer(allow_null=True)
    credit = PaymentSerializer(allow_null=True, help_text="The part that comes from the client's wallet, beside `payment`.")
    gift_code = serializers.CharField(
        required=False,
        help_text="The code of a voucher. It is shown only now, and valid once it is paid; with a repeated Idempotency-Key it is empty.",
    )


class PayInput(InputSerializer):
    """Pay what an order still lacks."""

    method = serializers.ChoiceField(choices=Payment.Method.choices)
    amount_cents = StrictIntegerField(
        min_value=1, required=False, allow_null=True, default=None, help_text="Default: what is due next, at most the balance."
    )
    return_url = serializers.URLField(max_length=500, required=False, allow_blank=True, default="")


class InstalmentSerializer(ResourceSerializer):
    """A line of the payment schedule; without ``due_at`` it is due on arrival."""

    class Meta:
        model = Instalment
        fields: ClassVar = ["kind", "amount_cents", "due_at"]
        read_only_fields = fields
        parent = "order_id"
        order = ("position",)
