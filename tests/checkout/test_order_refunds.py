"""Refunding an order (rules.md §2): which sessions leave it, what goes back, and to whom."""

from datetime import timedelta
from unittest.mock import ANY

import pytest

from apps.bookings.models import Booking, Side
from apps.bookings.services.endings import cancel_booking, complete_booking, mark_no_show
from apps.bookings.services.packages import grant_sessions
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.checkout.errors import NothingToRefund
from apps.checkout.refunds import Refunding, order_actions, quote_order_refund, refund_order
from apps.core.errors import Invalid, QuoteStale
from apps.core.tenancy import account_scope
from apps.orders.models import Order, OrderLine
from apps.payments.errors import NoWallet, RefundExceedsCaptured
from apps.payments.models import Refund
from apps.payments.services import create_payment, mark_received
from apps.payments.services.wallet import balance_of
from factories.clients import ClientFactory
from tests.bookings.life import TUESDAY_TEN
from tests.bookings.owned import fresh, own, sessions, states
from tests.payments.refunding import books, do, paid_twice, refunds, told, unsound
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW, open_studio

DAY = timedelta(days=1)
LATE = {"tiers": [{"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"}], "no_show": {"session": "consumed"}}


def change_settings(studio, **values):
    studio.account.settings = {**studio.account.settings, **values}
    studio.account.save(update_fields=["settings"])


def use(studio, order, count, start=MONDAY_TEN):
    """The first ``count`` sessions of an order took place, hour after hour."""
    for number, session in enumerate(sessions(studio, order)[:count]):
        at = start + timedelta(hours=number)
        do(studio, schedule_booking, session, practitioner=studio.practitioner, start_time=at)
        do(studio, complete_booking, session, at=at + timedelta(hours=1))


def back(studio, order, at=NOW, **words):
    """Refund an order; (cents that went back, balance due, states of its sessions)."""
    made, result = do(studio, refund_order, order, asked=Refunding(**words), at=at)
    assert sum(one.amount_cents for one in made) == result["refund_cents"]
    return result["refund_cents"], fresh(studio, order).balance_due_cents, states(studio, order)


@pytest.fixture
def dozen(account):
    """Twelve sessions for 49999."""
    return open_studio(account, quantity=12, price_cents=49999)


# -- the vectors


def test_seven_of_twelve_sessions_go_back_at_their_share(dozen):
    order = own(dozen)
    use(dozen, order, 5)

    assert back(dozen, order, at=TUESDAY_TEN) == (29164, 0, ["completed"] * 5 + ["cancelled"] * 7)

    order = fresh(dozen, order)
    assert (order.total_amount_cents, order.paid_cents, order.refunded_cents) == (20835, 49999, 29164)
    assert (order.payment_status, order.status) == ("paid", "completed")
    assert books(dozen, "cash", "receivable", "revenue", "deferred") == {"cash": 20835, "receivable": 0, "revenue": -20835, "deferred": 0}
    assert unsound() == []


def test_by_setting_used_sessions_count_at_their_list_price(dozen):
    change_settings(dozen, refund_used_at="list")
    order = own(dozen)  # the service costs 5000
    use(dozen, order, 5)

    assert back(dozen, order, at=TUESDAY_TEN)[:2] == (24999, 0)

    assert books(dozen, "cash", "receivable") == {"cash": 25000, "receivable": 0}
    assert unsound() == []


def test_the_list_price_takes_no_more_than_was_paid(account):
    studio = open_studio(account, quantity=3, price_cents=6000)
    change_settings(studio, refund_used_at="list")
    order = own(studio)
    use(studio, order, 2)

    assert back(studio, order, at=TUESDAY_TEN) == (0, 0, ["completed", "completed", "cancelled"])
    assert fresh(studio, order).payment_status == "paid"
    assert unsound() == []


def test_the_list_price_counts_only_when_nothing_is_left_and_only_once(dozen):
    change_settings(dozen, refund_used_at="list")
    order = own(dozen)
    use(dozen, order, 5)
    drafts = sessions(dozen, order)[5:]

    assert back(dozen, order, at=TUESDAY_TEN, sessions=[drafts[0].pk, drafts[1].pk])[0] == 4167 * 2
    assert back(dozen, order, at=TUESDAY_TEN)[0] == 24999 - 4167 * 2
    with pytest.raises(NothingToRefund):
        back(dozen, order, at=TUESDAY_TEN)
    assert unsound() == []


def test_part_paid_what_was_earned_comes_first(dozen):
    order, _ = paid_twice(dozen, ("cash", 30000))
    use(dozen, order, 5)

    assert back(dozen, order, at=TUESDAY_TEN, fee_cents=1000)[:2] == (30000 - 20835 - 1000, 0)
    assert unsound() == []


