"""Refunds and disputes: reading them, deciding about them, and giving back a single payment."""

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.fields import StrictIntegerField
from apps.core.api.listing import FilterSet, ScopedChoiceFilter
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.orders.models import Order
from apps.payments.api.staff.serializers import PaymentSerializer
from apps.payments.models import PROVIDERS, Dispute, Payment, Refund
from apps.payments.services.refunds import (
    allowed_refund_actions,
    approve_refund,
    cancel_refund,
    execute_refund,
    mark_sent,
    quote_refund,
    request_refund,
    require,
)

WORDS = serializers.ListField(child=serializers.CharField(), read_only=True)


class RefundSerializer(ResourceSerializer):
    """Money going back: cents of ``currency`` out of one payment.

    `requested` waits for a second person, `pending` is on its way (a bank transfer until somebody marks it as sent), `unknown` is a
    provider that gave no answer and is asked again. Refunds with the same ``group`` were one decision.
    """

    order_number = serializers.CharField(source="order.number", read_only=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True)
    allowed_actions = Computed(
        allowed_refund_actions,
        needs=["method", "status"],
        schema=WORDS,
        help_text="What the state allows now, as the last part of the address.",
    )

    class Meta:
        model = Refund
        fields: ClassVar = [
            "id",
            "payment",
            "order",
            "order_number",
            "client",
            "client_name",
            "dispute",
            "group",
            "amount_cents",
            "currency",
            "method",
            "status",
            "reason",
            "failure",
            "requested_by",
            "approved_by",
            "completed_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "client": {"help_text": "Who gets the money: the payer."},
            "method": {"help_text": "How it goes back: the payment's own way, or `wallet` as credit."},
            "failure": {"help_text": "Why it failed or is not known: the provider's code."},
            "dispute": {"help_text": "The lost dispute that took the money."},
            "group": {"help_text": "The same for all refunds of one decision."},
        }


class PaymentRefundSerializer(RefundSerializer):
    """A refund as its payment lists it."""

    class Meta(RefundSerializer.Meta):
        parent = "payment_id"
        order = ("id",)
        fields: ClassVar = ["id", "amount_cents", "method", "status", "reason", "failure", "completed_at", "allowed_actions", "created_at"]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {}

    order_number = None  # type: ignore[assignment]  # the payment says whose it is
    client_name = None  # type: ignore[assignment]


class PaymentWithRefundsSerializer(PaymentSerializer):
    """A payment with what went back of it, or was to."""

    refunds = PaymentRefundSerializer(many=True, read_only=True)

    class Meta(PaymentSerializer.Meta):
        fields: ClassVar = [*PaymentSerializer.Meta.fields, "refunds"]
        read_only_fields = fields


class DisputeSerializer(ResourceSerializer):
    """A chargeback. While it is open, and after it is lost until the order is paid again, unused sessions cannot be scheduled."""

    order_number = serializers.CharField(source="order.number", read_only=True)
    client_name = serializers.CharField(source="client.full_name", read_only=True)

    class Meta:
        model = Dispute
        fields: ClassVar = [
            "id",
            "payment",
            "order",
            "order_number",
            "client",
            "client_name",
            "amount_cents",
            "currency",
            "reason",
            "status",
            "closed_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "amount_cents": {"help_text": "What is held: the claim, as far as it has not gone back before."},
            "reason": {"help_text": "The provider's code."},
        }


# -- giving a payment back


class QuoteRefundInput(InputSerializer):
    """Without ``amount_cents`` everything that may still go back."""

    amount_cents = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    currency = serializers.CharField(
        max_length=3, required=False, allow_null=True, default=None, help_text="If it is sent, it must be the payment's."
    )
    reduces_price = serializers.BooleanField(
        default=False,
        help_text="Also take it off the price of the order (as far as the order is not overpaid), so that it is not due again.",
    )
    to_wallet = serializers.BooleanField(default=False, help_text="As credit in the client's wallet instead of the way it came.")


class RefundInput(QuoteRefundInput):
    """A refund; ``quote`` is the token of quote-refund/, then nothing happens that it did not say."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)


class RefundTenderSerializer(serializers.Serializer):
    """What goes back of one payment, and how."""

    payment = serializers.IntegerField()
    method = serializers.ChoiceField(choices=Payment.Method.choices)
    amount_cents = serializers.IntegerField()


class RefundedSessionSerializer(serializers.Serializer):
    """What becomes of a session: `refunded` (it leaves the order) or `consumed` (its policy keeps it)."""

    id = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=["refunded", "consumed"])
    price_cents = serializers.IntegerField(help_text="Its share of the order.")
    back_cents = serializers.IntegerField(help_text="What of it leaves the order's total.")


class RefundQuoteSerializer(serializers.Serializer):
    """What a refund would do. Send ``token`` as ``quote`` to make exactly this happen, within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField(help_text="Until when the quote holds.")
    refund_cents = serializers.IntegerField()
    fee_cents = serializers.IntegerField(help_text="Fees that are added by it; negative when earlier fees go back.")
    currency = serializers.CharField()
    per_tender = RefundTenderSerializer(many=True)
    sessions = RefundedSessionSerializer(many=True, help_text="Empty when a single payment is given back.")
    balance_due_cents = serializers.IntegerField(help_text="What the client owes on the order once all of it has gone back.")
    needs_approval = serializers.BooleanField(help_text="A second person has to approve it before anything goes back.")


