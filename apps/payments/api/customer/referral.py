"""Bringing others: a person's code, and what it has brought them at each business."""

from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings
from django.db.models import Sum
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.selectors import setting
from apps.clients.api.doors import ClientDoor
from apps.clients.models import Client
from apps.core.api import reading
from apps.core.api.reading import InputSerializer, ResourceSerializer
from apps.core.tenancy import account_scope
from apps.payments.models import PointsEntry, ReferralReward
from apps.payments.services.referrals import enter_code, has_bought
from apps.users.api.fields import ReferralCodeField
from apps.users.models import Customer

SHOWN = 50
WHERE = OpenApiParameter("account", str, description="Slug of one of your businesses; without it, all of them.")


class OwnRewardSerializer(ResourceSerializer):
    """Points for somebody whom you brought. Who it was is not said."""

    class Meta:
        model = ReferralReward
        fields: ClassVar = ["id", "status", "points", "grant_at", "granted_at", "created_at"]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "status": {
                "help_text": "`pending` until `grant_at`; then `granted` or `refused`. `clawed_back`: the money of the purchase went back."
            }
        }


class ReferralAtSerializer(serializers.Serializer):
    """What bringing others means at one business."""

    account_slug = serializers.CharField(help_text="What `?account=` takes.")
    account_name = serializers.CharField()
    referral_points = serializers.IntegerField(help_text="For each new client now; 0: this business rewards nobody.")
    points = serializers.IntegerField(help_text="What your rewards have brought you so far, without what was taken back.")
    rewards = OwnRewardSerializer(many=True, help_text=f"The newest {SHOWN}.")


class ReferralSerializer(serializers.Serializer):
    """Your code, and what came of it."""

    code = serializers.CharField()
    share_url = serializers.URLField(help_text="Where somebody signs up with your code.")
    invited = serializers.IntegerField(help_text="How many people have signed up with your code, or entered it.")
    can_enter_code = serializers.BooleanField(help_text="Whether you may still say who brought you: POST `code`.")
    results = ReferralAtSerializer(many=True, help_text="One entry per business that you are a client of.")


class EnterCodeInput(InputSerializer):
    """The code of whoever brought you."""

    code = ReferralCodeField(help_text="However it is typed.")


class ReferralView(ClientDoor):
    """Bring others: they sign up with your code, and you get points when they have bought something."""

    model = ReferralReward

    @extend_schema(parameters=[WHERE], responses=ReferralSerializer)
    def retrieve(self, request: Request) -> Response:
        """Your code, the address to share, and your rewards, business by business."""
        return Response(self._shown(self.customer))

    @extend_schema(request=EnterCodeInput, responses={201: ReferralSerializer})
    def create(self, request: Request) -> Response:
        """Say who brought you, by their code. The first one counts; whoever signed up with a code has said it then.

        409 `referral_refused` with `why`: `already_invited`, `bought_before` (a code counts before your first paid purchase), `own_code`.
        """
        me = enter_code(customer=self.customer, inviter=self.validated(EnterCodeInput, request)["code"])
        return Response(self._shown(me), status=status.HTTP_201_CREATED)

    def _shown(self, me: Customer) -> dict[str, Any]:
        return {
            "code": me.referral_code,
            "share_url": f"{settings.FRONTEND_URL}/sign-up?referral={quote(me.referral_code)}",
            "invited": me.invitees.count(),
            "can_enter_code": me.inviter_id is None and not has_bought(me),
            "results": [self._at(client) for client in self.clients],
        }

    def _at(self, client: Client) -> dict[str, Any]:
        """The rewards of one business. The rows name another client, so that only the business's own scope shows them."""
        with account_scope(client.account_id):
            mine = ReferralReward.objects.filter(referrer=client).order_by("-created_at", "-pk")
            gained = PointsEntry.objects.filter(client=client, reward__isnull=False).aggregate(points=Sum("points"))["points"]
            return {
                "account_slug": client.account.slug,
                "account_name": client.account.name,
                "referral_points": setting(client.account, "referral_points"),
                "points": gained or 0,
                "rewards": reading.represent(OwnRewardSerializer, mine[:SHOWN]),
            }
