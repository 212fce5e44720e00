"""Rows of money. A ledger entry is written with its whole transaction, by the service that writes the books: one alone does not balance."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

import factory

from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import (
    BankLine,
    Book,
    Coupon,
    CouponUse,
    CreditNote,
    DepositRule,
    Dispute,
    GiftCode,
    Instalment,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    LedgerTransaction,
    OrderReferral,
    Payment,
    PointsEntry,
    ProviderAccount,
    ProviderEvent,
    ReferralReward,
    Refund,
    Wallet,
    WalletBalance,
    WalletLot,
    WalletSpend,
    WalletTransaction,
)
from apps.payments.services.ledger import Leg, post
from factories.base import TenantFactory
from factories.clients import ClientFactory
from factories.documents import sample_document
from factories.orders import OrderFactory, OrderLineFactory
from factories.payments import PaymentFactory
from factories.users import CustomerFactory
from factories.wallet import WalletFactory

SAME_ACCOUNT = factory.SelfAttribute("..account")
ISSUED = datetime(2027, 1, 4, 10, tzinfo=UTC)


class InstalmentFactory(TenantFactory):
    order = factory.SubFactory(OrderFactory, account=SAME_ACCOUNT)
    client = factory.SelfAttribute("order.client")
    position = 1
    kind = Instalment.Kind.DEPOSIT
    amount_cents = 1000

    class Meta:
        model = Instalment


class DisputeFactory(TenantFactory):
    """The row of an open dispute; its payment and the books know nothing of it."""

    payment = factory.SubFactory(PaymentFactory, account=SAME_ACCOUNT)
    order = factory.SelfAttribute("payment.order")
    client = factory.SelfAttribute("payment.client")
    provider_ref = factory.Sequence(lambda n: f"dp_{n}")
    amount_cents = factory.SelfAttribute("payment.amount_cents")
    currency = factory.SelfAttribute("payment.currency")

    class Meta:
        model = Dispute


class RefundFactory(TenantFactory):
    """A refund that is on its way, of all of a payment that came in; the books know nothing of either."""

    payment = factory.SubFactory(
        PaymentFactory,
        account=SAME_ACCOUNT,
        status=Payment.Status.SUCCEEDED,
        order__paid_cents=factory.SelfAttribute("total_amount_cents"),
        order__payment_status=Order.PaymentStatus.PAID,
        received_at=ISSUED,
        captured_cents=factory.SelfAttribute("amount_cents"),
        refunding_cents=factory.SelfAttribute("amount_cents"),
    )
    order = factory.SelfAttribute("payment.order")
    client = factory.SelfAttribute("payment.client")
    group = factory.LazyFunction(uuid.uuid4)
    amount_cents = factory.SelfAttribute("payment.amount_cents")
    currency = factory.SelfAttribute("payment.currency")
    method = factory.SelfAttribute("payment.method")

    class Meta:
        model = Refund


class CouponFactory(TenantFactory):
    """Ten per cent off, for everybody."""

    code = factory.Sequence(lambda n: f"COUPON{n}")
    kind = "percent"
    value = 10

    class Meta:
        model = Coupon


class CouponUseFactory(TenantFactory):
    coupon = factory.SubFactory(CouponFactory, account=SAME_ACCOUNT)
    order = factory.SubFactory(OrderFactory, account=SAME_ACCOUNT)
    client = factory.SelfAttribute("order.client")
    amount_cents = 500

    class Meta:
        model = CouponUse


class DepositRuleFactory(TenantFactory):
    """A third of everything."""

    name = factory.Sequence(lambda n: f"Deposit {n}")
    kind = "percent"
    value = 30

    class Meta:
        model = DepositRule


class GiftCodeFactory(TenantFactory):
    """The row of a code that nobody knows; issue one to have a code that can be redeemed."""

    code_hash = factory.LazyFunction(lambda: uuid.uuid4().hex * 2)
    last4 = "ABCD"
    amount_cents = 5000
    currency = factory.SelfAttribute("account.currency")

    class Meta:
        model = GiftCode


class WalletBalanceFactory(TenantFactory):
    """An empty balance, of the person whose profile the client is."""

    client = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    currency = factory.SelfAttribute("account.currency")

    @factory.lazy_attribute
    def wallet(self: Any) -> Wallet:
        person = self.client.customer
        return WalletFactory(user=person.user) if person else WalletFactory()

    class Meta:
        model = WalletBalance
        django_get_or_create = ("account", "wallet", "currency")


class WalletLotFactory(TenantFactory):
    """The row of a lot that is used up: neither balance nor books know of it."""

    client = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    balance = factory.SubFactory(WalletBalanceFactory, account=SAME_ACCOUNT, client=factory.SelfAttribute("..client"))
    source = WalletLot.Source.GOODWILL
    amount_cents = 1000
    remaining_cents = 0
    currency = factory.SelfAttribute("balance.currency")

    class Meta:
        model = WalletLot


class WalletSpendFactory(TenantFactory):
    lot = factory.SubFactory(WalletLotFactory, account=SAME_ACCOUNT)
    payment = factory.SubFactory(PaymentFactory, account=SAME_ACCOUNT)
    amount_cents = 1000

    class Meta:
        model = WalletSpend


class WalletTransactionFactory(TenantFactory):
    client = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    balance = factory.SubFactory(WalletBalanceFactory, account=SAME_ACCOUNT, client=factory.SelfAttribute("..client"))
    kind = WalletTransaction.Kind.CREDIT
    amount_cents = 1000
    balance_after_cents = 1000
    currency = factory.SelfAttribute("balance.currency")

    class Meta:
        model = WalletTransaction


class OrderReferralFactory(TenantFactory):
    order = factory.SubFactory(OrderFactory, account=SAME_ACCOUNT)
    inviter = factory.SubFactory(CustomerFactory)

    class Meta:
        model = OrderReferral


class ReferralRewardFactory(TenantFactory):
    referrer = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    order = factory.SubFactory(OrderFactory, account=SAME_ACCOUNT)
    referee = factory.SelfAttribute("order.client")
    points = 100
    grant_at = ISSUED

    class Meta:
        model = ReferralReward


class PointsEntryFactory(TenantFactory):
    client = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    kind = PointsEntry.Kind.ADJUSTED
    points = 10

    class Meta:
        model = PointsEntry


class InvoiceFactory(TenantFactory):
    """The row of a document that says something else; issue one to have a true one."""

    kind = Invoice.Kind.INVOICE
    series = "factory"
    sequence = factory.Sequence(lambda n: n + 1)
    number = factory.LazyAttribute(lambda o: f"F{o.sequence:06d}")
    order = factory.SubFactory(OrderFactory, account=SAME_ACCOUNT)
    client = factory.SelfAttribute("order.client")
    issued_at = ISSUED
    net_cents = 5000
    tax_cents = 0
    total_cents = 5000
    currency = factory.SelfAttribute("account.currency")
    document = factory.LazyFunction(sample_document)

    class Meta:
        model = Invoice


class CreditNoteFactory(InvoiceFactory):
    """Takes back a whole invoice."""

    kind = Invoice.Kind.CREDIT_NOTE
    corrects = factory.SubFactory(InvoiceFactory, account=SAME_ACCOUNT, order=factory.SelfAttribute("..order"))
    net_cents = -5000
    total_cents = -5000

    class Meta:
        model = CreditNote


class InvoiceLineFactory(TenantFactory):
    order_line = factory.SubFactory(OrderLineFactory, account=SAME_ACCOUNT)
    invoice = factory.SubFactory(InvoiceFactory, account=SAME_ACCOUNT, order=factory.SelfAttribute("..order_line.order"))

    class Meta:
        model = InvoiceLine


class LedgerTransactionFactory(TenantFactory):
    """Credit that was given away, with its two entries: it belongs to no document, so that nothing has to agree with it."""

    client = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    kind = LedgerTransaction.Kind.CREDIT
    amount_cents = 1000
    currency = factory.SelfAttribute("account.currency")
    legs: Any = None

    class Meta:
        model = LedgerTransaction

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        account, client, cents = kwargs["account"], kwargs["client"], kwargs["amount_cents"]
        legs = kwargs["legs"] or [Leg(Book.GOODWILL, cents), Leg(Book.WALLET, -cents)]
        about = {f"{name}_id": kwargs[name].pk for name in ("order", "payment", "refund", "reverses") if kwargs.get(name)}
        with account_scope(account):
            written = post(
                account_id=account.pk,
                kind=kwargs["kind"],
                currency=kwargs["currency"],
                client_id=client.pk if client else None,
                memo=kwargs.get("memo", ""),
                legs=legs,
                **about,
            )
            return LedgerTransaction.objects.get(pk=written)


class LedgerEntryFactory(TenantFactory):
    """The first entry of a transaction of its own."""

    client = factory.SubFactory(ClientFactory, account=SAME_ACCOUNT)
    amount_cents = 1000

    class Meta:
        model = LedgerEntry

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        written = LedgerTransactionFactory(**kwargs)
        with account_scope(kwargs["account"]):
            return LedgerEntry.objects.filter(transaction=written).earliest("pk")


class ProviderAccountFactory(TenantFactory):
    """A provider without credentials; connect one to have any."""

    provider = "stripe"

    class Meta:
        model = ProviderAccount


class ProviderEventFactory(TenantFactory):
    provider = "stripe"
    event_id = factory.Sequence(lambda n: f"evt_{n}")
    type = "payment_intent.succeeded"
    subject = "payment"
    body = "{}"

    class Meta:
        model = ProviderEvent


class BankLineFactory(TenantFactory):
    booked_on = date(2027, 1, 4)
    amount_cents = 5000
    currency = factory.SelfAttribute("account.currency")
    text = "Thank you"
    fingerprint = factory.LazyFunction(lambda: uuid.uuid4().hex * 2)
    status = BankLine.Status.UNMATCHED

    class Meta:
        model = BankLine
