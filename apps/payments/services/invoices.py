"""Issuing invoices and credit notes (rules.md §7).

A document is about those lines of an order that are on none yet, all of them at once. What they add up to decides what it is:
above zero an invoice, below zero a credit note that corrects the order's last invoice. Lines that cancel each other out, tax included,
are no document: they wait for the next one, so a price taken back before the first invoice leaves one invoice over what remains, and
an order that is free has none. Numbers have no gaps: the counter row is locked from the number to the end of the transaction that
writes the document, so a number without a document cannot be committed. Locks: order, counter.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Max, Min, Sum
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Status as BookingStatus
from apps.clients.models import Client
from apps.core.db import constraint_error, joined, next_number
from apps.core.events import emit
from apps.orders.models import Order, OrderLine
from apps.orders.services import lock_order
from apps.payments.adapters.currencies import exponent
from apps.payments.documents_pdf import render
from apps.payments.errors import InvoiceNumberTaken, NothingToInvoice
from apps.payments.labels import LABELS
from apps.payments.models import Invoice, InvoiceLine, Payment

Kind = Invoice.Kind
NOT_SUPPLIED = (BookingStatus.DRAFT, BookingStatus.HELD, BookingStatus.CANCELLED, BookingStatus.FORFEITED)
VERSION = 1  # of the shape of ``Invoice.document``


def issue_invoice(order: Order, *, at: datetime | None = None) -> Invoice:
    """Issue the document that is due for an order. Raises NothingToInvoice when no line is left, or those left come to nothing."""
    document = issue_open_lines(order, at=at)
    if document is None:
        raise NothingToInvoice
    return document


@joined
def issue_open_lines(order: Order, *, at: datetime | None = None) -> Invoice | None:
    """Put every line of an order that is on no document yet on a new one; None when there is nothing to say."""
    at = at or timezone.now()
    order = lock_order(order.pk)
    lines = list(OrderLine.objects.filter(order=order, invoice_lines=None).order_by("position"))
    total, tax = sum(line.amount_cents for line in lines), sum(line.tax_cents for line in lines)
    if not total and not tax:
        return None
    corrected = None
    if total < 0:
        corrected = Invoice.objects.filter(order=order, kind=Kind.INVOICE).order_by("-issued_at", "-pk").first()
        if corrected is None:  # an order's lines never add up to less than zero: there is an invoice, or a line that we do not see yet
            return None
    kind = Kind.CREDIT_NOTE if corrected else Kind.INVOICE
    client = Client.objects.select_related("customer__user").get(pk=order.payer_id or order.client_id)
    series, sequence = _next(order.account, kind, at)
    content = _content(order, client, lines, kind=kind, number=f"{series}{sequence:05d}", corrected=corrected, at=at)
    with constraint_error({"payments_invoice_unique_number": InvoiceNumberTaken}, savepoint=False):
        invoice = Invoice.objects.create(
            account_id=order.account_id,
            kind=kind,
            series=series,
            sequence=sequence,
            number=content["number"],
            order=order,
            client=client,
            corrects=corrected,
            issued_at=at,
            net_cents=total - tax,
            tax_cents=tax,
            total_cents=total,
            currency=order.currency,
            document=content,
        )
    InvoiceLine.objects.bulk_create(InvoiceLine(account_id=order.account_id, invoice=invoice, order_line=line) for line in lines)
    emit(f"{kind}.issued", invoice, changes={"number": [None, invoice.number], "total_cents": [None, total]})
    return invoice


def document_pdf(invoice: Invoice) -> bytes:
    """The document as PDF/A, made from what was frozen at its issue: the same bytes each time."""
    return render(invoice.document, at=invoice.issued_at)


def _next(account: Account, kind: str, at: datetime) -> tuple[str, int]:
    """(series, number in it). Both kinds may share a series; with ``{year}`` it starts anew with the account's local year."""
    pattern = str(setting(account, "credit_note_series" if kind == Kind.CREDIT_NOTE else "invoice_series"))
    series = pattern.replace("{year}", f"{at.astimezone(ZoneInfo(account.timezone)).year:04d}")
    return series, next_number(account.pk, f"invoice {series}")


# -- what a document says


