"""The books follow the documents: after every ending of a session, with tax and without, in a package and singly."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from apps.bookings.models import Booking
from apps.bookings.services.endings import cancel_booking, complete_booking, decline_booking, mark_no_show, undo_no_show
from apps.bookings.services.expiry import forfeit_expired
from apps.bookings.services.packages import extend_order, grant_sessions
from apps.bookings.services.reinstating import reinstate_session
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.checkout.refunds import Refunding, refund_order
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import LedgerTransaction
from apps.payments.services import create_payment, mark_received
from apps.payments.services.ledger import sync_order
from apps.payments.services.refunds import request_refund
from factories.clients import ClientFactory
from tests.bookings.owned import do
from tests.payments.ledgers import agree, shares, sheet, transactions
from tests.studio import MONDAY_TEN, NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HALF_LATE = {
    "tiers": [
        {"hours_before": 24, "fee": {"kind": "none"}, "session": "returned"},
        {"hours_before": 0, "fee": {"kind": "percent", "value": 50}, "session": "returned"},
    ],
    "no_show": {"fee": {"kind": "percent", "value": 80}, "session": "consumed"},
    "grace": {"minutes": 0, "if_hours_away": 0},
}


@pytest.fixture(params=["untaxed", "taxed"])
def taxed(request):
    return request.param == "taxed"


@pytest.fixture
def studio(make_studio, taxed):
    """Three sessions for 10000 cents; a session singly for 5000; with tax: 19 per cent in them."""
    studio = make_studio(price_cents=10000, cancellation_policy=HALF_LATE, **({"tax_rate": Decimal("19")} if taxed else {}))
    studio.package.transferable = True
    studio.package.transfer_fee_cents = 1000
    studio.package.valid_days = 30
    with account_scope(studio.account):
        studio.package.save()
    return studio


def net(cents, taxed):
    """What of a gross amount is ours, at 19 per cent."""
    return cents - (cents * 19 + 119 // 2) // 119 if taxed else cents


@pytest.fixture(params=["package", "single"])
def order(request, studio):
    """A paid sale, its first session confirmed for MONDAY_TEN."""
    what = {} if request.param == "package" else {"service": studio.service}
    sale = studio.sell(**what)
    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)
    do(studio, schedule_booking, sale.bookings[0], practitioner=studio.practitioner, start_time=MONDAY_TEN)
    return sale.order


def first(studio, order):
    with account_scope(studio.account):
        return Booking.objects.filter(order=order).order_by("position").first()


def stored(studio, model, **wanted):
    """These rows as they are now, oldest first."""
    with account_scope(studio.account):
        return list(model.objects.filter(**wanted).order_by("pk"))


def worth(studio, session, taxed):
    return session.price_cents - session.tax_cents


def test_what_is_sold_is_owed_and_deferred(studio, order, taxed):
    total = order.total_amount_cents
    with account_scope(studio.account):
        tax = Order.objects.get(pk=order.pk).tax_cents
    assert (tax > 0) is taxed

    wanted = {"cash": total, "deferred": tax - total, **({"tax": -tax} if tax else {})}
    assert sheet(studio, order) == wanted
    for session, (_, share) in zip(_sessions(studio, order), shares(studio, order), strict=True):
        assert share == {"deferred": session.tax_cents - session.price_cents}
    agree(studio, order)


def _sessions(studio, order):
    with account_scope(studio.account):
        return list(Booking.objects.filter(order=order).order_by("pk"))


# ending: (service, options, status afterwards {package, single}, book of the share {package, single})
ENDINGS = {
    "completed": (complete_booking, {"at": MONDAY_TEN + HOUR}, ("completed", "completed"), ("revenue", "revenue")),
    "cancelled in time": (cancel_booking, {"at": NOW}, ("draft", "cancelled"), ("deferred", None)),
    "cancelled late": (cancel_booking, {"at": MONDAY_TEN - HOUR}, ("draft", "cancelled"), ("deferred", None)),
    "waived": (
        cancel_booking,
        {"at": MONDAY_TEN - HOUR, "waive": True, "reason": "ill"},
        ("draft", "cancelled"),
        ("deferred", None),
    ),
    "by the business": (cancel_booking, {"at": MONDAY_TEN - HOUR, "by": "provider"}, ("draft", "cancelled"), ("deferred", None)),
    "absent": (mark_no_show, {"at": MONDAY_TEN + HOUR}, ("no_show", "no_show"), ("revenue", None)),
}
FEES = {"cancelled late": (Decimal("0.5"), Decimal("0.5")), "absent": (0, Decimal("0.8"))}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_earns_what_it_should(studio, order, taxed, ending):
    service, options, statuses, books = ENDINGS[ending]
    single = order.order_type == "service"
    session = first(studio, order)

    do(studio, service, session, **options)

    status, share = shares(studio, order)[0]
    assert status == statuses[single]
    assert share == ({books[single]: -worth(studio, session, taxed)} if books[single] else {})
    fee = int(session.price_cents * FEES.get(ending, (0, 0))[single])
    assert -sheet(studio, order).get("fees", 0) == net(fee, taxed)
    agree(studio, order)


def test_an_undone_absence_is_deferred_again(studio, order, taxed):
    before = sheet(studio, order)
    session = first(studio, order)
    do(studio, mark_no_show, session, at=MONDAY_TEN + HOUR)
    assert sheet(studio, order) != before

    do(studio, undo_no_show, session, at=MONDAY_TEN + 2 * HOUR)

    assert sheet(studio, order) == before
    agree(studio, order)


def test_a_declined_request_is_taken_off(studio, taxed):
    with account_scope(studio.account):
        studio.service.requires_approval = True
        studio.service.save()
    session = studio.draft()
    session = do(studio, schedule_booking, session, practitioner=studio.practitioner, start_time=MONDAY_TEN, by="client")
    assert session.status == "pending"

    do(studio, decline_booking, session)

    assert sheet(studio, session.order) == {}
    agree(studio, session.order)


def test_expiry_forfeits_and_an_extension_takes_it_back(studio, taxed):
    order = _paid(studio)
    before = sheet(studio, order)

    do(studio, forfeit_expired_of, order, at=NOW + 40 * DAY)
    assert {tuple(share) for _, share in shares(studio, order)} == {("forfeited",)}
    assert sheet(studio, order).get("deferred", 0) == 0
    agree(studio, order)

    do(studio, extend_order, order, at=NOW + 40 * DAY, days=30, reason="A present")
    assert sheet(studio, order) == before
    agree(studio, order)


def forfeit_expired_of(_order, *, at):
    return forfeit_expired(at=at)


def _paid(studio):
    sale = studio.sell()
    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)
        return Order.objects.get(pk=sale.order.pk)


def test_given_sessions_stay_on_the_books_of_the_order_that_was_paid(studio, taxed):
    order = _paid(studio)
    friend = ClientFactory(account=studio.account)

    child = do(studio, transfer_sessions, order, to_client=friend, count=2)

    tax = sheet(studio, order).get("tax", 0)
    assert set(sheet(studio, child)) <= {"receivable", "fees", "tax"}
    assert -sheet(studio, order)["deferred"] == sum(
        worth(studio, one, taxed) for one in _sessions(studio, order) + _sessions(studio, child)
    )
    agree(studio, order)

    given = first(studio, child)
    do(studio, schedule_booking, given, practitioner=studio.practitioner, start_time=MONDAY_TEN)
    do(studio, complete_booking, given, at=MONDAY_TEN + HOUR)
    assert -sheet(studio, order)["revenue"] == worth(studio, given, taxed)
    assert sheet(studio, order).get("tax", 0) == tax
    agree(studio, order)

    do(studio, refund_order, child, asked=Refunding(), at=MONDAY_TEN + HOUR)
    agree(studio, order)
    with account_scope(studio.account):
        assert Order.objects.get(pk=order.pk).refunded_cents > 0


def test_a_refund_after_a_transfer_voids_what_was_kept(studio, taxed):
    order = _paid(studio)
    do(studio, transfer_sessions, order, to_client=ClientFactory(account=studio.account), count=1)

    do(studio, refund_order, order, asked=Refunding())

    assert [share for _, share in shares(studio, order) if share.get("deferred")] != []  # the one that was given is still to come
    agree(studio, order)


def test_a_voided_session_is_off_the_books_and_back_when_it_is_reinstated(studio, taxed):
    order = _paid(studio)
    before = sheet(studio, order)
    session = first(studio, order)

    do(studio, cancel_booking, session, void=True)
    assert shares(studio, order)[0] == ("cancelled", {})
    agree(studio, order)

    do(studio, reinstate_session, session)
    assert sheet(studio, order) == before
    agree(studio, order)


def test_granted_sessions_are_worth_nothing(studio, taxed):
    order = _paid(studio)
    before = sheet(studio, order)

    do(studio, grant_sessions, order, service=studio.service, count=2, reason="A present")

    assert sheet(studio, order) == before
    agree(studio, order)


@pytest.mark.parametrize("reduces_price", [False, True])
def test_a_refund_with_and_without_a_lower_price(studio, order, taxed, reduces_price):
    with account_scope(studio.account), transaction.atomic():
        payment = order.payments.get()
        request_refund(payment, amount_cents=1234, reason="goodwill", reduces_price=reduces_price, at=NOW)

    books = sheet(studio, order)
    assert books["cash"] == order.total_amount_cents - 1234
    assert books.get("receivable", 0) == (0 if reduces_price else 1234)
    agree(studio, order)


def test_a_session_of_a_lowered_price_takes_off_no_more_than_is_left(studio, order, taxed):
    with account_scope(studio.account), transaction.atomic():
        request_refund(order.payments.get(), amount_cents=order.total_amount_cents - 100, reduces_price=True, at=NOW)
    agree(studio, order)

    do(studio, mark_no_show, first(studio, order), waive=True, reason="Snow", at=MONDAY_TEN + HOUR)
    agree(studio, order)
    for session in stored(studio, Booking, order=order, status="draft"):
        do(studio, cancel_booking, session, void=True)

    agree(studio, order)
    with account_scope(studio.account):
        left = Order.objects.get(pk=order.pk)
        assert (left.total_amount_cents, left.tax_cents, left.payment_status) == (0, 0, "overpaid")


def test_what_a_lowered_price_took_off_comes_back_with_the_session(studio, order, taxed):
    with account_scope(studio.account), transaction.atomic():
        request_refund(order.payments.get(), amount_cents=order.total_amount_cents - 100, reduces_price=True, at=NOW)
    before = stored(studio, Order, pk=order.pk)[0]
    session = first(studio, order)

    do(studio, mark_no_show, session, waive=True, reason="Snow", at=MONDAY_TEN + HOUR)
    if stored(studio, Booking, pk=session.pk)[0].status == "no_show":
        do(studio, undo_no_show, session, at=MONDAY_TEN + HOUR)

    after = stored(studio, Order, pk=order.pk)[0]
    assert (after.total_amount_cents, after.tax_cents) == (before.total_amount_cents, before.tax_cents)
    agree(studio, order)


def test_a_price_that_comes_down_to_what_was_paid_pays_the_sessions(studio):
    sale = studio.sell(collect=False)
    with account_scope(studio.account), transaction.atomic():
        half = sale.order.total_amount_cents - sale.bookings[0].price_cents
        mark_received(create_payment(order=sale.order, method="cash", amount_cents=half), at=NOW)
    assert {one.payment_status for one in stored(studio, Booking, order=sale.order)} == {"unpaid"}

    do(studio, cancel_booking, sale.bookings[0], void=True)

    assert {one.payment_status for one in stored(studio, Booking, order=sale.order)} == {"paid"}
    with account_scope(studio.account):
        assert Order.objects.get(pk=sale.order.pk).payment_status == "paid"
        assert Event.objects.filter(type="order.paid", subject_id=sale.order.pk).count() == 1
    agree(studio, sale.order)


def test_a_sync_that_runs_again_posts_nothing(studio, order, taxed):
    do(studio, complete_booking, first(studio, order), at=MONDAY_TEN + HOUR)
    before = transactions(studio)

    with account_scope(studio.account), transaction.atomic():
        assert sync_order(order.pk) is False

    assert transactions(studio) == before


def test_a_change_that_is_rolled_back_leaves_no_entry(studio, order, taxed):
    before = transactions(studio)

    with account_scope(studio.account), transaction.atomic():
        complete_booking(first(studio, order), at=MONDAY_TEN + HOUR)
        assert transactions(studio) == before + 1
        transaction.set_rollback(True)

    assert transactions(studio) == before
    agree(studio, order)


def test_an_order_that_is_paid_by_somebody_else_is_booked_on_whoever_pays(studio, taxed):
    order = _paid(studio)
    child = do(studio, transfer_sessions, order, to_client=ClientFactory(account=studio.account), count=1)
    do(studio, complete_booking, _booked(studio, first(studio, child)), at=MONDAY_TEN + HOUR)

    with account_scope(studio.account):
        assert set(LedgerTransaction.objects.values_list("client_id", flat=True)) == {studio.client.pk}


def _booked(studio, session):
    return do(studio, schedule_booking, session, practitioner=studio.practitioner, start_time=MONDAY_TEN)
