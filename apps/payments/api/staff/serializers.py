from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.payments.models import OPEN, PROVIDERS, Payment


def allowed_payment_actions(
    method: str, status: str, review: str, captured: int, refunded: int, refunding: int, disputed: int
) -> list[str]:
    """What may be done with a payment in this state, as the last part of the action's address."""
    by_hand = method in (Payment.Method.CASH, Payment.Method.BANK_TRANSFER)
    late = method == Payment.Method.BANK_TRANSFER and status == Payment.Status.CANCELLED
    asked = {
        "mark-received": by_hand and (status == Payment.Status.PENDING or late),
        "refund": captured > refunded + refunding + disputed,
        "check": method in PROVIDERS and status != Payment.Status.SUCCEEDED,
        "cancel": status in OPEN,
        "accept": review == "amount_mismatch" and status != Payment.Status.SUCCEEDED,
    }
    return [name for name, allowed in asked.items() if allowed]


class PaymentSerializer(ResourceSerializer):
    """An attempt to pay an order. Cents of ``currency``.

    `new` and `unknown` ask the provider again by themselves, at ``next_check_at``; whoever has not paid by ``expires_at`` loses what is
    held for them. ``review`` says why somebody has to look at it (`amount_mismatch`, `no_answer` …); it changes nothing until then.
    """

    order_number = serializers.CharField(source="order.number", read_only=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True)
    refundable_cents = Computed(
        lambda captured, refunded, refunding, disputed: captured - refunded - refunding - disputed,
        needs=["captured_cents", "refunded_cents", "refunding_cents", "disputed_cents"],
        schema=serializers.IntegerField(read_only=True),
        help_text="What may still go back: captured, less what went back, is on its way, or is in dispute.",
    )
    allowed_actions = Computed(
        allowed_payment_actions,
        needs=["method", "status", "review", "captured_cents", "refunded_cents", "refunding_cents", "disputed_cents"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What the state allows now, as the last part of the address.",
    )

    class Meta:
        model = Payment
        fields: ClassVar = [
            "id",
            "order",
            "order_number",
            "booking",
            "client",
            "client_name",
            "practitioner",
            "amount_cents",
            "captured_cents",
            "refunded_cents",
            "refunding_cents",
            "disputed_cents",
            "refundable_cents",
            "currency",
            "method",
            "status",
            "reference",
            "provider_ref",
            "failure",
            "review",
            "is_late",
            "expires_at",
            "next_check_at",
            "received_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "captured_cents": {"help_text": "What really came in."},
            "refunded_cents": {"help_text": "What has gone back: refunds that succeeded, and lost disputes."},
        }


class MarkReceivedInput(InputSerializer):
    """Nothing to send: the full amount is settled."""
