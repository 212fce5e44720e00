"""A studio's package with tax: sold, part paid, used, cancelled late, given back, disputed; and its books and statements over HTTP."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import time_machine

from apps.bookings.services.endings import cancel_booking, complete_booking
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.adapters.base import DisputeAnswer, DisputeState
from apps.payments.models import Payment
from apps.payments.services import create_payment, mark_received, record_paid
from apps.payments.services.disputes import settle_dispute
from apps.payments.services.ledger import post_payment
from apps.payments.services.refunds import request_refund
from factories.payments import PaymentFactory
from tests.bookings.life import TUESDAY_TEN
from tests.bookings.owned import book
from tests.conftest import ApiClient
from tests.payments.refunding import do
from tests.studio import MONDAY_TEN, NOW, Studio

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HALF_LATE: dict[str, Any] = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 50}, "session": "returned"},
    ],
    "no_show": {"fee": {"kind": "none"}, "session": "consumed"},
    "grace": {"minutes": 0, "if_hours_away": 0},
}
TERMS: dict[str, Any] = {"price_cents": 10000, "tax_rate": Decimal("19"), "cancellation_policy": HALF_LATE}
"""Three sessions for 100.00 with 19 % in them; a late cancellation costs half a session."""


def get(client: ApiClient, path: str, status: int = 200, /, **query: Any) -> dict[str, Any]:
    """The answer to a GET, which must have this status."""
    response = client.get(path, query)
    assert response.status_code == status, response.content
    return response.json()


def refused(client: ApiClient, path: str, /, **query: Any) -> list[str]:
    """The fields that a 400 names."""
    body = get(client, path, 400, **query)
    assert body["error"] in ("validation_error", "unknown_field"), body
    return sorted(body["fields"])


def by_card(studio: Studio, order: Order, cents: int, at: datetime) -> Payment:
    """A part of an order, paid by Stripe."""
    with account_scope(studio.account):
        about = {"account": studio.account, "order": order, "provider_ref": "pi_1", "capture_ref": "ch_1"}
        payment = PaymentFactory(**about, method="stripe", status="succeeded", amount_cents=cents, captured_cents=cents, received_at=at)
        post_payment(payment)
        record_paid(Order.objects.select_related("account").get(pk=order.pk), cents)
    return payment


def dispute(studio: Studio, state: str, at: datetime) -> None:
    """What Stripe says about the part that was paid by card."""
    words = {"reference": "dp_1", "amount_cents": 4000, "currency": "EUR", "charge_reference": "pi_1", "reason": "fraudulent"}
    with time_machine.travel(at, tick=True):
        do(studio, settle_dispute, provider="stripe", answer=DisputeAnswer(**words, state=DisputeState(state)), at=at)


def trade(studio: Studio) -> Order:
    """A package of three, part paid in cash; one session took place, one was cancelled late; paid, a part refunded, a part disputed."""
    with time_machine.travel(NOW, tick=True):
        order = studio.sell(collect=False).order
        with account_scope(studio.account):
            cash = mark_received(create_payment(order=order, method="cash", amount_cents=6000), at=NOW + HOUR)
        first, second = book(studio, order, 1, MONDAY_TEN), book(studio, order, 2, TUESDAY_TEN)
    with time_machine.travel(MONDAY_TEN + HOUR, tick=True):
        do(studio, complete_booking, first, at=MONDAY_TEN + HOUR)
    with time_machine.travel(TUESDAY_TEN - HOUR, tick=True):
        do(studio, cancel_booking, second, at=TUESDAY_TEN - HOUR)
    by_card(studio, order, 4000, TUESDAY_TEN + DAY)
    do(studio, request_refund, cash, amount_cents=1000, reason="Sorry for the noise", at=TUESDAY_TEN + DAY + HOUR)
    dispute(studio, "open", TUESDAY_TEN + 2 * DAY)
    return order
