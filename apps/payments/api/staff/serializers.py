from typing import ClassVar

from rest_framework import serializers

from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.payments.models import Payment


class PaymentSerializer(ResourceSerializer):
    """An attempt to pay an order; ``captured_cents`` is what came in."""

    order_number = serializers.CharField(source="order.number", read_only=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True)
    allowed_actions = Computed(
        lambda status: ["mark-received"] if status == Payment.Status.PENDING else [],
        needs=["status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
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
            "currency",
            "method",
            "status",
            "reference",
            "received_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class MarkReceivedInput(InputSerializer):
    """Nothing to send: the full amount is settled."""
