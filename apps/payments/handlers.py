"""What other apps' events mean for payments."""

from apps.core.events import on
from apps.core.models import Event
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import cancel_pending_payments
from apps.payments.services.disputes import thaw_paid_order
from apps.payments.services.late import return_late_money
from apps.payments.services.settling import end_covered_payments


@on("order.cancelled")
def stop_expecting_money(event: Event) -> None:
    """A cancelled order is not collected any more. Run twice, the second time finds nothing pending."""
    order = Order.objects.filter(pk=event.subject_id).first()
    if order is not None:
        cancel_pending_payments(order)


@on("order.paid", "order.overpaid")
def expect_nothing_more(event: Event) -> None:
    """Other payments of an order that is paid are not waited for. Run twice, the second time finds none open."""
    order = Order.objects.filter(pk=event.subject_id).first()
    if order is not None:
        end_covered_payments(order)


@on("order.paid", "order.overpaid")
def thaw_what_was_paid_again(event: Event) -> None:
    """The sessions of an order whose dispute was lost can be used again once it is paid. Of others there is nothing frozen."""
    order = Order.objects.filter(pk=event.subject_id).first()
    if order is not None:
        thaw_paid_order(order)


@on("payment.left_over")
def give_late_money_back(event: Event) -> None:
    """Money that came when nobody waited for it any more, by the account's ``late_money``: it stays, becomes credit, or goes back.

    Run twice, the second time finds nothing that is too much.
    """
    payment = Payment.objects.filter(pk=event.subject_id, is_late=True).first()
    if payment is not None:
        return_late_money(payment)
