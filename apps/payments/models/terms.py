"""What changes a price or its due date: coupons and deposit rules."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from django.db.models.functions import Upper

from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history
from apps.orders.models import Order
from apps.packages.models import Package


class Amount(models.TextChoices):
    """How ``value`` is meant: cents, or per cent."""

    FIXED = "fixed"
    PERCENT = "percent"


class Coupon(TenantModel):
    """A code that takes something off a sale: ``value`` cents, or per cent (rounded half up)."""

    code = models.CharField(max_length=40)
    kind = models.CharField(max_length=7, choices=Amount.choices)
    value = models.PositiveBigIntegerField()
    package = TenantForeignKey(Package, models.CASCADE, related_name="coupons", null=True, blank=True, help_text="Only for this package.")
    service = TenantForeignKey(Service, models.CASCADE, related_name="coupons", null=True, blank=True, help_text="Only for this service.")
    minimum_cents = models.PositiveBigIntegerField(default=0, help_text="Only from this price on.")
    max_uses = models.PositiveIntegerField(null=True, blank=True, help_text="By everybody; empty: any number.")
    max_uses_per_client = models.PositiveIntegerField(null=True, blank=True, default=1)
    first_order_only = models.BooleanField(default=False)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0, editable=False)
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_coupon_tenant_key"),
            SameAccount("package", name="payments_coupon_package_account"),
            SameAccount("service", name="payments_coupon_service_account"),
            UniqueConstraint(
                F("account"), Upper("code"), name="payments_coupon_unique_code", violation_error_message="There is a coupon with this code."
            ),
            CheckConstraint(
                condition=Q(value__gte=1) & (~Q(kind="percent") | Q(value__lte=100)),
                name="payments_coupon_value",
                violation_error_message="A coupon takes off at least 1 cent, and at most 100 per cent.",
            ),
            CheckConstraint(
                condition=Q(max_uses=None) | Q(uses__lte=F("max_uses")),
                name="payments_coupon_uses",
                violation_error_message="It was used more often than that already.",
            ),
            CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_until=None) | Q(valid_until__gt=F("valid_from")),
                name="payments_coupon_validity",
                violation_error_message="valid_until must lie after valid_from.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="payments_coupon_recent")]  # coupons/

    def __str__(self) -> str:
        return self.code


class CouponUse(TenantModel):
    """A coupon that an order was sold with, and what it took off (cents)."""

    coupon = TenantForeignKey(Coupon, models.RESTRICT, related_name="redemptions")
    order = TenantForeignKey(Order, models.CASCADE, related_name="coupon_uses")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="coupon_uses")
    amount_cents = models.PositiveBigIntegerField()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_couponuse_tenant_key"),
            SameAccount("coupon", name="payments_couponuse_coupon_account"),
            SameAccount("order", name="payments_couponuse_order_account"),
            SameAccount("client", name="payments_couponuse_client_account"),
            UniqueConstraint(fields=["order"], name="payments_couponuse_one_per_order"),
        ]

    def __str__(self) -> str:
        return f"{self.coupon_id} on {self.order_id}"


class DepositRule(TenantModel):
    """When a sale asks for a deposit, and how much: ``value`` cents, or per cent of the total. The strictest rule that fits wins."""

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=7, choices=Amount.choices)
    value = models.PositiveBigIntegerField()
    package = TenantForeignKey(Package, models.CASCADE, related_name="deposit_rules", null=True, blank=True)
    service = TenantForeignKey(Service, models.CASCADE, related_name="deposit_rules", null=True, blank=True)
    client_tag = models.CharField(max_length=50, blank=True, help_text="Only for clients with this tag.")
    minimum_cents = models.PositiveBigIntegerField(default=0, help_text="Only from this total on.")
    first_order_only = models.BooleanField(default=False, help_text="Only for a client's first purchase.")
    min_no_shows = models.PositiveSmallIntegerField(default=0, help_text="Only for clients who missed at least so many sessions.")
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_depositrule_tenant_key"),
            SameAccount("package", name="payments_depositrule_package_account"),
            SameAccount("service", name="payments_depositrule_service_account"),
            UniqueConstraint(fields=["account", "name"], name="payments_depositrule_unique_name"),
            CheckConstraint(
                condition=Q(value__gte=1) & (~Q(kind="percent") | Q(value__lte=100)),
                name="payments_depositrule_value",
                violation_error_message="A deposit is at least 1 cent, and at most 100 per cent.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="payments_depositrule_recent")]  # deposit-rules/

    def __str__(self) -> str:
        return self.name