def _content(
    order: Order, client: Client, lines: Sequence[OrderLine], *, kind: str, number: str, corrected: Invoice | None, at: datetime
) -> dict[str, Any]:
    """All that is printed, with the words for it, as JSON. Nothing of it is looked up again."""
    account, zone = order.account, ZoneInfo(order.account.timezone)
    chosen = client.customer.user.language if client.customer else "en"
    language = chosen if chosen in LABELS else "en"
    labels = LABELS[language]
    total = sum(line.amount_cents for line in lines)
    paid = _paid(order, total)
    seller = str(setting(account, "invoice_seller")).strip()
    return {
        "version": VERSION,
        "kind": str(kind),
        "number": number,
        "language": language,
        "labels": labels,
        "issued_on": at.astimezone(zone).date().isoformat(),
        "supply": corrected.document["supply"] if corrected else _supply(order, zone),
        "order_number": order.number,
        "corrects": {"number": corrected.number, "issued_on": corrected.document["issued_on"]} if corrected else None,
        "seller": {"name": account.name, "text": seller or account.name},
        "buyer": {"name": client.full_name, "email": client.email, "address": client.billing_address.strip(), "tax_id": client.tax_id},
        "currency": order.currency,
        "digits": exponent(order.currency),
        "prices_include_tax": order.prices_include_tax,
        "lines": [_line(line) for line in lines],
        "taxes": _taxes(lines),
        "tax_code": order.tax_code,
        "tax_note": labels.get(order.tax_code, ""),
        "net_cents": total - sum(line.tax_cents for line in lines),
        "tax_cents": sum(line.tax_cents for line in lines),
        "total_cents": total,
        "paid_cents": paid,
        "balance_cents": max(0, total - paid),
        "payment": _instructions(order) if total > paid else None,
        "footer": str(setting(account, "invoice_footer")).strip(),
    }


def _line(line: OrderLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "description": line.description,
        "quantity": line.quantity,
        "unit_price_cents": line.unit_price_cents,
        "net_cents": line.amount_cents - line.tax_cents,
        "tax_rate": _rate(line.tax_rate),
        "tax_cents": line.tax_cents,
        "gross_cents": line.amount_cents,
    }


def _taxes(lines: Sequence[OrderLine]) -> list[dict[str, Any]]:
    """Net, tax and gross per rate, the highest first; what carries no tax comes last."""
    sums: dict[Decimal | None, list[int]] = defaultdict(lambda: [0, 0])
    for line in lines:
        sums[line.tax_rate][0] += line.amount_cents - line.tax_cents
        sums[line.tax_rate][1] += line.tax_cents
    rates = sorted(sums, key=lambda rate: Decimal(-1) if rate is None else rate, reverse=True)
    return [
        {"tax_rate": _rate(rate), "net_cents": net, "tax_cents": tax, "gross_cents": net + tax}
        for rate in rates
        for net, tax in (sums[rate],)
    ]


def _rate(rate: Decimal | None) -> str | None:
    """Per cent without trailing zeros: '19', '5.5'."""
    return None if rate is None else f"{rate.normalize():f}"


def _paid(order: Order, total: int) -> int:
    """What of this document is paid: the order's money, less what its earlier documents have used up."""
    earlier = Invoice.objects.filter(order=order).aggregate(cents=Sum("total_cents"))["cents"] or 0
    return max(0, min(total, order.paid_cents - order.refunded_cents - earlier))


def _supply(order: Order, zone: ZoneInfo) -> dict[str, str | None]:
    """First and last local day of the sessions that have a time; without any, the order is paid in advance."""
    booked = order.bookings.exclude(status__in=NOT_SUPPLIED)  # type: ignore[attr-defined]
    days = booked.aggregate(first=Min("start_time"), last=Max("start_time"))
    first, last = (day.astimezone(zone).date().isoformat() if day else None for day in (days["first"], days["last"]))
    return {"from": first, "to": last}


def _instructions(order: Order) -> dict[str, str] | None:
    """Where to send the money, when it is a bank transfer that is waited for."""
    waiting = Payment.objects.filter(order=order, method=Payment.Method.BANK_TRANSFER, status=Payment.Status.PENDING)
    reference = waiting.order_by("-pk").values_list("reference", flat=True).first()
    if reference is None:
        return None
    return {"text": str(setting(order.account, "bank_transfer_instructions")).strip(), "reference": reference}


__all__ = ["document_pdf", "issue_invoice", "issue_open_lines"]
