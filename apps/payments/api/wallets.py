"""Shapes of credit that staff and customers share."""

from typing import ClassVar

from rest_framework import serializers

from apps.core.api.reading import ResourceSerializer
from apps.payments.models import PointsEntry, WalletLot, WalletTransaction


class BalanceSerializer(serializers.Serializer):
    """What can be spent in one currency."""

    currency = serializers.CharField()
    balance_cents = serializers.IntegerField()


class LotSerializer(ResourceSerializer):
    """Credit that came in at once. It is spent by its end: what ends first goes first, then what was given, then the oldest."""

    class Meta:
        model = WalletLot
        fields: ClassVar = [
            "id",
            "source",
            "amount_cents",
            "remaining_cents",
            "currency",
            "expires_at",
            "is_cashable",
            "reason",
            "created_at",
        ]
        read_only_fields = fields


class WalletSerializer(serializers.Serializer):
    """A client's credit and points at one business, without what has ended. Nobody can spend it anywhere else."""

    client = serializers.IntegerField()
    client_name = serializers.CharField()
    has_wallet = serializers.BooleanField(help_text="Whether the client has a login; without one there can be no credit.")
    balances = BalanceSerializer(many=True, help_text="At least the account's own currency.")
    lots = LotSerializer(many=True, help_text="What the balances are made of; what ends first comes first.")
    points = serializers.IntegerField(help_text="Below zero after a refund of a purchase whose points were spent already.")
    point_value_cents = serializers.IntegerField(help_text="Credit for one point; 0: points cannot be spent here.")


class WalletTransactionSerializer(ResourceSerializer):
    """A line of a wallet's statement: signed cents, and the balance after it."""

    order = serializers.IntegerField(source="payment.order_id", read_only=True, allow_null=True, help_text="What it was spent on.")

    class Meta:
        model = WalletTransaction
        fields: ClassVar = [
            "id",
            "kind",
            "amount_cents",
            "balance_after_cents",
            "currency",
            "reason",
            "lot",
            "payment",
            "order",
            "created_at",
        ]
        read_only_fields = fields


class PointsEntrySerializer(ResourceSerializer):
    """Points that were gained or lost."""

    class Meta:
        model = PointsEntry
        fields: ClassVar = ["id", "kind", "points", "order", "reward", "reason", "created_at"]
        read_only_fields = fields