class PaymentRefunds(StaffViewSet):
    """The actions of a payment that give it back."""

    @extend_schema(request=QuoteRefundInput, responses=RefundQuoteSerializer)
    @action(detail=True, methods=["post"], url_path="quote-refund")
    def quote_refund(self, request: Request, pk: str) -> Response:
        """What a refund would do; nothing is changed. 409 and 400 as refund/ answers them."""
        return Response(quote_refund(self.get_object(), **self.validated(QuoteRefundInput, request)))

    @extend_schema(request=RefundInput, responses=PaymentWithRefundsSerializer)
    @action(detail=True, methods=["post"])
    def refund(self, request: Request, pk: str) -> Response:
        """Give (part of) a payment back; answers the payment with its refunds. The order's price stays unless `reduces_price`.

        Cash and wallet credit go back at once; a bank transfer stays `pending` until `refunds/<id>/mark-sent/`; Stripe and PayPal are
        told before this answers, and a refund they have not decided stays `pending` or `unknown`. Above the account's
        `refund_approval_above_cents` the refund is `requested` until `refunds/<id>/approve/`.
        409 `refund_exceeds_captured` (with `refundable_cents`), `invalid_transition` (the payment did not succeed), `no_wallet`,
        `quote_stale`.
        """

        def begin() -> dict[str, Any] | Response:
            refund = request_refund(self.get_object(), requested_by=self.caller, **self.validated(RefundInput, request))
            state = {"account": self.account.pk, "payment": refund.payment_id, "refunds": to_execute([refund])}
            return state if state["refunds"] else finish(state)

        def finish(state: dict[str, Any]) -> Response:
            return Response(self.represent(state["payment"]))

        return self.in_stages(begin, execute_refunds, finish)


def to_execute(refunds: list[Refund]) -> list[int]:
    """The refunds that their provider has to be told about."""
    return [refund.pk for refund in refunds if refund.status == Refund.Status.PENDING and refund.method in PROVIDERS]


def execute_refunds(state: dict[str, Any]) -> None:
    """Tell the providers, outside transactions; whatever they answer is written down."""
    for refund_id in state["refunds"]:
        execute_refund(state["account"], refund_id)


# -- refunds/ and disputes/


class RefundFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Refund.Status.choices)
    method = filters.ChoiceFilter(choices=Payment.Method.choices)
    payment = ScopedChoiceFilter(model=Payment)
    order = ScopedChoiceFilter(model=Order)
    client = ScopedChoiceFilter(model=Client)

    class Meta:
        model = Refund
        fields: ClassVar[list[str]] = []


class NothingInput(InputSerializer):
    """Nothing to send."""


class RefundViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Refunds of the account's payments. They are made at `payments/<id>/refund/` and `orders/<id>/refund/`."""

    model = Refund
    serializer_class = RefundSerializer
    filterset_class = RefundFilter
    idempotent = frozenset({"approve", "mark_sent", "cancel", "check"})
    staged = frozenset({"approve", "check"})

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Agree to a refund above the account's limit; it goes off as it would have gone without. Not by the person who asked for it.

        409 `needs_second_person`, `invalid_transition`.
        """

        def begin() -> dict[str, Any] | Response:
            refund = self.get_object()
            self.validated(NothingInput, request)
            refund = approve_refund(refund, approved_by=self.caller)
            state = {"account": self.account.pk, "refund": refund.pk, "refunds": to_execute([refund])}
            return state if state["refunds"] else self._answer(state)

        return self.in_stages(begin, execute_refunds, self._answer)

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        """Ask the provider now what became of a refund. 409 `invalid_transition` where nothing is to be asked."""

        def begin() -> dict[str, Any]:
            refund = self.get_object()
            self.validated(NothingInput, request)
            require("check", refund)
            return {"account": self.account.pk, "refund": refund.pk, "refunds": [refund.pk]}

        return self.in_stages(begin, execute_refunds, self._answer)

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"], url_path="mark-sent")
    def mark_sent(self, request: Request, pk: str) -> Response:
        """The bank transfer back has been made. 409 `invalid_transition` for everything else."""
        refund = self.get_object()
        self.validated(NothingInput, request)
        mark_sent(refund)
        return Response(self.represent(refund.pk))

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Do not send it after all. Sessions it was for stay off the order: their price can be refunded again.

        409 `invalid_transition` for what is with a provider, or has ended.
        """
        refund = self.get_object()
        self.validated(NothingInput, request)
        cancel_refund(refund)
        return Response(self.represent(refund.pk))

    def _answer(self, state: dict[str, Any]) -> Response:
        return Response(self.represent(state["refund"]))


class DisputeFilter(FilterSet):
    status = filters.ChoiceFilter(choices=Dispute.Status.choices)
    payment = ScopedChoiceFilter(model=Payment)
    order = ScopedChoiceFilter(model=Order)
    client = ScopedChoiceFilter(model=Client)

    class Meta:
        model = Dispute
        fields: ClassVar[list[str]] = []


class DisputeViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """Chargebacks, as the providers tell of them. They are answered at the provider; what it decides arrives here by itself."""

    model = Dispute
    serializer_class = DisputeSerializer
    filterset_class = DisputeFilter
