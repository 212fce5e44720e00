"""slots/ and bookings/<id>/schedule/ over HTTP."""

from datetime import date, time, timedelta

import pytest
import time_machine

from apps.core.tenancy import account_scope
from factories.accounts import AccountFactory
from factories.bookings import BookingFactory
from factories.catalog import OfferingFactory, PractitionerFactory, ServiceFactory
from factories.scheduling import DateOverrideFactory, TimeOffFactory, WeeklyHoursFactory
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.usefixtures("_saturday")
MONDAY = "from=2026-11-23&to=2026-11-24"


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


def starts(owner, studio, query=MONDAY, **more):
    extra = "".join(f"&{k}={v}" for k, v in more.items())
    response = owner.get(f"/api/slots/?service={studio.service.pk}&{query}{extra}")
    assert response.status_code == 200, response.content
    return [slot["start"] for slot in response.json()["slots"]]


def hours(found):
    return [start[11:16] for start in found]


def test_slots_are_opening_hours_minus_bookings(owner, studio):
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    response = owner.get(f"/api/slots/?service={studio.service.pk}&practitioner={studio.practitioner.pk}&{MONDAY}")

    body = response.json()
    assert body["timezone"] == "Europe/Berlin"
    assert hours([s["start"] for s in body["slots"]]) == ["09:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00"]
    assert body["slots"][0] == {
        "start": "2026-11-23T09:00:00+01:00",
        "end": "2026-11-23T10:00:00+01:00",
        "practitioner": studio.practitioner.pk,
        "seats_left": 1,
        "price_cents": 5000,
        "currency": "EUR",
        "bookable_until": "2026-11-23T09:00:00+01:00",
    }


def test_slots_in_another_zone_are_the_same_instants(owner, studio):
    found = starts(owner, studio, timezone="America/New_York")

    assert found[0] == "2026-11-23T03:00:00-05:00"
    assert len(found) == 8


def test_slots_follow_overrides_and_time_off(owner, studio):
    DateOverrideFactory(
        account=studio.account, practitioner=studio.practitioner, date=date(2026, 11, 23), windows=[{"start": "10:00", "end": "12:00"}]
    )
    DateOverrideFactory(account=studio.account, practitioner=studio.practitioner, date=date(2026, 11, 24))
    TimeOffFactory(account=studio.account, starts_at="2026-11-25T00:00:00+01:00", ends_at="2026-11-26T00:00:00+01:00")
    TimeOffFactory(
        account=studio.account, practitioner=studio.practitioner, starts_at="2026-11-26T09:30:00+01:00", ends_at="2026-11-26T14:00:00+01:00"
    )

    found = starts(owner, studio, "from=2026-11-23&to=2026-11-27")

    assert [(s[8:10], s[11:16]) for s in found] == [("23", "10:00"), ("23", "11:00"), ("26", "14:00"), ("26", "15:00"), ("26", "16:00")]


def test_time_off_of_somebody_else_changes_nothing(owner, studio, other_account):
    other = PractitionerFactory(account=studio.account)
    TimeOffFactory(account=studio.account, practitioner=other, starts_at="2026-11-23T00:00:00Z", ends_at="2026-11-24T00:00:00Z")
    TimeOffFactory(account=other_account, starts_at="2026-11-23T00:00:00Z", ends_at="2026-11-24T00:00:00Z")

    assert len(starts(owner, studio)) == 8


def test_any_practitioner_is_the_union(owner, studio):
    second = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
    WeeklyHoursFactory(account=studio.account, practitioner=second.practitioner, weekday=0, start=time(16), end=time(18))

    found = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}&practitioner=any").json()["slots"]

    assert [(s["start"][11:16], s["practitioner"]) for s in found][-3:] == [
        ("16:00", studio.practitioner.pk),
        ("16:00", second.practitioner.pk),
        ("17:00", second.practitioner.pk),
    ]


def test_slots_know_notice_horizon_and_the_present(owner, make_studio, account):
    studio = make_studio(account, min_notice_minutes=50 * 60, horizon_days=3)  # from Monday 11:00 local to Tuesday 09:00

    with time_machine.travel(NOW, tick=False):
        found = starts(owner, studio, "from=2026-11-20&to=2026-12-20")

    assert hours(found) == ["11:00", "12:00", "13:00", "14:00", "15:00", "16:00"]


