"""Whom time suits: every preference of an entry, the order of service, quiet hours, and who could fill a gap."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from apps.bookings.matching import candidates_for, entries_for, fits, opening_at, quiet_until, wanted_openings, with_position
from apps.bookings.models import WaitlistEntry, WaitlistOffer
from apps.bookings.services.scheduling import hold_booking, schedule_booking
from apps.bookings.services.waiting import join_waitlist
from apps.core.errors import Invalid
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.services import mark_received
from factories.bookings import WaitlistOfferFactory
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.clients import ClientFactory
from factories.orders import PackagePauseFactory
from factories.scheduling import WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW

WINDOW = {"first_day": date(2026, 11, 21), "last_day": date(2026, 12, 6)}


def wait(studio, client=None, **wishes):
    """A client on the studio's waitlist, for any time until 6 December unless told otherwise."""
    window = {} if "start_time" in wishes or "first_day" in wishes else WINDOW
    client = client or ClientFactory(account=studio.account)
    with account_scope(studio.account):
        return join_waitlist(account=studio.account, client=client, service=studio.service, at=NOW, **{**window, **wishes})


def opening(studio, start=MONDAY_TEN, at=NOW):
    with account_scope(studio.account):
        return opening_at(studio.account, studio.service.pk, studio.practitioner.pk, start, at)


def served(studio, start=MONDAY_TEN, at=NOW, **options):
    """The ids of the entries that a start is offered to, in order."""
    with account_scope(studio.account):
        found = opening_at(studio.account, studio.service.pk, studio.practitioner.pk, start, at)
        return [entry.pk for entry in entries_for(found, at=at, **{"limit": 10, **options})]


# -- what fits


@pytest.mark.parametrize(
    ("wishes", "suits"),
    [
        ({"start_time": MONDAY_TEN}, True),
        ({"start_time": MONDAY_TEN + timedelta(hours=1)}, False),
        ({"first_day": date(2026, 11, 23), "last_day": date(2026, 11, 23)}, True),
        ({"first_day": date(2026, 11, 24), "last_day": date(2026, 11, 30)}, False),
        ({"first_day": date(2026, 11, 21), "last_day": date(2026, 11, 22)}, False),
        ({"weekdays": [0]}, True),
        ({"weekdays": [1, 2, 3, 4, 5, 6]}, False),
        ({"earliest": time(10)}, True),
        ({"earliest": time(10, 1)}, False),
        ({"latest": time(10)}, True),
        ({"latest": time(9, 59)}, False),
        ({"notice_minutes": 48 * 60}, True),  # Monday 09:00Z is 49 hours after NOW
        ({"notice_minutes": 49 * 60}, False),
        ({"party": 2}, True),
        ({"party": 3}, False),
        # Ten in Berlin is 18:00 in Tokyo and 01:00 in Los Angeles.
        ({"timezone": "Asia/Tokyo", "earliest": time(18), "latest": time(18)}, True),
        ({"timezone": "Asia/Tokyo", "latest": time(17, 59)}, False),
        ({"timezone": "America/Los_Angeles", "latest": time(1)}, True),
        ({"timezone": "America/Los_Angeles", "weekdays": [0], "earliest": time(1)}, True),
        # 09:00Z on Monday is 23:00 on Sunday in Honolulu, and 23:00 on Monday on Kiritimati.
        ({"timezone": "Pacific/Honolulu", "weekdays": [6], "first_day": date(2026, 11, 22), "last_day": date(2026, 11, 22)}, True),
        ({"timezone": "Pacific/Honolulu", "first_day": date(2026, 11, 23), "last_day": date(2026, 11, 29)}, False),
        ({"timezone": "Pacific/Kiritimati", "first_day": date(2026, 11, 23), "last_day": date(2026, 11, 23)}, True),
    ],
)
def test_an_entry_fits_in_its_own_zone(make_studio, wishes, suits):
    studio = make_studio(capacity=3)
    with account_scope(studio.account):  # one of three seats is taken
        schedule_booking(studio.draft(), practitioner=studio.practitioner, start_time=MONDAY_TEN, at=NOW)
    entry = wait(studio, **wishes)

    assert fits(entry, opening(studio), NOW) is suits
    assert served(studio) == ([entry.pk] if suits else [])


