"""What time does to packages: forfeiting, coming back, warning, pauses that begin and end by themselves; job and command."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from apps.bookings.models import Booking
from apps.bookings.services.endings import complete_booking
from apps.bookings.services.expiry import follow_pauses, forfeit_expired, warn_of_expiry
from apps.bookings.services.packages import extend_order
from apps.bookings.services.pauses import pause_order, resume_order
from apps.bookings.tasks import keep_packages, keep_packages_of
from apps.core.errors import InvalidTransition
from apps.core.jobs import run_pending
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import Order, PackagePause
from tests.bookings.owned import book, broken, do, drafts, events, fresh, own, sessions, states
from tests.studio import MONDAY_TEN, open_studio

OVER = datetime(2026, 12, 1, 23, 0, tzinfo=UTC)  # the end of ten days from 21 November, in Berlin
TODAY = date(2026, 11, 21)


@pytest.fixture
def order(studio):
    return own(studio, valid_days=10)


def everything(studio):
    with account_scope(studio.account):
        return [list(model.objects.order_by("pk").values()) for model in (Booking, Order, Event)], Booking.history.count()


def test_unused_sessions_are_forfeited_at_the_end_and_not_a_moment_before(studio, order):
    assert do(studio, forfeit_expired, at=OVER - timedelta(seconds=1)).done == {}

    step = do(studio, forfeit_expired, at=OVER)

    assert step.done == {order.pk: [one.pk for one in sessions(studio, order)]}
    assert (fresh(studio, order).status, states(studio, order)) == ("expired", ["forfeited"] * 3)
    assert events(studio, "booking.") == ["booking.forfeited"] * 3
    assert events(studio)[-1] == "order.expired"
    with account_scope(studio.account):
        booking = sessions(studio, order)[0]
        assert [(row.status, row.version) for row in booking.history.order_by("history_id")] == [
            ("draft", 1),
            ("draft", 1),
            ("forfeited", 2),
        ]


def test_the_second_run_changes_nothing(studio, order):
    do(studio, forfeit_expired, at=OVER)
    before = everything(studio)

    assert do(studio, forfeit_expired, at=OVER + timedelta(days=1)).done == {}

    assert everything(studio) == before


def test_a_run_goes_on_where_the_last_one_stopped(studio):
    orders = [own(studio, valid_days=10) for _ in range(3)]

    first = do(studio, forfeit_expired, at=OVER, limit=2)
    second = do(studio, forfeit_expired, at=OVER, after=first.last, limit=2)

    assert (list(first.done), first.last) == ([orders[0].pk, orders[1].pk], orders[1].pk)
    assert (list(second.done), second.last) == ([orders[2].pk], None)


def test_scheduled_sessions_stay_and_the_order_expires_with_the_last_of_them(studio, order):
    booking = book(studio, order, 1, MONDAY_TEN + timedelta(days=8))  # 1 December 10:00

    do(studio, forfeit_expired, at=OVER)
    assert (states(studio, order), fresh(studio, order).status) == (["confirmed", "forfeited", "forfeited"], "active")
    do(studio, complete_booking, booking, at=OVER)

    assert fresh(studio, order).status == "expired"


def test_extending_brings_the_very_same_rows_back(studio, order):
    before = sessions(studio, order)
    do(studio, forfeit_expired, at=OVER)

    do(studio, extend_order, order, days=7, reason="She was ill", at=OVER + timedelta(hours=5))

    after = sessions(studio, order)
    assert [(one.pk, one.price_cents, one.status, one.version) for one in after] == [
        (one.pk, one.price_cents, "draft", one.version + 2) for one in before
    ]
    assert (fresh(studio, order).status, fresh(studio, order).expires_at) == ("active", OVER + timedelta(days=7))
    assert events(studio, "booking.") == ["booking.forfeited"] * 3 + ["booking.unforfeited"] * 3
    assert events(studio)[-2:] == ["order.extended", "order.reopened"]
    assert book(studio, order, 1, MONDAY_TEN + timedelta(days=14), at=OVER + timedelta(hours=5)).status == "confirmed"


def test_a_forfeited_session_is_not_scheduled(studio, order):
    do(studio, forfeit_expired, at=OVER)

    with pytest.raises(InvalidTransition):
        book(studio, order)


def test_an_open_pause_keeps_a_package_from_expiring(studio, order):
    do(studio, pause_order, order, first_day=TODAY, reason="Abroad")

    assert do(studio, forfeit_expired, at=OVER + timedelta(days=30)).done == {}
    do(studio, resume_order, order, at=OVER + timedelta(days=30))

    assert (fresh(studio, order).status, states(studio, order)) == ("active", drafts(order))


# -- warning


def test_the_client_is_warned_once_per_end(studio):
    order = own(studio, valid_days=30)  # through 21 December; warned 14 days before
    early, late = order.expires_at - timedelta(days=14, seconds=1), order.expires_at - timedelta(days=14)

    assert do(studio, warn_of_expiry, at=early).done == {}
    assert do(studio, warn_of_expiry, at=late).done == {order.pk: [one.pk for one in sessions(studio, order)]}
    assert do(studio, warn_of_expiry, at=late).done == {}
    assert fresh(studio, order).expiry_warned_at == late
    do(studio, extend_order, order, days=30, reason="A gift", at=late)
    assert do(studio, warn_of_expiry, at=late).done == {}
    assert list(do(studio, warn_of_expiry, at=late + timedelta(days=30)).done) == [order.pk]
    assert events(studio).count("order.expiring") == 2


def test_nobody_is_warned_of_a_package_without_unscheduled_sessions_or_of_one_that_is_over(make_studio):
    studio = make_studio(quantity=1)
    book(studio, own(studio, valid_days=10))
    over = own(studio, valid_days=1)

    assert do(studio, warn_of_expiry, at=over.expires_at).done == {}


# -- pauses that begin and end


def test_the_status_follows_the_days_of_a_pause(studio, order):
    do(studio, pause_order, order, first_day=date(2026, 11, 23), last_day=date(2026, 11, 24), reason="Two days")
    found = {}
    for hour in (-1, 0, 47, 48):  # around midnight of 23 and 25 November in Berlin
        at = datetime(2026, 11, 22, 23, 0, tzinfo=UTC) + timedelta(hours=hour)
        do(studio, follow_pauses, at=at)
        found[hour] = fresh(studio, order).status

    assert found == {-1: "active", 0: "paused", 47: "paused", 48: "active"}
    assert events(studio)[-3:] == ["order.pause_added", "order.paused", "order.resumed"]
    assert do(studio, follow_pauses, at=at).done == {}


# -- job and command


@pytest.mark.django_db(transaction=True)
def test_the_job_takes_care_of_every_open_account():
    studios = [open_studio(quantity=2), open_studio(quantity=2)]
    orders = [own(studio, valid_days=10) for studio in studios]
    with time_machine.travel(OVER, tick=True):
        assert keep_packages(timestamp=0) >= 2
        run_pending()

    assert [fresh(studio, order).status for studio, order in zip(studios, orders, strict=True)] == ["expired", "expired"]
    with account_scope(studios[0].account):
        assert {event.source for event in Event.objects.filter(type="booking.forfeited")} == {"job:packages"}


def test_the_job_of_one_account_touches_no_other(studio, make_studio):
    other = make_studio()
    mine, theirs = own(studio, valid_days=10), own(other, valid_days=10)

    with time_machine.travel(OVER, tick=True):
        assert keep_packages_of(studio.account.pk) == 1

    assert (fresh(studio, mine).status, fresh(other, theirs).status) == ("expired", "active")


def expire(*arguments):
    out = StringIO()
    with time_machine.travel(OVER, tick=True):
        call_command("expire_packages", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_changes_nothing_unless_told_to(studio, order):
    before = everything(studio)

    said = expire()

    assert everything(studio) == before
    ids = ", ".join(str(one.pk) for one in sessions(studio, order))
    assert f"would expire  account berlin  order {order.pk}  sessions {ids}\n" in said
    assert said.endswith("Nothing was changed. To be forfeited: 3 sessions of 1 orders. Left over: 0.\n")


def test_the_command_applies_to_one_account_and_can_be_repeated(studio, order, make_studio):
    other = make_studio()
    theirs = own(other, valid_days=10)

    assert expire("--apply", "--account", "berlin").endswith("Forfeited 3 sessions of 1 orders. Left over: 0.\n")
    assert expire("--apply", "--account", "berlin").endswith("Forfeited 0 sessions of 0 orders. Left over: 0.\n")

    assert (fresh(studio, order).status, fresh(other, theirs).status) == ("expired", "active")


def test_the_command_knows_its_accounts(db):
    with pytest.raises(CommandError, match="no open account nowhere"):
        expire("--account", "nowhere")


# -- doctor


def test_doctor_finds_sessions_that_should_have_been_forfeited(studio):
    order = own(studio, valid_days=1)
    with account_scope(studio.account), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(hours=23))
        assert broken("I46") == []
        Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(hours=25))
    assert broken("I46") == ["I46"]


def test_doctor_finds_a_status_that_does_not_agree_with_the_pauses(studio, order):
    assert broken("I45") == []
    with account_scope(studio.account):
        Order.objects.filter(pk=order.pk).update(status="paused")
    assert broken("I45") == ["I45"]
    with account_scope(studio.account):
        today = timezone.now().date()
        span = {"first_day": today - timedelta(days=2), "last_day": today + timedelta(days=2)}
        PackagePause.objects.create(account=studio.account, order=order, reason="Now", **span)
        assert broken("I45") == []
        Order.objects.filter(pk=order.pk).update(status="active")
    assert broken("I45") == ["I45"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"price_cents": 1}, "I06"), ({"is_granted": True}, "I47"), ({"is_granted": True, "price_cents": 0}, "I06.sessions")],
)
def test_doctor_finds_sessions_that_do_not_add_up(studio, order, change, code):
    with account_scope(studio.account):
        Booking.objects.filter(order=order, position=1).update(**change)

    assert code in broken()
