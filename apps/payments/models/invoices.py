"""Invoices and credit notes: numbered without a gap, frozen when they are issued."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, scoped
from apps.orders.models import Order, OrderLine


class Invoice(TenantModel):
    """A document about lines of one order. A credit note has negative amounts and says which invoice it corrects.

    ``document`` is what it says, as JSON, and its PDF is made from nothing else; the database refuses every later change.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        CREDIT_NOTE = "credit_note"

    kind = models.CharField(max_length=11, choices=Kind.choices)
    series = models.CharField(max_length=32)
    sequence = models.PositiveBigIntegerField()
    number = models.CharField(max_length=50)
    order = TenantForeignKey(Order, models.RESTRICT, related_name="invoices")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="invoices")
    corrects = TenantForeignKey("self", models.RESTRICT, related_name="corrections", null=True, blank=True)
    issued_at = models.DateTimeField()
    net_cents = models.BigIntegerField()
    tax_cents = models.BigIntegerField()
    total_cents = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    document = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_invoice_tenant_key"),
            SameAccount("order", name="payments_invoice_order_account"),
            SameAccount("client", name="payments_invoice_client_account"),
            SameAccount("corrects", name="payments_invoice_corrects_account"),
            UniqueConstraint(fields=["account", "series", "sequence"], name="payments_invoice_unique_sequence"),
            UniqueConstraint(fields=["account", "number"], name="payments_invoice_unique_number"),
            CheckConstraint(condition=Q(total_cents=models.F("net_cents") + models.F("tax_cents")), name="payments_invoice_sum"),
            CheckConstraint(condition=Q(kind="invoice") | Q(corrects__isnull=False), name="payments_invoice_credit_note_corrects"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "kind", "-created_at", "-id"], name="payments_invoice_recent"),  # invoices/, credit-notes/
        ]

    def __str__(self) -> str:
        return self.number


class InvoiceLine(TenantModel):
    """That a line of an order is on a document: each line on exactly one."""

    invoice = TenantForeignKey(Invoice, models.RESTRICT, related_name="lines")
    order_line = TenantForeignKey(OrderLine, models.RESTRICT, related_name="invoice_lines")

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="payments_invoiceline_tenant_key"),
            SameAccount("invoice", name="payments_invoiceline_invoice_account"),
            SameAccount("order_line", name="payments_invoiceline_order_line_account"),
            UniqueConstraint(fields=["order_line"], name="payments_invoiceline_once"),
        ]

    def __str__(self) -> str:
        return f"line {self.order_line_id} of {self.invoice_id}"


class CreditNoteManager(models.Manager):
    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().filter(kind=Invoice.Kind.CREDIT_NOTE)


class CreditNote(Invoice):
    """A credit note: a view of the invoices, not a second table."""

    objects: ClassVar[Any] = scoped(manager_class=CreditNoteManager)

    class Meta:
        proxy = True
