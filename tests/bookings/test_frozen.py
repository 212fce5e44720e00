"""Sessions of an order whose payment is disputed are not planned, whichever way they would get a time (rules.md §5)."""

from datetime import timedelta

import pytest

from apps.bookings.errors import OrderFrozen
from apps.bookings.planning import Validity
from apps.bookings.services.packages import schedule_next
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from tests.bookings.owned import do, fresh, own, states
from tests.conftest import ApiClient
from tests.studio import MONDAY_TEN, NOW


@pytest.fixture
def order(studio):
    order = own(studio)
    with account_scope(studio.account):
        Order.objects.filter(pk=order.pk).update(frozen_at=NOW)
    return fresh(studio, order)


def test_the_next_session_is_not_scheduled(studio, order):
    with pytest.raises(OrderFrozen):
        do(studio, schedule_next, order, start_time=MONDAY_TEN, practitioner=studio.practitioner)

    assert states(studio, order) == ["draft"] * 3


def test_a_series_says_that_there_is_no_session_for_it(studio, order):
    with account_scope(studio.account):
        validity = Validity.of(studio.account, [order.pk], NOW)
        refused = validity.refusal(order, MONDAY_TEN + timedelta(days=7))

    assert refused == ("no_session", "order_frozen")


def test_the_api_answers_409(studio, order, owner: ApiClient):
    with account_scope(studio.account):
        booking = order.bookings.first()

    answer = owner.post(
        f"/api/bookings/{booking.pk}/schedule/", {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}
    )

    assert (answer.status_code, answer.json()["error"]) == (409, "order_frozen")
    assert owner.get(f"/api/orders/{order.pk}/").json()["frozen_at"] is not None
