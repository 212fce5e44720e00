"""Time that is held for a moment: it runs out, it is freed by whoever comes next or by the job, and nobody hoards it."""

import threading
import time
from datetime import timedelta

import pytest
import time_machine
from django.db import connections, transaction

from apps.bookings.errors import LimitReached, SlotTaken
from apps.bookings.models import Booking
from apps.bookings.services import scheduling
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import confirm_booking, hold_booking, release_hold
from apps.bookings.slots import find_slots, offers_of
from apps.bookings.tasks import release_lapsed_holds
from apps.core.errors import InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.scheduling import WeeklyHoursFactory
from tests.bookings.life import TUESDAY_TEN, book, broken, do, events_of, everything, row_of
from tests.studio import MONDAY_TEN, NOW, open_studio

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def hold(studio, booking=None, start=MONDAY_TEN, **options):
    booking = booking or studio.draft()
    return do(studio, hold_booking, booking, **{"practitioner": studio.practitioner, "start_time": start, **options})


def offered(studio, at, start=MONDAY_TEN):
    """Whether the slots list this start."""
    with account_scope(studio.account):
        terms, offers = offers_of(studio.account.pk, studio.service.pk)
        until = start + timedelta(seconds=1)
        return bool(find_slots(account=studio.account, terms=terms, offers=offers, since=start, until=until, at=at))


def test_a_hold_claims_its_time_until_it_runs_out(studio):
    held = hold(studio)

    assert (held.status, held.hold_expires_at) == ("held", NOW + QUARTER)
    assert not offered(studio, NOW + QUARTER - timedelta(seconds=1))
    with pytest.raises(SlotTaken):
        book(studio, at=NOW + QUARTER - timedelta(seconds=1))
    assert offered(studio, NOW + QUARTER)


@pytest.mark.parametrize("clock", [NOW - timedelta(days=400), NOW + timedelta(days=400)])
def test_what_counts_is_the_moment_of_the_request_not_the_clock_of_the_machine(studio, clock):
    with time_machine.travel(clock, tick=False):
        hold(studio)
        with pytest.raises(SlotTaken):
            book(studio, at=NOW + QUARTER - timedelta(seconds=1))
        book(studio, at=NOW + QUARTER)


def test_the_next_booking_attempt_frees_a_lapsed_hold(studio):
    sale = studio.sell()
    held = hold(studio, sale.bookings[0])

    taken = book(studio, at=NOW + QUARTER)

    row = row_of(studio, held)
    assert (row.status, row.start_time, row.hold_expires_at, row.version) == ("draft", None, None, held.version + 1)
    assert (taken.status, taken.start_time) == ("confirmed", MONDAY_TEN)
    event = events_of(studio, held)[-1]
    assert (event.type, event.changes["why"]) == ("booking.hold_released", [None, "lapsed"])
    assert broken("I01", "I02", "I03", "I05", "I06", "I30") == {}


def test_a_refused_attempt_frees_nothing(studio):
    hold(studio)
    book(studio, start=TUESDAY_TEN)
    before = everything(studio)
    draft = studio.draft()
    with account_scope(studio.account):
        before = everything(studio)

    with pytest.raises(SlotTaken):
        book(studio, draft, start=TUESDAY_TEN, at=NOW + QUARTER)

    assert everything(studio) == before


def test_a_session_whose_own_hold_has_lapsed_can_be_scheduled_again(studio):
    held = hold(studio)

    do(studio, hold_booking, held, practitioner=studio.practitioner, start_time=TUESDAY_TEN, at=NOW + QUARTER)
    book(studio, held, at=NOW + 2 * QUARTER)

    row = row_of(studio, held)
    assert (row.status, row.start_time) == ("confirmed", MONDAY_TEN)
    types = [event.type for event in events_of(studio, held)]
    assert types == ["booking.held", "booking.hold_released", "booking.held", "booking.hold_released", "booking.scheduled"]
    assert broken("I01", "I30") == {}