def test_group_slots_show_seats_and_party(owner, make_studio, account):
    studio = make_studio(account, capacity=3)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)

    found = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}").json()["slots"]

    assert {s["start"][11:16]: s["seats_left"] for s in found}["10:00"] == 2
    assert "10:00" not in hours(starts(owner, studio, party=3))
    assert "10:00" in hours(starts(owner, studio, party=2))
    assert starts(owner, studio, party=4) == []


def test_offering_decides_price_and_length(owner, studio):
    with account_scope(studio.account):
        studio.service.offerings.update(price_cents=7000, duration_minutes=120)

    slot = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}").json()["slots"][0]

    assert (slot["price_cents"], slot["end"][11:16]) == (7000, "11:00")


def test_sixty_minutes_with_padding_after_may_end_at_closing_time_unless_the_account_says_no(owner, make_studio, account):
    studio = make_studio(account, buffer_after_minutes=10)
    assert "16:00" in hours(starts(owner, studio))

    account.settings["padding_inside_hours"] = True
    account.save()

    assert "16:00" not in hours(starts(owner, studio))


def test_new_york_clock_changes(owner, client_as, other_account):
    ny = client_as("owner", other_account)
    offering = OfferingFactory(account=other_account, practitioner=PractitionerFactory(account=other_account))
    WeeklyHoursFactory(account=other_account, practitioner=offering.practitioner, weekday=6, start=time(1), end=time(4))

    def sunday(day):
        query = f"from={day}&to={(date.fromisoformat(day) + timedelta(days=1)).isoformat()}&timezone=UTC"
        return [s["start"] for s in ny.get(f"/api/slots/?service={offering.service_id}&{query}").json()["slots"]]

    with time_machine.travel("2026-02-01T00:00:00Z"):
        assert sunday("2026-03-08") == ["2026-03-08T06:00:00+00:00", "2026-03-08T07:00:00+00:00"]
    with time_machine.travel("2026-10-01T00:00:00Z"):
        assert sunday("2026-11-01") == [f"2026-11-01T{hour:02d}:00:00+00:00" for hour in (5, 6, 7, 8)]


def offered(client, account, zone, day, opens, closes, at, **service):
    """Starts over HTTP of one day, as the practitioner in ``zone`` sees them."""
    service = ServiceFactory(account=account, **service)
    offering = OfferingFactory(account=account, service=service, practitioner=PractitionerFactory(account=account, timezone=zone))
    weekday = date.fromisoformat(day).weekday()
    WeeklyHoursFactory(account=account, practitioner=offering.practitioner, weekday=weekday, start=opens, end=closes)
    query = f"from={day}&to={(date.fromisoformat(day) + timedelta(days=1)).isoformat()}&timezone={zone}"
    with time_machine.travel(at):
        response = client.get(f"/api/slots/?service={service.pk}&{query}")
    assert response.status_code == 200, response.content
    return [slot["start"] for slot in response.json()["slots"]]


@pytest.mark.parametrize(
    ("zone", "day", "hours_of_day", "at", "expected"),
    [
        # New York, spring: two hours, 02:00 is absent; a plan that ends at 02:30 ends with the jump; the afternoon is plain.
        ("America/New_York", "2026-03-08", (time(1), time(4)), "2026-02-01", ["01:00:00-05:00", "03:00:00-04:00"]),
        ("America/New_York", "2026-03-08", (time(1), time(2, 30)), "2026-02-01", ["01:00:00-05:00"]),
        ("America/New_York", "2026-03-08", (time(13), time(15)), "2026-02-01", ["13:00:00-04:00", "14:00:00-04:00"]),
        # New York, autumn: four hours, 01:00 twice.
        (
            "America/New_York",
            "2026-11-01",
            (time(1), time(4)),
            "2026-10-01",
            ["01:00:00-04:00", "01:00:00-05:00", "02:00:00-05:00", "03:00:00-05:00"],
        ),
        ("Australia/Lord_Howe", "2026-10-04", (time(1), time(5)), "2026-09-20", ["01:00:00+10:30", "03:00:00+11:00", "04:00:00+11:00"]),
        ("America/Santiago", "2026-09-06", (time(0), time(3)), "2026-08-20", ["01:00:00-03:00", "02:00:00-03:00"]),
        ("Africa/Cairo", "2026-04-24", (time(0), time(3)), "2026-04-01", ["01:00:00+03:00", "02:00:00+03:00"]),
        ("Asia/Kathmandu", "2026-05-01", (time(9), time(11)), "2026-04-20", ["09:00:00+05:45", "10:00:00+05:45"]),
        ("Pacific/Apia", "2026-05-01", (time(9), time(11)), "2026-04-20", ["09:00:00+13:00", "10:00:00+13:00"]),
        ("Pacific/Apia", "2011-12-30", (time(9), time(11)), "2011-12-20", []),  # a day that never was
    ],
)
def test_clock_changes_around_the_world(owner, account, zone, day, hours_of_day, at, expected):
    assert [start[11:] for start in offered(owner, account, zone, day, *hours_of_day, f"{at}T00:00:00Z")] == expected


