"""Packages while they are used (rules.md §2): validity, pauses, extension, granted sessions, the order of consumption."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.bookings.errors import LimitReached, NoSessionsLeft, PackageExpired, PackagePaused
from apps.bookings.models import Booking
from apps.bookings.selectors import next_session
from apps.bookings.services.endings import complete_booking
from apps.bookings.services.packages import extend_order, grant_sessions, schedule_next
from apps.bookings.services.pauses import pause_order, quote_pause, resume_order
from apps.core.errors import Invalid, InvalidTransition, QuoteStale
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.orders.models import PackagePause
from apps.orders.validity import end_of
from factories.bookings import BookingSeriesFactory
from factories.catalog import OfferingFactory, ServiceFactory
from tests.bookings.owned import book, broken, do, drafts, events, fresh, own, sessions, states
from tests.studio import MONDAY_TEN, NOW

TODAY = date(2026, 11, 21)
MONDAY, FRIDAY = date(2026, 11, 23), date(2026, 11, 27)
MONTH = {"rule": "purchase", "amount": 1, "unit": "months"}


def end(studio, day):
    """The end of a local day in Berlin."""
    return end_of(day, ZoneInfo(studio.account.timezone))


def rest(studio, order, first=MONDAY, last=FRIDAY, **options):
    return do(studio, pause_order, order, first_day=first, last_day=last, reason="A journey", **options)


# -- validity


def test_31_january_and_one_month_is_the_end_of_february(studio):
    order = own(studio, expiry=MONTH, at=datetime(2027, 1, 31, 9, tzinfo=UTC))

    assert order.expires_at == datetime(2027, 2, 28, 23, 0, tzinfo=UTC)  # midnight in Berlin


def test_validity_from_the_first_scheduled_session(studio):
    order = own(studio, expiry={"rule": "first_scheduled", "amount": 2, "unit": "weeks"})
    assert (order.activated_at, order.expires_at) == (None, None)

    book(studio, order)

    assert fresh(studio, order).activated_at == NOW
    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 5))
    book(studio, order, 2, MONDAY_TEN + timedelta(days=1), at=NOW + timedelta(days=2))
    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 5))


def test_validity_from_the_first_completed_session(studio):
    order = own(studio, expiry={"rule": "first_completed", "amount": 10, "unit": "days"})
    booking = book(studio, order)
    assert fresh(studio, order).expires_at is None

    do(studio, complete_booking, booking, at=MONDAY_TEN + timedelta(hours=1))

    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 3))


def test_a_pause_that_was_planned_before_the_validity_began_lengthens_it(studio):
    order = own(studio, expiry={"rule": "first_scheduled", "amount": 2, "unit": "weeks"})
    pause = rest(studio, order, date(2026, 12, 1), date(2026, 12, 4))
    assert pause.days_added == 0

    book(studio, order)

    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 9))
    with account_scope(studio.account):
        assert PackagePause.objects.get().days_added == 4


@pytest.mark.parametrize(("requires", "accepted"), [("start", False), ("booking", True)])
def test_a_session_must_start_before_the_end_or_by_setting_be_booked_before(studio, requires, accepted):
    studio.account.settings = {"expiry_requires": requires}
    with account_scope(studio.account):
        studio.account.save()
    order = own(studio, valid_days=2)  # through Monday 23 November
    tuesday = MONDAY_TEN + timedelta(days=1)

    book(studio, order, 1, MONDAY_TEN)
    if accepted:
        assert book(studio, order, 2, tuesday).status == "confirmed"
    else:
        with pytest.raises(PackageExpired):
            book(studio, order, 2, tuesday)
    with pytest.raises(PackageExpired):
        book(studio, order, 3, tuesday + timedelta(days=1), at=end(studio, MONDAY))


# -- pausing


def test_a_pause_returns_the_sessions_inside_and_lengthens_the_validity(studio):
    order = own(studio, valid_days=30)
    inside, after = book(studio, order, 1), book(studio, order, 2, MONDAY_TEN + timedelta(days=7))
    before = fresh(studio, order).expires_at

    pause = rest(studio, order)

    order = fresh(studio, order)
    assert (pause.first_day, pause.last_day, pause.days_added) == (MONDAY, FRIDAY, 5)
    assert (before, order.expires_at) == (end(studio, date(2026, 12, 21)), end(studio, date(2026, 12, 26)))
    assert states(studio, order) == ["draft", "confirmed", "draft"]
    returned = sessions(studio, order)[0]
    assert (returned.pk, returned.start_time, returned.practitioner_id, returned.price_cents) == (inside.pk, None, None, 3334)
    assert returned.version == inside.version + 1
    assert (order.status, order.total_amount_cents, order.payment_status) == ("active", 10000, "paid")
    with account_scope(studio.account):
        told = Event.objects.get(type="booking.cancelled").changes
        assert (told["by"], told["fee_cents"], told["start_time"]) == ([None, "system"], [None, 0], [MONDAY_TEN.isoformat(), None])
        assert Event.objects.get(type="order.pause_added").changes["returned"] == [None, [inside.pk]]
    assert after.status == "confirmed"


def test_what_lies_at_the_edges_of_a_pause(make_studio):
    studio = make_studio(quantity=4, duration_minutes=60)
    order = own(studio)
    first = MONDAY_TEN.replace(hour=8)  # 09:00, the first start of Monday
    last = MONDAY_TEN.replace(hour=15)  # 16:00, the last start of Monday
    for position, start in enumerate([first, last, first + timedelta(days=1), last + timedelta(days=1)], start=1):
        book(studio, order, position, start)

    rest(studio, order, MONDAY, MONDAY)

    assert states(studio, order) == ["draft", "draft", "confirmed", "confirmed"]


def test_quote_of_a_pause_says_what_it_does_and_changes_nothing(studio):
    order = own(studio, valid_days=30)
    booking = book(studio, order)
    series = BookingSeriesFactory(account=studio.account, client=studio.client, service=studio.service, practitioner=studio.practitioner)
    with account_scope(studio.account):
        Booking.objects.filter(pk=booking.pk).update(series=series, original_start=MONDAY_TEN)

    quote = do(studio, quote_pause, order, first_day=MONDAY, last_day=FRIDAY)

    assert quote["sessions"] == [
        {"id": booking.pk, "outcome": "returned", "start_time": MONDAY_TEN, "practitioner": studio.practitioner.pk, "series": series.pk}
    ]
    assert (quote["days_added"], quote["package_expires_at"]) == (5, end(studio, date(2026, 12, 26)))
    assert states(studio, order) == ["confirmed", "draft", "draft"]
    rest(studio, order, quote=quote["token"])
    assert states(studio, order) == drafts(order)


def test_a_quote_that_no_longer_holds_is_refused(studio):
    order = own(studio)
    quote = do(studio, quote_pause, order, first_day=MONDAY, last_day=FRIDAY)
    book(studio, order)

    with pytest.raises(QuoteStale) as refused:
        rest(studio, order, quote=quote["token"])

    assert len(refused.value.extras["quote"]["sessions"]) == 1
    assert states(studio, order) == ["confirmed", "draft", "draft"]


def test_nothing_is_scheduled_inside_a_pause(studio):
    order = own(studio)
    rest(studio, order)

    for start in (MONDAY_TEN, MONDAY_TEN + timedelta(days=4)):
        with pytest.raises(PackagePaused):
            book(studio, order, 1, start)
    assert book(studio, order, 1, MONDAY_TEN + timedelta(days=7)).status == "confirmed"


def test_a_pause_of_today_shows_at_once_and_an_open_one_lasts_until_it_is_resumed(studio):
    order = own(studio, valid_days=10)  # through 1 December
    book(studio, order, 1, MONDAY_TEN + timedelta(days=3))

    pause = rest(studio, order, TODAY, None)

    assert (pause.days_added, fresh(studio, order).status, states(studio, order)) == (0, "paused", drafts(order))
    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 1))
    with pytest.raises(PackagePaused):
        book(studio, order, 1, MONDAY_TEN + timedelta(days=365), at=NOW + timedelta(days=364))
    # long after the old end: 20 whole days were paused, and 10 days and the rest of today are left
    resumed = do(studio, resume_order, order, at=NOW + timedelta(days=20))
    assert resumed.expires_at == fresh(studio, order).expires_at == end(studio, date(2026, 12, 21))
    assert fresh(studio, order).status == "active"
    with account_scope(studio.account):
        pause = PackagePause.objects.get()
    assert (pause.last_day, pause.days_added, pause.resumed_at) == (date(2026, 12, 10), 20, NOW + timedelta(days=20))
    assert events(studio)[-4:] == ["order.pause_added", "order.paused", "order.pause_ended", "order.resumed"]


def test_ending_early_counts_the_days_that_were_really_paused(studio):
    order = own(studio, valid_days=30)  # through 21 December
    rest(studio, order, MONDAY, date(2026, 12, 22))  # 30 days: through 20 January
    assert fresh(studio, order).expires_at == end(studio, date(2027, 1, 20))

    do(studio, resume_order, order, at=MONDAY_TEN + timedelta(days=3))

    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 24))  # Monday to Wednesday


def test_sessions_beyond_an_end_that_moves_closer_stay_and_are_told_about(studio):
    order = own(studio, valid_days=10)  # through 1 December
    rest(studio, order)  # through 6 December
    late = book(studio, order, 1, MONDAY_TEN + timedelta(days=10))  # Thursday, 3 December

    resumed = do(studio, resume_order, order, at=MONDAY_TEN + timedelta(days=1))

    assert (resumed.expires_at, resumed.kept) == (end(studio, date(2026, 12, 2)), [late.pk])
    assert states(studio, order) == ["confirmed", "draft", "draft"]


def test_resuming_on_the_first_day_or_before_leaves_no_pause(studio):
    order = own(studio, valid_days=10, max_pauses_per_year=1)
    before = order.expires_at

    for at in (NOW, MONDAY_TEN):
        rest(studio, order)
        do(studio, resume_order, order, at=at)
        with account_scope(studio.account):
            assert not PackagePause.objects.exists()
        assert fresh(studio, order).expires_at == before


def test_a_planned_pause_beyond_the_new_end_goes_with_it(studio):
    order = own(studio, valid_days=10)  # through 1 December
    rest(studio, order, MONDAY, date(2026, 12, 12))  # 20 days: through 21 December
    rest(studio, order, date(2026, 12, 15), date(2026, 12, 16))  # through 23 December

    do(studio, resume_order, order, at=MONDAY_TEN + timedelta(days=1))

    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 2))
    with account_scope(studio.account):
        assert list(PackagePause.objects.values_list("first_day", "days_added")) == [(MONDAY, 1)]


def test_resuming_without_a_pause_is_refused(studio):
    with pytest.raises(InvalidTransition):
        do(studio, resume_order, own(studio))


@pytest.mark.parametrize(("first", "last"), [(MONDAY, MONDAY), (date(2026, 11, 20), None), (FRIDAY, None), (date(2026, 11, 21), MONDAY)])
def test_pauses_do_not_overlap(studio, first, last):
    order = own(studio)
    rest(studio, order)

    with pytest.raises((PackagePaused, Invalid)) as refused:
        rest(studio, order, first, last)

    assert isinstance(refused.value, PackagePaused) or first < TODAY
    with account_scope(studio.account):
        assert PackagePause.objects.count() == 1


def test_pauses_are_limited_in_number_per_calendar_year_and_in_length(studio):
    order = own(studio, max_pauses_per_year=2, max_pause_days=5)
    rest(studio, order)
    with pytest.raises(LimitReached) as too_long:
        rest(studio, order, date(2026, 12, 1), date(2026, 12, 6))
    rest(studio, order, date(2026, 12, 28), date(2027, 1, 1))  # counts for the year of its first day
    with pytest.raises(LimitReached) as too_many:
        rest(studio, order, date(2026, 12, 1), date(2026, 12, 2))
    open_one = rest(studio, order, date(2027, 1, 2), None)

    assert too_long.value.extras == {"rule": "pause_days", "limit": 5}
    assert too_many.value.extras == {"rule": "pauses_per_year", "limit": 2}
    assert open_one.last_day == date(2027, 1, 6)  # ends by itself where the length is limited


def test_terms_are_those_of_the_sale(studio):
    order = own(studio, max_pause_days=5)
    with account_scope(studio.account):
        studio.package.max_pause_days = 50
        studio.package.save()

    with pytest.raises(LimitReached):
        rest(studio, order, MONDAY, MONDAY + timedelta(days=9))


def test_what_cannot_be_paused(studio):
    single = studio.sell(service=studio.service).order
    expired = own(studio, valid_days=1)

    with pytest.raises(InvalidTransition):
        rest(studio, single)
    with pytest.raises(PackageExpired):  # the job has not been here yet
        rest(studio, expired, at=end(studio, date(2026, 11, 22)), first=date(2026, 11, 23))
    with pytest.raises(PackageExpired):
        rest(studio, expired)  # begins after the end
    with pytest.raises(Invalid):
        rest(studio, own(studio), first=TODAY - timedelta(days=1))
    with pytest.raises(Invalid):
        rest(studio, own(studio), first=FRIDAY, last=MONDAY)
    with account_scope(studio.account):
        assert not PackagePause.objects.exists()


# -- extending and granting


def test_extending_moves_the_end_and_says_why(studio):
    order = own(studio, valid_days=10)

    do(studio, extend_order, order, days=5, reason="A cold")
    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 6))
    do(studio, extend_order, order, expires_on=date(2026, 12, 24), reason="A gift")

    assert fresh(studio, order).expires_at == end(studio, date(2026, 12, 24))
    with account_scope(studio.account):
        assert Event.objects.filter(type="order.extended").order_by("pk").last().changes["reason"] == ["", "A gift"]


@pytest.mark.parametrize("wanted", [{"expires_on": date(2026, 12, 1)}, {"days": 0}, {"days": -1}, {}, {"days": 1, "expires_on": FRIDAY}])
def test_an_end_is_never_moved_closer(studio, wanted):
    order = own(studio, valid_days=10)

    with pytest.raises(Invalid):
        do(studio, extend_order, order, reason="Less", **wanted)

    assert fresh(studio, order).expires_at == order.expires_at


def test_what_has_no_end_or_would_end_in_the_past_is_not_extended(studio):
    with pytest.raises(InvalidTransition):
        do(studio, extend_order, own(studio), days=5, reason="Nothing to extend")
    with pytest.raises(Invalid):
        do(studio, extend_order, own(studio, valid_days=1), days=5, reason="Too late", at=NOW + timedelta(days=60))


def test_granted_sessions_are_free_and_used_before_the_paid_ones(studio):
    order = own(studio)

    granted = do(studio, grant_sessions, order, service=studio.service, count=2, reason="An apology")

    assert [(one.position, one.price_cents, one.is_granted, one.payment_status) for one in granted] == [
        (4, 0, True, "paid"),
        (5, 0, True, "paid"),
    ]
    with account_scope(studio.account):
        waiting = Booking.objects.to_consume().filter(client=studio.client)
        assert [one.position for one in waiting] == [4, 5, 1, 2, 3]
        assert [row.history_type for row in granted[0].history.all()] == ["+"]
    assert broken() == []


def test_granting_reopens_a_package_that_is_used_up(make_studio):
    studio = make_studio(quantity=1)
    order = own(studio)
    do(studio, complete_booking, book(studio, order), at=MONDAY_TEN + timedelta(hours=1))
    assert fresh(studio, order).status == "completed"

    do(studio, grant_sessions, order, service=studio.service, count=1, reason="One more", at=MONDAY_TEN + timedelta(hours=2))

    assert fresh(studio, order).status == "active"


# -- the order of consumption


def test_the_earliest_end_is_used_first_then_what_was_granted_then_the_position(studio):
    endless, late, soon = own(studio), own(studio, valid_days=20), own(studio, valid_days=10)
    granted = do(studio, grant_sessions, late, service=studio.service, count=1, reason="A gift")[0]

    with account_scope(studio.account):
        order = [(one.order_id, one.position) for one in Booking.objects.to_consume().filter(client=studio.client)]
        first = next_session(client_id=studio.client.pk)

    assert order == [
        *((soon.pk, position) for position in (1, 2, 3)),
        (late.pk, granted.position),
        *((late.pk, position) for position in (1, 2, 3)),
        *((endless.pk, position) for position in (1, 2, 3)),
    ]
    assert (first.order_id, first.position) == (soon.pk, 1)


def test_schedule_next_takes_the_sessions_one_by_one_until_none_is_left(make_studio):
    studio = make_studio(quantity=2)
    order = own(studio)

    taken = [
        do(studio, schedule_next, order, practitioner=studio.practitioner, start_time=MONDAY_TEN + timedelta(hours=hour)).position
        for hour in (0, 1)
    ]

    assert taken == [1, 2]
    with pytest.raises(NoSessionsLeft):
        do(studio, schedule_next, order, practitioner=studio.practitioner, start_time=MONDAY_TEN + timedelta(hours=2))


def test_schedule_next_of_one_service(studio):
    order = own(studio)
    other = OfferingFactory(
        account=studio.account, service=ServiceFactory(account=studio.account), practitioner=studio.practitioner
    ).service
    do(studio, grant_sessions, order, service=other, count=1, reason="To try it")

    assert do(studio, schedule_next, order, service=studio.service, start_time=MONDAY_TEN).position == 1
    assert do(studio, schedule_next, order, service=other, start_time=MONDAY_TEN + timedelta(hours=2)).position == 4
    with pytest.raises(NoSessionsLeft):
        do(studio, schedule_next, order, service=other, start_time=MONDAY_TEN + timedelta(hours=3))
