"""When somebody else's calendar says busy; and that none of them can hurt."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from apps.scheduling.ical import Unusable, Wanted, read_busy
from apps.scheduling.reader import read_apart
from tests.fakes.calendars import busy, calendar, event

BERLIN = ZoneInfo("Europe/Berlin")
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
VTIMEZONE = "\r\n".join(
    [
        "BEGIN:VTIMEZONE",
        "TZID:Our own time",
        "BEGIN:STANDARD",
        "DTSTART:19701025T030000",
        "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
        "TZOFFSETFROM:+0200",
        "TZOFFSETTO:+0100",
        "END:STANDARD",
        "BEGIN:DAYLIGHT",
        "DTSTART:19700329T020000",
        "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "END:DAYLIGHT",
        "END:VTIMEZONE",
        "",
    ]
)


def spans(*parts, zone="Europe/Berlin", head=""):
    """The busy spans as "03-29 08:00 - 09:00" in UTC, with the date of the end where it is another."""
    wanted = Wanted(ZoneInfo(zone), SINCE, UNTIL, "7.clientele.example")
    return [_text(*span) for span in read_busy(calendar(*parts, head=head), wanted).spans]


def _text(start, end):
    start, end = (datetime.fromtimestamp(seconds, UTC) for seconds in (start, end))
    return f"{start:%m-%d %H:%M} - {end:%H:%M}" if start.date() == end.date() else f"{start:%m-%d %H:%M} - {end:%m-%d %H:%M}"


# -- which time is meant


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DTSTART:20260402T100000Z", "DTEND:20260402T113000Z"], "04-02 10:00 - 11:30"),
        (["DTSTART:20260402T100000Z", "DURATION:PT45M"], "04-02 10:00 - 10:45"),
        (["DTSTART;TZID=America/New_York:20260402T100000", "DTEND;TZID=Europe/Berlin:20260402T170000"], "04-02 14:00 - 15:00"),
        (["DTSTART;TZID=Eastern Standard Time:20260402T100000", "DURATION:PT1H"], "04-02 14:00 - 15:00"),  # Outlook
        (["DTSTART:20260402T100000", "DTEND:20260402T110000"], "04-02 08:00 - 09:00"),  # floating: on the practitioner's wall
        (["DTSTART;TZID=Nowhere/At_All:20260402T100000", "DURATION:PT1H"], "04-02 08:00 - 09:00"),
        (["DTSTART;VALUE=DATE:20260402"], "04-01 22:00 - 04-02 22:00"),
        (["DTSTART;VALUE=DATE:20260402", "DTEND;VALUE=DATE:20260405"], "04-01 22:00 - 04-04 22:00"),
        (["DTSTART;VALUE=DATE:20260402", "DURATION:P2D"], "04-01 22:00 - 04-03 22:00"),
        (["DTSTART;VALUE=DATE:20260329"], "03-28 23:00 - 03-29 22:00"),  # a day of 23 hours
        (["DTSTART;VALUE=DATE:20261025"], "10-24 22:00 - 10-25 23:00"),  # and one of 25
        (["DTSTART;TZID=America/New_York:20260308T013000", "DURATION:PT2H"], "03-08 06:30 - 08:30"),  # hours are hours
        (["DTSTART;TZID=America/New_York:20260307T013000", "DURATION:P1DT2H"], "03-07 06:30 - 03-08 08:30"),  # days are days
    ],
)
def test_an_event_blocks_the_time_it_says(lines, expected):
    assert spans(event(*lines)) == [expected]


def test_whole_days_and_floating_times_are_the_practitioners_own():
    whole, floating = event("DTSTART;VALUE=DATE:20261004"), event("DTSTART:20261006T090000", "DURATION:PT1H", uid="two")

    assert spans(whole, floating, zone="Australia/Lord_Howe") == ["10-03 13:30 - 10-04 13:00", "10-05 22:00 - 23:00"]


def test_a_calendar_may_bring_its_own_zone_before_or_behind_its_events():
    daily = event("DTSTART;TZID=Our own time:20260328T100000", "DTEND;TZID=Our own time:20260328T110000", "RRULE:FREQ=DAILY;COUNT=2")
    expected = ["03-28 09:00 - 10:00", "03-29 08:00 - 09:00"]

    assert spans(VTIMEZONE, daily) == spans(daily, VTIMEZONE) == expected


@pytest.mark.parametrize(
    ("zone", "first", "expected"),
    [
        ("Europe/Berlin", "20260328", ["03-28 09:00 - 10:00", "03-29 08:00 - 09:00"]),
        ("Europe/Berlin", "20261024", ["10-24 08:00 - 09:00", "10-25 09:00 - 10:00"]),
        ("America/New_York", "20261031", ["10-31 14:00 - 15:00", "11-01 15:00 - 16:00"]),
        ("Australia/Lord_Howe", "20261003", ["10-02 23:30 - 10-03 00:30", "10-03 23:00 - 10-04 00:00"]),
    ],
)
def test_what_repeats_keeps_its_hour_on_the_wall_across_a_clock_change(zone, first, expected):
    assert spans(event(f"DTSTART;TZID={zone}:{first}T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2")) == expected


def test_a_night_that_repeats_blocks_until_its_hour_and_for_its_length_whichever_is_later():
    nights = event("DTSTART;TZID=Europe/Berlin:20260327T230000", "DTEND;TZID=Europe/Berlin:20260328T070000", "RRULE:FREQ=DAILY;COUNT=2")

    assert spans(nights) == ["03-27 22:00 - 03-28 06:00", "03-28 22:00 - 03-29 06:00"]


def test_exceptions_move_single_occurrences_and_take_them_out():
    series = event("DTSTART:20260401T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20260402T100000Z")
    moved = event("RECURRENCE-ID:20260403T100000Z", "DTSTART:20260403T150000Z", "DURATION:PT1H")
    cancelled = event("RECURRENCE-ID:20260404T100000Z", "DTSTART:20260404T100000Z", "DURATION:PT1H", "STATUS:CANCELLED")

    assert spans(series, moved, cancelled) == ["04-01 10:00 - 11:00", "04-03 15:00 - 16:00", "04-05 10:00 - 11:00"]


def test_rdates_count_and_spans_that_touch_become_one():
    rdates = event("DTSTART:20260401T100000Z", "DURATION:PT1H", "RDATE:20260401T110000Z,20260405T090000Z")

    assert spans(rdates) == ["04-01 10:00 - 12:00", "04-05 09:00 - 10:00"]


def test_published_busy_times_block_unless_they_say_free():
    free_busy = "BEGIN:VFREEBUSY\r\nFREEBUSY:20260402T100000Z/20260402T110000Z,20260403T100000Z/PT2H\r\n"
    free_busy += "FREEBUSY;FBTYPE=FREE:20260404T100000Z/20260404T110000Z\r\n"
    free_busy += "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260405T100000Z/20260405T110000Z\r\nEND:VFREEBUSY\r\n"

    assert spans(free_busy) == ["04-02 10:00 - 11:00", "04-03 10:00 - 12:00", "04-05 10:00 - 11:00"]


# -- what does not block


@pytest.mark.parametrize(
    "lines",
    [
        ["DTSTART:20260402T100000Z", "DTEND:20260402T110000Z", "TRANSP:TRANSPARENT"],
        ["DTSTART:20260402T100000Z", "DTEND:20260402T110000Z", "STATUS:CANCELLED"],
        ["DTSTART:20260402T100000Z", "DTEND:20260402T100000Z"],
        ["DTSTART:20260402T100000Z"],
        ["DTSTART:20260201T100000Z", "DTEND:20260301T000000Z"],
        ["DTSTART:20270301T000000Z", "DTEND:20270302T000000Z"],
        ["DTSTART:20260402T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "TRANSP:TRANSPARENT"],
    ],
    ids=["free", "cancelled", "empty", "no end", "before", "after", "free series"],
)
def test_what_takes_no_time_does_not_block(lines):
    assert spans(event(*lines)) == []


def test_our_own_sessions_that_come_back_do_not_block():
    ours, theirs, next_door = (
        busy("20260402T100000Z", "20260402T110000Z", "booking-186@7.clientele.example"),
        busy("20260403T100000Z", "20260403T110000Z"),
        busy("20260404T100000Z", "20260404T110000Z", "booking-187@17.clientele.example"),
    )

    assert spans(ours, theirs, next_door) == ["04-03 10:00 - 11:00", "04-04 10:00 - 11:00"]


@pytest.mark.parametrize("zone", ["W. Europe Standard Time", "Nowhere/Bad", ""])
def test_a_calendar_in_a_zone_that_nobody_knows_blocks_all_the_same(zone):
    reading = read_busy(
        calendar(f"X-WR-TIMEZONE:{zone}\r\n", busy("20260403T100000Z", "20260403T110000Z")),
        Wanted(BERLIN, SINCE, UNTIL, "7.clientele.example"),
    )

    assert (len(reading.spans), reading.skipped) == (1, 0)


def test_events_that_nobody_understands_are_counted_and_the_others_block():
    bad = [
        event("SUMMARY:never", uid="a"),
        event("DTSTART:tomorrow", uid="b"),
        event("DTSTART:20260402T100000Z", "DURATION:P99999999W", uid="c"),
        event("DTSTART:20260402T100000Z", "DURATION:PT1H", "RRULE:FREQ=SOMETIMES", uid="d"),
    ]
    reading = read_busy(calendar(*bad, busy("20260403T100000Z", "20260403T110000Z")), Wanted(BERLIN, SINCE, UNTIL, "7.clientele.example"))

    assert ([_text(*span) for span in reading.spans], reading.skipped) == (["04-03 10:00 - 11:00"], 4)


# -- what cannot be used, in a process of its own


def apart(body):
    return read_apart(body, account_id=7, zone=BERLIN, since=SINCE, until=UNTIL)


def test_the_process_says_what_the_function_says():
    assert apart(calendar(busy("20260402T100000Z", "20260402T110000Z"), event("SUMMARY:never", uid="b"))) == (
        [(datetime(2026, 4, 2, 10, tzinfo=UTC), datetime(2026, 4, 2, 11, tzinfo=UTC))],
        1,
    )


@pytest.mark.parametrize("body", [b"", b"\x00" * 1000, b"<html>Sign in</html>", b"BEGIN:VCALENDAR\r\n", b"\xff\xfeBEGIN:VCALENDAR"])
def test_what_is_not_a_calendar_is_said_to_be_none(body):
    with pytest.raises(Unusable) as refusal:
        apart(body)
    assert refusal.value.code == "not_a_calendar"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (calendar(event("DTSTART:20260402T100000Z", "RRULE:FREQ=SECONDLY")), {"too_complex"}),
        (calendar(event("DTSTART:20260402T100000Z", "RRULE:FREQ=MINUTELY;COUNT=2000000000")), {"too_complex"}),
        (calendar(event("DTSTART:00010101T100000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY")), {"too_complex"}),
        (
            calendar(
                *(
                    event("DTSTART:20260402T100000Z", "DURATION:PT1H", "RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", uid=str(n))
                    for n in range(9)
                )
            ),
            {"too_complex"},
        ),
        (
            calendar(*(event(f"DTSTART:20260402T{n:02}0000Z", "DURATION:PT1M", "RRULE:FREQ=HOURLY", uid=str(n)) for n in range(24))),
            {"too_many_events"},
        ),
        (b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 350_000, {"not_a_calendar", "too_complex"}),
        (b"BEGIN:VCALENDAR\r\n" + b"X" * 5_000_000, {"not_a_calendar", "too_complex"}),
        (calendar(event(*('X;A=";;;;;"' * 80_000 + ":" for _ in range(4)))), {"not_a_calendar", "too_complex", None}),
        (calendar("BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 190_000), {"too_complex", None}),
    ],
    ids=["seconds", "two billion minutes", "since year one", "never", "every hour", "nested", "one line", "parameters", "empty events"],
)
def test_a_hostile_calendar_ends_in_a_code_in_bounded_time(body, codes):
    begun = time.monotonic()
    try:
        apart(body)
        code = None
    except Unusable as refusal:
        code = refusal.code

    assert (code in codes, time.monotonic() - begun < 25) == (True, True), (code, time.monotonic() - begun)