@pytest.mark.parametrize(("fee", "due"), [(0, 10835), (500, 11335)])
def test_what_was_earned_beyond_what_was_paid_stays_due(dozen, fee, due):
    order, _ = paid_twice(dozen, ("cash", 10000))
    use(dozen, order, 5)

    assert back(dozen, order, at=TUESDAY_TEN, fee_cents=fee)[:2] == (0, due)
    assert refunds(dozen) == []
    assert unsound() == []


@pytest.mark.parametrize(("setting", "expected"), [(False, None), (True, 6666)])
def test_forfeited_sessions_go_back_only_by_setting(studio, setting, expected):
    change_settings(studio, refund_forfeited=setting)
    order = own(studio)
    use(studio, order, 1)
    with account_scope(studio.account):
        Booking.objects.filter(order=order, status="draft").update(status="forfeited")

    if expected is None:
        with pytest.raises(NothingToRefund):
            back(studio, order, at=TUESDAY_TEN)
    else:
        assert back(studio, order, at=TUESDAY_TEN) == (expected, 0, ["completed", "cancelled", "cancelled"])
        assert told(studio, "booking.unforfeited", "booking.cancelled") == ["booking.unforfeited", "booking.cancelled"] * 2
    assert unsound() == []


# -- which sessions


def test_a_single_session_of_a_package_goes_back(studio):
    order = own(studio)
    first = sessions(studio, order)[0]

    assert back(studio, order, sessions=[first.pk]) == (3334, 0, ["cancelled", "draft", "draft"])
    assert fresh(studio, order).status == "active"


def test_a_session_to_come_is_cancelled_under_its_policy(studio):
    studio.service.cancellation_policy = LATE
    with account_scope(studio.account):
        studio.service.save()
    order = own(studio)
    for number, session in enumerate(sessions(studio, order)[:2]):
        do(studio, schedule_booking, session, practitioner=studio.practitioner, start_time=MONDAY_TEN + number * DAY)

    _, result = do(studio, refund_order, order, asked=Refunding(), at=MONDAY_TEN - timedelta(hours=2))

    assert [(one["outcome"], one["back_cents"]) for one in result["sessions"]] == [("consumed", 0), ("refunded", 3333), ("refunded", 3333)]
    assert (result["refund_cents"], states(studio, order)) == (6666, ["cancelled"] * 3)
    assert [one.cancelled_late for one in sessions(studio, order)] == [True, False, False]
    assert unsound() == []


def test_by_the_business_everything_to_come_goes_back(studio):
    studio.service.cancellation_policy = LATE
    with account_scope(studio.account):
        studio.service.save()
    order = own(studio)
    do(studio, schedule_booking, sessions(studio, order)[0], practitioner=studio.practitioner, start_time=MONDAY_TEN)

    assert back(studio, order, at=MONDAY_TEN - timedelta(hours=2), by=Side.PROVIDER) == (10000, 0, ["cancelled"] * 3)
    order = fresh(studio, order)
    assert (order.status, order.payment_status, order.total_amount_cents) == ("cancelled", "refunded", 0)
    assert unsound() == []


def test_a_session_whose_start_has_passed_is_not_unused(studio):
    order = own(studio)
    do(studio, schedule_booking, sessions(studio, order)[0], practitioner=studio.practitioner, start_time=MONDAY_TEN)

    assert back(studio, order, at=MONDAY_TEN) == (6666, 0, ["confirmed", "cancelled", "cancelled"])


@pytest.mark.parametrize("fee", ["none", "percent"])
def test_a_single_service_goes_back_under_its_policy(studio, fee):
    tier = {"hours_before": 24, "fee": {"kind": fee, **({"value": 50} if fee == "percent" else {})}, "session": "returned"}
    studio.service.cancellation_policy = {"tiers": [tier], "no_show": {"session": "consumed"}}
    with account_scope(studio.account):
        studio.service.save()
        sale = studio.sell(service=studio.service, practitioner=studio.practitioner, start_time=MONDAY_TEN)
        mark_received(sale.payment, at=NOW)

    after_grace = NOW + timedelta(hours=1)
    assert back(studio, sale.order, at=after_grace)[:2] == ((5000, 0) if fee == "none" else (2500, 0))
    assert unsound() == []


def test_granted_sessions_leave_with_the_others_for_nothing(studio):
    order = own(studio)
    do(studio, grant_sessions, order, service=studio.service, count=1, reason="Sorry")

    assert back(studio, order) == (10000, 0, ["cancelled"] * 4)


