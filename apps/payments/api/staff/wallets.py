"""The credit and points of a client, at the staff door."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.api.fields import DayField, StrictIntegerField
from apps.core.api.listing import page_of
from apps.core.api.reading import InputSerializer
from apps.core.api.schema import paged
from apps.core.errors import Invalid
from apps.orders.validity import end_of
from apps.payments.api.wallets import (
    PointsEntrySerializer,
    WalletSerializer,
    WalletTransactionSerializer,
)
from apps.payments.models import Book, PointsEntry, WalletLot, WalletTransaction
from apps.payments.services.points import add_points, redeem_points
from apps.payments.services.wallet import give_credit, take_credit
from apps.payments.standing import wallet_at

MOST = 100_000_000
LINES: dict[str, Any] = {"orderings": ("created_at", "id"), "default_ordering": "-created_at"}
TILLS = {"cash": Book.CASH, "bank_transfer": Book.BANK}
TILL_NAMES = sorted(TILLS)


class CreditInput(InputSerializer):
    """Credit for a client: as goodwill, or for money that they paid (``paid_by``). Without ``expires_on`` it has no end."""

    amount_cents = StrictIntegerField(min_value=1, max_value=MOST)
    reason = serializers.CharField(max_length=500)
    paid_by = serializers.ChoiceField(
        choices=TILL_NAMES, required=False, allow_null=True, default=None, help_text="A top-up: how the client paid for the credit."
    )
    expires_on = DayField(required=False, allow_null=True, default=None, help_text="Last local day on which it can be spent.")
    is_cashable = serializers.BooleanField(default=False, help_text="Whether it may be paid out.")


class DebitInput(InputSerializer):
    """Credit to take away: a correction, or with ``pay_out`` money handed to the client."""

    amount_cents = StrictIntegerField(min_value=1, max_value=MOST)
    reason = serializers.CharField(max_length=500)
    pay_out = serializers.ChoiceField(
        choices=TILL_NAMES, required=False, allow_null=True, default=None, help_text="How; only cashable credit is paid out."
    )


class RedeemPointsInput(InputSerializer):
    """Points to turn into credit."""

    points = StrictIntegerField(min_value=1, max_value=MOST)


class PointsInput(InputSerializer):
    """Points to add, or (below zero) to take away."""

    points = StrictIntegerField(min_value=-MOST, max_value=MOST)
    reason = serializers.CharField(max_length=500)


def ends(day: date | None, account: Account) -> datetime | None:
    """The end of a local day. Raises Invalid for one that is over."""
    end = None if day is None else end_of(day, ZoneInfo(account.timezone))
    if end is not None and end <= timezone.now():
        raise Invalid(fields={"expires_on": ["This day is over."]})
    return end


class WalletViewSet(StaffViewSet):
    """Credit and points of a client; the id is the client's. Only a client with a login can have credit (409 `no_wallet`)."""

    model = Client
    serializer_class = WalletSerializer
    idempotent = frozenset({"credit", "debit", "redeem_points", "add_points"})

    def _shown(self, client: Client) -> Response:
        return Response(wallet_at(client, self.account, at=timezone.now()))

    @extend_schema(responses=WalletSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a client can spend here and now."""
        return self._shown(self.get_object())

    @extend_schema(request=CreditInput, responses={201: WalletSerializer})
    @action(detail=True, methods=["post"])
    def credit(self, request: Request, pk: str) -> Response:
        """Give credit, in the account's currency. 409 `no_wallet`."""
        client, data = self.get_object(), self.validated(CreditInput, request)
        paid_by = data["paid_by"]
        give_credit(
            client=client,
            amount_cents=data["amount_cents"],
            currency=self.account.currency,
            source=WalletLot.Source.TOP_UP if paid_by else WalletLot.Source.GOODWILL,
            reason=data["reason"],
            expires_at=ends(data["expires_on"], self.account),
            is_cashable=data["is_cashable"],
            from_book=TILLS[paid_by] if paid_by else Book.GOODWILL,
        )
        return Response(self._shown(client).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=DebitInput, responses=WalletSerializer)
    @action(detail=True, methods=["post"])
    def debit(self, request: Request, pk: str) -> Response:
        """Take credit away, or pay it out. 409 `insufficient_funds` (with `available_cents`), `no_wallet`."""
        client, data = self.get_object(), self.validated(DebitInput, request)
        to_book = TILLS[data["pay_out"]] if data["pay_out"] else Book.GOODWILL
        take_credit(
            client=client, amount_cents=data["amount_cents"], currency=self.account.currency, reason=data["reason"], to_book=to_book
        )
        return self._shown(client)

    @paged(WalletTransactionSerializer, **LINES)
    @action(detail=True, methods=["get"])
    def transactions(self, request: Request, pk: str) -> Response:
        """The wallet's statement, newest first: pages as of every list (`cursor`, `page_size`, `ordering` by `id` or `created_at`)."""
        mine = WalletTransaction.objects.filter(client=self.get_object())
        return Response(page_of(request, mine, WalletTransactionSerializer, **LINES))

    @paged(PointsEntrySerializer, **LINES)
    @action(detail=True, methods=["get"])
    def points(self, request: Request, pk: str) -> Response:
        """Where the client's points come from and went, newest first; pages as of every list."""
        mine = PointsEntry.objects.filter(client=self.get_object())
        return Response(page_of(request, mine, PointsEntrySerializer, **LINES))

    @extend_schema(request=PointsInput, responses={201: WalletSerializer})
    @points.mapping.post
    def add_points(self, request: Request, pk: str) -> Response:
        """Give points by hand, or take some away."""
        client, data = self.get_object(), self.validated(PointsInput, request)
        add_points(client=client, **data)
        return Response(self._shown(client).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RedeemPointsInput, responses={201: WalletSerializer})
    @action(detail=True, methods=["post"], url_path="redeem-points")
    def redeem_points(self, request: Request, pk: str) -> Response:
        """Turn points into credit at the account's `point_value_cents`.

        409 `insufficient_funds` (with `available_points`), `no_wallet`; 400 where points cannot be spent.
        """
        client, data = self.get_object(), self.validated(RedeemPointsInput, request)
        redeem_points(client=client, **data)
        return Response(self._shown(client).data, status=status.HTTP_201_CREATED)
