"""Money coming in and going back, each row one attempt."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.bookings.models import Booking
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history
from apps.orders.models import Order


class Instalment(TenantModel):
    """One line of an order's payment schedule (cents); all of them add up to what was to be paid. Without ``due_at``: on arrival."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit"
        INSTALMENT = "instalment"
        BALANCE = "balance"

    order = TenantForeignKey(Order, models.CASCADE, related_name="instalments", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="instalments")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount_cents = models.PositiveBigIntegerField()
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_instalment_tenant_key"),
            SameAccount("order", name="payments_instalment_order_account"),
            SameAccount("client", name="payments_instalment_client_account"),
            UniqueConstraint(fields=["order", "position"], name="payments_instalment_unique_position"),
            CheckConstraint(condition=Q(amount_cents__gte=1), name="payments_instalment_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_cents} of {self.order_id}"


class Payment(TenantModel):
    """An attempt to pay an order, ``amount_cents`` of ``currency``; ``captured_cents`` is what really came in.

    What has gone back of it, is on its way back, or is in dispute never exceeds what came in: the row itself says so. ``review``
    is why staff have to look at it; such a payment changes nothing until they do.
    """

    class Method(models.TextChoices):
        CASH = "cash"
        BANK_TRANSFER = "bank_transfer"
        STRIPE = "stripe"
        PAYPAL = "paypal"
        WALLET = "wallet"

    class Status(models.TextChoices):
        NEW = "new"  # written down, not yet known to the provider
        PENDING = "pending"
        REQUIRES_ACTION = "requires_action"
        AUTHORIZED = "authorized"  # wallet credit that is set aside
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        UNKNOWN = "unknown"  # the provider gave no answer; it is asked again

    order = TenantForeignKey(Order, models.RESTRICT, related_name="payments")
    booking = TenantForeignKey(Booking, models.RESTRICT, related_name="payments", null=True, blank=True)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="payments")
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="payments", null=True, blank=True)
    start_time = models.DateTimeField(null=True, blank=True, help_text="The start that is held for the booking until this is paid.")
    amount_cents = models.PositiveBigIntegerField()
    captured_cents = models.PositiveBigIntegerField(default=0)
    refunded_cents = models.PositiveBigIntegerField(default=0, db_default=0)
    refunding_cents = models.PositiveBigIntegerField(default=0, db_default=0, help_text="On its way back, not yet confirmed.")
    disputed_cents = models.PositiveBigIntegerField(default=0, db_default=0, help_text="Taken back by an open dispute.")
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=16, choices=Method.choices)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    reference = models.CharField(max_length=64, blank=True, help_text="What a bank transfer has to quote.")
    provider_ref = models.CharField(max_length=255, blank=True, db_default="", help_text="The payment's name at its provider.")
    capture_ref = models.CharField(max_length=255, blank=True, db_default="", help_text="What refunds and disputes refer to there.")
    payee = models.CharField(max_length=255, blank=True, db_default="", help_text="Who is to get the money, as the provider names us.")
    failure = models.CharField(max_length=100, blank=True, db_default="", help_text="Why the last attempt failed: the provider's code.")
    review = models.CharField(max_length=255, blank=True, db_default="", help_text="Why staff have to look at it.")
    is_late = models.BooleanField(default=False, db_default=False, help_text="The money came when nobody waited for it any more.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="How long what was sold waits for the money.")
    extended = models.BooleanField(default=False, db_default=False, help_text="It was still processing at expires_at and got more time.")
    next_check_at = models.DateTimeField(null=True, blank=True, help_text="When the provider is asked again.")
    checks = models.PositiveSmallIntegerField(default=0, db_default=0)
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
            CheckConstraint(condition=Q(status="succeeded") | Q(captured_cents=0), name="payments_payment_captured_is_succeeded"),
            CheckConstraint(
                condition=Q(captured_cents__gte=F("refunded_cents") + F("refunding_cents") + F("disputed_cents")),
                name="payments_payment_back_of_captured",
            ),
            UniqueConstraint(fields=["account", "reference"], condition=~Q(reference=""), name="payments_payment_unique_reference"),
            UniqueConstraint(
                fields=["account", "method", "provider_ref"], condition=~Q(provider_ref=""), name="payments_payment_unique_provider_ref"
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="payments_payment_recent"),  # payments/
            Index(fields=["next_check_at"], name="payments_payment_to_check", condition=Q(next_check_at__isnull=False)),  # the reconciler
            Index(fields=["expires_at"], name="payments_payment_waiting", condition=Q(expires_at__isnull=False)),  # lapsing sales
            Index(fields=["account", "capture_ref"], name="payments_payment_by_capture", condition=~Q(capture_ref="")),  # disputes
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.amount_cents} {self.currency}"

    @property
    def refundable_cents(self) -> int:
        """What may still go back: captured, less what went back, is on its way, or is in dispute."""
        return self.captured_cents - self.refunded_cents - self.refunding_cents - self.disputed_cents

    @property
    def key(self) -> str:
        """Under which a provider begins this payment once, however often it is asked to."""
        return f"payment-{self.account_id}-{self.pk}-{int(self.created_at.timestamp())}"


