"""Gift codes at the staff door. They are sold by a checkout; here they are given away, redeemed and voided."""

from typing import Any, ClassVar

from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.fields import DayField, StrictIntegerField
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import Order
from apps.payments.api.staff.wallets import MOST
from apps.payments.api.wallets import WalletSerializer
from apps.payments.models import GiftCode
from apps.payments.services.gifts import issue_gift_code, redeem_gift_code, void_gift_code
from apps.payments.standing import wallet_at

VOIDABLE = (GiftCode.Status.INACTIVE, GiftCode.Status.ACTIVE, GiftCode.Status.REDEEMED)


class GiftCodeSerializer(ResourceSerializer):
    """A code that is worth credit to whoever has it. `inactive`: sold and not yet paid. `client` is who redeemed it."""

    order_number = serializers.CharField(source="order.number", read_only=True, allow_null=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True, allow_null=True)
    allowed_actions = Computed(
        lambda status: ["void"] if status in VOIDABLE else [],
        needs=["status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
    )

    class Meta:
        model = GiftCode
        fields: ClassVar = [
            "id",
            "last4",
            "amount_cents",
            "currency",
            "status",
            "taxed_at_sale",
            "order",
            "order_number",
            "client",
            "client_name",
            "expires_at",
            "redeemed_at",
            "reason",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class IssuedGiftCodeSerializer(GiftCodeSerializer):
    """A fresh code. Its plain text is shown in this answer and never again; an answer that is repeated has it empty."""

    code = serializers.CharField(read_only=True)

    class Meta(GiftCodeSerializer.Meta):
        fields: ClassVar = [*GiftCodeSerializer.Meta.fields, "code"]


class GiftCodeInput(InputSerializer):
    """A code to give away. Without ``expires_on`` the account's `gift_months` say when it ends."""

    amount_cents = StrictIntegerField(min_value=1, max_value=MOST)
    reason = serializers.CharField(max_length=500)
    expires_on = DayField(required=False, allow_null=True, default=None, help_text="Last local day on which it can be redeemed.")


class RedeemInput(InputSerializer):
    """A code, however it is typed, and whose credit it becomes."""

    client = ScopedRelatedField(model=Client)
    code = serializers.CharField(max_length=100)


class VoidInput(InputSerializer):
    reason = serializers.CharField(max_length=500)


class GiftCodeFilter(FilterSet):
    status = filters.ChoiceFilter(choices=GiftCode.Status.choices)
    last4 = filters.CharFilter(help_text="The last four characters of the code.")
    order = ScopedChoiceFilter(model=Order)
    client = ScopedChoiceFilter(model=Client, help_text="Who redeemed it.")

    class Meta:
        model = GiftCode
        fields: ClassVar[list[str]] = []


class GiftCodeViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Gift codes: sold by a checkout (`gift_cents`), or given away here. Nobody can read a code again, only its last four characters."""

    model = GiftCode
    serializer_class = GiftCodeSerializer
    filterset_class = GiftCodeFilter
    idempotent = frozenset({"create", "void", "redeem"})

    def _replied(self, response: Response) -> Response:
        """What is kept with an Idempotency-Key has no code in it: it is shown once."""
        if "code" in (response.data or {}):
            super()._replied(Response({**response.data, "code": ""}, status=response.status_code))
            return response
        return super()._replied(response)

    @extend_schema(request=GiftCodeInput, responses={201: IssuedGiftCodeSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give a code away. `code` is shown in this answer and never again: with a repeated Idempotency-Key it is empty."""
        data = self.validated(GiftCodeInput, request)
        gift, code = issue_gift_code(account=self.account, **data)
        return Response({**self.represent(gift.pk), "code": code}, status=status.HTTP_201_CREATED)

    @extend_schema(request=VoidInput, responses=GiftCodeSerializer)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, pk: str) -> Response:
        """Make a code worthless; a redeemed one only while its credit is untouched. What was paid for it is refunded at its order.

        409 `invalid_transition`.
        """
        gift, data = self.get_object(), self.validated(VoidInput, request)
        void_gift_code(gift, **data)
        return Response(self.represent(gift.pk))

    @extend_schema(request=RedeemInput, responses=WalletSerializer)
    @action(detail=False, methods=["post"])
    def redeem(self, request: Request) -> Response:
        """Turn a code into credit of a client.

        409 `gift_code_refused` for whatever cannot be redeemed here (it is not said why), `no_wallet`; 429 `rate_limited` after ten
        refusals in an hour, for you and for the client.
        """
        data = self.validated(RedeemInput, request)
        redeem_gift_code(**data)
        return Response(wallet_at(data["client"], self.account, at=timezone.now()))
