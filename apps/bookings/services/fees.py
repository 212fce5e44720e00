"""The money of one session on its order: fees, and prices that are taken back, each with its tax (rules.md §7)."""

from django.db.models import Sum

from apps.bookings.models import Booking
from apps.orders.fees import fee_rate, sold_rate, tax_of_fee
from apps.orders.models import Order, OrderLine
from apps.orders.services import add_line


def price_left(booking: Booking, order: Order) -> tuple[int, int]:
    """(cents, the tax in them) that a session's end can take off the locked order it was sold with: its price and its own tax.

    Less where the order's price was reduced since: never more than what the order costs without its fees, nor more tax than is in it.
    """
    cents, tax = booking.price_cents, booking.tax_cents
    if cents <= order.total_amount_cents and tax <= order.tax_cents:
        return cents, tax
    fees = order.lines.filter(kind=OrderLine.Kind.FEE).aggregate(cents=Sum("amount_cents"), tax=Sum("tax_cents"))  # type: ignore[attr-defined]
    rest = max(0, order.total_amount_cents - (fees["cents"] or 0))
    rest_tax = min(rest, max(0, order.tax_cents - (fees["tax"] or 0)))
    return (rest, rest_tax) if cents >= rest else (cents, min(tax, rest_tax))


def take_price_back(booking: Booking, order: Order, *, price_cents: int, tax_cents: int, description: str) -> None:
    """Take a session's price off the locked order it was sold with, and the tax in it; negative cents put both back."""
    add_line(
        order,
        kind=OrderLine.Kind.ADJUSTMENT,
        description=description,
        amount_cents=-price_cents,
        tax_cents=-tax_cents,
        tax_rate=sold_rate(order, booking.service_id),
    )


def charge_fee(booking: Booking, order: Order, *, fee_cents: int, charged_cents: int, description: str) -> None:
    """A fee (signed cents, with its tax) as a line of a locked order; ``charged_cents`` is what this session had cost in fees before.

    A session without tax has fees without tax.
    """
    rate = fee_rate(order, booking.service_id) if booking.tax_cents else None
    add_line(
        order,
        kind=OrderLine.Kind.FEE,
        description=description,
        amount_cents=fee_cents,
        tax_cents=tax_of_fee(fee_cents, rate, charged_cents=charged_cents),
        tax_rate=rate,
    )
