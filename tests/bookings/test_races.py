"""Changes at the same moment (RC1, RC2, RC3, RC8): real threads, real connections; each with a control that shows the guard is needed."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import DatabaseError, connections, transaction

from apps.accounts.models import Membership
from apps.accounts.services import members
from apps.bookings.models import Booking
from apps.bookings.services import endings, scheduling
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import confirm_booking, hold_booking, release_hold, reschedule_booking, schedule_booking
from apps.catalog.models import Practitioner
from apps.checkout import services as checkout
from apps.checkout.pricing import Share
from apps.core.db import sqlstate
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.packages.models import Package
from apps.packages.selectors import session_plan
from factories.accounts import MembershipFactory
from tests.bookings.life import TUESDAY_TEN, book, broken, do, events_of, row_of, second_practitioner
from tests.bookings.test_race import constraints_dropped, lock_removed, wide_window  # noqa: F401  fixtures
from tests.studio import MONDAY_TEN, NOW, open_studio

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SOUND = ("I01", "I02", "I03", "I04", "I05", "I06", "I06.lines", "I30")
WORKERS = 25


def at_once(account, calls):
    """Run the calls at the same moment, each in its own connection and transaction; what came of each, in their order.

    "done", the name of the error, or the SQLSTATE of what the database gave up with.
    """
    calls = list(calls)
    barrier = threading.Barrier(min(len(calls), WORKERS))
    waiting = threading.local()

    def run(call):
        if not getattr(waiting, "over", False):
            waiting.over = True
            barrier.wait()
        try:
            with account_scope(account), transaction.atomic():
                call()
            return "done"
        except DatabaseError as error:
            return sqlstate(error) or type(error).__name__
        except Exception as error:
            return type(error).__name__
        finally:
            connections["default"].close()

    with ThreadPoolExecutor(barrier.parties) as pool:
        return list(pool.map(run, calls))


def scheduling_call(studio, booking, start, **options):
    return lambda: schedule_booking(booking, **{"practitioner": studio.practitioner, "start_time": start, "at": NOW, **options})


# -- RC1


def two_hundred_on_ten_slots(clients=200):
    studio = open_studio(slot_step_minutes=30, duration_minutes=30)
    starts = [MONDAY_TEN + n * HOUR / 2 for n in range(10)]
    drafts = [studio.draft(client=studio.other_client()) for _ in range(clients)]
    outcomes = at_once(studio.account, (scheduling_call(studio, draft, starts[n % 10]) for n, draft in enumerate(drafts)))
    with account_scope(studio.account):
        taken = Counter(Booking.objects.filter(status="confirmed").values_list("start_time", flat=True))
    return Counter(outcomes), taken, dict.fromkeys(starts, 1)


def test_two_hundred_clients_on_ten_slots_have_ten_winners():
    outcomes, taken, one_each = two_hundred_on_ten_slots()

    assert outcomes == {"done": 10, "SlotTaken": 190}
    assert taken == one_each
    assert broken(*SOUND) == {}


def test_touching_slots_both_succeed_and_one_minute_less_fails():
    studio = open_studio(slot_step_minutes=1, buffer_before_minutes=10, buffer_after_minutes=5)
    apart = HOUR + 15 * MINUTE

    for day in range(4):
        first = MONDAY_TEN + timedelta(days=day)
        for gap, expected in ((apart, ["done", "done"]), (apart - MINUTE, ["SlotTaken", "done"])):
            start = first if gap == apart else first + 4 * HOUR
            drafts = [studio.draft(client=studio.other_client()) for _ in range(2)]
            calls = [scheduling_call(studio, drafts[0], start), scheduling_call(studio, drafts[1], start + gap)]
            assert sorted(at_once(studio.account, calls)) == sorted(expected)
    assert broken(*SOUND) == {}


def requests_at_once(threads=8):
    studio = open_studio(requires_approval=True)
    drafts = [studio.draft(client=studio.other_client()) for _ in range(threads)]
    outcomes = at_once(studio.account, (scheduling_call(studio, draft, MONDAY_TEN, by="client") for draft in drafts))
    with account_scope(studio.account):
        pending = list(Booking.objects.filter(status="pending"))
    confirmed = at_once(studio.account, [lambda b=one: confirm_booking(b, at=NOW) for one in (*pending, *pending)])
    with account_scope(studio.account):
        return Counter(outcomes), Counter(confirmed), Booking.objects.filter(status="confirmed").count()


def test_of_requests_for_one_time_one_is_taken_and_confirmed_once():
    outcomes, confirmed, stored = requests_at_once()

    assert outcomes == {"done": 1, "SlotTaken": 7}
    assert (confirmed, stored) == ({"done": 1, "InvalidTransition": 1}, 1)


def test_negative_control_without_lock_and_constraints_time_is_given_twice(constraints_dropped, lock_removed, wide_window):  # noqa: F811
    outcomes, taken, one_each = two_hundred_on_ten_slots(40)
    requested, _, stored = requests_at_once()

    assert outcomes["done"] > 10
    assert taken != one_each
    assert requested["done"] > 1
    assert stored > 1
    assert {"I01", "I04"} & set(broken())


# -- RC2


def orders_over_the_same_starts(orders=20, *, in_order=True):
    """So many orders want the same six starts, each in an order of its own and in one transaction."""
    studio = open_studio(quantity=6)
    starts = [MONDAY_TEN + n * HOUR for n in range(6)]
    sales = [studio.sell(client=studio.other_client()) for _ in range(orders)]

    def all_six(sale):
        shuffled = random.Random(sale.order.pk).sample(starts, 6)
        wanted = sorted(zip(sale.bookings, shuffled, strict=True), key=lambda pair: pair[1])
        if not in_order and sales.index(sale) % 2:
            wanted.reverse()  # head-on

        def call():
            for booking, start in wanted:
                scheduling_call(studio, booking, start)()

        return call

    outcomes = at_once(studio.account, map(all_six, sales))
    with account_scope(studio.account):
        scheduled = Counter(Booking.objects.filter(status="confirmed").values_list("order_id", flat=True))
    return Counter(outcomes), sorted(scheduled.values())


def test_of_twenty_orders_over_the_same_six_starts_one_gets_all():
    outcomes, scheduled = orders_over_the_same_starts()

    assert outcomes == {"done": 1, "SlotTaken": 19}
    assert scheduled == [6]
    assert broken(*SOUND) == {}


def test_negative_control_without_lock_and_order_the_database_must_break_deadlocks(lock_removed, monkeypatch):  # noqa: F811
    write_claim = scheduling.write_claim

    def slowly(*args):
        write_claim(*args)
        time.sleep(0.3)  # time for the others to take their first

    monkeypatch.setattr(scheduling, "write_claim", slowly)

    outcomes, _ = orders_over_the_same_starts(3, in_order=False)

    assert outcomes["40P01"] >= 1


# -- RC3


def changes_at_once(rounds):
    """Confirm, cancel, expire and move one held session at the same moment; per round what is wrong about its row and its log."""
    studio = open_studio()
    other = second_practitioner(studio)
    wrong = []
    for n in range(rounds):
        draft = studio.sell(client=studio.other_client()).bookings[0]
        start = MONDAY_TEN + timedelta(days=n % 4, hours=n // 4)
        held = do(studio, hold_booking, draft, practitioner=studio.practitioner, start_time=start)
        calls = [
            lambda b=held: confirm_booking(b, at=NOW),
            lambda b=held: cancel_booking(b, at=NOW),
            lambda b=held: release_hold(b, at=NOW, why="lapsed"),
            lambda b=held: reschedule_booking(b, practitioner=other, start_time=b.start_time, at=NOW),
        ]
        outcomes = at_once(studio.account, random.Random(n).sample(calls, 4))
        row, events = row_of(studio, held), [event.type for event in events_of(studio, held)]
        accepted = outcomes.count("done")
        with account_scope(studio.account):
            history = row.history.count()
        if not (accepted == len(events) - 1 == row.version - held.version == history - 2 and accepted >= 1):
            wrong.append((outcomes, events, row.version, history))
        if set(outcomes) - {"done", "InvalidTransition", "StaleVersion"}:
            wrong.append(outcomes)
    return wrong


def test_one_session_changed_four_ways_at_once_has_one_final_state_and_one_event_per_change():
    assert changes_at_once(8) == []
    assert broken(*SOUND) == {}


def test_negative_control_without_row_locks_changes_are_lost(monkeypatch):
    def order_as_read(order_id):
        return Order.objects.select_related("account").get(pk=order_id)

    def booking_as_read(booking_id, order):
        booking = Booking.objects.select_related("account", "service", "client").get(pk=booking_id)
        booking.order = order
        time.sleep(0.2)
        return booking

    for module in (scheduling, endings):
        monkeypatch.setattr(module, "lock_booking", booking_as_read)
    monkeypatch.setattr(scheduling, "lock_order", order_as_read)
    monkeypatch.setattr(endings, "lock_orders", lambda ids: {pk: order_as_read(pk) for pk in ids})

    assert changes_at_once(3) != []


def swap(rounds=4):
    """Two sessions of two practitioners change places at once, and two of one practitioner change starts."""
    studio = open_studio()
    other = second_practitioner(studio)
    outcomes = []
    for n in range(rounds):
        start = MONDAY_TEN + n * HOUR
        a = book(studio, studio.draft(client=studio.other_client()), start)
        b = book(studio, studio.draft(client=studio.other_client()), start, practitioner=other)
        calls = [
            lambda a=a: reschedule_booking(a, practitioner=other, start_time=a.start_time, at=NOW),
            lambda b=b: reschedule_booking(b, practitioner=studio.practitioner, start_time=b.start_time, at=NOW),
        ]
        outcomes.append(tuple(at_once(studio.account, calls)))
    early = book(studio, studio.draft(client=studio.other_client()), TUESDAY_TEN)
    late = book(studio, studio.draft(client=studio.other_client()), TUESDAY_TEN + HOUR)
    calls = [
        lambda: reschedule_booking(early, start_time=TUESDAY_TEN + HOUR, at=NOW),
        lambda: reschedule_booking(late, start_time=TUESDAY_TEN, at=NOW),
    ]
    outcomes.append(tuple(at_once(studio.account, calls)))
    return outcomes


def test_swapping_at_once_is_refused_to_both_without_a_deadlock():
    assert swap() == [("SlotTaken", "SlotTaken")] * 5
    assert broken(*SOUND) == {}


def test_negative_control_practitioners_locked_in_different_orders_deadlock(monkeypatch):
    turns = iter(range(1000))

    def lock_in_any_order(practitioner_ids, at):
        for pk in sorted(set(practitioner_ids), reverse=next(turns) % 2 == 0):
            Practitioner.objects.select_for_update(no_key=True).get(pk=pk)
            time.sleep(0.2)
        return {}

    monkeypatch.setattr(scheduling, "lock_practitioners", lock_in_any_order)

    assert "40P01" in {outcome for pair in swap(1) for outcome in pair}


# -- RC8


def owners_remove_each_other(rounds=5):
    """How many active owners each account has left."""
    left = []
    for _ in range(rounds):
        account = open_studio().account
        a, b = MembershipFactory(account=account, role="owner"), MembershipFactory(account=account, role="owner")
        calls = [partial(members.change_member, one, by=by, is_active=False) for one, by in ((a, b), (b, a))]
        outcomes = at_once(account, calls)
        with account_scope(account):
            left.append((Membership.objects.filter(role="owner", is_active=True).count(), outcomes.count("done")))
    return left


def test_two_owners_who_remove_each_other_leave_one():
    assert owners_remove_each_other() == [(1, 1)] * 5
    assert broken("I21") == {}


def test_negative_control_without_the_accounts_lock_nobody_is_left(monkeypatch):
    def pair_as_read(membership, by):
        found = {m.pk: m for m in Membership.objects.filter(pk__in=[membership.pk, by.pk])}
        time.sleep(0.3)
        return found[membership.pk], found[by.pk]

    monkeypatch.setattr(members, "_locked_pair", pair_as_read)

    assert (0, 2) in owners_remove_each_other(2)


def package_edited_during_checkout(monkeypatch):
    """A package gets another name, price and size between the reading of the plan and the writing of the order."""
    studio = open_studio(quantity=3, price_cents=10000)
    place = checkout._place
    planned, edited = threading.Event(), threading.Event()

    def when_edited(*args):
        planned.set()
        assert edited.wait(10)
        return place(*args)

    monkeypatch.setattr(checkout, "_place", when_edited)

    def edit():
        assert planned.wait(10)
        package = Package.objects.get(pk=studio.package.pk)
        package.package_name, package.price_cents = "Another", 30000
        package.save(update_fields=["package_name", "price_cents"])
        package.items.update(quantity=5)

    def editing():
        try:
            with account_scope(studio.account):
                edit()
        finally:
            edited.set()
            connections["default"].close()

    thread = threading.Thread(target=editing)
    thread.start()
    sale = studio.sell()
    thread.join()
    with account_scope(studio.account):
        order = Order.objects.get(pk=sale.order.pk)
        prices = list(order.bookings.order_by("position").values_list("price_cents", flat=True))
        now = Package.objects.get(pk=studio.package.pk)
        assert (now.package_name, now.price_cents) == ("Another", 30000)
    meta = order.package_metadata
    return prices, order.total_amount_cents, meta["total_sessions"], meta["price_cents"], meta["name"] == studio.package.package_name


SNAPSHOT = ([3334, 3333, 3333], 10000, 3, 10000, True)


def test_an_order_keeps_its_snapshot_when_the_package_is_edited_during_checkout(monkeypatch):
    assert package_edited_during_checkout(monkeypatch) == SNAPSHOT
    assert broken(*SOUND) == {}


def test_negative_control_sessions_planned_from_the_catalogue_again_do_not_fit_the_order(monkeypatch):
    draft_sessions = checkout._draft

    def plan_again(order, plan, priced, at):
        edited = session_plan(Package.objects.get(pk=order.package_id))
        shares = [Share(session.price_cents, 0) for session in edited]
        return draft_sessions(order, edited, replace(priced, shares=shares), at)

    monkeypatch.setattr(checkout, "_draft", plan_again)

    assert package_edited_during_checkout(monkeypatch) != SNAPSHOT
    assert "I06" in broken()
