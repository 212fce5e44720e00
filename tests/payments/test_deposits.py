"""Deposits by rule and payment schedules (rules.md §4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Account
from apps.bookings.models import Booking
from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.packages.selectors import PlannedSession, session_plan
from apps.payments.models import DepositRule, Instalment
from apps.payments.services import mark_received
from apps.payments.services.collecting import record_paid, record_refunded
from apps.payments.services.deposits import _in_parts, amount_of, next_due, schedule_for
from factories.catalog import ServiceFactory
from factories.money import DepositRuleFactory
from factories.packages import PackageFactory, PackageItemFactory
from tests.bookings.life import bring, broken
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.django_db


def rule(studio, **fields):
    return DepositRuleFactory(account=studio.account, **fields)


def planned(studio, **options):
    """The schedule of the studio's package, as (kind, cents, due)."""
    with account_scope(studio.account):
        about = {
            "account": studio.account,
            "client": studio.client,
            "order_total_cents": 10000,
            "package": studio.package,
            "service": None,
            "sessions": session_plan(studio.package),
            "instalments": None,
            "first_start": None,
            "at": NOW,
            **options,
        }
        return [(line.kind, line.amount_cents, line.due_at) for line in schedule_for(**about)]


def deposit(studio, **options):
    """What is due now, None for all of it."""
    lines = planned(studio, **options)
    return lines[0][1] if lines else None


def single(studio, **options):
    """The same for a single session of the studio's service."""
    session = PlannedSession(1, studio.service, 5000)
    return deposit(studio, **{"package": None, "service": studio.service, "sessions": [session], "order_total_cents": 5000, **options})


# -- how much


@pytest.mark.parametrize(
    ("kind", "value", "total", "cents"),
    [("percent", 30, 10000, 3000), ("percent", 50, 5, 3), ("percent", 33, 1, 0), ("fixed", 2000, 10000, 2000), ("fixed", 2000, 1500, 1500)],
)
def test_amounts(kind, value, total, cents):
    assert amount_of(DepositRule(kind=kind, value=value), total) == cents


def test_without_rules_everything_is_due_now(studio, statements):
    with account_scope(studio.account):
        plan = session_plan(studio.package)
        with statements() as made:
            assert planned(studio, sessions=plan) == []
    assert len([sql for sql in made() if "depositrule" in sql]) == 1
    assert [sql for sql in made() if "orders_order" in sql or "bookings_booking" in sql] == []


def test_a_deposit_now_and_the_rest_on_arrival(studio):
    rule(studio)

    assert planned(studio) == [("deposit", 3000, NOW), ("balance", 7000, None)]


def test_the_strictest_rule_wins(studio):
    rule(studio, value=20)
    rule(studio, kind="fixed", value=2500)
    rule(studio, value=90, is_active=False)

    assert deposit(studio) == 2500
    assert single(studio) == 2500
    assert deposit(studio, order_total_cents=20000) == 4000


@pytest.mark.parametrize("value", [100, 99])
def test_a_deposit_of_everything_is_no_deposit(studio, value):
    rule(studio, value=value)

    assert deposit(studio) == (None if value == 100 else 9900)
    assert deposit(studio, order_total_cents=0) is None


# -- when it fits


def test_only_for_a_package(studio):
    other = PackageFactory(account=studio.account)
    rule(studio, package=studio.package)

    assert (deposit(studio), deposit(studio, package=other), single(studio)) == (3000, None, None)


def test_only_for_a_service_singly_or_in_a_package(studio):
    rule(studio, service=studio.service)
    other = ServiceFactory(account=studio.account)
    package = PackageFactory(account=studio.account)
    PackageItemFactory(account=studio.account, package=package, service=other)
    with account_scope(studio.account):
        without = session_plan(package)

    assert (single(studio), deposit(studio), deposit(studio, sessions=without)) == (1500, 3000, None)


