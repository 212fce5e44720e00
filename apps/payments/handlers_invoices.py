"""Invoices that are issued by themselves, as the account's setting ``invoice_when`` says.

Run twice, the second time finds no line without a document.
"""

from apps.accounts.selectors import setting
from apps.core.events import on
from apps.core.models import Event
from apps.orders.models import Order
from apps.payments.models import Invoice
from apps.payments.services.invoices import issue_open_lines

PAID = (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID)


@on("order.placed", "order.paid", "order.overpaid")
def invoice_sale(event: Event) -> None:
    """The first document of an order: when it is placed, or once it is paid."""
    order = _order(event)
    if order is None:
        return
    when = setting(order.account, "invoice_when")
    if when == "sale" or (when == "paid" and event.type != "order.placed"):
        issue_open_lines(order)


@on("order.changed")
def correct_invoice(event: Event) -> None:
    """A price that changes after the invoice is corrected at once. A change may also be what makes an order paid.

    With ``invoice_when`` manual, corrections are issued by hand as well.
    """
    order = _order(event)
    if order is None or setting(order.account, "invoice_when") == "manual":
        return
    paid = setting(order.account, "invoice_when") == "paid" and order.payment_status in PAID
    if paid or Invoice.objects.filter(order=order).exists():
        issue_open_lines(order)


def _order(event: Event) -> Order | None:
    return Order.objects.select_related("account").filter(pk=event.subject_id).first()
