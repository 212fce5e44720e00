"""Money coming in."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.bookings.models import Booking
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history
from apps.orders.models import Order


class Payment(TenantModel):
    """An attempt to pay an order, ``amount_cents`` of ``currency``; ``captured_cents`` is what really came in."""

    class Method(models.TextChoices):
        CASH = "cash"
        BANK_TRANSFER = "bank_transfer"

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        CANCELLED = "cancelled"

    order = TenantForeignKey(Order, models.RESTRICT, related_name="payments")
    booking = TenantForeignKey(Booking, models.RESTRICT, related_name="payments", null=True, blank=True)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="payments")
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="payments", null=True, blank=True)
    amount_cents = models.PositiveBigIntegerField()
    captured_cents = models.PositiveBigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=16, choices=Method.choices)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    reference = models.CharField(max_length=64, blank=True, help_text="What a bank transfer has to quote.")
    received_at = models.DateTimeField(null=True, blank=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_payment_tenant_key"),
            SameAccount("order", name="payments_payment_order_account"),
            SameAccount("booking", name="payments_payment_booking_account"),
            SameAccount("client", name="payments_payment_client_account"),
            SameAccount("practitioner", name="payments_payment_practitioner_account"),
            CheckConstraint(condition=Q(captured_cents__lte=F("amount_cents")), name="payments_payment_captured_of_amount"),
            CheckConstraint(
                condition=~Q(status="succeeded") | Q(captured_cents=F("amount_cents"), received_at__isnull=False),
                name="payments_payment_succeeded_is_received",
            ),
            UniqueConstraint(fields=["account", "reference"], condition=~Q(reference=""), name="payments_payment_unique_reference"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="payments_payment_recent")]  # payments/

    def __str__(self) -> str:
        return f"{self.method} {self.amount_cents} {self.currency}"