PROVIDERS = (Payment.Method.STRIPE, Payment.Method.PAYPAL)
"""Methods that need a call to somebody else's server."""
OPEN = (
    Payment.Status.NEW,
    Payment.Status.PENDING,
    Payment.Status.REQUIRES_ACTION,
    Payment.Status.AUTHORIZED,
    Payment.Status.UNKNOWN,
)
"""States from which money may still come."""


class Dispute(TenantModel):
    """A chargeback: the client's bank takes ``amount_cents`` back until it is decided."""

    class Status(models.TextChoices):
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    payment = TenantForeignKey(Payment, models.RESTRICT, related_name="disputes")
    order = TenantForeignKey(Order, models.RESTRICT, related_name="disputes")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="disputes")
    provider_ref = models.CharField(max_length=255)
    amount_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=100, blank=True)
    status = models.CharField(max_length=4, choices=Status.choices, default=Status.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_dispute_tenant_key"),
            SameAccount("payment", name="payments_dispute_payment_account"),
            SameAccount("order", name="payments_dispute_order_account"),
            SameAccount("client", name="payments_dispute_client_account"),
            UniqueConstraint(fields=["account", "provider_ref"], name="payments_dispute_unique_provider_ref"),
            CheckConstraint(condition=Q(status="open") | Q(closed_at__isnull=False), name="payments_dispute_closed"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="payments_dispute_recent")]  # disputes/

    def __str__(self) -> str:
        return f"{self.status} {self.amount_cents} {self.currency}"


class Refund(TenantModel):
    """Money going back to where one payment came from, or (``method`` wallet) into the client's credit.

    ``requested`` waits for a second person, ``pending`` is on its way (a bank transfer until staff say it was sent), ``unknown`` is
    a provider that gave no answer. ``group`` holds together what one decision gave back over several payments.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested"
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        UNKNOWN = "unknown"

    payment = TenantForeignKey(Payment, models.RESTRICT, related_name="refunds")
    order = TenantForeignKey(Order, models.RESTRICT, related_name="refunds")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="refunds", help_text="Who gets the money: the payer.")
    dispute = TenantForeignKey(Dispute, models.RESTRICT, related_name="refunds", null=True, blank=True)
    group = models.UUIDField()
    amount_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=16, choices=Payment.Method.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    reason = models.CharField(max_length=500, blank=True)
    provider_ref = models.CharField(max_length=255, blank=True)
    failure = models.CharField(max_length=100, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveSmallIntegerField(default=0)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_refund_tenant_key"),
            SameAccount("payment", name="payments_refund_payment_account"),
            SameAccount("order", name="payments_refund_order_account"),
            SameAccount("client", name="payments_refund_client_account"),
            SameAccount("dispute", name="payments_refund_dispute_account"),
            CheckConstraint(condition=Q(amount_cents__gte=1), name="payments_refund_amount"),
            CheckConstraint(condition=~Q(status="succeeded") | Q(completed_at__isnull=False), name="payments_refund_completed"),
            UniqueConstraint(
                fields=["account", "method", "provider_ref"], condition=~Q(provider_ref=""), name="payments_refund_unique_provider_ref"
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="payments_refund_recent"),  # refunds/
            Index(fields=["next_check_at"], name="payments_refund_to_check", condition=Q(next_check_at__isnull=False)),  # the reconciler
        ]

    def __str__(self) -> str:
        return f"{self.method} -{self.amount_cents} {self.currency}"

    @property
    def key(self) -> str:
        """Under which a provider makes this refund once, however often it is asked to."""
        return f"refund-{self.account_id}-{self.pk}-{int(self.created_at.timestamp())}"
