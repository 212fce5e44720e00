"""How sessions end, in states and in money (rules.md §3): the quote says it, the commit does it, the order's sums show it."""

from datetime import timedelta

import pytest

from apps.bookings.models import Booking
from apps.bookings.services.endings import (
    cancel_booking,
    complete_booking,
    mark_no_show,
    quote_cancellation,
    quote_no_show,
)
from apps.bookings.services.scheduling import reschedule_booking
from apps.core.errors import Invalid, InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from factories.orders import OrderFactory
from factories.payments import PaymentFactory
from tests.bookings.life import SOON, TUESDAY_TEN, book, bring, broken, do, events_of, everything, money, pay, row_of
from tests.studio import MONDAY_TEN, NOW

HOUR = timedelta(hours=1)
SOUND = ("I01", "I02", "I03", "I05", "I06", "I06.lines", "I10", "I11", "I19", "I30")
NO_GRACE = {"grace": {"minutes": 0, "if_hours_away": 0}}
LATE = MONDAY_TEN - HOUR  # inside the last day
NO_SHOW = MONDAY_TEN + HOUR


def policy(kind="none", value=None, session="returned", no_show=None):
    """Free until a day before, then this."""
    fee = {"kind": kind, **({} if value is None else {"value": value})}
    free = {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"}
    rules = {"tiers": [free, {"hours_before": 0, "fee": fee, "session": session}], **NO_GRACE}
    return {**rules, "no_show": no_show} if no_show else rules


def cancelled(studio, booking, **options):
    """Cancel, and hold the commit to its quote."""
    wanted = {"by": "client", "at": LATE, **options}
    asked = {name: wanted[name] for name in ("by", "at", "waive", "void") if name in wanted}
    return _quoted(studio, booking, quote_cancellation, cancel_booking, asked, wanted)


def absent(studio, booking, **options):
    wanted = {"at": NO_SHOW, **options}
    asked = {name: wanted[name] for name in ("at", "waive") if name in wanted}
    return _quoted(studio, booking, quote_no_show, mark_no_show, asked, wanted)


def _quoted(studio, booking, ask, commit, asked, wanted):
    payer = booking.order if booking.order.parent_id is None else booking.order.parent
    untouched = everything(studio)
    quote = do(studio, ask, booking, **asked)
    assert everything(studio) == untouched, "a quote writes nothing"
    own_before, payer_before = money(studio, booking.order), money(studio, payer)

    do(studio, commit, booking, quote=quote["token"], **wanted)

    own, paid = money(studio, booking.order), money(studio, payer)
    over = [max(0, sums["paid"] - sums["total"]) for sums in (payer_before, paid)]
    assert quote["refund_cents"] == over[1] - over[0]
    assert sum(part["amount_cents"] for part in quote["per_tender"]) == quote["refund_cents"]
    fees = [cents for kind, cents in own["lines"][len(own_before["lines"]) :] if kind == "fee"]
    assert quote["fee_cents"] == sum(fees)
    row = row_of(studio, booking)
    (session,) = quote["sessions"]
    assert (session["outcome"] == "returned") == (row.status == "draft")
    taken_off = "adjustment" in [kind for kind, _ in paid["lines"][len(payer_before["lines"]) :]]
    assert quote["kept_cents"] == (0 if taken_off or row.status == "draft" else row.price_cents)
    assert broken(*SOUND) == {}
    return row, quote


# -- a package's session


def test_a_returned_session_is_the_same_row_without_its_time(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 50, "consumed"))
    sale = studio.sell()
    pay(studio, sale)
    booking = book(studio, sale.bookings[1])
    sums = money(studio, sale.order)

    row, quote = cancelled(studio, booking, at=MONDAY_TEN - timedelta(hours=24))

    assert (row.status, row.version, row.position, row.price_cents, row.payment_status) == ("draft", 3, 2, 3333, "paid")
    timeless = (row.start_time, row.end_time, row.busy_from, row.busy_until, row.practitioner_id, row.seat, row.booked_at)
    assert timeless == (None,) * 7
    assert (row.timezone, row.local_start, row.overlap_allowed) == ("", "", False)
    assert money(studio, sale.order) == sums
    assert (quote["fee_cents"], quote["refund_cents"], quote["late"]) == (0, 0, False)
    assert quote["tier"] == {"why": "free", "hours_before": 24}
    event = events_of(studio, booking)[-1]
    assert event.type == "booking.cancelled"
    assert event.changes["start_time"] == [MONDAY_TEN.isoformat(), None]
    assert event.changes["end_time"] == [(MONDAY_TEN + HOUR).isoformat(), None]
    assert event.changes["practitioner"] == [studio.practitioner.pk, None]
    book(studio, sale.bookings[1])  # and it can be scheduled again


