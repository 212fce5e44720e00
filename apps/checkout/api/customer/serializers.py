from collections.abc import Iterable
from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.customer.serializers import OwnBookingSerializer, PractitionerInReach
from apps.bookings.models import Status
from apps.catalog.models import Service
from apps.checkout.api.paying import BegunFields, instructions
from apps.core.api.fields import InstantField
from apps.core.api.reading import Computed, FromChildren, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import SPENT, ClientPackage, Order
from apps.payments.models import Instalment, Invoice, Payment, Refund

ACCOUNT: dict[str, Any] = {"read_only": True, "help_text": "What `?account=` takes."}
ON_ITS_WAY = (Refund.Status.REQUESTED, Refund.Status.UNKNOWN)
"""How the business makes a refund is its own affair: to the client it is pending."""
REFUND_STATES = [choice for choice in Refund.Status.choices if choice[0] not in ON_ITS_WAY]


class OwnInstalmentSerializer(ResourceSerializer):
    """A line of the payment schedule; without ``due_at`` it is due on arrival."""

    class Meta:
        model = Instalment
        fields: ClassVar = ["kind", "amount_cents", "due_at"]
        read_only_fields = fields
        parent = "order_id"
        order = ("position",)


class OwnRefundSerializer(ResourceSerializer):
    """Money that goes back to you: `pending` is on its way."""

    status = Computed(
        lambda status: Refund.Status.PENDING if status in ON_ITS_WAY else status,
        needs=["status"],
        schema=serializers.ChoiceField(choices=REFUND_STATES, read_only=True),
    )

    class Meta:
        model = Refund
        fields: ClassVar = ["id", "payment", "amount_cents", "currency", "method", "status", "completed_at", "created_at"]
        read_only_fields = fields
        parent = "order_id"
        order = ("created_at", "id")
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"method": {"help_text": "Where it goes; `wallet`: it became your credit."}}


class OwnPaymentSerializer(ResourceSerializer):
    """A payment of yours; ``captured_cents`` is what came in, ``refunded_cents`` what went back of it."""

    account_slug = serializers.CharField(source="account.slug", **ACCOUNT)
    account_name = serializers.CharField(source="account.name", read_only=True)
    order_number = serializers.CharField(source="order.number", read_only=True)
    instructions = instructions()

    class Meta:
        model = Payment
        fields: ClassVar = [
            "id",
            "account_slug",
            "account_name",
            "order",
            "order_number",
            "method",
            "status",
            "amount_cents",
            "captured_cents",
            "refunded_cents",
            "currency",
            "reference",
            "failure",
            "instructions",
            "expires_at",
            "received_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        parent = "order_id"
        order = ("created_at", "id")


class BegunOwnPaymentSerializer(OwnPaymentSerializer, BegunFields):
    """The payment that is due now, with what the browser needs to make it."""

    class Meta(OwnPaymentSerializer.Meta):
        fields: ClassVar = [*OwnPaymentSerializer.Meta.fields, "client_secret", "publishable_key", "approve_url"]


class DueSerializer(serializers.Serializer):
    """What has to be paid next."""

    amount_cents = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="Null: now, or on arrival when a balance is left after a deposit.")
    kind = serializers.ChoiceField(choices=Instalment.Kind.choices, help_text="`balance` is all that is left.")


def due_next(order: dict[str, Any]) -> dict[str, Any] | None:
    """The first line of the schedule that what was paid does not cover, at most what is left to pay; None when nothing is."""
    left = order["balance_due_cents"]
    if not left or order["status"] == Order.Status.CANCELLED:
        return None
    covered = order["paid_cents"] - order["refunded_cents"]
    for line in order["instalments"]:
        covered -= line["amount_cents"]
        if covered < 0:
            return {"amount_cents": min(-covered, left), "due_at": line["due_at"], "kind": line["kind"]}
    return {"amount_cents": left, "due_at": None, "kind": Instalment.Kind.BALANCE}


def _sessions(order: dict[str, Any], statuses: Iterable[str]) -> int:
    return sum(session["status"] in statuses for session in order["bookings"])


