"""The books: append-only, double entry, balanced by the database itself (docs/adr/0010-ledger.md)."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.bookings.models import Booking
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel
from apps.orders.models import Order
from apps.payments.models.payment import Payment, Refund


class LedgerTransaction(TenantModel):
    """One thing that happened to money. Its entries add up to zero per currency; a mistake is corrected by a reversing one."""

    class Kind(models.TextChoices):
        SALE = "sale"  # what an order is worth and how much of it is earned
        PAYMENT = "payment"
        REFUND = "refund"
        DISPUTE = "dispute"
        CREDIT = "credit"  # wallet credit given, expired or taken back

    kind = models.CharField(max_length=10, choices=Kind.choices)
    order = TenantForeignKey(Order, models.RESTRICT, related_name="ledger_transactions", db_index=False, null=True, blank=True)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="ledger_transactions", db_index=False, null=True, blank=True)
    payment = TenantForeignKey(Payment, models.RESTRICT, related_name="ledger_transactions", db_index=False, null=True, blank=True)
    refund = TenantForeignKey(Refund, models.RESTRICT, related_name="ledger_transactions", db_index=False, null=True, blank=True)
    reverses = TenantForeignKey("self", models.RESTRICT, related_name="reversed_by", db_index=False, null=True, blank=True)
    memo = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_ledgertransaction_tenant_key"),
            SameAccount("order", name="payments_ledgertransaction_order_account"),
            SameAccount("client", name="payments_ledgertransaction_client_account"),
            SameAccount("payment", name="payments_ledgertransaction_payment_account"),
            SameAccount("refund", name="payments_ledgertransaction_refund_account"),
            SameAccount("reverses", name="payments_ledgertransaction_reverses_account"),
            UniqueConstraint(fields=["payment"], condition=Q(kind="payment"), name="payments_ledgertransaction_one_per_payment"),
            UniqueConstraint(fields=["refund"], condition=Q(kind="refund"), name="payments_ledgertransaction_one_per_refund"),
            UniqueConstraint(fields=["reverses"], condition=Q(reverses__isnull=False), name="payments_ledgertransaction_reversed_once"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="payments_ledgertransaction_rec"),  # the admin
            Index(
                fields=["account", "order", "id"], name="payments_ledgertransaction_ord"
            ),  # an order's transactions, and what open_books has to do
            Index(
                fields=["account", "payment"], name="payments_ledgertransaction_pay", condition=Q(payment__isnull=False)
            ),  # ledger/?payment=
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Book(models.TextChoices):
    """The chart of accounts, small and the same for everybody. A debit is positive, a credit negative."""

    RECEIVABLE = "receivable"  # what clients owe
    CASH = "cash"
    BANK = "bank"
    STRIPE = "stripe"
    PAYPAL = "paypal"
    DISPUTED = "disputed"  # held back by a provider until a dispute is decided
    DEFERRED = "deferred"  # sold, not yet given
    REVENUE = "revenue"  # sessions that took place or were used up, fees and price changes
    FORFEITED = "forfeited"  # sessions that expired unused
    FEES = "fees"  # cancellation, no-show and transfer fees
    TAX = "tax"  # owed to the tax office
    WALLET = "wallet"  # credit that clients hold
    GIFT = "gift"  # gift codes that are sold and not redeemed
    GOODWILL = "goodwill"  # credit given away


class LedgerEntry(TenantModel):
    """One leg of a transaction: signed cents of one book. Nothing of it can be changed or deleted."""

    transaction = TenantForeignKey(LedgerTransaction, models.RESTRICT, related_name="entries", db_index=False)
    book = models.CharField(max_length=12, choices=Book.choices)
    amount_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    order = TenantForeignKey(Order, models.RESTRICT, related_name="ledger_entries", db_index=False, null=True, blank=True)
    booking = TenantForeignKey(Booking, models.RESTRICT, related_name="ledger_entries", db_index=False, null=True, blank=True)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="ledger_entries", db_index=False, null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_ledgerentry_tenant_key"),
            SameAccount("transaction", name="payments_ledgerentry_transaction_account"),
            SameAccount("order", name="payments_ledgerentry_order_account"),
            SameAccount("booking", name="payments_ledgerentry_booking_account"),
            SameAccount("client", name="payments_ledgerentry_client_account"),
            CheckConstraint(condition=~Q(amount_cents=0), name="payments_ledgerentry_not_zero"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "transaction"], name="payments_ledgerentry_of"),  # legs of a transaction, and its balance
            Index(fields=["account", "-created_at", "-id"], name="payments_ledgerentry_recent"),  # ledger/
            Index(
                fields=["account", "client", "id"], name="payments_ledgerentry_by_client", condition=Q(client__isnull=False)
            ),  # ledger/?client=
            Index(fields=["account", "book", "created_at"], name="payments_ledgerentry_by_book"),  # balances over time
            Index(fields=["account", "order"], name="payments_ledgerentry_by_order", condition=Q(order__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.book} {self.amount_cents} {self.currency}"