def test_a_quarter_past_two_does_not_exist_on_lord_howe(owner, account):
    found = offered(owner, account, "Australia/Lord_Howe", "2026-10-04", time(1), time(4), "2026-09-20T00:00:00Z", duration_minutes=15)

    assert [start[11:16] for start in found] == ["01:00", "01:15", "01:30", "01:45", "02:30", "02:45", "03:00", "03:15", "03:30", "03:45"]


def test_new_york_plans_that_meet_in_the_repeated_hour_meet_in_time(owner, account):
    """00:00-01:30 and 01:30-04:00 meet at 05:30Z: five hours without a hole, and each window keeps its own grid."""
    offering = OfferingFactory(account=account, practitioner=PractitionerFactory(account=account, timezone="America/New_York"))
    for start, end in ((time(0), time(1, 30)), (time(1, 30), time(4))):
        WeeklyHoursFactory(account=account, practitioner=offering.practitioner, weekday=6, start=start, end=end)

    with time_machine.travel("2026-10-01T00:00:00Z"):
        query = "from=2026-11-01&to=2026-11-02&timezone=UTC"
        slots = owner.get(f"/api/slots/?service={offering.service_id}&{query}").json()["slots"]

    assert hours([slot["start"] for slot in slots]) == ["04:00", "05:00", "05:30", "06:30", "07:30"]


def test_padding_of_two_neighbours_adds_up(owner, make_studio, account):
    """A booking from 14:00 to 14:30 with 15 before and 30 after: next start 15:15, latest end before it 13:15."""
    studio = make_studio(account, duration_minutes=30, slot_step_minutes=5, buffer_before_minutes=15, buffer_after_minutes=30)
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN + timedelta(hours=4))

    found = hours(starts(owner, studio))

    assert min(hour for hour in found if hour > "14:00") == "15:15"
    assert max(hour for hour in found if hour < "14:00") == "12:45"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-11-23&to=2026-11-24", "service"),
        ("service=x&from=2026-11-23&to=2026-11-24", "service"),
        ("service=99999999&from=2026-11-23&to=2026-11-24", "service"),
        ("service=99999999999999999999&from=2026-11-23&to=2026-11-24", "service"),
        ("service={own}&from=2026-11-23&to=2026-11-24&practitioner=99999", "practitioner"),
        ("service={own}&from=2026-11-23&to=2026-11-24&practitioner=some", "practitioner"),
        ("service={own}&from=2026-11-23", "to"),
        ("service={own}&from=2026-11-23&to=2026-11-23", "to"),
        ("service={own}&from=2026-11-24&to=2026-11-23", "to"),
        ("service={own}&from=2026-11-23&to=2027-01-25", "to"),
        ("service={own}&from=23.11.2026&to=2026-11-24", "from"),
        ("service={own}&from=0001-01-01&to=0001-01-02", "from"),
        ("service={own}&from=2026-11-23&to=2026-11-24&timezone=Mars/Olympus", "timezone"),
        ("service={own}&from=2026-11-23&to=2026-11-24&timezone=../etc/passwd", "timezone"),
        ("service={own}&from=2026-11-23&to=2026-11-24&party=0", "party"),
        ("service={own}&from=2026-11-23&to=2026-11-24&party=two", "party"),
        ("service={own}&from=2026-11-23&to=2026-11-24&colour=red", "colour"),
        ("service={foreign}&from=2026-11-23&to=2026-11-24", "service"),
        ("service={own}&from=2026-11-23&to=2026-11-24&client={foreign_client}", "client"),
        ("service={own}&from=2026-11-23&to=2026-11-24&client=0", "client"),
        ("service={own}&from=2026-11-23&to=2026-11-24&client=me", "client"),
        ("service={own}&from=2026-11-23&to=2026-11-24&booking={foreign_booking}", "booking"),
        ("service={own}&from=2026-11-23&to=2026-11-24&booking=-1", "booking"),
        ("service={own}&explain=2026-11-23T09:00:00", "explain"),
        ("service={own}&explain=2026-11-23", "explain"),
        ("service={own}&explain=", "explain"),
        ("service={own}&explain=now", "explain"),
        ("service={own}&explain=9999-12-31T23:59:59Z", "explain"),
        ("service={own}&explain=2026-11-23T09:00:00Z&from=2026-11-23", "to"),
        ("service={own}&explain=2026-11-23T09:00:00Z&booking={foreign_booking}", "booking"),
    ],
)
def test_slots_refuse_bad_questions(owner, studio, other_account, query, field):
    booking = BookingFactory(account=other_account)
    foreign = {"foreign": booking.service_id, "foreign_booking": booking.pk, "foreign_client": booking.client_id}

    response = owner.get(f"/api/slots/?{query.format(own=studio.service.pk, **foreign)}")

    assert (response.status_code, list(response.json()["fields"])) == (400, [field])


