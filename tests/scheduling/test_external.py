"""Calendars kept elsewhere, read over real HTTP: what they block, how often they are asked, and what happens when they break."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction

from apps.core.errors import Invalid
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from apps.scheduling import services
from apps.scheduling.errors import FetchedJustNow, TooManyCalendars
from apps.scheduling.models import ExternalBusy, ExternalCalendar, calendar_is_stale
from apps.scheduling.services import add_calendar, ask_again, change_calendar, due_calendars, fetch_calendar, remove_calendar
from apps.scheduling.tasks import read_due
from factories.catalog import PractitionerFactory
from factories.scheduling import ExternalBusyFactory, ExternalCalendarFactory
from tests.bookings.life import broken
from tests.fakes.calendars import CalendarServer, busy, calendar, event

AT = datetime(2027, 1, 4, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ONE = busy("20270105T100000Z", "20270105T110000Z")
TWO = busy("20270106T100000Z", "20270106T110000Z", "two@elsewhere.example")
FIRST = (datetime(2027, 1, 5, 10, tzinfo=UTC), datetime(2027, 1, 5, 11, tzinfo=UTC))
SECOND = (datetime(2027, 1, 6, 10, tzinfo=UTC), datetime(2027, 1, 6, 11, tzinfo=UTC))


@pytest.fixture
def there(settings):
    with CalendarServer(calendar(ONE)) as server:
        settings.OUTBOUND_ALLOWED_HOSTS = [server.host]
        yield server


@pytest.fixture
def kept(transactional_db, account, there):
    """A calendar at the server, never read."""
    return make(account, there)


def make(account, there, **fields):
    practitioner = fields.pop("practitioner", None) or PractitionerFactory(account=account)
    with account_scope(account), transaction.atomic():
        return add_calendar(practitioner=practitioner, url=there.url, at=AT, **fields)


def do(calendar_, service, **options):
    with account_scope(calendar_.account_id), transaction.atomic():
        return service(calendar_, **options)


def read(calendar_, at=AT):
    return fetch_calendar(calendar_.account_id, calendar_.pk, at=at)


def row(calendar_):
    with account_scope(calendar_.account_id):
        return ExternalCalendar.objects.get(pk=calendar_.pk)


def spans(calendar_):
    with account_scope(calendar_.account_id):
        rows = ExternalBusy.objects.filter(calendar=calendar_.pk).order_by("starts_at")
        assert {busy.practitioner_id for busy in rows} <= {calendar_.practitioner_id}
        return [(busy.starts_at, busy.ends_at) for busy in rows]


# -- reading


def test_a_calendar_is_read_and_says_when(kept, there):
    there.body = calendar(ONE, event("SUMMARY:when?", uid="bad"))

    assert read(kept) == "read"

    found = row(kept)
    assert spans(kept) == [FIRST]
    assert (found.error, found.failures, found.busy_count, found.skipped_count) == ("", 0, 1, 1)
    assert (found.last_fetched_at, found.last_success_at, found.last_read_at) == (AT, AT, AT)
    assert found.next_fetch_at == AT + 10 * MINUTE
    assert there.requests[0]["accept"].startswith("text/calendar")
    assert not broken("I18.calendars", "I48")


def test_reading_again_replaces_what_it_said_and_keeps_what_stayed(kept, there):
    there.body = calendar(ONE, TWO)
    read(kept)
    with account_scope(kept.account_id):
        (stays,) = ExternalBusy.objects.filter(starts_at=SECOND[0]).values_list("pk", flat=True)
    there.body = calendar(TWO, busy("20270107T100000Z", "20270107T110000Z", "three"))

    assert read(kept, AT + 10 * MINUTE) == "read"

    assert spans(kept) == [SECOND, (datetime(2027, 1, 7, 10, tzinfo=UTC), datetime(2027, 1, 7, 11, tzinfo=UTC))]
    with account_scope(kept.account_id):
        assert ExternalBusy.objects.filter(pk=stays).exists()


def test_nobody_is_asked_more_often_than_every_ten_minutes(kept, there):
    assert read(kept) == "read"
    assert read(kept, AT + 10 * MINUTE - timedelta(seconds=1)) == "not_due"
    assert read(kept, AT + 10 * MINUTE) == "read"
    assert len(there.requests) == 2


def test_two_workers_at_once_ask_once(kept, there):
    there.wait = 0.3
    answers = []

    def work():
        try:
            answers.append(read(kept))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == ["not_due", "not_due", "not_due", "read"]
    assert len(there.requests) == 1


def test_an_unchanged_calendar_is_not_sent_again_but_read_as_a_whole_once_a_day(kept, there):
    there.etag, there.headers = '"v1"', {"Last-Modified": "Mon, 04 Jan 2027 07:00:00 GMT"}
    assert read(kept) == "read"
    later = AT + 15 * timedelta(hours=1)

    assert read(kept, later) == "unchanged"

    asked = there.requests[-1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"v1"', "Mon, 04 Jan 2027 07:00:00 GMT")
    assert (row(kept).last_success_at, row(kept).last_read_at, spans(kept)) == (later, AT, [FIRST])
    assert read(kept, AT + 21 * timedelta(hours=1)) == "read"
    assert "if-none-match" not in there.requests[-1]


def test_a_practitioner_who_moves_has_their_whole_days_read_anew(kept, there):
    there.etag, there.body = '"v1"', calendar(event("DTSTART;VALUE=DATE:20270105"))
    read(kept)
    assert spans(kept) == [(datetime(2027, 1, 4, 23, tzinfo=UTC), datetime(2027, 1, 5, 23, tzinfo=UTC))]
    with account_scope(kept.account_id):
        kept.practitioner.timezone = "America/New_York"
        kept.practitioner.save()

    assert read(kept, AT + 10 * MINUTE) == "read"

    assert spans(kept) == [(datetime(2027, 1, 5, 5, tzinfo=UTC), datetime(2027, 1, 6, 5, tzinfo=UTC))]


def test_a_304_that_nobody_asked_for_is_an_error(kept, there):
    there.status = 304

    assert read(kept) == "http_304"
    assert row(kept).last_success_at is None


def test_the_range_goes_from_yesterday_to_four_hundred_days_ahead(kept, there):
    there.body = calendar(event("DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY"))
    read(kept)
    (span,) = spans(kept)

    assert span == (datetime(2027, 1, 3, tzinfo=UTC), datetime(2028, 2, 8, 23, 59, 59, tzinfo=UTC))


# -- breaking


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": 404}, "http_404"),
        ({"status": 500}, "http_500"),
        ({"status": 302, "headers": {"Location": "http://169.254.169.254/"}}, "http_302"),
        ({"body": b"<html>Sign in</html>"}, "not_a_calendar"),
        ({"body": b"BEGIN:VCALENDAR\r\n" + b"X:1\r\n" * 1_000_000}, "too_large"),
        ({"body": calendar(event("DTSTART:20270105T100000Z", "RRULE:FREQ=SECONDLY"))}, "too_complex"),
    ],
    ids=["gone", "down", "redirect", "page", "too large", "bomb"],
)
def test_a_broken_calendar_keeps_what_it_said(kept, there, change, code):
    read(kept)
    for name, value in change.items():
        setattr(there, name, value)

    assert read(kept, AT + 10 * MINUTE) == code

    found = row(kept)
    assert spans(kept) == [FIRST]
    assert (found.error, found.failures, found.last_success_at, found.busy_count) == (code, 1, AT, 1)
    assert len(there.requests) == 2


def test_more_than_five_thousand_busy_times_are_refused(kept, there):
    there.body = calendar(*(event(f"DTSTART:20270105T{n:02}0000Z", "DURATION:PT5M", "RRULE:FREQ=DAILY", uid=str(n)) for n in range(13)))

    assert read(kept) == "too_many_events"
    assert spans(kept) == []


def test_a_calendar_that_goes_on_failing_is_asked_less_and_less_until_it_answers(kept, there):
    there.status, at, waits = 503, AT, []
    for _ in range(8):
        assert read(kept, at) == "http_503"
        due = row(kept).next_fetch_at
        waits.append((due - at) // MINUTE)
        at = due
    assert waits == [10, 10, 30, 60, 120, 240, 240, 240]

    there.status = 200
    assert read(kept, at) == "read"

    found = row(kept)
    assert (found.error, found.failures, found.next_fetch_at) == ("", 0, at + 10 * MINUTE)


def test_busy_times_older_than_a_day_are_stale_and_still_there(kept, there):
    read(kept)
    there.status = 500
    late = AT + timedelta(hours=24, seconds=1)
    read(kept, late)

    found = row(kept)
    stale = [calendar_is_stale(True, found.last_success_at, found.created_at, at) for at in (AT + timedelta(hours=24), late)]
    assert (stale, spans(kept)) == ([False, True], [FIRST])


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://10.0.0.1/a.ics", "file:///etc/passwd", "https://a:b@example.com/", "x", "http://localhost/"]
)
def test_addresses_of_our_own_network_are_refused_at_once(account, url):
    practitioner = PractitionerFactory(account=account)
    with account_scope(account), transaction.atomic(), pytest.raises(Invalid) as refusal:
        add_calendar(practitioner=practitioner, url=url, at=AT)
    assert list(refusal.value.fields) == ["url"]


def test_an_address_that_was_allowed_once_is_refused_when_it_is_called(kept, there, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = []

    assert read(kept) == "port_not_allowed"
    assert there.requests == []


def test_an_address_that_cannot_be_decrypted_any_more_is_an_error_to_see(kept, there, settings):
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-that-is-long-enough-for-this-test"]

    assert read(kept) == "credentials_unreadable"


def test_it_is_never_read_inside_a_transaction(kept, there):
    with transaction.atomic(), pytest.raises(RuntimeError):
        read(kept)
    assert there.requests == []


# -- people


def test_webcal_is_https(account, there):
    practitioner = PractitionerFactory(account=account)
    with account_scope(account), transaction.atomic():
        made = add_calendar(practitioner=practitioner, url=" webcal://Calendar.example/private-4711.ics", at=AT)

    assert (made.host, services.take_out(made.url_box)["url"]) == ("calendar.example", "https://Calendar.example/private-4711.ics")


def test_nothing_that_is_written_down_says_the_address(kept, there):
    do(kept, change_calendar, url=there.url + "?x=1", label="New", at=AT)
    do(kept, remove_calendar)

    with account_scope(kept.account_id):
        log = list(Event.objects.order_by("pk").values_list("type", "changes"))
        history = list(ExternalCalendar.history.values())
    assert [name for name, _ in log] == ["external_calendar.created", "external_calendar.changed", "external_calendar.removed"]
    assert len(history) == 3
    assert "4711" not in json.dumps([log, history], default=str)


def test_switching_it_off_frees_the_time_and_on_reads_it_again(kept, there):
    there.etag = '"v1"'
    read(kept)

    do(kept, change_calendar, is_active=False, at=AT + MINUTE)
    assert (spans(kept), read(kept, AT + 20 * MINUTE)) == ([], "not_due")
    do(kept, change_calendar, is_active=True, at=AT + 20 * MINUTE)

    assert (read(kept, AT + 20 * MINUTE), spans(kept)) == ("read", [FIRST])
    assert not broken("I18.calendars", "I48")


def test_the_same_address_again_and_switching_off_and_on_ask_no_sooner(kept, there):
    read(kept)
    do(kept, change_calendar, url=there.url, at=AT + MINUTE)
    do(kept, change_calendar, is_active=False, at=AT + MINUTE)
    do(kept, change_calendar, is_active=True, at=AT + 2 * MINUTE)

    assert row(kept).next_fetch_at == AT + 10 * MINUTE
    with account_scope(kept.account_id):
        changes = list(Event.objects.filter(type="external_calendar.changed").order_by("pk").values_list("changes", flat=True))
    assert changes == [{"is_active": [True, False]}, {"is_active": [False, True]}]


def test_a_calendar_that_was_switched_off_while_it_was_read_stays_empty(kept, there, monkeypatch):
    original = services.read_apart

    def slowly(*arguments, **options):
        do(kept, change_calendar, is_active=False, at=AT)
        return original(*arguments, **options)

    monkeypatch.setattr(services, "read_apart", slowly)

    assert (read(kept), spans(kept)) == ("changed_meanwhile", [])


def test_what_the_old_address_says_is_not_kept_under_a_new_one(kept, there, monkeypatch):
    original = services.read_apart

    def slowly(*arguments, **options):
        do(kept, change_calendar, url=there.url + "?other", at=AT)
        return original(*arguments, **options)

    monkeypatch.setattr(services, "read_apart", slowly)

    assert (read(kept), spans(kept), row(kept).last_success_at) == ("changed_meanwhile", [], None)


def test_another_address_is_asked_at_once_and_blocks_with_the_old_times_until_then(kept, there):
    read(kept)

    do(kept, change_calendar, url=there.url + "?other", at=AT + 2 * MINUTE)

    assert spans(kept) == [FIRST]
    there.body = calendar(TWO)
    assert (read(kept, AT + 2 * MINUTE), spans(kept)) == ("read", [SECOND])


def test_addresses_cannot_be_changed_into_a_knocking_machine(kept, there):
    read(kept)
    do(kept, change_calendar, url=there.url + "?2", at=AT + timedelta(seconds=5))

    assert read(kept, AT + timedelta(seconds=59)) == "not_due"
    assert read(kept, AT + timedelta(seconds=60)) == "read"


def test_asking_again_waits_ten_minutes(kept, there):
    read(kept)

    with pytest.raises(FetchedJustNow) as refusal:
        do(kept, ask_again, at=AT + 9 * MINUTE)
    assert refusal.value.extras == {"possible_from": (AT + 10 * MINUTE).isoformat()}
    there.status = 500
    read(kept, AT + 10 * MINUTE)
    read(kept, AT + 20 * MINUTE)
    read(kept, AT + 30 * MINUTE)  # the next try would be an hour later
    do(kept, ask_again, at=AT + 45 * MINUTE)
    assert read(kept, AT + 45 * MINUTE) == "http_500"


def test_removing_it_frees_the_time(kept, there):
    there.body = calendar(ONE, TWO)
    read(kept)

    do(kept, remove_calendar)

    with platform_scope("test"):
        assert ExternalBusy.objects.count() == 0


def test_a_practitioner_has_ten_at_most(account, there):
    practitioner = PractitionerFactory(account=account)
    for _ in range(10):
        make(account, there, practitioner=practitioner)
    with pytest.raises(TooManyCalendars):
        make(account, there, practitioner=practitioner)
    make(account, there)


# -- the clock


@pytest.mark.django_db(transaction=True)
def test_the_readers_read_what_is_due_of_everybody(account, other_account, there):
    kept = [make(account, there) for _ in range(4)] + [make(other_account, there)]
    inactive = make(account, there, practitioner=PractitionerFactory(account=account, is_active=False))

    with time_machine.travel(AT, tick=True):
        read_by = [read_due(reader) for reader in range(3)]
        again = [read_due(reader) for reader in range(3)]

    assert (sum(read_by), again) == (5, [0, 0, 0])
    assert [spans(one) for one in kept] == [[FIRST]] * 5
    assert row(inactive).last_fetched_at is None


@pytest.mark.django_db(transaction=True)
def test_one_calendar_that_fails_keeps_the_others_from_nothing(account, there, monkeypatch):
    bad, *good = [make(account, there) for _ in range(3)]
    original = services._fetch

    def fails(errand, at):
        if errand.calendar_id == bad.pk:
            raise ZeroDivisionError
        return original(errand, at)

    monkeypatch.setattr(services, "_fetch", fails)
    with time_machine.travel(AT, tick=True):
        assert sum(read_due(reader) for reader in range(3)) == 3

    assert [len(spans(one)) for one in (bad, *good)] == [0, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_readers_stop_when_their_time_is_over(account, there):
    for _ in range(6):
        make(account, there)
    there.wait = 0.3
    with time_machine.travel(AT, tick=True):
        assert read_due(0, seconds=0.1) == 1


def test_due_calendars_of_closed_accounts_rest(in_account):
    ExternalCalendarFactory(account=in_account, next_fetch_at=AT)
    assert due_calendars(AT).count() == 1

    in_account.status = "closed"
    in_account.save()

    assert due_calendars(AT).count() == 0


def test_deleting_a_practitioner_takes_calendars_and_times_along(in_account):
    kept = ExternalBusyFactory(account=in_account)

    kept.practitioner.delete()

    assert (ExternalCalendar.objects.count(), ExternalBusy.objects.count()) == (0, 0)
