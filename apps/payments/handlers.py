"""What other apps' events mean for payments."""

from apps.core.events import on
from apps.core.models import Event
from apps.orders.models import Order
from apps.payments.services import cancel_pending_payments


@on("order.cancelled")
def stop_expecting_money(event: Event) -> None:
    """A cancelled order is not collected any more. Run twice, the second time finds nothing pending."""
    order = Order.objects.filter(pk=event.subject_id).first()
    if order is not None:
        cancel_pending_payments(order)
