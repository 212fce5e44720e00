"""Giving sessions to another client (rules.md §2): the rows move, the cents do not change."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.bookings.errors import LimitReached, NoSessionsLeft, PackageExpired, PackagePaused, PaymentRequired
from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.packages import extend_order, grant_sessions
from apps.bookings.services.pauses import pause_order
from apps.bookings.services.transfers import quote_transfer, transfer_sessions
from apps.core.errors import Invalid, InvalidTransition, QuoteStale
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order, OrderLine
from factories.bookings import BookingDocumentFactory
from factories.clients import ClientFactory
from tests.bookings.owned import book, broken, do, events, fresh, own, sessions, states
from tests.studio import MONDAY_TEN, NOW


@pytest.fixture
def friend(studio):
    return ClientFactory(account=studio.account)


def give(studio, order, to, **options):
    if "sessions" not in options:
        options = {"count": 1, **options}
    return do(studio, transfer_sessions, order, to_client=to, **options)


def values(studio, order):
    return [(one.position, one.price_cents, one.client_id) for one in sessions(studio, order)]


def test_a_transfer_moves_the_rows_with_their_value_and_no_money(studio, friend):
    order = own(studio, transferable=True, valid_days=30)
    first, second, third = sessions(studio, order)

    child = give(studio, order, friend, sessions=[third.pk, first.pk])

    order = fresh(studio, order)
    assert values(studio, child) == [(1, 3334, friend.pk), (2, 3333, friend.pk)]
    assert [one.pk for one in sessions(studio, child)] == [first.pk, third.pk]
    assert values(studio, order) == [(2, 3333, studio.client.pk)]
    assert second.pk == sessions(studio, order)[0].pk
    assert (child.parent_id, child.client_id, child.payer_id, child.order_type) == (order.pk, friend.pk, studio.client.pk, "package")
    assert (child.total_amount_cents, child.payment_status, child.status) == (0, "paid", "active")
    assert (child.expires_at, child.activated_at) == (order.expires_at, order.activated_at)
    assert child.package_metadata == {**order.package_metadata, "total_sessions": 2, "transferred_from": order.number}
    assert (order.total_amount_cents, order.payment_status, order.package_metadata["total_sessions"]) == (10000, "paid", 3)
    assert broken() == []


def test_both_sides_and_every_session_show_the_transfer(studio, friend):
    order = own(studio, transferable=True)
    booking = sessions(studio, order)[0]

    child = give(studio, order, friend, reason="A birthday")

    with account_scope(studio.account):
        told = {event.subject_id: event.changes for event in Event.objects.filter(type="order.transferred")}
        assert told[order.pk]["to_order"] == [None, child.pk]
        assert told[child.pk]["from_order"] == [None, order.pk]
        assert {one["reason"][1] for one in told.values()} == {"A birthday"}
        moved = Event.objects.get(type="booking.transferred", subject_id=booking.pk).changes
        assert (moved["client"], moved["order"]) == ([studio.client.pk, friend.pk], [order.pk, child.pk])
        history = Booking.history.filter(id=booking.pk).order_by("history_id").values_list("client_id", "order_id", "version")
        first, *_, last = history
        assert (first, last) == ((studio.client.pk, order.pk, 1), (friend.pk, child.pk, 2))


def test_the_recipient_uses_and_returns_what_was_given(studio, friend):
    order = own(studio, transferable=True)
    child = give(studio, order, friend)

    booking = book(studio, child)
    assert (booking.status, booking.client_id) == ("confirmed", friend.pk)
    do(studio, cancel_booking, booking, by="system")

    assert states(studio, child) == ["draft"]
    assert broken() == []


def test_a_transfer_can_be_given_back_and_on(studio, friend):
    order = own(studio, transferable=True, max_transfers=1)
    third = ClientFactory(account=studio.account)
    there = give(studio, order, friend)

    back = give(studio, there, studio.client)

    assert (back.client_id, back.parent_id, values(studio, back)) == (studio.client.pk, order.pk, [(1, 3334, studio.client.pk)])
    assert (sessions(studio, there), fresh(studio, there).status) == ([], "completed")
    with pytest.raises(LimitReached) as refused:  # given to somebody once already
        give(studio, back, third)
    assert refused.value.extras == {"rule": "transfers", "limit": 1}
    on = give(studio, back, third, override=True, reason="A removal")
    assert (on.parent_id, on.payer_id, on.package_metadata["transferred_from"]) == (order.pk, studio.client.pk, back.number)
    assert broken() == []


def test_everything_may_be_given_away(studio, friend):
    order = own(studio, transferable=True)

    give(studio, order, friend, count=3)

    assert fresh(studio, order).status == "completed"
    assert events(studio) == ["order.placed", "order.paid", "order.transferred", "order.transferred", "order.completed"]
    assert broken() == []


def test_a_fee_is_a_line_of_the_givers_order(studio, friend):
    order = own(studio, transferable=True, transfer_fee_cents=500)

    quote = do(studio, quote_transfer, order, to_client=friend, count=2)
    child = give(studio, order, friend, count=2, quote=quote["token"])

    assert (quote["fee_cents"], quote["value_cents"], [one["price_cents"] for one in quote["sessions"]]) == (500, 6667, [3334, 3333])
    order = fresh(studio, order)
    assert (order.total_amount_cents, order.balance_due_cents, order.payment_status) == (10500, 500, "part_paid")
    with account_scope(studio.account):
        assert list(OrderLine.objects.filter(order=order).values_list("kind", "amount_cents")) == [("item", 10000), ("fee", 500)]
        assert not OrderLine.objects.filter(order=child).exists()
    assert broken() == []
    with pytest.raises(PaymentRequired):  # the fee is owed now
        give(studio, order, friend)


def test_a_quote_changes_nothing_and_is_refused_when_the_facts_changed(studio, friend):
    order = own(studio, transferable=True)
    quote = do(studio, quote_transfer, order, to_client=friend, count=1)
    assert len(sessions(studio, order)) == 3
    book(studio, order)

    with pytest.raises(QuoteStale):
        give(studio, order, friend, quote=quote["token"])

    assert len(sessions(studio, order)) == 3


def test_what_is_not_paid_is_not_given_away(studio, friend):
    with pytest.raises(PaymentRequired) as refused:
        give(studio, own(studio, paid=False, transferable=True), friend)

    assert refused.value.extras == {"balance_due_cents": 10000}


def test_a_package_that_may_not_be_given_away_needs_an_override_with_a_reason(studio, friend):
    order = own(studio)

    with pytest.raises(InvalidTransition) as refused:
        give(studio, order, friend)
    with pytest.raises(Invalid):
        give(studio, order, friend, override=True)

    assert refused.value.extras["rule"] == "transferable"
    assert give(studio, order, friend, override=True, reason="The owner agreed").client_id == friend.pk


def test_the_number_of_sessions_given_away_is_limited(studio, friend):
    order = own(studio, transferable=True, max_transfers=2)
    give(studio, order, friend)

    with pytest.raises(LimitReached):
        give(studio, order, friend, count=2)

    give(studio, order, friend)
    assert len(sessions(studio, order)) == 1


def test_which_sessions_cannot_be_given_away(studio, friend):
    order = own(studio, transferable=True)
    scheduled = book(studio, order, 1)
    granted = do(studio, grant_sessions, order, service=studio.service, count=1, reason="For this client")[0]
    private = sessions(studio, order)[1]
    with account_scope(studio.account):
        BookingDocumentFactory(account=studio.account, booking=private, client=studio.client)
    foreign = sessions(studio, own(studio, transferable=True))[0]

    for one in (scheduled, granted, private, foreign):
        with pytest.raises(Invalid) as refused:
            give(studio, order, friend, sessions=[one.pk])
        assert refused.value.fields == {"sessions": [f"These are not unscheduled, paid-for sessions of this order: {one.pk}."]}
    with pytest.raises(NoSessionsLeft) as too_many:
        give(studio, order, friend, count=2)
    assert too_many.value.extras == {"available": 1}


def test_to_whom_and_when_nothing_is_given(studio, friend):
    order = own(studio, transferable=True, valid_days=1)

    with pytest.raises(Invalid):
        give(studio, order, studio.client)
    with pytest.raises(Invalid):
        give(studio, order, ClientFactory(account=studio.account, merged_into=friend))
    with pytest.raises(Invalid):
        give(studio, order, friend, sessions=[1], count=1)
    with pytest.raises(InvalidTransition):
        give(studio, studio.sell(service=studio.service).order, friend)
    with pytest.raises(PackageExpired):
        give(studio, order, friend, at=NOW + timedelta(days=2))
    do(studio, pause_order, order, first_day=NOW.date(), reason="Ill")
    with pytest.raises(PackagePaused):
        give(studio, fresh(studio, order), friend)
    assert len(sessions(studio, order)) == 3


def test_each_side_has_its_own_end_after_the_transfer(studio, friend):
    order = own(studio, transferable=True, valid_days=10)
    child = give(studio, order, friend)

    do(studio, extend_order, child, days=5, reason="For the friend")

    assert fresh(studio, child).expires_at == order.expires_at + timedelta(days=5)
    assert fresh(studio, order).expires_at == order.expires_at


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    price=st.integers(min_value=0, max_value=100_000),
    quantity=st.integers(min_value=1, max_value=7),
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["give", "grant", "cancel", "book"])), max_size=6),
)
def test_values_add_up_whatever_is_done(make_studio, price, quantity, steps):
    """The cents of what was bought stay with its rows, over any sequence of transfers, gifts, bookings and voided sessions."""
    studio = make_studio(price_cents=price, quantity=quantity)
    people = [studio.client, *ClientFactory.create_batch(2, account=studio.account)]
    order = own(studio, transferable=True)
    bought = sorted(one.price_cents for one in sessions(studio, order))
    for hour, (person, count, what) in enumerate(steps):
        with account_scope(studio.account):
            family = list(Order.objects.filter(pk=order.pk) | Order.objects.filter(parent=order.pk))
        source = family[(person + count) % len(family)]
        free = [one for one in sessions(studio, source) if one.status == "draft"]
        with suppress(Invalid, InvalidTransition, NoSessionsLeft, PaymentRequired):
            if what == "give":
                give(studio, source, people[person], count=count)
            elif what == "grant":
                do(studio, grant_sessions, source, service=studio.service, count=count, reason="A gift")
            elif free and what == "cancel":
                do(studio, cancel_booking, free[0], by="system")
            elif free:
                book(studio, source, sessions(studio, source).index(free[0]) + 1, MONDAY_TEN + timedelta(days=hour // 5, hours=hour % 5))

    with account_scope(studio.account):
        rows = Booking.objects.filter(order__in=Order.objects.filter(pk=order.pk) | Order.objects.filter(parent=order.pk))
        assert sorted(rows.filter(is_granted=False).values_list("price_cents", flat=True)) == bought
        assert sum(rows.values_list("price_cents", flat=True)) == price
    assert broken() == []
