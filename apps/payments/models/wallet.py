"""Credit, gift codes and points."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, TimestampedModel, history
from apps.orders.models import Order
from apps.payments.models.payment import Payment, Refund
from apps.users.models import Customer


class Wallet(TimestampedModel):
    """A person's wallet: it belongs to the user, so that any profile of the same person shares it (source 001)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="wallet")

    def __str__(self) -> str:
        return f"wallet of {self.user_id}"


class WalletBalance(TenantModel):
    """What a wallet holds at one business in one currency: the sum of what remains of its live lots. It never leaves that business."""

    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="balances")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="wallet_balances")
    currency = models.CharField(max_length=3)
    balance_cents = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_walletbalance_tenant_key"),
            SameAccount("client", name="payments_walletbalance_client_account"),
            UniqueConstraint(fields=["account", "wallet", "currency"], name="payments_walletbalance_one_per_currency"),
            CheckConstraint(condition=Q(balance_cents__gte=0), name="payments_walletbalance_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.balance_cents} {self.currency}"


class GiftCode(TenantModel):
    """A bearer code worth ``amount_cents`` of credit. Only its hash is kept, and its last four characters to tell it by."""

    class Status(models.TextChoices):
        INACTIVE = "inactive"  # sold, not yet paid
        ACTIVE = "active"
        REDEEMED = "redeemed"
        VOID = "void"
        EXPIRED = "expired"

    code_hash = models.CharField(max_length=64, editable=False)
    last4 = models.CharField(max_length=4)
    amount_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    taxed_at_sale = models.BooleanField(
        default=False, help_text="A single-purpose voucher: its sale is taxed, its credit is not a liability."
    )
    order = TenantForeignKey(
        Order, models.RESTRICT, related_name="gift_codes", null=True, blank=True, help_text="Its sale, when it was sold."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    redeemed_at = models.DateTimeField(null=True, blank=True)
    client = TenantForeignKey(
        Client, models.RESTRICT, related_name="redeemed_gift_codes", null=True, blank=True, help_text="Who redeemed it."
    )
    reason = models.CharField(max_length=500, blank=True)

    history = history(excluded_fields=["code_hash"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_giftcode_tenant_key"),
            SameAccount("order", name="payments_giftcode_order_account"),
            SameAccount("client", name="payments_giftcode_client_account"),
            UniqueConstraint(fields=["account", "code_hash"], name="payments_giftcode_unique_code"),
            CheckConstraint(condition=Q(amount_cents__gte=1), name="payments_giftcode_amount"),
            CheckConstraint(
                condition=~Q(status="redeemed") | Q(client__isnull=False, redeemed_at__isnull=False), name="payments_giftcode_redeemed"
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="payments_giftcode_recent")]  # gift-codes/

    def __str__(self) -> str:
        return f"…{self.last4}"


class WalletLot(TenantModel):
    """Credit that came in at once, with its source and end; ``remaining_cents`` is what is neither spent, set aside nor expired."""

    class Source(models.TextChoices):
        GIFT = "gift"
        REFUND = "refund"
        GOODWILL = "goodwill"
        TOP_UP = "top_up"
        REFERRAL = "referral"

    balance = TenantForeignKey(WalletBalance, models.RESTRICT, related_name="lots", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="wallet_lots")
    source = models.CharField(max_length=10, choices=Source.choices)
    amount_cents = models.PositiveBigIntegerField()
    remaining_cents = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    expires_at = models.DateTimeField(null=True, blank=True)
    is_cashable = models.BooleanField(default=False, help_text="It may be paid out.")
    gift_code = TenantForeignKey(GiftCode, models.RESTRICT, related_name="lots", null=True, blank=True)
    refund = TenantForeignKey(Refund, models.RESTRICT, related_name="lots", null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_walletlot_tenant_key"),
            SameAccount("balance", name="payments_walletlot_balance_account"),
            SameAccount("client", name="payments_walletlot_client_account"),
            SameAccount("gift_code", name="payments_walletlot_gift_code_account"),
            SameAccount("refund", name="payments_walletlot_refund_account"),
            CheckConstraint(condition=Q(remaining_cents__lte=F("amount_cents")), name="payments_walletlot_remaining"),
            CheckConstraint(condition=Q(amount_cents__gte=1), name="payments_walletlot_amount"),
        ]
        indexes: ClassVar = [
            Index(fields=["balance", "expires_at"], name="payments_walletlot_live", condition=Q(remaining_cents__gt=0)),  # spending
            Index(fields=["expires_at"], name="payments_walletlot_expiring", condition=Q(remaining_cents__gt=0, expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.remaining_cents} of {self.amount_cents} {self.currency}"


class WalletSpend(TenantModel):
    """How much of a lot a payment took, and how much of that went back to it."""

    lot = TenantForeignKey(WalletLot, models.RESTRICT, related_name="spends")
    payment = TenantForeignKey(Payment, models.RESTRICT, related_name="wallet_spends")
    amount_cents = models.PositiveBigIntegerField()
    returned_cents = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_walletspend_tenant_key"),
            SameAccount("lot", name="payments_walletspend_lot_account"),
            SameAccount("payment", name="payments_walletspend_payment_account"),
            UniqueConstraint(fields=["lot", "payment"], name="payments_walletspend_once"),
            CheckConstraint(condition=Q(returned_cents__lte=F("amount_cents")), name="payments_walletspend_returned"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_cents} of lot {self.lot_id}"


class WalletTransaction(TenantModel):
    """One line of a wallet's statement: signed cents and the balance after it."""

    class Kind(models.TextChoices):
        CREDIT = "credit"
        SPEND = "spend"
        RETURN = "return"
        EXPIRE = "expire"
        DEBIT = "debit"

    balance = TenantForeignKey(WalletBalance, models.RESTRICT, related_name="transactions", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="wallet_transactions")
    lot = TenantForeignKey(WalletLot, models.RESTRICT, related_name="transactions", null=True, blank=True)
    payment = TenantForeignKey(Payment, models.RESTRICT, related_name="wallet_transactions", null=True, blank=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    amount_cents = models.BigIntegerField()
    balance_after_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_wallettransaction_tenant_key"),
            SameAccount("balance", name="payments_wallettransaction_balance_account"),
            SameAccount("client", name="payments_wallettransaction_client_account"),
            SameAccount("lot", name="payments_wallettransaction_lot_account"),
            SameAccount("payment", name="payments_wallettransaction_payment_account"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="payments_wallettransaction_rec"),
            Index(fields=["balance", "id"], name="payments_wallettransaction_of"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_cents} {self.currency}"


class ReferralReward(TenantModel):
    """Points for who brought somebody: one per referee, granted after their first paid order has been held for a while."""

    class Status(models.TextChoices):
        PENDING = "pending"
        GRANTED = "granted"
        REFUSED = "refused"
        CLAWED_BACK = "clawed_back"

    referrer = TenantForeignKey(Client, models.RESTRICT, related_name="rewards")
    referee = TenantForeignKey(Client, models.RESTRICT, related_name="referred_rewards")
    order = TenantForeignKey(Order, models.RESTRICT, related_name="referral_rewards")
    points = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    why = models.CharField(max_length=100, blank=True, help_text="Why it was refused.")
    grant_at = models.DateTimeField(help_text="When the hold ends.")
    granted_at = models.DateTimeField(null=True, blank=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_referralreward_tenant_key"),
            SameAccount("referrer", name="payments_referralreward_referrer_account"),
            SameAccount("referee", name="payments_referralreward_referee_account"),
            SameAccount("order", name="payments_referralreward_order_account"),
            UniqueConstraint(fields=["account", "referee"], name="payments_referralreward_one_per_referee"),
            CheckConstraint(condition=~Q(referrer=F("referee")), name="payments_referralreward_no_self"),
        ]
        indexes: ClassVar = [Index(fields=["grant_at"], name="payments_referralreward_due", condition=Q(status="pending"))]

    def __str__(self) -> str:
        return f"{self.status} {self.points} points"


class OrderReferral(TenantModel):
    """Who brought the buyer of an order, when the buyer named them without a login; whoever has one keeps it there (Customer.inviter).

    It belongs to the order and not to the client, because a guest only claims to be that client.
    """

    order = TenantForeignKey(Order, models.CASCADE, related_name="referrals", db_index=False)
    inviter = models.ForeignKey(Customer, models.CASCADE, related_name="referred_orders")

    class Meta:
        constraints: ClassVar = [
            SameAccount("order", name="payments_orderreferral_order_account"),
            UniqueConstraint(fields=["order"], name="payments_orderreferral_one_per_order"),
        ]

    def __str__(self) -> str:
        return f"order {self.order_id} by customer {self.inviter_id}"


class PointsEntry(TenantModel):
    """Points that a client gained or lost at one business; their balance is the sum, and may fall below zero by a claw-back."""

    class Kind(models.TextChoices):
        EARNED = "earned"
        REFERRAL = "referral"
        REDEEMED = "redeemed"
        CLAWED_BACK = "clawed_back"
        ADJUSTED = "adjusted"

    client = TenantForeignKey(Client, models.RESTRICT, related_name="points", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    points = models.IntegerField()
    order = TenantForeignKey(Order, models.RESTRICT, related_name="points", null=True, blank=True)
    reward = TenantForeignKey(ReferralReward, models.RESTRICT, related_name="points_entries", null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_pointsentry_tenant_key"),
            SameAccount("client", name="payments_pointsentry_client_account"),
            SameAccount("order", name="payments_pointsentry_order_account"),
            SameAccount("reward", name="payments_pointsentry_reward_account"),
            CheckConstraint(condition=~Q(points=0), name="payments_pointsentry_not_zero"),
        ]
        indexes: ClassVar = [Index(fields=["account", "client", "id"], name="payments_pointsentry_of")]

    def __str__(self) -> str:
        return f"{self.kind} {self.points}"