def test_a_late_session_is_consumed_and_pays_for_its_fee(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 50, "consumed"))
    sale = studio.sell()
    pay(studio, sale)
    booking = book(studio, sale.bookings[0])
    sums = money(studio, sale.order)

    row, quote = cancelled(studio, booking)

    assert (row.status, row.cancelled_late, row.cancelled_side, row.cancelled_at) == ("cancelled", True, "client", LATE)
    assert (row.start_time, row.practitioner_id) == (MONDAY_TEN, studio.practitioner.pk)
    assert money(studio, sale.order) == sums
    assert (quote["fee_cents"], quote["kept_cents"], quote["late"]) == (0, 3334, True)
    assert quote["sessions"] == [{"id": booking.pk, "outcome": "consumed", "price_cents": 3334}]
    assert events_of(studio, booking)[-1].changes["late"] == [None, True]


@pytest.mark.parametrize(
    ("kind", "value", "session", "status", "fee"),
    [
        ("fixed", 1000, "returned", "draft", 1000),  # back, for a fee
        ("percent", 50, "returned", "draft", 1667),
        ("fixed", 5000, "consumed", "cancelled", 1666),  # what the session's price does not cover
        ("none", None, "consumed", "cancelled", 0),
    ],
)
def test_fees_of_a_package_session_are_lines(make_studio, kind, value, session, status, fee):
    studio = make_studio(cancellation_policy=policy(kind, value, session))
    sale = studio.sell()
    pay(studio, sale)

    row, _ = cancelled(studio, book(studio, sale.bookings[0]))

    sums = money(studio, sale.order)
    assert row.status == status
    assert sums["lines"] == [("item", 10000), *([("fee", fee)] if fee else [])]
    assert (sums["total"], sums["payment_status"]) == (10000 + fee, "part_paid" if fee else "paid")


def test_an_order_is_completed_when_no_session_is_left_and_cancelled_when_all_were(make_studio):
    studio = make_studio(quantity=2, cancellation_policy=policy("none", None, "consumed"))
    done, given_up = studio.sell(), studio.sell(client=studio.other_client())

    cancelled(studio, book(studio, done.bookings[0]))
    assert money(studio, done.order)["status"] == "active"
    do(studio, complete_booking, book(studio, done.bookings[1], TUESDAY_TEN), at=TUESDAY_TEN)
    assert money(studio, done.order)["status"] == "completed"
    for booking in given_up.bookings:
        do(studio, cancel_booking, booking, void=True)
    assert money(studio, given_up.order)["status"] == "cancelled"
    with account_scope(studio.account):
        kinds = [e.type for e in _order_events(given_up.order)]
    assert kinds.count("order.cancelled") == 1


def _order_events(order):
    return list(Event.objects.filter(subject_type="orders.order", subject_id=order.pk).order_by("pk"))


# -- a single service


@pytest.mark.parametrize(
    ("kind", "value", "session", "lines", "total", "refund"),
    [
        ("percent", 50, "returned", [("adjustment", -5000), ("fee", 2500)], 2500, 2500),
        ("fixed", 1200, "consumed", [("adjustment", -5000), ("fee", 1200)], 1200, 3800),
        ("percent", 100, "returned", [], 5000, 0),
        ("none", None, "consumed", [], 5000, 0),
        ("none", None, "returned", [("adjustment", -5000)], 0, 5000),
        ("fixed", 6000, "consumed", [("adjustment", -5000), ("fee", 6000)], 6000, 0),
    ],
)
def test_the_fee_of_a_paid_single_service_is_kept_and_the_rest_is_owed_to_the_client(
    make_studio, kind, value, session, lines, total, refund
):
    studio = make_studio(cancellation_policy=policy(kind, value, session))
    sale = studio.sell(service=studio.service)
    pay(studio, sale)

    row, quote = cancelled(studio, book(studio, sale.bookings[0]))

    sums = money(studio, sale.order)
    assert row.status == "cancelled"
    assert sums["lines"] == [("item", 5000), *lines]
    assert (sums["total"], sums["status"]) == (total, "cancelled")
    assert sums["payment_status"] == ("overpaid" if total < 5000 else "paid" if total == 5000 else "part_paid")
    assert quote["refund_cents"] == refund
    assert quote["per_tender"] == ([{"payment": sale.payment.pk, "method": "cash", "amount_cents": refund}] if refund else [])