def test_only_for_clients_with_a_tag(studio):
    rule(studio, client_tag="new here")

    assert deposit(studio) is None
    studio.client.tags = ["vip", "new here"]
    assert deposit(studio) == 3000


def test_only_from_a_total_on(studio):
    rule(studio, minimum_cents=10000)

    assert (deposit(studio), deposit(studio, order_total_cents=9999)) == (3000, None)


def test_only_for_a_first_order(studio):
    rule(studio, first_order_only=True)
    rule(studio, value=10)
    assert deposit(studio) == 3000

    sale = studio.sell()  # the order that is being placed is not one before

    assert sale.payment.amount_cents == 3000
    assert deposit(studio) == 1000
    with account_scope(studio.account):
        Order.objects.update(status="cancelled")
    assert deposit(studio) == 3000


def test_only_for_clients_who_stayed_away(studio):
    rule(studio, min_no_shows=2, value=50)
    rule(studio, value=10)
    bring(studio, "no_show")
    assert deposit(studio) == 1000
    with account_scope(studio.account):
        second = studio.draft()
        Booking.objects.filter(pk=second.pk).update(status="no_show", **_times(studio))

    assert deposit(studio) == 5000
    assert deposit(studio, client=studio.other_client()) == 1000


def _times(studio):
    with account_scope(studio.account):
        missed = Booking.objects.filter(status="no_show").values("practitioner", "start_time", "end_time", "busy_from", "busy_until")
        return missed[0]


def test_a_gift_code_is_paid_at_once(studio):
    rule(studio)

    assert planned(studio, package=None, sessions=[], order_total_cents=5000) == []


# -- when it is due


@pytest.mark.parametrize(
    ("hours", "start", "expected"),
    [
        (0, MONDAY_TEN, [("deposit", 3000, NOW), ("balance", 7000, None)]),
        (24, MONDAY_TEN, [("deposit", 3000, NOW), ("balance", 7000, MONDAY_TEN - timedelta(hours=24))]),
        (24, None, [("deposit", 3000, NOW), ("balance", 7000, None)]),
        (49, MONDAY_TEN, []),  # exactly now: 49 hours before
        (72, MONDAY_TEN, []),
    ],
)
def test_the_balance_is_due_before_the_first_session_or_on_arrival(studio, hours, start, expected):
    studio.account.settings = {"balance_due_hours": hours}
    rule(studio)

    assert planned(studio, first_start=start) == expected


def test_instalments(studio):
    end = [datetime(2026, 12, 21, 23, tzinfo=UTC), datetime(2027, 1, 20, 23, tzinfo=UTC)]  # midnight in Berlin

    assert planned(studio, instalments=3) == [("instalment", 3334, NOW), ("instalment", 3333, end[0]), ("instalment", 3333, end[1])]
    rule(studio, value=30)
    assert planned(studio, instalments=3)[0] == ("instalment", 3334, NOW)
    rule(studio, value=50)
    assert planned(studio, instalments=3) == [("deposit", 5000, NOW), ("instalment", 2500, end[0]), ("instalment", 2500, end[1])]
    studio.account.settings = {"instalment_days": 1}
    assert planned(studio, instalments=2)[1] == ("instalment", 5000, datetime(2026, 11, 22, 23, tzinfo=UTC))


@pytest.mark.parametrize("count", [0, -1, 37])
def test_a_number_of_instalments_that_cannot_be(studio, count):
    with pytest.raises(Invalid):
        planned(studio, instalments=count)


def test_one_instalment_is_none(studio):
    assert planned(studio, instalments=1) == []
    assert planned(studio, instalments=3, order_total_cents=1) == []


