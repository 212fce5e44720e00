"""Selling: an order is the purchase, its bookings are the sessions."""

import pytest
import time_machine
from django.db import transaction

from apps.bookings.errors import OutsideHours, SlotTaken
from apps.bookings.models import Booking
from apps.bookings.services.scheduling import schedule_booking
from apps.checkout.errors import NotForSale, PackageEmpty
from apps.core.errors import Invalid, InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import ClientPackage, Order
from apps.packages.services import update_package
from apps.payments.models import Payment
from apps.payments.services import mark_received
from factories.catalog import ServiceFactory
from factories.packages import PackageFactory, PackageItemFactory
from tests.studio import MONDAY_TEN, NOW


def test_sell_package_makes_one_order_and_draft_sessions_with_their_shares(studio):
    sale = studio.sell()

    with account_scope(studio.account):
        order = Order.objects.get()
        sessions = list(order.bookings.order_by("position"))
        assert [s.price_cents for s in sessions] == [3334, 3333, 3333]
        assert {(s.status, s.start_time, s.payment_status, s.client_id) for s in sessions} == {("draft", None, "unpaid", studio.client.pk)}
        assert (order.order_type, order.total_amount_cents, order.status, order.payment_status) == ("package", 10000, "active", "unpaid")
        assert order.package_metadata["total_sessions"] == 3
        assert order.package_metadata["session_value_cents"] == 3334
        assert (order.total_sessions, order.sessions_completed, order.sessions_remaining) == (3, 0, 3)
        assert [line.amount_cents for line in order.lines.all()] == [10000]
        assert ClientPackage.objects.get().pk == order.pk
        assert (sale.payment.status, sale.payment.amount_cents, sale.payment.method) == ("pending", 10000, "cash")
        assert list(Event.objects.values_list("type", flat=True)) == ["order.placed"]
        assert Booking.history.count() == 3


def test_sell_package_splits_by_list_price(studio):
    dear = [ServiceFactory(account=studio.account, price_cents=9000) for _ in range(2)]
    cheap = ServiceFactory(account=studio.account, price_cents=6000)
    package = PackageFactory(account=studio.account, price_cents=20000)
    for position, service in enumerate([*dear, cheap], start=1):
        PackageItemFactory(account=studio.account, package=package, service=service, quantity=1, position=position)

    assert [b.price_cents for b in studio.sell(package=package).bookings] == [7500, 7500, 5000]


def test_sell_keeps_a_snapshot_that_later_edits_do_not_touch(studio):
    sale = studio.sell()

    with account_scope(studio.account):
        update_package(studio.package, package_name="Renamed", price_cents=1, items=[])
        order = Order.objects.get(pk=sale.order.pk)
        assert (order.package_metadata["name"], order.package_metadata["price_cents"], order.bookings.count()) != ("Renamed", 1, 0)
        assert order.package_metadata["items"] == [
            {"service": studio.service.pk, "name": studio.service.name, "list_price_cents": 5000, "quantity": 3}
        ]


def test_sell_service_is_one_session_at_the_offering_price(studio):
    with account_scope(studio.account):
        studio.service.offerings.update(price_cents=4200)

    sale = studio.sell(service=studio.service, practitioner=studio.practitioner)

    assert (sale.order.order_type, sale.order.total_amount_cents, [b.price_cents for b in sale.bookings]) == ("service", 4200, [4200])


def test_sell_with_a_start_confirms_the_first_session_only(studio):
    sale = studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    assert [b.status for b in sale.bookings] == ["confirmed", "draft", "draft"]
    assert sale.bookings[0].start_time == MONDAY_TEN


def test_sell_with_an_impossible_start_writes_nothing(studio):
    with pytest.raises(OutsideHours), transaction.atomic():
        studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN.replace(hour=3))

    with account_scope(studio.account):
        assert (Order.objects.count(), Booking.objects.count(), Payment.objects.count(), Event.objects.count()) == (0, 0, 0, 0)


def test_sell_numbers_orders_per_account_without_gaps(studio, make_studio, other_account):
    elsewhere = make_studio(other_account)

    numbers = [studio.sell().order.number, studio.sell().order.number, elsewhere.sell().order.number]

    assert numbers == ["000001", "000002", "000001"]


def test_sell_refuses_what_is_not_for_sale(studio):
    empty = PackageFactory(account=studio.account)
    retired = PackageFactory(account=studio.account, is_active=False)
    for error, what in [(PackageEmpty, empty), (NotForSale, retired)]:
        with pytest.raises(error), transaction.atomic():
            studio.sell(package=what)
    with pytest.raises(Invalid), transaction.atomic():
        studio.sell(package=studio.package, service=studio.service)
    with pytest.raises(Invalid), transaction.atomic():
        studio.sell(start_time=MONDAY_TEN)


def test_free_order_is_paid_by_itself(studio):
    free = PackageFactory(account=studio.account, price_cents=0)
    PackageItemFactory(account=studio.account, package=free, service=studio.service, quantity=2)

    sale = studio.sell(package=free)

    with account_scope(studio.account):
        assert sale.payment is None
        assert Order.objects.get(pk=sale.order.pk).payment_status == "paid"
        assert set(Booking.objects.values_list("payment_status", flat=True)) == {"paid"}


def test_package_expires_at_the_local_end_of_its_last_day(studio):
    with account_scope(studio.account):
        update_package(studio.package, valid_days=2)

    order = studio.sell().order

    assert order.expires_at.isoformat() == "2026-11-23T23:00:00+00:00"  # midnight after 23 November in Berlin


def test_mark_received_pays_the_order_and_every_session_once(studio):
    sale = studio.sell()

    with account_scope(studio.account):
        payment = mark_received(sale.payment, at=NOW)
        with pytest.raises(InvalidTransition), transaction.atomic():
            mark_received(sale.payment, at=NOW)

        order = Order.objects.get()
        assert (payment.status, payment.captured_cents, payment.received_at) == ("succeeded", 10000, NOW)
        assert (order.paid_cents, order.payment_status, order.balance_due_cents) == (10000, "paid", 0)
        assert set(order.bookings.values_list("payment_status", flat=True)) == {"paid"}
        assert list(Event.objects.order_by("id").values_list("type", flat=True)) == ["order.placed", "payment.succeeded", "order.paid"]


@time_machine.travel(NOW, tick=False)
def test_race_loser_of_a_sale_with_start_loses_the_whole_sale(studio):
    schedule = studio.draft()
    with account_scope(studio.account):
        schedule_booking(schedule, practitioner=studio.practitioner, start_time=MONDAY_TEN)

    with pytest.raises(SlotTaken) as refused, transaction.atomic():
        studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    assert refused.value.extras["alternatives"][0]["start"] == "2026-11-23T09:00:00+01:00"
    with account_scope(studio.account):
        assert Order.objects.count() == 1