def test_sixty_two_days_may_be_asked_for(owner, studio):
    assert len(starts(owner, studio, "from=2026-11-23&to=2027-01-24")) == 45 * 8


@pytest.mark.parametrize("practitioners", [1, 3])
def test_slots_take_a_fixed_number_of_statements(owner, studio, statements, practitioners):
    for _ in range(practitioners - 1):
        offering = OfferingFactory(account=studio.account, service=studio.service, practitioner=PractitionerFactory(account=studio.account))
        WeeklyHoursFactory(account=studio.account, practitioner=offering.practitioner)

    with statements() as made:
        response = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}")

    assert len({s["practitioner"] for s in response.json()["slots"]}) == practitioners
    assert len(made()) == 6, "\n".join(sql[:120] for sql in made())


def test_every_offered_slot_can_be_booked_when_alone_and_no_other_start(owner, studio):
    TimeOffFactory(account=studio.account, starts_at="2026-11-23T13:00:00+01:00", ends_at="2026-11-23T14:30:00+01:00")
    studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)
    offered = set(starts(owner, studio))
    midnight = MONDAY_TEN.replace(hour=23, minute=0) - timedelta(days=1)
    accepted = set()
    for quarter in range(96):
        booking = studio.draft()
        start = (midnight + timedelta(minutes=15 * quarter)).isoformat()
        response = owner.post(f"/api/bookings/{booking.pk}/schedule/", {"practitioner": studio.practitioner.pk, "start_time": start})
        if response.status_code == 200:
            accepted.add(start)
            with account_scope(studio.account):  # alone again
                type(booking).objects.filter(pk=booking.pk).update(
                    status="draft", start_time=None, end_time=None, busy_from=None, busy_until=None, practitioner=None, seat=None
                )

    assert hours(sorted(offered)) == ["09:00", "11:00", "12:00", "15:00", "16:00"]
    assert accepted == {MONDAY_TEN.replace(hour=int(start[11:13]) - 1).isoformat() for start in offered}


