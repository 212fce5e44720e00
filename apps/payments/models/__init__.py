"""Money: payments and refunds, providers, the ledger, wallets, documents."""

from apps.payments.models.invoices import CreditNote, Invoice, InvoiceLine
from apps.payments.models.ledger import Book, LedgerEntry, LedgerTransaction
from apps.payments.models.payment import OPEN, PROVIDERS, Dispute, Instalment, Payment, Refund
from apps.payments.models.providers import BankLine, Provider, ProviderAccount, ProviderEvent
from apps.payments.models.terms import Amount, Coupon, CouponUse, DepositRule
from apps.payments.models.wallet import (
    GiftCode,
    OrderReferral,
    PointsEntry,
    ReferralReward,
    Wallet,
    WalletBalance,
    WalletLot,
    WalletSpend,
    WalletTransaction,
)

__all__ = [
    "OPEN",
    "PROVIDERS",
    "Amount",
    "BankLine",
    "Book",
    "Coupon",
    "CouponUse",
    "CreditNote",
    "DepositRule",
    "Dispute",
    "GiftCode",
    "Instalment",
    "Invoice",
    "InvoiceLine",
    "LedgerEntry",
    "LedgerTransaction",
    "OrderReferral",
    "Payment",
    "PointsEntry",
    "Provider",
    "ProviderAccount",
    "ProviderEvent",
    "ReferralReward",
    "Refund",
    "Wallet",
    "WalletBalance",
    "WalletLot",
    "WalletSpend",
    "WalletTransaction",
]
