"""Sessions as iCalendar: what a calendar program makes of them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest

from apps.bookings.calendar import Session, calendar_of, event_of, session_of, uid_of
from apps.bookings.models import Status
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import reschedule_booking
from tests.bookings.life import TUESDAY_TEN, book, bring, do, events_of
from tests.studio import MONDAY_TEN

CHANGED = datetime(2026, 11, 21, 8, 0, 0, 999999, tzinfo=UTC)


def session(**fields):
    start = fields.get("start", MONDAY_TEN)
    return Session(
        **{
            "account_id": 7,
            "booking_id": 186,
            "version": 3,
            "status": Status.CONFIRMED,
            "start": start,
            "end": start + timedelta(hours=1),
            "changed_at": CHANGED,
            "summary": "Yoga · Kim",
            **fields,
        }
    )


def parsed(*sessions, **options):
    """The one event of the calendar, as the library reads it."""
    (event,) = icalendar.Calendar.from_ical(calendar_of(sessions, **options)).events
    return event


def test_a_session_as_an_event():
    event = parsed(session(description="For Anna"), organizer="Berlin Studio")

    assert {name: event[name].to_ical().decode() for name in event if name not in ("ORGANIZER",)} == {
        "UID": "booking-186@7.clientele.example",
        "SEQUENCE": "3",
        "DTSTAMP": "20261121T080000Z",
        "LAST-MODIFIED": "20261121T080000Z",
        "DTSTART": "20261123T090000Z",
        "DTEND": "20261123T100000Z",
        "STATUS": "CONFIRMED",
        "TRANSP": "OPAQUE",
        "SUMMARY": "Yoga · Kim",
        "DESCRIPTION": "For Anna",
    }
    assert (event["ORGANIZER"], event["ORGANIZER"].params["CN"]) == ("mailto:no-reply@clientele.example", "Berlin Studio")


def test_a_calendar_says_who_made_it_and_how_often_it_changes():
    read = icalendar.Calendar.from_ical(calendar_of([], name="Studio; Kim, Lee", refresh=timedelta(hours=1)))

    assert (str(read["PRODID"]), str(read["VERSION"]), str(read["METHOD"])) == ("-//Clientele//Sessions//EN", "2.0", "PUBLISH")
    assert str(read["X-WR-CALNAME"]).replace("\\", "") == "Studio; Kim, Lee"
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in read.to_ical()


@pytest.mark.parametrize(
    ("status", "shown", "transparency"),
    [
        ("held", "TENTATIVE", "OPAQUE"),
        ("pending", "TENTATIVE", "OPAQUE"),
        ("confirmed", "CONFIRMED", "OPAQUE"),
        ("checked_in", "CONFIRMED", "OPAQUE"),
        ("completed", "CONFIRMED", "OPAQUE"),
        ("no_show", "CONFIRMED", "OPAQUE"),
        ("cancelled", "CANCELLED", "TRANSPARENT"),
        ("forfeited", "CANCELLED", "TRANSPARENT"),
        ("draft", "CANCELLED", "TRANSPARENT"),
    ],
)
def test_the_status_of_every_state(status, shown, transparency):
    event = parsed(session(status=status))

    assert (event["STATUS"], event["TRANSP"]) == (shown, transparency)


def test_every_state_has_a_status():
    shown = {"TENTATIVE", "CONFIRMED", "CANCELLED"}
    assert all(parsed(session(status=status))["STATUS"] in shown for status in Status)


def test_busy_time_says_nothing_else():
    body = calendar_of([session(description="For Anna").busy()], organizer="Berlin Studio")

    (event,) = icalendar.Calendar.from_ical(body).events
    assert (event["SUMMARY"], event["CLASS"], "DESCRIPTION" in event, "ORGANIZER" in event) == ("Busy", "PRIVATE", False, False)
    assert not any(word in body for word in (b"Yoga", b"Kim", b"Anna", b"Berlin"))


def test_the_method_cancel_takes_everything_back():
    body = calendar_of([session()], method="CANCEL")

    read = icalendar.Calendar.from_ical(body)
    assert (read["METHOD"], read.events[0]["STATUS"]) == ("CANCEL", "CANCELLED")


def test_the_same_sessions_give_the_same_bytes():
    assert calendar_of([session()], name="A") == calendar_of([session()], name="A")
    assert calendar_of([session()]) != calendar_of([session(version=4)])


# -- instants


@pytest.mark.parametrize(
    ("zone", "wall", "utc"),
    [
        ("Europe/Berlin", "2026-03-28T10:00", "20260328T090000Z"),
        ("Europe/Berlin", "2026-03-29T10:00", "20260329T080000Z"),
        ("Europe/Berlin", "2026-10-24T10:00", "20261024T080000Z"),
        ("Europe/Berlin", "2026-10-25T10:00", "20261025T090000Z"),
        ("America/New_York", "2026-03-07T10:00", "20260307T150000Z"),
        ("America/New_York", "2026-03-08T10:00", "20260308T140000Z"),
        ("America/New_York", "2026-10-31T10:00", "20261031T140000Z"),
        ("America/New_York", "2026-11-01T10:00", "20261101T150000Z"),
        ("Australia/Lord_Howe", "2026-04-04T10:00", "20260403T230000Z"),
        ("Australia/Lord_Howe", "2026-04-05T10:00", "20260404T233000Z"),
        ("Australia/Lord_Howe", "2026-10-03T10:00", "20261002T233000Z"),
        ("Australia/Lord_Howe", "2026-10-04T10:00", "20261003T230000Z"),
    ],
)
def test_instants_are_right_on_both_sides_of_a_clock_change(zone, wall, utc):
    start = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone))

    event = parsed(session(start=start, end=start.astimezone(UTC) + timedelta(hours=1)))

    assert event["DTSTART"].to_ical().decode() == utc
    assert (event.start, event.end - event.start) == (start, timedelta(hours=1))


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_happens_twice_is_told_apart(fold):
    start = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))

    assert parsed(session(start=start))["DTSTART"].to_ical() == (b"20261025T003000Z", b"20261025T013000Z")[fold]


# -- names that are made to hurt


HOSTILE = [
    "Kim\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:evil",
    "Kim\nATTENDEE:mailto:evil@example.com",
    "Kim\x0bATTACH:http://evil.example",
    "Kim\u2028X-EVIL:1\u2029X-EVIL:2\x85X-EVIL:3",
    "Kim \\nX-EVIL:1 \\N C:\\New",
    'Kim "; , : \\ ^ % =',
    "Käthe 🧘 " + "ß" * 300,
    "x" * 5000,
    "\x00\x01\x07\x1b\x7f",
    "   ",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_gets_out_of_its_line(name):
    sessions = [session(summary=f"Yoga · {name}", description=name), session(booking_id=187)]
    body = calendar_of(sessions, name=name, organizer=name)

    read = icalendar.Calendar.from_ical(body)
    names = {
        "BEGIN",
        "UID",
        "SEQUENCE",
        "DTSTAMP",
        "LAST-MODIFIED",
        "DTSTART",
        "DTEND",
        "STATUS",
        "TRANSP",
        "SUMMARY",
        "DESCRIPTION",
        "ORGANIZER",
        "END",
    }
    names |= {"PRODID", "VERSION", "CALSCALE", "METHOD", "NAME", "X-WR-CALNAME"}
    lines = body.decode().replace("\r\n ", "").split("\r\n")
    assert {line.partition(":")[0].partition(";")[0] for line in lines if line} <= names
    assert [str(event["UID"]) for event in read.events] == [uid_of(7, 186), uid_of(7, 187)]
    assert not any(letter in body.decode().replace("\r\n", "") for letter in "\r\n\x00\x0b\x85\u2028\u2029")
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))


def test_what_is_written_is_read_again():
    name = 'Käthe; O\'Neill, "the" 🧘 ' + "ß" * 100

    event = parsed(session(summary=name), organizer=name)

    assert str(event["SUMMARY"]) == name
    assert event["ORGANIZER"].params["CN"] == name.replace('"', "'")


# -- bookings themselves


def test_a_booking_is_shown_to_its_client_and_its_practitioner(studio):
    booking = book(studio)

    client, practitioner = (do_in(studio, lambda reader=reader: event_of(booking, reader=reader)) for reader in ("client", "practitioner"))

    assert str(client["SUMMARY"]) == f"{studio.service.name} · {studio.practitioner.display_name}"
    assert str(practitioner["SUMMARY"]) == f"{studio.service.name} · {studio.client.full_name}"
    assert client["UID"] == practitioner["UID"] == f"booking-{booking.pk}@{booking.account_id}.clientele.example"


def test_a_moved_booking_is_the_same_event_with_a_higher_sequence(studio):
    booking = book(studio)
    first = do_in(studio, lambda: event_of(booking))

    moved = do(studio, reschedule_booking, booking, start_time=TUESDAY_TEN)
    second = do_in(studio, lambda: event_of(moved))

    assert second["UID"] == first["UID"]
    assert second["SEQUENCE"] > first["SEQUENCE"]
    assert (first.start, second.start) == (MONDAY_TEN, TUESDAY_TEN)


def test_a_session_that_lost_its_time_is_cancelled_at_the_time_it_had(studio):
    booking = book(studio, studio.sell().bookings[0])
    before = do_in(studio, lambda: event_of(booking))
    returned = do(studio, cancel_booking, booking)
    assert returned.status == "draft"
    changes = events_of(studio, booking)[-1].changes

    with pytest.raises(ValueError, match="no time"):
        do_in(studio, lambda: event_of(returned))
    start, end = (datetime.fromisoformat(changes[name][0]) for name in ("start_time", "end_time"))
    event = do_in(studio, lambda: event_of(session_of(returned, start=start, end=end)))

    assert (event["UID"], event["STATUS"], event.start) == (before["UID"], "CANCELLED", MONDAY_TEN)
    assert event["SEQUENCE"] > before["SEQUENCE"]


def test_the_guest_of_a_client_is_who_the_practitioner_meets(studio):
    booking = bring(studio, "confirmed")
    booking.attendee_name = "Anna"

    assert str(do_in(studio, lambda: event_of(booking, reader="practitioner"))["SUMMARY"]) == f"{studio.service.name} · Anna"


def do_in(studio, call):
    return do(studio, lambda _, at: call(), None)