def test_an_entry_for_another_practitioner_or_service_does_not_fit(studio):
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    wait(studio, practitioner=other)
    own = wait(studio, practitioner=studio.practitioner)

    assert served(studio) == [own.pk]


def test_the_order_is_priority_then_who_came_first(studio):
    first, second = wait(studio), wait(studio)
    urgent, last = wait(studio, priority=5), wait(studio, priority=-1)

    assert served(studio) == [urgent.pk, first.pk, second.pk, last.pk]
    assert served(studio, limit=2) == [urgent.pk, first.pk]


def test_who_is_busy_archived_or_was_asked_about_this_start_is_left_out(studio):
    busy, archived, asked, outrun, free = (wait(studio) for _ in range(5))
    with account_scope(studio.account):
        other = PractitionerFactory(account=studio.account)
        OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
        WeeklyHoursFactory(account=studio.account, practitioner=other, weekday=0, start=time(9), end=time(17))
        taken = studio.sell(service=studio.service, client=busy.client).bookings[0]
        schedule_booking(taken, practitioner=other, start_time=MONDAY_TEN, at=NOW)
        archived.client.stage = "archived"
        archived.client.save()
        about = {"account": studio.account, "practitioner": studio.practitioner, "start_time": MONDAY_TEN}
        WaitlistOfferFactory(entry=asked, status="declined", **about)
        WaitlistOfferFactory(entry=outrun, status="withdrawn", **about)
        WaitlistOfferFactory(entry=free, status="lapsed", **{**about, "start_time": MONDAY_TEN + timedelta(hours=1)})

    assert served(studio) == [outrun.pk, free.pk]


def test_entries_that_sleep_left_or_passed_are_not_served(studio):
    for status in ("offered", "sleeping", "booked", "left", "expired"):
        entry = wait(studio)
        with account_scope(studio.account):
            WaitlistEntry.objects.filter(pk=entry.pk).update(status=status)
    past = wait(studio)
    with account_scope(studio.account):
        WaitlistEntry.objects.filter(pk=past.pk).update(expires_at=NOW)

    assert served(studio) == []


def test_there_is_no_opening_where_nobody_can_book(studio):
    with account_scope(studio.account):
        schedule_booking(studio.draft(), practitioner=studio.practitioner, start_time=MONDAY_TEN, at=NOW)

    assert opening(studio) is None
    assert opening(studio, MONDAY_TEN.replace(hour=20)) is None
    assert opening(studio, MONDAY_TEN + timedelta(minutes=30)) is None  # not on the grid


# -- quiet hours