def test_used_and_foreign_sessions_are_not_refunded(studio):
    order, other = own(studio), own(studio)
    use(studio, order, 1)
    used, foreign = sessions(studio, order)[0], sessions(studio, other)[0]

    with pytest.raises(Invalid) as refused:
        back(studio, order, at=TUESDAY_TEN, sessions=[used.pk, foreign.pk])

    assert refused.value.fields == {"sessions": [f"These are not unused sessions of this order: {used.pk}, {foreign.pk}."]}
    assert states(studio, order) == ["completed", "draft", "draft"]


# -- what goes back


def test_an_order_that_gave_everything_has_nothing_left(studio):
    order = own(studio)
    use(studio, order, 3)

    with pytest.raises(NothingToRefund):
        back(studio, order, at=TUESDAY_TEN)


def test_a_refunded_order_cannot_be_refunded_again(studio):
    order = own(studio)
    back(studio, order)

    with pytest.raises(NothingToRefund):
        back(studio, order)
    assert len(refunds(studio)) == 1


def test_what_a_cancellation_left_over_goes_back(studio):
    sale = studio.sell(service=studio.service)
    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)
    do(studio, cancel_booking, sale.bookings[0])
    assert fresh(studio, sale.order).payment_status == "overpaid"

    assert back(studio, sale.order) == (5000, 0, ["cancelled"])
    assert fresh(studio, sale.order).payment_status == "refunded"
    assert unsound() == []


def test_less_may_go_back_and_the_rest_stays_refundable(studio):
    order = own(studio)

    assert back(studio, order, amount_cents=4000)[0] == 4000
    assert fresh(studio, order).payment_status == "overpaid"
    assert back(studio, order)[0] == 6000
    assert unsound() == []


def test_a_cap_above_what_would_go_back_is_refused_and_voids_nothing(studio):
    order = own(studio)
    use(studio, order, 1)

    with pytest.raises(RefundExceedsCaptured) as refused:
        back(studio, order, at=TUESDAY_TEN, amount_cents=6667)

    assert refused.value.extras == {"refundable_cents": 6666}
    assert states(studio, order) == ["completed", "draft", "draft"]


def test_what_is_on_its_way_back_does_not_go_back_twice(studio):
    order, _ = paid_twice(studio, ("bank_transfer", 10000))
    assert back(studio, order)[0] == 10000

    with pytest.raises(NothingToRefund):
        back(studio, order)
    assert refunds(studio) == [("bank_transfer", 10000, "pending")]


def test_a_fee_is_never_more_than_what_is_given_back(studio):
    order, _ = paid_twice(studio, ("cash", 10000))

    for asked in (Refunding(fee_cents=10001), Refunding(fee_cents=10**12)):
        for use_case in (quote_order_refund, refund_order):
            with pytest.raises(Invalid):
                do(studio, use_case, order, asked=asked)

    assert do(studio, refund_order, order, asked=Refunding(fee_cents=10000)) == ([], ANY)
    assert unsound() == []


def test_several_tenders_share_a_refund(studio):
    order, (cash, bank) = paid_twice(studio, ("cash", 2500), ("bank_transfer", 7500))

    made, result = do(studio, refund_order, order, asked=Refunding(fee_cents=1))

    tenders = [(one["payment"], one["method"], one["amount_cents"]) for one in result["per_tender"]]
    assert tenders == [(cash.pk, "cash", 2500), (bank.pk, "bank_transfer", 7499)]
    assert [(one.payment_id, one.amount_cents, one.status) for one in made] == [(cash.pk, 2500, "succeeded"), (bank.pk, 7499, "pending")]
    assert unsound() == []


def test_an_unpaid_order_is_only_made_smaller(studio):
    sale = studio.sell()

    assert back(studio, sale.order) == (0, 0, ["cancelled"] * 3)
    assert fresh(studio, sale.order).status == "cancelled"
    assert refunds(studio) == []


def test_a_refund_as_credit(studio):
    become(studio)
    order = own(studio)

    back(studio, order, to="wallet")

    assert refunds(studio) == [("wallet", 10000, "succeeded")]
    with account_scope(studio.account):
        assert balance_of(studio.client, "EUR", at=NOW) == 10000
    assert unsound() == []


def test_credit_needs_a_login(studio):
    order = own(studio)

    with pytest.raises(NoWallet):
        back(studio, order, to="wallet")
    assert states(studio, order) == ["draft"] * 3


def test_above_the_limit_sessions_leave_and_the_money_waits(studio):
    change_settings(studio, refund_approval_above_cents=9999)
    order = own(studio)

    assert back(studio, order)[2] == ["cancelled"] * 3
    assert refunds(studio) == [("cash", 10000, "requested")]
    assert fresh(studio, order).payment_status == "overpaid"


# -- transferred packages


