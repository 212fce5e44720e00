"""Shapes of statements that staff and customers share, and the period that one is asked for."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from apps.accounts.models import Account
from apps.bookings.api.slots import with_plus
from apps.core.api.reading import InputSerializer
from apps.core.parsing import DAY, parse_day, parse_instant
from apps.payments.models import Payment
from apps.payments.selectors import LINE_KINDS

MOMENT = "RFC 3339, or a local date, which stands for its first moment in the account's time zone."
PERIOD = [
    OpenApiParameter("from", OpenApiTypes.STR, description=f"What happened at or after this moment: {MOMENT}"),
    OpenApiParameter("to", OpenApiTypes.STR, description=f"What happened before this moment: {MOMENT}"),
]


class MomentField(serializers.Field):
    """An instant, or a local date that stands for its first moment at the account; becomes aware UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        text = with_plus(str(data))
        try:
            if DAY.fullmatch(text):
                return datetime.combine(parse_day(text), time(), ZoneInfo(self.context["account"].timezone)).astimezone(UTC)
            return parse_instant(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from error


class PeriodQuery(InputSerializer):
    """``from`` and ``to``; both may be missing."""

    def get_fields(self) -> dict[str, Any]:
        absent: dict[str, Any] = {"required": False, "default": None}
        return {**super().get_fields(), "from": MomentField(**absent), "to": MomentField(**absent)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["from"] and attrs["to"] and attrs["to"] <= attrs["from"]:
            raise serializers.ValidationError({"to": ["This must lie after from."]})
        return attrs


def asked(query_class: type[InputSerializer], request: Request, account: Account) -> dict[str, Any]:
    """What the address asks for. Raises ValidationError for what is not declared, or given twice."""
    given = request.query_params
    twice = {name: ["Give this once."] for name in given if len(given.getlist(name)) > 1}
    if twice:
        raise serializers.ValidationError(twice)
    query = query_class(data={name: value for name, value in given.items() if value}, context={"account": account})
    query.is_valid(raise_exception=True)
    return query.validated_data


class StatementEntrySerializer(serializers.Serializer):
    """One thing that happened. ``amount_cents`` is what the client owes more, or (below zero) less, because of it.

    `item`, `discount`, `fee` and `adjustment` are lines of the order; `refund_returned` is a refund that did not arrive. A dispute holds
    money back without changing what is owed, until it is lost.
    """

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=LINE_KINDS)
    description = serializers.CharField(help_text="In words.")
    amount_cents = serializers.IntegerField()
    balance_cents = serializers.IntegerField(help_text="What was owed afterwards; below zero the business owes it.")
    held_cents = serializers.IntegerField(help_text="What a dispute takes out of reach, or (below zero) lets go.")
    currency = serializers.CharField()
    order = serializers.IntegerField()
    order_number = serializers.CharField()
    method = serializers.ChoiceField(choices=Payment.Method.choices, allow_null=True, help_text="How money came in or went back.")
    payment = serializers.IntegerField(allow_null=True)
    refund = serializers.IntegerField(allow_null=True)


class StatementTotalsSerializer(serializers.Serializer):
    """What the lines come to: what was owed at the beginning (nothing, of an order) + charged − paid + refunded = balance."""

    charged_cents = serializers.IntegerField()
    paid_cents = serializers.IntegerField()
    refunded_cents = serializers.IntegerField(help_text="Lost disputes included; without refunds that came back.")
    disputed_cents = serializers.IntegerField(help_text="Held by open disputes; of a period, what that changed by.")
    balance_cents = serializers.IntegerField(help_text="Owed at the end; below zero the business owes it.")


class OwnStatementSerializer(serializers.Serializer):
    """What was bought, paid and given back on one order, oldest line first."""

    order = serializers.IntegerField()
    number = serializers.CharField()
    currency = serializers.CharField()
    lines = StatementEntrySerializer(many=True)
    totals = StatementTotalsSerializer()


class EarningsSerializer(serializers.Serializer):
    """Where the worth of an order lies, net: still to be given (deferred), earned, owed as tax, or on gift codes."""

    deferred_cents = serializers.IntegerField()
    earned_cents = serializers.IntegerField(help_text="`revenue_cents` + `forfeited_cents` + `fees_cents`.")
    revenue_cents = serializers.IntegerField()
    forfeited_cents = serializers.IntegerField()
    fees_cents = serializers.IntegerField()
    tax_cents = serializers.IntegerField()
    gift_cents = serializers.IntegerField()


class SessionEarningsSerializer(serializers.Serializer):
    """A session's share of the order."""

    id = serializers.IntegerField()
    order = serializers.IntegerField(help_text="Where it is now: another order after it was given away.")
    position = serializers.IntegerField()
    service_name = serializers.CharField()
    status = serializers.CharField()
    start_time = serializers.DateTimeField(allow_null=True)
    net_cents = serializers.IntegerField(help_text="Its share without tax, as it was sold.")
    deferred_cents = serializers.IntegerField()
    earned_cents = serializers.IntegerField(help_text="Less than the share when a part of its price was given back.")


class OrderStatementSerializer(OwnStatementSerializer):
    """The statement of one order, and how much of it is earned.

    `earnings` and `sessions` of an order that was paid cover sessions that were given away, too.
    """

    client = serializers.IntegerField(help_text="Who pays.")
    earnings = EarningsSerializer()
    sessions = SessionEarningsSerializer(many=True)


class ClientStatementInCurrencySerializer(serializers.Serializer):
    """What happened in one currency, oldest line first."""

    currency = serializers.CharField()
    opening_cents = serializers.IntegerField(help_text="Owed when the period began.")
    lines = StatementEntrySerializer(many=True)
    totals = StatementTotalsSerializer()


class ClientStatementSerializer(serializers.Serializer):
    """All orders that a client pays, whoever comes to their sessions. Wallet credit has its own statement; spending it is a payment."""

    client = serializers.IntegerField()
    client_name = serializers.CharField()
    timezone = serializers.CharField(help_text="In which local dates were read.")
    currencies = ClientStatementInCurrencySerializer(many=True, help_text="At least the account's own.")

    def get_fields(self) -> dict[str, Any]:
        period = {name: serializers.DateTimeField(allow_null=True) for name in ("from", "to")}
        return {**super().get_fields(), **period}
