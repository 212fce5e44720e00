"""The books at the staff door: their entries, the trial balance, and the statements of orders and clients."""

from typing import Any, ClassVar

from django.db import models
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api.doors import StaffViewSet
from apps.clients.api.filters import OfClientFilter
from apps.clients.models import Client
from apps.core.api.doors import ListMixin, RetrieveMixin
from apps.core.api.listing import FilterSet, MomentFilter, ScopedChoiceFilter
from apps.core.api.reading import ResourceSerializer
from apps.orders.models import Order
from apps.payments.api.statements import (
    MOMENT,
    PERIOD,
    ClientStatementSerializer,
    MomentField,
    OrderStatementSerializer,
    PeriodQuery,
    asked,
)
from apps.payments.models import Book, LedgerEntry, LedgerTransaction, Payment
from apps.payments.selectors import client_statement, earnings, order_lines, trial_balance


class LedgerTransactionSerializer(ResourceSerializer):
    """What an entry is a leg of. All legs of a transaction add up to zero; ``reverses`` is the one that it takes back."""

    class Meta:
        model = LedgerTransaction
        fields: ClassVar = ["id", "kind", "memo", "reverses"]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "kind": {"help_text": "`sale`: what an order is worth and how much of it is earned; `credit`: wallet credit and gift codes."}
        }


class LedgerEntrySerializer(ResourceSerializer):
    """One leg of a transaction of the books: a debit of ``book`` above zero, a credit below. Nothing of it ever changes."""

    transaction = LedgerTransactionSerializer(read_only=True)
    payment = serializers.IntegerField(source="transaction.payment_id", read_only=True, allow_null=True)
    refund = serializers.IntegerField(source="transaction.refund_id", read_only=True, allow_null=True)

    class Meta:
        model = LedgerEntry
        fields: ClassVar = [
            "id",
            "transaction",
            "book",
            "amount_cents",
            "currency",
            "order",
            "booking",
            "client",
            "payment",
            "refund",
            "created_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "booking": {"help_text": "The session whose share of the order it is."},
            "client": {"help_text": "Who pays."},
        }


class LedgerFilter(FilterSet):
    book = filters.ChoiceFilter(choices=Book.choices)
    kind = filters.ChoiceFilter(field_name="transaction__kind", choices=LedgerTransaction.Kind.choices)
    order = ScopedChoiceFilter(model=Order)
    client = OfClientFilter()
    payment = ScopedChoiceFilter(field_name="transaction__payment", model=Payment)

    class Meta:
        model = LedgerEntry
        fields: ClassVar[list[str]] = []

    def is_valid(self) -> bool:
        if super().is_valid():
            since, until = (self.form.cleaned_data.get(name) for name in ("from", "to"))
            if since and until and until <= since:
                self.form.add_error("to", "This must lie after from.")
        return super().is_valid()


# ``from`` is a word of Python's; a class body cannot say it.
LedgerFilter.base_filters["from"] = MomentFilter(field_name="created_at", lookup_expr="gte", help_text="Posted at or after this moment.")
LedgerFilter.base_filters["to"] = MomentFilter(field_name="created_at", lookup_expr="lt", help_text="Posted before this moment.")


# -- the trial balance


class BookBalanceSerializer(serializers.Serializer):
    """What lies in a book, or what moved in it."""

    book = serializers.ChoiceField(choices=Book.choices)
    debit_cents = serializers.IntegerField()
    credit_cents = serializers.IntegerField()
    amount_cents = serializers.IntegerField(help_text="Debit less credit.")


class CurrencyBalanceSerializer(serializers.Serializer):
    """The books in one currency."""

    currency = serializers.CharField()
    books = BookBalanceSerializer(many=True, help_text="Every book, also when nothing is in it.")
    sum_cents = serializers.IntegerField(help_text="0: the books balance.")
    deferred_cents = serializers.IntegerField(help_text="Sold and not yet given, net.")
    earned_cents = serializers.IntegerField(help_text="Revenue, forfeited sessions and fees, net.")


class TrialBalanceSerializer(serializers.Serializer):
    """The books from one moment (or their beginning) to another (or now)."""

    timezone = serializers.CharField(help_text="In which local dates were read.")
    currencies = CurrencyBalanceSerializer(many=True, help_text="At least the account's own.")

    def get_fields(self) -> dict[str, Any]:
        period = {name: serializers.DateTimeField(allow_null=True) for name in ("from", "to")}
        return {**super().get_fields(), **period}


class BalanceQuery(PeriodQuery):
    """A moment, or a period."""

    at = MomentField(required=False, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["at"] and (attrs["from"] or attrs["to"]):
            raise serializers.ValidationError({"at": ["Ask for a moment or for a period, not for both."]})
        return super().validate(attrs)


class LedgerViewSet(ListMixin, RetrieveMixin, StaffViewSet):
    """The books, double entry: append-only, and balanced by the database. The services write them; nobody else can."""

    model = LedgerEntry
    serializer_class = LedgerEntrySerializer
    filterset_class = LedgerFilter
    orderings: ClassVar[dict[str, str]] = {"created_at": "created_at"}

    @extend_schema(
        parameters=[
            OpenApiParameter("at", OpenApiTypes.STR, description=f"Everything that was posted before this moment: {MOMENT}"),
            *PERIOD,
        ],
        filters=False,
        responses=TrialBalanceSerializer,
    )
    @action(detail=False, methods=["get"])
    def balances(self, request: Request) -> Response:
        """The trial balance: what lies in every book now, at a moment (`at`), or what moved in a period (`from`, `to`).

        The end of a day is the first moment of the next: `?at=2027-01-01` closes 2026.
        """
        wanted = asked(BalanceQuery, request, self.account)
        since, until = wanted["from"], wanted["to"] or wanted["at"]
        found = trial_balance(currency=self.account.currency, since=since, until=until)
        return Response({"timezone": self.account.timezone, "currencies": found, "from": since, "to": until})


# -- statements


class OrderStatements(StaffViewSet):
    """The statement of an order. Mixed into the views of orders and of client packages."""

    @extend_schema(responses=OrderStatementSerializer)
    @action(detail=True, methods=["get"])
    def statement(self, request: Request, pk: str) -> Response:
        """What was sold, changed, paid, given back and disputed, with the balance after each; and how much of it is earned."""
        order = self.get_object()
        return Response({"client": order.payer_id or order.client_id, **shown(order), **earnings(order)})


def shown(order: Order) -> dict[str, Any]:
    """The statement of an order as both doors show it."""
    return {"order": order.pk, "number": order.number, "currency": order.currency, **order_lines(order)}


class ClientStatementViewSet(StaffViewSet):
    """A client's account with the business. Registered at `clients/<id>/`, whose app lies below this one."""

    model: ClassVar[type[models.Model]] = Client
    serializer_class = ClientStatementSerializer

    @classmethod
    def narrow(cls, clients: Any) -> Any:
        return clients.current()

    @extend_schema(parameters=PERIOD, responses=ClientStatementSerializer)
    @action(detail=True, methods=["get"])
    def statement(self, request: Request, pk: str) -> Response:
        """All that a client bought, paid and got back, with the balance after each; of a period with what was owed before it.

        400 for more than 5,000 lines: ask for a shorter period.
        """
        client = self.get_object()
        wanted = asked(PeriodQuery, request, self.account)
        since, until = wanted["from"], wanted["to"]
        found = client_statement(client, currency=self.account.currency, since=since, until=until)
        about = {"client": client.pk, "client_name": client.full_name, "timezone": self.account.timezone}
        return Response({**about, "currencies": found, "from": since, "to": until})
