from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.checkout.api.staff.serializers import CheckoutInput
from apps.checkout.quoting import quote_sale
from apps.core.api.fields import InstantField
from apps.orders.models import OrderLine
from apps.payments.models import Instalment, Payment

RATE: dict[str, Any] = {"max_digits": 5, "decimal_places": 2, "help_text": "Per cent."}


class CheckoutQuoteInput(CheckoutInput):
    """The input of `checkout/`; `method` may be left out."""

    method = serializers.ChoiceField(choices=Payment.Method.choices, required=False, allow_null=True, default=None)


class QuotedLineSerializer(serializers.Serializer):
    """A line as the order will have it: `amount_cents` is to be paid (a discount is negative), `tax_cents` is the tax in it."""

    kind = serializers.ChoiceField(choices=OrderLine.Kind.choices)
    description = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price_cents = serializers.IntegerField(help_text="As quoted: with tax, or without it where `prices_include_tax` is false.")
    amount_cents = serializers.IntegerField()
    tax_rate = serializers.DecimalField(**RATE, allow_null=True)
    tax_cents = serializers.IntegerField()


class QuotedTaxSerializer(serializers.Serializer):
    """What is taxed at one rate."""

    tax_rate = serializers.DecimalField(**RATE)
    net_cents = serializers.IntegerField()
    tax_cents = serializers.IntegerField()
    gross_cents = serializers.IntegerField()


class SessionShareSerializer(serializers.Serializer):
    """A session's share of the total; the shares add up to it."""

    position = serializers.IntegerField()
    service = serializers.IntegerField()
    price_cents = serializers.IntegerField()
    tax_cents = serializers.IntegerField()


class QuotedInstalmentSerializer(serializers.Serializer):
    """A line of the payment schedule; the first is due now, one without `due_at` on arrival."""

    kind = serializers.ChoiceField(choices=Instalment.Kind.choices)
    amount_cents = serializers.IntegerField()
    due_at = InstantField(allow_null=True)


class SaleQuoteSerializer(serializers.Serializer):
    """What a sale would cost. All amounts are cents of `currency`."""

    currency = serializers.CharField()
    prices_include_tax = serializers.BooleanField(help_text="False: subtotal and discount are without tax, which is added to them.")
    tax_code = serializers.CharField(help_text="Why this client is charged no tax: exempt or reverse_charge; empty: they are.")
    coupon = serializers.CharField(allow_null=True, help_text="The coupon that was found, as the business writes it.")
    lines = QuotedLineSerializer(many=True)
    subtotal_cents = serializers.IntegerField()
    discount_cents = serializers.IntegerField()
    taxes = QuotedTaxSerializer(many=True, help_text="One entry per rate, the highest first.")
    tax_cents = serializers.IntegerField()
    total_amount_cents = serializers.IntegerField()
    sessions = SessionShareSerializer(many=True)
    schedule = QuotedInstalmentSerializer(many=True, help_text="Empty when everything is due now.")
    due_now_cents = serializers.IntegerField()
    credit_cents = serializers.IntegerField(help_text="What this client's wallet holds at this business.")
    from_wallet_cents = serializers.IntegerField(help_text="How much of what is due now the wallet pays, as was asked for.")
    to_pay_now_cents = serializers.IntegerField(help_text="What is left of it to be paid by `method`.")


class CheckoutQuoteViewSet(StaffViewSet):
    """The price of a sale, before it is made."""

    serializer_class = SaleQuoteSerializer

    @extend_schema(request=CheckoutQuoteInput, responses={200: SaleQuoteSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Lines, discount, tax per rate, each session's share, and what is due when. Nothing is written, no time is claimed, and whether
        the start is free is not checked.

        409 `package_empty`, `not_for_sale`, `coupon_refused` (`why`), `insufficient_funds`; with a `method` also `provider_off`.
        """
        data = self.validated(CheckoutQuoteInput, request)
        data.pop("return_url")
        return Response(quote_sale(account=self.account, **data))