def test_sessions_that_were_given_away_go_back_to_who_paid(studio):
    order = own(studio, transferable=True)
    friend = ClientFactory(account=studio.account)
    child = do(studio, transfer_sessions, order, to_client=friend, count=2)

    assert back(studio, child) == (6667, 0, ["cancelled", "cancelled"])

    with account_scope(studio.account):
        refund = Refund.objects.get()
        assert (refund.client_id, refund.order_id) == (studio.client.pk, order.pk)
        root = Order.objects.get(pk=order.pk)
        assert (root.total_amount_cents, root.refunded_cents, root.payment_status) == (3333, 6667, "paid")
    assert states(studio, order) == ["draft"]
    assert back(studio, order)[0] == 3333
    assert unsound() == []


# -- quotes


def test_a_quote_says_exactly_what_then_happens(dozen):
    order = own(dozen)
    use(dozen, order, 5)
    before = told(dozen, "")

    quote = do(dozen, quote_order_refund, order, asked=Refunding(fee_cents=164), at=TUESDAY_TEN)

    assert (quote["refund_cents"], quote["fee_cents"], quote["surcharge_cents"]) == (29000, 164, 0)
    assert (quote["balance_due_cents"], quote["currency"], quote["needs_approval"], len(quote["sessions"])) == (0, "EUR", False, 7)
    assert quote["per_tender"][0]["amount_cents"] == 29000
    assert (states(dozen, order), told(dozen, "")) == (["completed"] * 5 + ["draft"] * 7, before)
    with account_scope(dozen.account):
        assert OrderLine.objects.filter(order=order).count() == 1
    _, result = do(dozen, refund_order, order, asked=Refunding(fee_cents=164), quote=quote["token"], at=TUESDAY_TEN)
    assert result == {name: value for name, value in quote.items() if name not in ("token", "expires_at")}


def test_a_quote_does_not_hold_once_something_was_used(studio):
    order = own(studio)
    quote = do(studio, quote_order_refund, order, asked=Refunding())
    use(studio, order, 1)

    with pytest.raises(QuoteStale) as refused:
        do(studio, refund_order, order, asked=Refunding(), quote=quote["token"])

    assert refused.value.extras["quote"]["refund_cents"] == 6666
    assert (states(studio, order), refunds(studio)) == (["completed", "draft", "draft"], [])


def test_a_quote_for_other_words_does_not_hold(studio):
    order = own(studio)
    quote = do(studio, quote_order_refund, order, asked=Refunding())

    with pytest.raises(QuoteStale):
        do(studio, refund_order, order, asked=Refunding(by=Side.PROVIDER), quote=quote["token"])


# -- tax


def test_tax_goes_back_with_the_sessions_and_nothing_is_left_of_it(account):
    studio = open_studio(account, quantity=3, price_cents=10000, tax_rate="19.00")
    order = own(studio)
    assert order.tax_cents == 1597

    back(studio, order, sessions=[sessions(studio, order)[1].pk])
    assert fresh(studio, order).tax_cents == 1597 - 532
    back(studio, order)

    assert (fresh(studio, order).tax_cents, books(studio, "tax", "receivable", "cash")) == (0, {"tax": 0, "receivable": 0, "cash": 0})
    assert unsound() == []


# -- what is offered


@pytest.mark.parametrize(
    ("order_type", "status", "total", "paid", "refunded", "expected"),
    [
        ("service", "active", 100, 100, 0, ["refund"]),
        ("service", "active", 100, 0, 0, ["pay", "refund"]),
        ("service", "completed", 100, 100, 0, []),
        ("service", "completed", 100, 100, 100, ["pay"]),
        ("service", "cancelled", 0, 100, 0, ["refund"]),
        ("service", "cancelled", 0, 100, 100, []),
        ("gift", "active", 100, 100, 0, []),
        ("gift", "active", 0, 100, 0, ["refund"]),
    ],
)
def test_orders_offer_what_their_state_allows(order_type, status, total, paid, refunded, expected):
    assert order_actions(order_type, status, total, paid, refunded) == expected


def test_an_absence_is_used_up(studio):
    order = own(studio)
    first = sessions(studio, order)[0]
    do(studio, schedule_booking, first, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    do(studio, mark_no_show, first, at=MONDAY_TEN + timedelta(hours=1))
    expected = 6666 if states(studio, order)[0] == "no_show" else 10000

    assert back(studio, order, at=TUESDAY_TEN)[0] == expected


def test_money_of_a_second_payment_counts(studio):
    order = own(studio)
    with account_scope(studio.account):
        mark_received(create_payment(order=order, method="cash", amount_cents=500), at=NOW)

    assert back(studio, order)[0] == 10500
