"""What a practitioner has elsewhere is no slot here: listed, explained and refused alike."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.bookings.slots import find_slots, offers_of
from apps.core.tenancy import account_scope
from factories.catalog import OfferingFactory, PractitionerFactory
from factories.scheduling import ExternalBusyFactory, ExternalCalendarFactory, WeeklyHoursFactory
from tests.bookings.api.test_slots import MONDAY, _saturday, hours, starts
from tests.bookings.life import book, row_of
from tests.studio import MONDAY_TEN, NOW

__all__ = ["_saturday"]
pytestmark = pytest.mark.usefixtures("_saturday")
HOUR = timedelta(hours=1)
ELEVEN = MONDAY_TEN + HOUR


@pytest.fixture
def elsewhere(studio):
    """The practitioner's own calendar is busy on Monday from 11:15 to 12:30."""
    start = ELEVEN + timedelta(minutes=15)
    calendar = ExternalCalendarFactory(account=studio.account, practitioner=studio.practitioner, busy_count=1)
    return ExternalBusyFactory(account=studio.account, calendar=calendar, starts_at=start, ends_at=start + timedelta(minutes=75))


def schedule(client, studio, booking, start, **more):
    body = {"practitioner": studio.practitioner.pk, "start_time": start.isoformat(), **more}
    return client.post(f"/api/bookings/{booking.pk}/schedule/", body)


def test_slots_keep_away_from_what_is_busy_elsewhere(owner, studio, elsewhere):
    assert hours(starts(owner, studio)) == ["09:00", "10:00", "13:00", "14:00", "15:00", "16:00"]


def test_only_the_practitioner_whose_calendar_it_is_is_busy(owner, studio, elsewhere, other_account):
    other = PractitionerFactory(account=studio.account)
    OfferingFactory(account=studio.account, service=studio.service, practitioner=other)
    WeeklyHoursFactory(account=studio.account, practitioner=other, weekday=0)
    ExternalBusyFactory(account=other_account, starts_at=MONDAY_TEN, ends_at=MONDAY_TEN + 9 * HOUR)

    response = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}&practitioner=any")

    assert [s["practitioner"] for s in response.json()["slots"] if "11:00" in s["start"][:16]] == [other.pk]


def test_buffers_may_lie_over_it_as_over_every_closure(owner, make_studio, account):
    """Rules §1, steps 4 and 6: what is busy elsewhere cuts working time, and padding may lie outside of that."""
    studio = make_studio(account, buffer_after_minutes=30)
    calendar = ExternalCalendarFactory(account=account, practitioner=studio.practitioner)
    ExternalBusyFactory(account=account, calendar=calendar, starts_at=ELEVEN, ends_at=ELEVEN + HOUR)

    assert "10:00" in hours(starts(owner, studio))
    account.settings["padding_inside_hours"] = True
    account.save()
    assert "10:00" not in hours(starts(owner, studio))


def test_explain_says_that_and_not_what_or_when(owner, studio, elsewhere):
    body = owner.get(f"/api/slots/?service={studio.service.pk}&explain={ELEVEN.isoformat()}").json()

    assert body["bookable"] is False
    (reason,) = body["reasons"]
    assert (reason["code"], reason["rule"]) == ("slot_taken", "external_busy")
    assert reason["detail"] == "The practitioner's own calendar is busy at that time."
    assert hours([slot["start"] for slot in body["nearest"]]) == ["09:00", "10:00", "13:00", "14:00", "15:00"]


def test_scheduling_over_it_is_refused_with_alternatives_and_changes_nothing(owner, studio, elsewhere):
    booking = studio.draft()
    before = row_of(studio, booking).version

    response = schedule(owner, studio, booking, ELEVEN)

    assert response.status_code == 409
    assert (response.json()["error"], response.json()["rule"]) == ("slot_taken", "external_busy")
    assert hours([one["start"] for one in response.json()["alternatives"]]) == ["09:00", "10:00", "13:00", "14:00", "15:00"]
    assert (row_of(studio, booking).status, row_of(studio, booking).version) == ("draft", before)


def test_staff_may_book_over_it_with_a_reason(owner, studio, elsewhere):
    booking = studio.draft()

    response = schedule(owner, studio, booking, ELEVEN, override=True, reason="The dentist called it off")

    assert response.status_code == 200, response.content
    found = row_of(studio, booking)
    # Nothing here is in the way, so the row stays inside the constraints and goes on keeping others away.
    assert (found.status, found.override_reason, found.overlap_allowed) == ("confirmed", "The dentist called it off", False)


def test_moving_onto_it_is_refused_and_moving_away_is_not(owner, studio, elsewhere):
    booking = book(studio)

    onto = owner.post(f"/api/bookings/{booking.pk}/reschedule/", {"start_time": ELEVEN.isoformat()})
    away = owner.post(f"/api/bookings/{booking.pk}/reschedule/", {"start_time": (ELEVEN + 2 * HOUR).isoformat()})

    assert (onto.status_code, onto.json()["error"], away.status_code) == (409, "slot_taken", 200)


def test_what_is_booked_already_stays(owner, studio):
    booking = book(studio)
    calendar = ExternalCalendarFactory(account=studio.account, practitioner=studio.practitioner)
    ExternalBusyFactory(account=studio.account, calendar=calendar, starts_at=MONDAY_TEN, ends_at=ELEVEN)

    assert row_of(studio, booking).status == "confirmed"
    assert "10:00" not in hours(starts(owner, studio))


@pytest.mark.parametrize("ranges", [1, 50])
def test_slots_take_as_many_statements_as_without(owner, studio, statements, ranges):
    calendar = ExternalCalendarFactory(account=studio.account, practitioner=studio.practitioner)
    for number in range(ranges):
        start = MONDAY_TEN + number * timedelta(minutes=2)
        ExternalBusyFactory(account=studio.account, calendar=calendar, starts_at=start, ends_at=start + timedelta(minutes=1))

    with statements() as made:
        response = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}")

    assert response.status_code == 200
    assert len(made()) == 6, "\n".join(sql[:120] for sql in made())


SPANS = st.lists(st.tuples(st.integers(0, 7 * 288), st.sampled_from([1, 3, 12, 100, 288])), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=SPANS)
def test_no_slot_touches_what_is_busy_elsewhere(studio, spans):
    """A week of slots against any set of ranges; and nothing else is taken away."""
    length = timedelta(minutes=studio.service.duration_minutes)
    busy = [(NOW + timedelta(minutes=5 * at), NOW + timedelta(minutes=5 * (at + lasts))) for at, lasts in spans]

    def slots():
        terms, offers = offers_of(studio.account.pk, studio.service.pk)
        found = find_slots(account=studio.account, terms=terms, offers=offers, since=NOW, until=NOW + timedelta(days=7), at=NOW)
        return {slot.start for slot in found}

    with account_scope(studio.account):
        free = slots()
        calendar = ExternalCalendarFactory(account=studio.account, practitioner=studio.practitioner)
        for start, end in busy:
            ExternalBusyFactory(account=studio.account, calendar=calendar, starts_at=start, ends_at=end)
        left = slots()
        calendar.delete()

    def is_free(start):
        return all(end.timestamp() <= start or start + length.total_seconds() <= since.timestamp() for since, end in busy)

    assert len(free) == 40
    assert left == {start for start in free if is_free(start)}
