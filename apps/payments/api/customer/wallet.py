"""A person's own credit, at every business that gave them some."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.clients.api.doors import ClientDoor, ClientFilterSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin
from apps.core.api.reading import InputSerializer
from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from apps.payments.api.wallets import WalletSerializer, WalletTransactionSerializer
from apps.payments.models import WalletTransaction
from apps.payments.services.gifts import redeem_gift_code
from apps.payments.standing import wallet_at

WHERE = OpenApiParameter("account", str, description="Slug of one of your accounts; without it, all of them.")


class OwnWalletSerializer(WalletSerializer):
    """Your credit and points at one business."""

    client = client_name = has_wallet = None  # type: ignore[assignment]  # takes the inherited fields away
    id = serializers.IntegerField(help_text="You, as this business knows you.")
    account_slug = serializers.CharField(help_text="What `?account=` takes.")
    account_name = serializers.CharField()


class OwnWalletsSerializer(serializers.Serializer):
    """One entry per business that you are a client of."""

    results = OwnWalletSerializer(many=True)


class OwnTransactionSerializer(WalletTransactionSerializer):
    """A line of your statement."""

    account_slug = serializers.CharField(source="account.slug", read_only=True)

    class Meta(WalletTransactionSerializer.Meta):
        fields: ClassVar = ["account_slug", *WalletTransactionSerializer.Meta.fields]
        read_only_fields = fields


class OwnRedeemInput(InputSerializer):
    """A gift code, however you type it."""

    account = serializers.CharField(max_length=100, required=False, help_text="Slug of the business; needed by clients of several.")
    code = serializers.CharField(max_length=100)


class OwnTransactionFilter(ClientFilterSet):
    class Meta:
        model = WalletTransaction
        fields: ClassVar[list[str]] = []


class OwnTransactionViewSet(ListMixin, ClientDoor):
    """Every change of your credit; `?account=` narrows to one business."""

    model = WalletTransaction
    serializer_class = OwnTransactionSerializer
    filterset_class = OwnTransactionFilter


class OwnWalletViewSet(ClientDoor):
    """Your credit. Each business keeps its own: it can be spent only there."""

    model = Client
    serializer_class = OwnWalletSerializer
    idempotent = frozenset({"redeem"})

    @extend_schema(parameters=[WHERE], responses=OwnWalletsSerializer)
    def mine(self, request: Request) -> Response:
        """What you can spend, business by business."""
        return Response({"results": [self._at(client) for client in self.clients]})

    @extend_schema(request=OwnRedeemInput, responses=OwnWalletSerializer)
    @action(detail=False, methods=["post"])
    def redeem(self, request: Request) -> Response:
        """Turn a gift code into credit.

        409 `gift_code_refused` for whatever cannot be redeemed here (it is not said why); 429 `rate_limited` after ten refusals in an
        hour.
        """
        data = self.validated(OwnRedeemInput, request)
        client = self._client(data.get("account"))
        with self.inside(client):
            redeem_gift_code(client=client, code=data["code"])
        return Response(self._at(client))

    def _client(self, slug: Any) -> Client:
        """Who the caller is at the business that the body names."""
        if slug is None:
            return self.client_at()
        found = [client for client in self.clients if client.account.slug == slug]
        if not found:
            raise Invalid(fields={"account": ["You are not a client of an account of this name."]})
        return found[0]

    def _at(self, client: Client) -> dict[str, Any]:
        with account_scope(client.account_id):
            shown = wallet_at(client, client.account, at=timezone.now())
        kept = {name: value for name, value in shown.items() if name not in ("client", "client_name", "has_wallet")}
        return {"id": client.pk, **kept, "account_slug": client.account.slug, "account_name": client.account.name}

    @contextmanager
    def keys(self) -> Iterator[int]:
        """An Idempotency-Key is kept by the account where the code is redeemed."""
        if self.account_of_key is None:
            body = self.request.data if isinstance(self.request.data, dict) else {}
            self.account_of_key = self._client(body.get("account")).account_id
        with account_scope(self.account_of_key):
            yield self.account_of_key