@pytest.mark.parametrize(("value", "total"), [(50, 2500), (0, 0)])
def test_of_an_unpaid_single_service_only_the_fee_is_owed(make_studio, value, total):
    studio = make_studio(cancellation_policy=policy("percent", value, "consumed"))

    booking = book(studio)
    _, quote = cancelled(studio, booking)

    sums = money(studio, booking.order)
    assert (sums["total"], sums["payment_status"]) == (total, "unpaid")
    assert (quote["refund_cents"], quote["per_tender"]) == (0, [])


def test_a_refund_is_split_over_the_payments_it_came_from(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 33, "returned"))
    sale = studio.sell(service=studio.service)
    with account_scope(studio.account):
        sale.payment.amount_cents = 3000
        sale.payment.save(update_fields=["amount_cents"])
    second = PaymentFactory(account=studio.account, order=sale.order, amount_cents=2000, method="bank_transfer", currency="EUR")
    pay(studio, sale)
    sale_of_second = type(sale)(sale.order, sale.bookings, second)
    pay(studio, sale_of_second)

    _, quote = cancelled(studio, book(studio, sale.bookings[0]))

    assert quote["refund_cents"] == 3350
    assert quote["per_tender"] == [
        {"payment": sale.payment.pk, "method": "cash", "amount_cents": 2010},
        {"payment": second.pk, "method": "bank_transfer", "amount_cents": 1340},
    ]


# -- who pays nothing


@pytest.mark.parametrize("by", ["provider", "system"])
def test_what_the_business_cancels_is_given_back_in_full(make_studio, by):
    studio = make_studio(cancellation_policy=policy("percent", 100, "consumed"))
    package, single = studio.sell(), studio.sell(service=studio.service)
    pay(studio, single)

    returned, _ = cancelled(studio, book(studio, package.bookings[0]), by=by)
    ended, quote = cancelled(studio, book(studio, single.bookings[0], TUESDAY_TEN), by=by, at=TUESDAY_TEN - HOUR)

    assert (returned.status, ended.status, ended.cancelled_side, ended.cancelled_late) == ("draft", "cancelled", by, False)
    assert (quote["refund_cents"], quote["tier"]["why"]) == (5000, "provider")
    assert money(studio, single.order)["payment_status"] == "overpaid"


def test_waiving_needs_a_reason_and_is_kept_in_the_log(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 100, "consumed"))
    booking = book(studio, studio.sell().bookings[0])
    before = everything(studio)

    for service in (cancel_booking, mark_no_show):
        with pytest.raises(Invalid) as refused:
            do(studio, service, booking, waive=True, at=NO_SHOW)
        assert list(refused.value.fields) == ["reason"]
    assert everything(studio) == before

    row, quote = cancelled(studio, booking, waive=True, reason="a death in the family")

    assert (row.status, quote["tier"]["why"]) == ("draft", "waived")
    changes = events_of(studio, booking)[-1].changes
    assert (changes["reason"], changes["why"]) == ([None, "a death in the family"], [None, "waived"])


def test_a_hold_and_a_request_are_given_up_for_nothing(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 100, "consumed"), requires_approval=True)

    for status in ("held", "pending"):
        row, quote = cancelled(studio, bring(studio, status, studio.sell(client=studio.other_client()).bookings[0]), at=SOON)
        assert (row.status, quote["tier"]["why"], quote["late"]) == ("draft", "free", False)


