"""Refunding an order: its unused sessions, and what it is overpaid by."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.bookings.models import Side
from apps.checkout.refunds import TENDERS, WALLET, Refunding, quote_order_refund, refund_order
from apps.core.api.fields import StrictIntegerField
from apps.core.api.reading import InputSerializer
from apps.payments.api.staff.refunds import RefundQuoteSerializer, execute_refunds, to_execute


class QuoteOrderRefundInput(InputSerializer):
    """Without ``sessions`` everything that is unused: unscheduled sessions, and scheduled ones whose start is to come."""

    sessions = serializers.ListField(
        child=StrictIntegerField(min_value=1),
        required=False,
        allow_null=True,
        default=None,
        min_length=1,
        max_length=500,
        help_text="Ids of unused sessions of the order.",
    )
    by = serializers.ChoiceField(
        choices=[Side.CLIENT, Side.PROVIDER],
        default=Side.CLIENT,
        help_text="Whose wish it is: the client's is bound to the cancellation policy, the business's gives scheduled sessions all back.",
    )
    fee_cents = StrictIntegerField(min_value=0, max_value=10**12, default=0, help_text="Kept from the refund as a line of the order.")
    amount_cents = StrictIntegerField(
        min_value=1, required=False, allow_null=True, default=None, help_text="Give back less than what would go back; the rest stays."
    )
    to = serializers.ChoiceField(
        choices=[TENDERS, WALLET],
        default=TENDERS,
        help_text="The ways it was paid, or the client's credit. Credit always goes back as credit.",
    )


class OrderRefundInput(QuoteOrderRefundInput):
    """A refund; ``quote`` is the token of quote-refund/, then nothing happens that it did not say."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)


class OrderRefundQuoteSerializer(RefundQuoteSerializer):
    """What refunding an order would do. Send ``token`` as ``quote`` to make exactly this happen, within ten minutes."""

    surcharge_cents = serializers.IntegerField(
        help_text="By the setting `refund_used_at` = `list`: what used sessions cost more at their list price."
    )


class OrderRefunds(StaffViewSet):
    """The actions of an order that give it back. Mixed into the views of orders and of client packages."""

    @extend_schema(request=QuoteOrderRefundInput, responses=OrderRefundQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="quote-refund")
    def quote_refund(self, request: Request, pk: str) -> Response:
        """What refunding the order would do, session by session and payment by payment; nothing is changed.

        409 and 400 as refund/ answers them.
        """
        order = self.get_object()
        return Response(quote_order_refund(order, asked=Refunding(**self.validated(QuoteOrderRefundInput, request))))

    @extend_schema(request=OrderRefundInput)
    @action(detail=True, methods=["post"])
    def refund(self, request: Request, pk: str) -> Response:
        """Take unused sessions off the order and give back what it is overpaid by then, over the payments it was paid with.

        Scheduled sessions are cancelled first, under their policy. What was earned beyond what was paid stays a balance due. The
        sessions of a transferred package were paid by somebody else: the money goes back to them. `refunds/?order=` lists what is on
        its way.
        409 `nothing_to_refund`, `refund_exceeds_captured` (`amount_cents` is more than would go back, with `refundable_cents`),
        `no_wallet`, `quote_stale`.
        """

        def begin() -> dict[str, Any] | Response:
            order = self.get_object()
            data = self.validated(OrderRefundInput, request)
            reason, quote = data.pop("reason"), data.pop("quote")
            refunds, _ = refund_order(order, asked=Refunding(**data), reason=reason, quote=quote)
            state = {"account": self.account.pk, "order": order.pk, "refunds": to_execute(refunds)}
            return state if state["refunds"] else finish(state)

        def finish(state: dict[str, Any]) -> Response:
            return Response(self.represent(state["order"]))

        return self.in_stages(begin, execute_refunds, finish)