def test_the_job_frees_lapsed_holds_of_every_account_and_leaves_the_rest(studio, make_studio):
    other = make_studio()
    lapsed, elsewhere = hold(studio), hold(other)
    later = hold(studio, start=TUESDAY_TEN, expires_at=NOW + HOUR)
    confirmed = do(studio, confirm_booking, hold(studio, start=TUESDAY_TEN + HOUR))

    with time_machine.travel(NOW + QUARTER, tick=False):
        assert release_lapsed_holds(0) == 2
        assert release_lapsed_holds(0) == 0

    assert [row_of(studio, one).status for one in (lapsed, later, confirmed)] == ["draft", "held", "confirmed"]
    assert row_of(other, elsewhere).status == "draft"
    assert events_of(studio, lapsed)[-1].source == "job:holds"


def test_releasing_gives_the_time_back_at_once(studio):
    held = hold(studio)

    do(studio, release_hold, held)

    assert row_of(studio, held).status == "draft"
    assert offered(studio, NOW)
    with pytest.raises(InvalidTransition):
        do(studio, release_hold, held)


# -- at most five


def test_a_client_has_at_most_five_open_holds(studio):
    sale = studio.sell(package=studio.package)
    drafts = [*sale.bookings, *studio.sell().bookings]
    held = [hold(studio, draft, MONDAY_TEN + n * HOUR) for n, draft in enumerate(drafts[:5])]
    before = everything(studio)

    with pytest.raises(LimitReached) as refused:
        hold(studio, drafts[5], TUESDAY_TEN)

    assert refused.value.extras["rule"] == "open_holds"
    assert everything(studio) == before
    hold(studio, studio.draft(client=studio.other_client()), TUESDAY_TEN)  # somebody else may
    book(studio, drafts[5], TUESDAY_TEN + HOUR)  # booking at once is no hold
    do(studio, cancel_booking, held[0])
    hold(studio, studio.draft(), TUESDAY_TEN + 2 * HOUR)


def test_lapsed_holds_do_not_count(studio):
    for n in range(5):
        hold(studio, start=MONDAY_TEN + n * HOUR)

    hold(studio, start=TUESDAY_TEN, at=NOW + QUARTER)


THREADS = 10


def holds_at_once():
    """Ten threads hold ten times with ten practitioners for one client; returns how many holds there are then."""
    studio = open_studio()
    drafts, others = [studio.draft() for _ in range(THREADS)], []
    for _ in range(THREADS):
        practitioner = PractitionerFactory(account=studio.account)
        OfferingFactory(account=studio.account, service=studio.service, practitioner=practitioner)
        WeeklyHoursFactory(account=studio.account, practitioner=practitioner, weekday=0)
        others.append(practitioner)
    barrier, outcomes = threading.Barrier(THREADS), []

    def attempt(draft, practitioner):
        try:
            barrier.wait()
            with account_scope(studio.account), transaction.atomic():
                hold_booking(draft, practitioner=practitioner, start_time=MONDAY_TEN, at=NOW)
            outcomes.append("held")
        except Exception as error:
            outcomes.append(type(error).__name__)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt, args=pair) for pair in zip(drafts, others, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with account_scope(studio.account):
        stored = Booking.objects.filter(status="held").count()
        assert Event.objects.filter(type="booking.held").count() == stored
    return sorted(outcomes), stored


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_five_of_ten_holds_at_once_are_granted():
    outcomes, stored = holds_at_once()

    assert outcomes == ["LimitReached"] * 5 + ["held"] * 5
    assert stored == 5


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_negative_control_without_the_clients_lock_more_are_granted(monkeypatch):
    def count_only(client_id, at):
        held = Booking.objects.filter(client_id=client_id, status="held", hold_expires_at__gt=at).count()
        time.sleep(0.3)
        if held >= scheduling.MAX_OPEN_HOLDS:
            raise LimitReached(rule="open_holds")

    monkeypatch.setattr(scheduling, "_refuse_too_many_holds", count_only)

    assert holds_at_once()[1] > 5
