"""Bundles of sessions."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.catalog.models import Service
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history


class Package(TenantModel):
    """A bundle of sessions an account sells under one name and one price (cents of the account's currency)."""

    package_name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    price_cents = models.PositiveBigIntegerField(default=0)
    valid_days = models.PositiveIntegerField(null=True, blank=True, help_text="Days from purchase; empty: no expiry.")
    expiry = models.JSONField(default=dict, blank=True, db_default={}, help_text="{rule, amount, unit, date}; replaces valid_days.")
    transferable = models.BooleanField(default=False)
    transfer_fee_cents = models.PositiveBigIntegerField(default=0, db_default=0)
    max_transfers = models.PositiveIntegerField(null=True, blank=True, help_text="Sessions that may be given away; empty: all.")
    max_pauses_per_year = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    max_pause_days = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Longest pause; empty: no limit.")
    is_public = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="packages_package_tenant_key"),
            UniqueConstraint(
                fields=["account", "package_name"],
                name="packages_package_unique_name",
                violation_error_message="A package with this name exists already.",
            ),
            CheckConstraint(
                condition=Q(valid_days=None) | Q(valid_days__gte=1, valid_days__lte=36500),
                name="packages_package_valid_days",
                violation_error_message="A package is valid for 1 to 36500 days.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="packages_package_recent")]  # packages/

    def __str__(self) -> str:
        return self.package_name


class PackageItem(TenantModel):
    """``quantity`` sessions of one service inside a package; ``position`` fixes their order."""

    package = TenantForeignKey(Package, models.CASCADE, related_name="items", db_index=False)
    service = TenantForeignKey(Service, models.RESTRICT, related_name="package_items")
    quantity = models.PositiveIntegerField(default=1)
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="packages_packageitem_tenant_key"),
            SameAccount("package", name="packages_packageitem_package_account"),
            SameAccount("service", name="packages_packageitem_service_account"),
            UniqueConstraint(fields=["package", "position"], name="packages_packageitem_unique_position"),
            CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=500),
                name="packages_packageitem_quantity",
                violation_error_message="An item holds 1 to 500 sessions.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.service_id}"
