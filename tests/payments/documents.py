"""Orders that are sold, paid and changed, and the documents that come of them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.core.events import deliver
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.orders.services import add_line, lock_order
from apps.payments.models import Invoice
from apps.payments.services.invoices import issue_invoice
from tests.studio import NOW, Studio

INVOICE_SALE = "apps.payments.handlers_invoices.invoice_sale"
CORRECT_INVOICE = "apps.payments.handlers_invoices.correct_invoice"


def inside(studio: Studio, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a service in the account's scope and a transaction of its own."""
    with account_scope(studio.account), transaction.atomic():
        return call(*args, **options)


def issue(studio: Studio, order: Order, at: datetime = NOW) -> Invoice:
    return inside(studio, issue_invoice, order, at=at)


def change(studio: Studio, order: Order, cents: int, description: str = "Price change", **tax: Any) -> None:
    """One more line on the order, by its service."""

    def write() -> None:
        add_line(lock_order(order.pk), kind="adjustment" if cents < 0 else "fee", description=description, amount_cents=cents, **tax)

    inside(studio, write)


def settings_of(studio: Studio, **values: Any) -> None:
    studio.account.settings = {**studio.account.settings, **values}
    studio.account.save(update_fields=["settings"])


def documents(studio: Studio) -> list[tuple[str, str, int]]:
    """(kind, number, total) of every document, in the order of their issue."""
    with account_scope(studio.account):
        return list(Invoice.objects.order_by("pk").values_list("kind", "number", "total_cents"))


def told(studio: Studio, event_type: str, handler: str) -> None:
    """Deliver every event of this type to a handler, twice: at least once is what is promised."""
    with account_scope(studio.account):
        events = list(Event.objects.filter(type=event_type).order_by("pk").values_list("pk", flat=True))
    for event_id in events * 2:
        deliver(account_id=studio.account.pk, event_id=event_id, handler=handler)