def test_a_cancelled_draft_is_void_and_its_price_comes_off(studio):
    sale = studio.sell()
    pay(studio, sale)

    with pytest.raises(InvalidTransition):  # the second of two clicks
        do(studio, cancel_booking, sale.bookings[0])
    row, quote = cancelled(studio, sale.bookings[0], void=True)

    sums = money(studio, sale.order)
    assert (row.status, row.start_time) == ("cancelled", None)
    assert (sums["lines"][1:], sums["total"], sums["payment_status"], sums["status"]) == (
        [("adjustment", -3334)],
        6666,
        "overpaid",
        "active",
    )
    assert quote["refund_cents"] == 3334


def test_the_grace_period_is_free(make_studio):
    rules = {"tiers": [{"hours_before": 0, "fee": {"kind": "percent", "value": 100}, "session": "consumed"}]}
    studio = make_studio(cancellation_policy=rules)

    fresh, _ = cancelled(studio, book(studio, studio.sell().bookings[0]), at=NOW + timedelta(minutes=15))
    later, _ = cancelled(studio, book(studio, studio.sell().bookings[0]), at=NOW + timedelta(minutes=15, seconds=1))

    assert (fresh.status, later.status) == ("draft", "cancelled")


# -- a session that was given to somebody else


def test_of_a_transferred_session_the_payer_gets_the_money_and_the_holder_the_fee(make_studio):
    studio = make_studio(cancellation_policy=policy("fixed", 4000, "consumed"))
    sale, friend = studio.sell(), studio.other_client()
    pay(studio, sale)
    child = OrderFactory(
        account=studio.account,
        client=friend,
        payer=studio.client,
        parent=sale.order,
        order_type="package",
        service=None,
        package=studio.package,
        subtotal_cents=0,
        total_amount_cents=0,
        payment_status="paid",
        package_metadata={"total_sessions": 2},
    )
    with account_scope(studio.account):
        Booking.objects.filter(pk__in=[b.pk for b in sale.bookings[:2]]).update(order=child, client=friend)
    drafts = [row_of(studio, b) for b in sale.bookings[:2]]

    do(studio, cancel_booking, book(studio, drafts[0]), at=LATE)
    do(studio, cancel_booking, drafts[1], void=True)

    own, payer = money(studio, child), money(studio, sale.order)
    assert own["lines"] == [("fee", 4000 - 3334)]
    assert (own["total"], own["payment_status"], own["status"]) == (666, "unpaid", "cancelled")
    assert payer["lines"] == [("item", 10000), ("adjustment", -3333)]
    assert (payer["total"], payer["payment_status"], payer["status"]) == (6667, "overpaid", "active")
    assert broken("I06.lines", "I10", "I30") == {}


# -- late moves and endings


def test_a_late_move_is_charged_once_and_its_tier_sticks(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 50, "returned"))
    sale = studio.sell(service=studio.service)
    pay(studio, sale)
    booking = book(studio, sale.bookings[0])
    do(studio, reschedule_booking, booking, start_time=TUESDAY_TEN + timedelta(days=3), by="client", at=LATE)
    assert money(studio, sale.order)["lines"][1:] == [("fee", 2500)]

    row, quote = cancelled(studio, row_of(studio, booking), at=LATE + HOUR)  # four days before the new start

    assert (row.cancelled_late, quote["fee_cents"], quote["refund_cents"]) == (True, 0, 2500)
    assert money(studio, sale.order)["total"] == 2500


def test_a_late_move_that_waits_for_approval_is_not_laundered_either(make_studio):
    studio = make_studio(cancellation_policy=policy("percent", 50, "consumed"), requires_approval=True)
    booking = bring(studio, "confirmed", studio.sell().bookings[0])
    do(studio, reschedule_booking, booking, start_time=TUESDAY_TEN + timedelta(days=3), by="client", at=LATE)
    assert row_of(studio, booking).status == "pending"

    row, quote = cancelled(studio, row_of(studio, booking), at=LATE + HOUR)

    assert (row.status, row.cancelled_late, quote["late"]) == ("cancelled", True, True)


def test_statuses_of_an_order_come_from_its_sessions(studio):
    sale = studio.sell(service=studio.service)
    booking = book(studio, sale.bookings[0])

    do(studio, complete_booking, booking, at=MONDAY_TEN)

    with account_scope(studio.account):
        assert Order.objects.get(pk=sale.order.pk).status == "completed"
