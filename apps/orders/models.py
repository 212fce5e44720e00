"""Orders: the record of every purchase. A package that was sold is an order and nothing else."""

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import CheckConstraint, F, Func, Index, Q, UniqueConstraint, Value

from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.packages.models import Package
from apps.sites.models import Site


class Order(TenantModel):
    """What a client bought, for how much (cents of ``currency``), and where it stands.

    ``status`` follows from the sessions and dates, ``payment_status`` and the paid and refunded sums from the payments; both
    are caches kept by the services. ``package_metadata`` is the snapshot of what was sold: later edits of the catalogue
    never touch it. The order of a site has no sessions: it is completed once the site belongs to the client.
    """

    class Type(models.TextChoices):
        SERVICE = "service"
        PACKAGE = "package"
        GIFT = "gift"
        SITE = "site"

    class TaxRounding(models.TextChoices):
        """Where tax is rounded: on each line, or once per rate; then from the sum of nets, or so that the gross stays (rules.md §7)."""

        LINE = "line"
        NET_SUM = "net_sum"
        GROSS_SUM = "gross_sum"

    class Status(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        EXPIRED = "expired"
        COMPLETED = "completed"
        CANCELLED = "cancelled"

    class PaymentStatus(models.TextChoices):
        UNPAID = "unpaid"
        PART_PAID = "part_paid"
        PAID = "paid"
        OVERPAID = "overpaid"
        REFUNDED = "refunded"

    number = models.CharField(max_length=20)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="orders", db_index=False)
    payer = TenantForeignKey(Client, models.RESTRICT, related_name="paid_orders", null=True, blank=True)
    order_type = models.CharField(max_length=10, choices=Type.choices)
    service = TenantForeignKey(Service, models.RESTRICT, related_name="orders", null=True, blank=True)
    package = TenantForeignKey(Package, models.RESTRICT, related_name="orders", null=True, blank=True)
    site = TenantForeignKey(Site, models.RESTRICT, related_name="orders", null=True, blank=True, db_index=False)
    subtotal_cents = models.PositiveBigIntegerField()
    discount_cents = models.PositiveBigIntegerField(default=0)
    tax_cents = models.PositiveBigIntegerField(default=0)
    total_amount_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    prices_include_tax = models.BooleanField(
        default=True, db_default=True, help_text="Whether subtotal and discount contain the tax; otherwise it is added to them."
    )
    tax_rounding = models.CharField(max_length=10, choices=TaxRounding.choices, default=TaxRounding.LINE, db_default="line")
    tax_code = models.CharField(max_length=16, choices=Client.TaxCode.choices, blank=True, db_default="")
    frozen_at = models.DateTimeField(null=True, blank=True, help_text="A payment is disputed: unused sessions cannot be scheduled.")
    package_metadata = models.JSONField(default=dict, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    payment_status = models.CharField(max_length=10, choices=PaymentStatus.choices, default=PaymentStatus.UNPAID)
    paid_cents = models.PositiveBigIntegerField(default=0)
    refunded_cents = models.PositiveBigIntegerField(default=0)
    parent = TenantForeignKey(
        "self",
        models.RESTRICT,
        related_name="transfers",
        db_index=False,
        null=True,
        blank=True,
        help_text="The order its sessions came from.",
    )
    expiry_warned_at = models.DateTimeField(null=True, blank=True)
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    source = models.CharField(max_length=32, blank=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="orders_order_tenant_key"),
            SameAccount("client", name="orders_order_client_account"),
            SameAccount("payer", name="orders_order_payer_account"),
            SameAccount("service", name="orders_order_service_account"),
            SameAccount("package", name="orders_order_package_account"),
            SameAccount("site", name="orders_order_site_account"),
            SameAccount("parent", name="orders_order_parent_account"),
            UniqueConstraint(fields=["account", "number"], name="orders_order_unique_number"),
            CheckConstraint(
                condition=Q(order_type="service", service__isnull=False, package=None, site=None)
                | Q(order_type="package", package__isnull=False, service=None, site=None)
                | Q(order_type="gift", package=None, service=None, site=None)
                | Q(order_type="site", site__isnull=False, package=None, service=None),
                name="orders_order_one_subject",
            ),
            # One sale of a site at a time: its order is active until the site is handed over or the sale is given up.
            UniqueConstraint(
                fields=["account", "site"], condition=Q(order_type="site", status="active"), name="orders_order_one_sale_of_site"
            ),
            CheckConstraint(condition=Q(discount_cents__lte=F("subtotal_cents")), name="orders_order_discount"),
            CheckConstraint(condition=Q(refunded_cents__lte=F("paid_cents")), name="orders_order_refunded_of_paid"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="orders_order_recent"),  # orders/
            Index(fields=["account", "client", "-created_at"], name="orders_order_by_client"),  # orders/?client=
            Index(
                fields=["expires_at"], name="orders_order_expiring", condition=Q(status__in=["active", "paused"])
            ),  # warnings, forfeiture
            Index(fields=["account", "parent"], name="orders_order_transfers", condition=Q(parent__isnull=False)),
            Index(fields=["account", "site"], name="orders_order_of_site", condition=Q(site__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def balance_due_cents(self) -> int:
        """What is still to be paid; never negative."""
        return max(0, self.total_amount_cents - self.paid_cents + self.refunded_cents)

    def is_resting(self, at: datetime) -> bool:
        """Whether a pause covers this instant, in the account's zone."""
        day = at.astimezone(ZoneInfo(self.account.timezone)).date()
        return self.pauses.filter(Q(last_day=None) | Q(last_day__gte=day), first_day__lte=day).exists()  # type: ignore[attr-defined]

    @property
    def total_sessions(self) -> int:
        """How many sessions were sold."""
        return int(self.package_metadata.get("total_sessions", 0))

    @property
    def sessions_completed(self) -> int:
        """Sessions that took place."""
        return self.bookings.filter(status="completed").count()  # type: ignore[attr-defined]

    @property
    def sessions_remaining(self) -> int:
        """Sessions that are still to take place, scheduled or not."""
        return self.bookings.exclude(status__in=SPENT).count()  # type: ignore[attr-defined]


# Booking states in which a session is used up; the same words as in apps.bookings, which lies above.
SPENT = ("completed", "cancelled", "no_show", "forfeited")
ONLINE = ("public", "customer")
"""Sources of orders that clients have placed themselves."""


class ClientPackageManager(models.Manager):
    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().filter(order_type=Order.Type.PACKAGE)


class ClientPackage(Order):
    """A package a client owns: a view of its order, not a second record."""

    objects: ClassVar[Any] = scoped(manager_class=ClientPackageManager)

    class Meta:
        proxy = True


class PackagePause(TenantModel):
    """Days on which a package rests: nothing is scheduled inside, and its validity grows by them.

    Both days are local days of the account and belong to the pause; without ``last_day`` it is open until it is resumed.
    ``days_added`` is what the validity has been extended by for it.
    """

    order = TenantForeignKey(Order, models.CASCADE, related_name="pauses", db_index=False)
    first_day = models.DateField()
    last_day = models.DateField(null=True, blank=True)
    reason = models.CharField(max_length=500)
    resumed_at = models.DateTimeField(null=True, blank=True)
    days_added = models.PositiveIntegerField(default=0)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="orders_packagepause_tenant_key"),
            SameAccount("order", name="orders_packagepause_order_account"),
            CheckConstraint(
                condition=Q(last_day=None) | Q(last_day__gte=F("first_day")),
                name="orders_packagepause_days",
                violation_error_message="last_day cannot lie before first_day.",
            ),
            ExclusionConstraint(
                name="orders_packagepause_no_overlap",
                expressions=[
                    ("order", RangeOperators.EQUAL),
                    (
                        Func(F("first_day"), F("last_day"), Value("[]"), function="daterange", output_field=DateRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="orders_packagepause_recent")]

    def __str__(self) -> str:
        return f"{self.order_id} rests from {self.first_day}"


class OrderLine(TenantModel):
    """One line of an order. ``amount_cents`` is signed (discounts are negative) and what is to be paid; ``tax_cents`` is the tax in it.

    ``unit_price_cents`` is the price as it is quoted: with tax or without it, as the order says.
    """

    class Kind(models.TextChoices):
        ITEM = "item"
        DISCOUNT = "discount"
        FEE = "fee"
        ADJUSTMENT = "adjustment"

    order = TenantForeignKey(Order, models.CASCADE, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.ITEM)
    description = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField(default=1)
    unit_price_cents = models.BigIntegerField()
    amount_cents = models.BigIntegerField()
    tax_rate = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True, help_text="Per cent, as it was at the sale.")
    tax_cents = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="orders_orderline_tenant_key"),
            SameAccount("order", name="orders_orderline_order_account"),
            UniqueConstraint(fields=["order", "position"], name="orders_orderline_unique_position"),
        ]

    def __str__(self) -> str:
        return self.description