@pytest.mark.parametrize(
    ("zone", "at", "until"),
    [
        ("Europe/Berlin", datetime(2026, 11, 21, 19, 59, tzinfo=UTC), None),
        ("Europe/Berlin", datetime(2026, 11, 21, 20, 0, tzinfo=UTC), datetime(2026, 11, 22, 7, 0, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 11, 22, 6, 59, tzinfo=UTC), datetime(2026, 11, 22, 7, 0, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 11, 22, 7, 0, tzinfo=UTC), None),
        ("America/New_York", datetime(2026, 11, 21, 20, 0, tzinfo=UTC), None),
        ("America/New_York", datetime(2026, 11, 22, 6, 0, tzinfo=UTC), datetime(2026, 11, 22, 13, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_are_those_of_the_entrys_zone(studio, zone, at, until):
    entry = wait(studio, timezone=zone)

    assert quiet_until(entry, MONDAY_TEN + timedelta(days=3), at) == until


def test_quiet_hours_give_way_to_a_start_within_24_hours(studio):
    entry, night = wait(studio), datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

    assert quiet_until(entry, night + timedelta(hours=24), night) == datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    assert quiet_until(entry, night + timedelta(hours=24, seconds=-1), night) is None


def test_quiet_hours_by_day_and_none_at_all(studio):
    studio.account.settings = {"waitlist_quiet_from": "09:00", "waitlist_quiet_to": "10:30"}
    studio.account.save()
    entry = wait(studio)

    assert quiet_until(entry, MONDAY_TEN, NOW) == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)  # NOW is 09:00 in Berlin
    studio.account.settings["waitlist_quiet_to"] = "09:00"
    assert quiet_until(entry, MONDAY_TEN, NOW) is None


# -- what nobody has announced


def test_wanted_openings_give_each_client_the_first_that_fits(studio):
    wait(studio, earliest=time(10))
    wait(studio, earliest=time(10))
    wait(studio, weekdays=[1])
    wait(studio, start_time=MONDAY_TEN.replace(hour=20))

    with account_scope(studio.account):
        found = wanted_openings(studio.account, studio.service.pk, at=NOW, limit=10)
        assert [one.start_time for one in found] == [MONDAY_TEN, MONDAY_TEN + timedelta(hours=1), MONDAY_TEN + timedelta(hours=23)]
        assert wanted_openings(studio.account, studio.service.pk, at=NOW, limit=1) == found[:1]


def test_wanted_openings_leave_out_what_was_asked_and_when_the_client_is_busy(studio):
    entry = wait(studio, earliest=time(10), latest=time(12), last_day=date(2026, 11, 23), first_day=date(2026, 11, 23))
    with account_scope(studio.account):
        about = {"account": studio.account, "practitioner": studio.practitioner, "start_time": MONDAY_TEN}
        WaitlistOfferFactory(entry=entry, status="lapsed", **about)
        own = studio.sell(service=studio.service, client=entry.client).bookings[0]
        schedule_booking(own, practitioner=studio.practitioner, start_time=MONDAY_TEN + timedelta(hours=1), at=NOW)

        found = wanted_openings(studio.account, studio.service.pk, at=NOW, limit=10)

    assert [one.start_time for one in found] == [MONDAY_TEN + timedelta(hours=2)]


def test_wanted_openings_let_a_client_sleep(studio):
    wait(studio, earliest=time(12))
    night = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)

    with account_scope(studio.account):
        assert wanted_openings(studio.account, studio.service.pk, at=night, limit=10) == []
        assert len(wanted_openings(studio.account, studio.service.pk, at=night + timedelta(hours=8), limit=10)) == 1


@pytest.mark.parametrize("count", [1, 4])
def test_wanted_openings_take_a_fixed_number_of_statements(studio, statements, count):
    for _ in range(count):
        wait(studio)

    with account_scope(studio.account), statements() as made:
        wanted_openings(studio.account, studio.service.pk, at=NOW, limit=10)
        assert len(made()) == 7, made()


# -- positions


def test_positions_count_those_who_compete(studio):
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    first = wait(studio, practitioner=studio.practitioner)
    second = wait(studio, practitioner=other)
    anybody = wait(studio)
    third = wait(studio, practitioner=studio.practitioner)
    gone = wait(studio)
    with account_scope(studio.account):
        WaitlistEntry.objects.filter(pk=gone.pk).update(status="sleeping")
        WaitlistEntry.objects.filter(pk=first.pk).update(status="offered")
        rows = dict(with_position(WaitlistEntry.objects.all()).values_list("pk", "position"))

    assert rows == {first.pk: 1, second.pk: 1, anybody.pk: 3, third.pk: 3, gone.pk: None}


# -- gap filling


def paid(studio, name, days, **options):
    """A client with a paid package that expires in so many days (None: never)."""
    client = ClientFactory(account=studio.account, full_name=name)
    sale = studio.sell(client=client, **options)
    with account_scope(studio.account):
        mark_received(sale.payment, at=NOW)
        Order.objects.filter(pk=sale.order.pk).update(expires_at=None if days is None else NOW + timedelta(days=days))
    return sale


def candidates(studio, start=MONDAY_TEN):
    with account_scope(studio.account):
        return candidates_for(studio.account, studio.service.pk, studio.practitioner.pk, start, at=NOW)


def test_candidates_are_waiting_clients_then_paid_sessions_by_expiry(studio):
    never, late, soon = paid(studio, "Never", None), paid(studio, "Late", 30), paid(studio, "Soon", 5)
    waiting = paid(studio, "Waiting", 9)
    low, high = wait(studio), wait(studio, priority=3)
    both = wait(studio, client=waiting.order.client)

    bookable, found = candidates(studio)

    assert bookable
    assert [(c.kind, c.client, c.entry, c.booking, c.days_left) for c in found] == [
        ("waitlist", high.client_id, high.pk, None, None),
        ("waitlist", low.client_id, low.pk, None, None),
        ("waitlist", both.client_id, both.pk, None, None),
        ("expiring", soon.order.client_id, None, soon.bookings[0].pk, 5),
        ("expiring", late.order.client_id, None, late.bookings[0].pk, 30),
        ("expiring", never.order.client_id, None, never.bookings[0].pk, None),
    ]


def test_candidates_have_one_row_each_with_the_session_that_expires_first(studio):
    later = paid(studio, "Anna", 20)
    sooner = studio.sell(client=later.order.client)
    with account_scope(studio.account):
        mark_received(sooner.payment, at=NOW)
        Order.objects.filter(pk=sooner.order.pk).update(expires_at=NOW + timedelta(days=7))

    assert [(c.booking, c.order, c.days_left) for c in candidates(studio)[1]] == [(sooner.bookings[0].pk, sooner.order.pk, 7)]


def test_candidates_with_many_sessions_leave_room_for_others(studio):
    many, other = paid(studio, "Many", 5), paid(studio, "Other", 6)
    with account_scope(studio.account):
        _, found = candidates_for(studio.account, studio.service.pk, studio.practitioner.pk, MONDAY_TEN, at=NOW, limit=2)

    assert [c.client for c in found] == [many.order.client_id, other.order.client_id]


def test_candidates_leave_out_who_cannot_come(studio):
    expired, paused, archived, busy = (paid(studio, name, days) for name, days in (("E", 2), ("P", 9), ("A", 9), ("B", 9)))
    studio.sell(client=ClientFactory(account=studio.account))  # unpaid
    PackagePauseFactory(account=studio.account, order=paused.order, first_day=date(2026, 11, 23), last_day=date(2026, 11, 25))
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    WeeklyHoursFactory(account=studio.account, practitioner=other, weekday=0, start=time(9), end=time(17))
    with account_scope(studio.account):
        archived.order.client.stage = "archived"
        archived.order.client.save()
        hold_booking(busy.bookings[0], practitioner=other, start_time=MONDAY_TEN, expires_at=NOW + timedelta(minutes=30), at=NOW)
    assert expired.order.pk  # its two days end on Monday 08:00Z, an hour before the start

    assert candidates(studio) == (True, [])
    assert [c.client for c in candidates(studio, MONDAY_TEN - timedelta(hours=1))[1]] == [busy.order.client_id]


def test_candidates_of_a_taken_start_and_of_somebody_who_does_not_offer_it(studio):
    paid(studio, "Anna", 9)
    with account_scope(studio.account):
        schedule_booking(studio.draft(), practitioner=studio.practitioner, start_time=MONDAY_TEN, at=NOW)
        stranger = PractitionerFactory(account=studio.account)

        assert candidates(studio) == (False, [])
        with pytest.raises(Invalid):
            candidates_for(studio.account, studio.service.pk, stranger.pk, MONDAY_TEN, at=NOW)


@pytest.mark.parametrize("count", [1, 3])
def test_candidates_take_a_fixed_number_of_statements(studio, statements, count):
    for number in range(count):
        paid(studio, f"Client {number}", number + 5)
        wait(studio)

    with account_scope(studio.account), statements() as made:
        candidates_for(studio.account, studio.service.pk, studio.practitioner.pk, MONDAY_TEN, at=NOW)
        assert len(made()) == 7, made()


def test_an_offer_of_another_account_is_not_seen(studio, other_account):
    entry = wait(studio)
    with account_scope(other_account):
        assert not WaitlistOffer.objects.exists()
        assert not WaitlistEntry.objects.filter(pk=entry.pk).exists()