def _offered(order: dict[str, Any]) -> list[str]:
    """What the client may do now, as the last part of the action's address."""
    found = ["pay"] if order["due_next"] else []
    is_open = order["order_type"] == Order.Type.PACKAGE and order["status"] in (Order.Status.ACTIVE, Order.Status.PAUSED)
    return [*found, "schedule-next"] if is_open and _sessions(order, [Status.DRAFT]) else found


COUNT = serializers.IntegerField(read_only=True)


class OwnOrderSerializer(ResourceSerializer):
    """A purchase of yours with its sessions, what was paid and what is due. Amounts are cents of ``currency``."""

    account_slug = serializers.CharField(source="account.slug", **ACCOUNT)
    account_name = serializers.CharField(source="account.name", read_only=True)
    site = serializers.UUIDField(source="site.site_id", read_only=True, allow_null=True, help_text="The `site_id` of the site you bought.")
    name = Computed(
        lambda snapshot: snapshot.get("name", ""),
        needs=["package_metadata"],
        schema=serializers.CharField(read_only=True),
        help_text="What was bought, as it was called then.",
    )
    balance_due_cents = Computed(
        lambda total, paid, refunded: max(0, total - paid + refunded),
        needs=["total_amount_cents", "paid_cents", "refunded_cents"],
        schema=COUNT,
    )
    total_sessions = FromChildren(lambda order: len(order["bookings"]), schema=COUNT)
    sessions_completed = FromChildren(lambda order: _sessions(order, [Status.COMPLETED]), schema=COUNT)
    sessions_remaining = FromChildren(lambda order: len(order["bookings"]) - _sessions(order, SPENT), schema=COUNT)
    due_next = FromChildren(due_next, schema=DueSerializer(allow_null=True, read_only=True), help_text="Null when nothing is left to pay.")
    allowed_actions = FromChildren(
        _offered,
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What you may do now, as the last part of the action's address: `pay`, and of a package `schedule-next`.",
    )
    bookings = OwnBookingSerializer(many=True, read_only=True)
    instalments = OwnInstalmentSerializer(many=True, read_only=True)
    payments = OwnPaymentSerializer(many=True, read_only=True)
    refunds = OwnRefundSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields: ClassVar = [
            "id",
            "account_slug",
            "account_name",
            "number",
            "name",
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
            "total_sessions",
            "sessions_completed",
            "sessions_remaining",
            "activated_at",
            "expires_at",
            "due_next",
            "allowed_actions",
            "bookings",
            "instalments",
            "payments",
            "refunds",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class OwnPackageSerializer(OwnOrderSerializer):
    """A package that you own: its order."""

    class Meta(OwnOrderSerializer.Meta):
        model = ClientPackage


class OwnInvoiceSerializer(ResourceSerializer):
    """An invoice (or credit note) made out to you. ``document`` is everything that it says; nothing of it ever changes."""

    account_slug = serializers.CharField(source="account.slug", **ACCOUNT)
    account_name = serializers.CharField(source="account.name", read_only=True)

    class Meta:
        model = Invoice
        fields: ClassVar = [
            "id",
            "account_slug",
            "account_name",
            "kind",
            "number",
            "order",
            "corrects",
            "issued_at",
            "net_cents",
            "tax_cents",
            "total_cents",
            "currency",
            "document",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "kind": {"help_text": "Amounts of a `credit_note` are negative; `corrects` is the invoice it corrects."}
        }


class OwnPayInput(InputSerializer):
    """How, and how much: what is due next, or all that is left."""

    method = serializers.ChoiceField(choices=Payment.Method.choices)
    amount = serializers.ChoiceField(
        choices=["due", "balance"], default="due", help_text="`due`: the amount of `due_next`. `balance`: all that is left to pay."
    )
    return_url = serializers.URLField(
        max_length=500,
        required=False,
        allow_blank=True,
        default="",
        help_text="Where PayPal (and banks that ask back) send the browser afterwards; ask `payments/{id}/confirm/` then.",
    )


class OwnScheduleNextInput(InputSerializer):
    """A time for the next session of the package. Without a practitioner whoever is free is chosen."""

    service = ScopedRelatedField(
        model=Service, required=False, allow_null=True, default=None, help_text="When the package has sessions of several."
    )
    practitioner = PractitionerInReach()
    start_time = InstantField()


class NothingInput(InputSerializer):
    """Nothing to send."""