@pytest.mark.parametrize(("headers", "expected"), [({}, 16), ({"Idempotency-Key": "k"}, 19)])
def test_schedule_takes_a_bounded_number_of_statements(owner, studio, statements, headers, expected):
    booking = studio.draft()

    with statements() as made:
        response = owner.post(
            f"/api/bookings/{booking.pk}/schedule/",
            {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()},
            headers=headers,
        )

    assert response.status_code == 200
    assert len(made()) == expected, "\n".join(sql[:120] for sql in made())


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"start_time": "2026-11-23T10:00:00"}, 400, "validation_error"),
        ({"start_time": "soon"}, 400, "validation_error"),
        ({"start_time": None}, 400, "validation_error"),
        ({"start_time": 1764000000}, 400, "validation_error"),
        ({"practitioner": 2**63}, 400, "validation_error"),
        ({"override": True}, 400, "validation_error"),
        ({"status": "confirmed"}, 400, "unknown_field"),
        ({"start_time": "2026-11-23T09:20:00Z"}, 409, "outside_hours"),
        ({"start_time": "2020-11-23T09:00:00Z"}, 409, "notice_too_short"),
    ],
)
def test_schedule_refuses_bad_input_and_changes_nothing(owner, studio, change, status, code):
    booking = studio.draft()
    before = owner.get(f"/api/bookings/{booking.pk}/").json()

    body = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat(), **change}
    response = owner.post(f"/api/bookings/{booking.pk}/schedule/", body)

    assert (response.status_code, response.json()["error"]) == (status, code)
    assert owner.get(f"/api/bookings/{booking.pk}/").json() == before


def test_schedule_knows_no_foreign_rows(owner, other_owner, studio):
    booking = studio.draft()
    elsewhere = PractitionerFactory(account=AccountFactory())

    body = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}
    assert other_owner.post(f"/api/bookings/{booking.pk}/schedule/", body).status_code == 404
    response = owner.post(f"/api/bookings/{booking.pk}/schedule/", {**body, "practitioner": elsewhere.pk})
    assert (response.status_code, list(response.json()["fields"])) == (400, ["practitioner"])


def test_bookings_are_filtered(owner, studio):
    sale = studio.sell(practitioner=studio.practitioner, start_time=MONDAY_TEN)
    studio.draft()

    def positions(query):
        return [b["position"] for b in owner.get(f"/api/bookings/?{query}").json()["results"]]

    assert positions(f"order={sale.order.pk}&ordering=id") == [1, 2, 3]
    assert positions("status=confirmed") == [1]
    assert positions(f"practitioner={studio.practitioner.pk}") == [1]
    assert positions("from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z") == [1]
    assert positions("from=2026-11-24T00:00:00Z") == []
    assert len(positions(f"client={studio.client.pk}")) == 4
    assert owner.get("/api/bookings/?from=yesterday").status_code == 400
    assert owner.get("/api/bookings/?client=x").status_code == 400


@pytest.mark.parametrize("party", ["00001000000", "0000000001", "1" * 5000, "1001", "0", "1.0", "\u0661"])
def test_a_party_is_a_small_number(owner, studio, party):
    response = owner.get(f"/api/slots/?service={studio.service.pk}&{MONDAY}&party={party}")

    assert (response.status_code, list(response.json()["fields"])) == (400, ["party"])


@pytest.mark.parametrize("day", ["20261123", "2026-W48-1"])
def test_a_date_has_one_spelling(owner, studio, day):
    response = owner.get(f"/api/slots/?service={studio.service.pk}&from={day}&to=2026-11-24")

    assert (response.status_code, list(response.json()["fields"])) == (400, ["from"])


@pytest.mark.parametrize("action", ["schedule", "reschedule", "reschedule/quote"])
def test_an_unknown_zone_is_refused_even_where_it_is_not_needed(owner, studio, action):
    booking = studio.draft()
    body = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat(), "timezone": "Mars/Olympus"}

    response = owner.post(f"/api/bookings/{booking.pk}/{action}/", body)

    assert (response.status_code, list(response.json()["fields"])) == (400, ["timezone"])
    assert owner.get(f"/api/bookings/{booking.pk}/").json()["version"] == 1


@pytest.mark.parametrize("offset", ["-00:60", "+25:00", "+1:00", "+24:00", "+01:0\u0661"])
def test_an_offset_is_one_of_a_clock(owner, studio, offset):
    booking = studio.draft()
    body = {"practitioner": studio.practitioner.pk, "start_time": f"2026-11-23T10:00:00{offset}"}

    response = owner.post(f"/api/bookings/{booking.pk}/schedule/", body)

    assert (response.status_code, list(response.json()["fields"])) == (400, ["start_time"])
