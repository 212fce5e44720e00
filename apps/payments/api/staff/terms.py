from typing import Any, ClassVar

from rest_framework import serializers

from apps.accounts.api.doors import StaffViewSet
from apps.catalog.api.staff.shapes import MAX_CENTS
from apps.catalog.models import Service
from apps.core.api.doors import ResourceMixin
from apps.core.api.fields import OneLineField
from apps.core.api.listing import FilterSet, FlagFilter, ScopedChoiceFilter
from apps.core.api.reading import ResourceSerializer
from apps.packages.models import Package
from apps.payments.models import Coupon, DepositRule
from apps.payments.models.terms import Amount

MOST_USES = 1_000_000_000
VALUE = "Cents of the account's currency when `kind` is fixed, per cent (1 to 100, half up) when it is percent."


class TermSerializer(ResourceSerializer):
    """An amount that is fixed or per cent."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        stored: Any = self.instance or self.Meta.model()  # type: ignore[attr-defined]
        kind, value = (attrs.get(name, getattr(stored, name)) for name in ("kind", "value"))
        if kind == Amount.PERCENT and value is not None and value > 100:
            raise serializers.ValidationError({"value": "Not more than 100 per cent."})
        return attrs


class CouponSerializer(TermSerializer):
    """A code that takes something off a sale. It is for one package, one service, both of these, or (neither given) every sale of sessions.

    Codes are found in any case. `uses` counts the sales made with it.
    """

    code = OneLineField(max_length=40)
    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of all amounts.")

    class Meta:
        model = Coupon
        fields: ClassVar = [
            "id",
            "code",
            "kind",
            "value",
            "currency",
            "package",
            "service",
            "minimum_cents",
            "max_uses",
            "max_uses_per_client",
            "first_order_only",
            "valid_from",
            "valid_until",
            "uses",
            "is_active",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "value": {"min_value": 1, "max_value": MAX_CENTS, "help_text": VALUE},
            "minimum_cents": {"max_value": MAX_CENTS},
            "max_uses": {"min_value": 1, "max_value": MOST_USES},
            "max_uses_per_client": {"min_value": 1, "max_value": MOST_USES, "help_text": "1 unless said otherwise; null: any number."},
            "first_order_only": {"help_text": "Only for clients without an order that was not cancelled."},
            "valid_from": {"help_text": "First instant at which it can be used; null: at once."},
            "valid_until": {"help_text": "First instant at which it cannot be used any more; null: no end."},
        }


class DepositRuleSerializer(TermSerializer):
    """When a sale asks for a deposit. Of all rules that fit a sale, the one with the highest deposit applies.

    All conditions of a rule must be true; one that is empty always is. A deposit is at most the order's total, and then there is nothing
    left to pay later. What is left is due `balance_due_hours` (a setting) before the first session, or on arrival.
    """

    currency = serializers.CharField(source="account.currency", read_only=True, help_text="ISO 4217 code of all amounts.")

    class Meta:
        model = DepositRule
        fields: ClassVar = [
            "id",
            "name",
            "kind",
            "value",
            "currency",
            "package",
            "service",
            "client_tag",
            "minimum_cents",
            "first_order_only",
            "min_no_shows",
            "is_active",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "value": {"min_value": 1, "max_value": MAX_CENTS, "help_text": VALUE},
            "package": {"help_text": "Only for sales of this package."},
            "service": {"help_text": "Only for sales with a session of this service, singly or in a package."},
            "minimum_cents": {"max_value": MAX_CENTS},
            "min_no_shows": {"max_value": 1000},
        }


class TermFilter(FilterSet):
    is_active = FlagFilter()
    package = ScopedChoiceFilter(model=Package)
    service = ScopedChoiceFilter(model=Service)


class CouponViewSet(ResourceMixin, StaffViewSet):
    """Coupons of the account. One that was used cannot be deleted, only deactivated."""

    model = Coupon
    serializer_class = CouponSerializer
    filterset_class = TermFilter
    search_fields = ("code",)
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "code": "code"}


class DepositRuleViewSet(ResourceMixin, StaffViewSet):
    """Rules of the account for deposits."""

    model = DepositRule
    serializer_class = DepositRuleSerializer
    filterset_class = TermFilter
    search_fields = ("name", "client_tag")
    orderings: ClassVar[dict[str, Any]] = {"created_at": "created_at", "updated_at": "updated_at", "name": "name"}