@given(total=st.integers(0, 1_000_000), share=st.integers(0, 100), count=st.integers(2, 36))
def test_every_schedule_adds_up(total, share, count):
    lines = _in_parts(Account(timezone="Europe/Berlin"), total, total * share // 100, count, NOW)

    assert lines == [] or sum(line.amount_cents for line in lines) == total
    assert all(line.amount_cents >= 1 for line in lines)
    assert len(lines) <= count
    if lines:
        assert lines[0].amount_cents >= total * share // 100
        assert [line.due_at for line in lines] == sorted(line.due_at for line in lines)


# -- paying it


def test_a_sale_writes_its_schedule_and_expects_the_deposit(studio):
    rule(studio)

    sale = studio.sell()

    with account_scope(studio.account):
        rows = Instalment.objects.order_by("position").values_list("position", "kind", "amount_cents", "due_at", "client_id")
        assert list(rows) == [(1, "deposit", 3000, NOW, studio.client.pk), (2, "balance", 7000, None, studio.client.pk)]
        assert (sale.payment.amount_cents, next_due(sale.order)) == (3000, 3000)
        mark_received(sale.payment, at=NOW)
        order = Order.objects.get()
        assert (order.payment_status, order.balance_due_cents, next_due(order)) == ("part_paid", 7000, 7000)
    assert set(broken()) <= {"I21"}  # nobody owns the studio


def test_what_is_due_next(studio):
    sale = studio.sell(instalments=3)
    with account_scope(studio.account):
        order = Order.objects.select_for_update().get()

        def due(paid=0, days=0, refunded=0):
            order.paid_cents, order.refunded_cents = paid, refunded
            return next_due(order, at=NOW + timedelta(days=days))

        assert due() == 3334
        assert due(1000) == 2334
        assert due(3334) == 3333  # the next one, though it is not due yet
        assert due(0, days=31) == 6667
        assert due(3334, days=65) == 6666
        assert due(10000, refunded=5000) == 1667
        assert due(10000) == 0
        order.total_amount_cents = 10500  # a fee came on top
        assert due(10000) == 500
        order.total_amount_cents = 3000  # and sessions were taken off
        assert due(1000) == 2000
    assert sale.payment.amount_cents == 3334


def test_a_schedule_is_the_orders_own(studio):
    first, second = studio.sell(instalments=2), studio.sell()
    with account_scope(studio.account):
        assert (next_due(first.order), next_due(second.order)) == (5000, 10000)
        with transaction.atomic():
            order = Order.objects.select_for_update().get(pk=first.order.pk)
            record_paid(order, 5000)
            record_refunded(order, 5000)
        assert next_due(order) == 5000


# -- the API


RULES = "/api/deposit-rules/"
GIVEN = {"name": "Newcomers", "kind": "fixed", "value": 2500}


def test_rules_are_managed(owner, studio):
    made = owner.post(RULES, {**GIVEN, "service": studio.service.pk, "first_order_only": True})
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["name"], body["kind"], body["value"], body["currency"]) == ("Newcomers", "fixed", 2500, "EUR")
    assert (body["package"], body["service"], body["client_tag"], body["min_no_shows"]) == (None, studio.service.pk, "", 0)
    assert single(studio) == 2500

    place = f"{RULES}{body['id']}/"
    assert owner.patch(place, {"kind": "percent", "value": 20}).json()["value"] == 20
    assert single(studio) == 1000
    assert [row["id"] for row in owner.get(RULES, {"search": "newc", "service": studio.service.pk}).json()["results"]] == [body["id"]]
    assert owner.delete(place).status_code == 204
    assert single(studio) is None


@pytest.mark.parametrize("change", [{"kind": "percent"}, {"value": 0}, {"name": "Taken"}, {"min_no_shows": -1}, {"service": 0}, {"id": 5}])
def test_a_rule_that_cannot_be(owner, studio, change):
    rule(studio, name="Taken")
    one = rule(studio, kind="fixed", value=2500)

    answer = owner.patch(f"{RULES}{one.pk}/", change)

    assert answer.status_code == 400, answer.content


@pytest.mark.parametrize(
    ("role", "status"), [("manager", 201), ("front_desk", 403), ("bookkeeper", 403), ("practitioner", 403), (None, 401)]
)
def test_who_may_write_rules(client_as, account, role, status):
    assert client_as(role).post(RULES, GIVEN).status_code == status
