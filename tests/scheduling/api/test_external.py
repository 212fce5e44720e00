"""external-calendars/ over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from apps.core import jobs
from apps.core.tenancy import account_scope
from apps.scheduling.models import ExternalCalendar
from factories.accounts import MembershipFactory, token_for
from factories.catalog import PractitionerFactory
from factories.scheduling import ExternalCalendarFactory
from tests.conftest import ApiClient
from tests.fakes.calendars import CalendarServer, busy, calendar

URL = "/api/external-calendars/"
SECRET = "https://calendar.example/private-4711/basic.ics"
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


def make(client, kim, **fields):
    return client.post(URL, {"practitioner": kim.pk, "url": SECRET, "label": "Private", **fields})


def test_a_calendar_is_added_and_its_address_is_never_shown(owner, account):
    kim = PractitionerFactory(account=account)

    response = make(owner, kim)

    assert response.status_code == 201, response.content
    made = response.json()
    assert {name: made[name] for name in made if name not in ("id", "created_at", "updated_at")} == {
        "practitioner": kim.pk,
        "label": "Private",
        "host": "calendar.example",
        "is_active": True,
        "is_stale": False,
        "last_error": "",
        "failures": 0,
        "busy_count": 0,
        "skipped_count": 0,
        "last_fetched_at": None,
        "last_success_at": None,
        "next_fetch_at": "2026-11-21T08:00:00Z",
    }
    for answer in (response, owner.get(URL), owner.get(f"{URL}{made['id']}/")):
        assert b"4711" not in answer.content
    with account_scope(account):
        assert "4711" not in ExternalCalendar.objects.get().url_box


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "http://10.0.0.7/a.ics"}, "url"),
        ({"url": "http://[::ffff:127.0.0.1]/a.ics"}, "url"),
        ({"url": "gopher://calendar.example/"}, "url"),
        ({"url": "https://calendar.example:8443/a.ics"}, "url"),
        ({"url": "https://kim:secret@calendar.example/a.ics"}, "url"),
        ({"url": "https://calendar.example/" + "a" * 2000}, "url"),
        ({"url": ""}, "url"),
        ({"url": 7}, "url"),
        ({"practitioner": 2**62}, "practitioner"),
        ({"label": "x" * 101}, "label"),
        ({"url_box": "x"}, "url_box"),
        ({"host": "x"}, "host"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_kept(owner, account, fields, field):
    response = make(owner, PractitionerFactory(account=account), **fields)

    assert (response.status_code, list(response.json()["fields"])) == (400, [field])
    assert owner.get(URL).json()["results"] == []


def test_a_practitioner_has_ten_at_most(owner, account):
    kim = PractitionerFactory(account=account)
    ExternalCalendarFactory.create_batch(10, account=account, practitioner=kim)

    assert (make(owner, kim).status_code, make(owner, kim).json()["error"]) == (409, "too_many_calendars")


def test_changing_switching_off_and_removing(owner, account):
    made = ExternalCalendarFactory(account=account)

    changed = owner.patch(f"{URL}{made.pk}/", {"label": "Family"})
    off = owner.patch(f"{URL}{made.pk}/", {"is_active": False})
    gone = owner.delete(f"{URL}{made.pk}/")

    assert (changed.json()["label"], changed.json()["last_success_at"]) == ("Family", "2026-11-21T07:55:00Z")
    assert (off.json()["is_active"], off.json()["next_fetch_at"], off.json()["last_success_at"]) == (False, None, None)
    assert (gone.status_code, owner.get(f"{URL}{made.pk}/").status_code) == (204, 404)


def test_stale_is_said(owner, account):
    fresh = ExternalCalendarFactory(account=account, last_success_at=NOW - timedelta(hours=24))
    stale = ExternalCalendarFactory(account=account, last_success_at=NOW - timedelta(hours=24, seconds=1))
    off = ExternalCalendarFactory(account=account, last_success_at=NOW - timedelta(days=9), is_active=False)

    found = {row["id"]: row["is_stale"] for row in owner.get(URL).json()["results"]}

    assert found == {fresh.pk: False, stale.pk: True, off.pk: False}


def test_refresh_waits_ten_minutes(owner, account):
    just = ExternalCalendarFactory(account=account, next_fetch_at=NOW + timedelta(hours=4))
    due = ExternalCalendarFactory(account=account, last_fetched_at=NOW - timedelta(minutes=10), next_fetch_at=NOW + timedelta(hours=4))

    refused, taken = (owner.post(f"{URL}{one.pk}/refresh/") for one in (just, due))

    assert (refused.status_code, refused.json()["error"]) == (409, "fetched_just_now")
    assert refused.json()["possible_from"] == "2026-11-21T08:05:00+00:00"
    assert (taken.status_code, taken.json()["next_fetch_at"]) == (202, "2026-11-21T08:00:00Z")


@pytest.mark.django_db(transaction=True)
def test_what_is_added_is_read_within_moments(owner, account, settings):
    with CalendarServer(calendar(busy("20261123T100000Z", "20261123T110000Z"))) as there:
        settings.OUTBOUND_ALLOWED_HOSTS = [there.host]
        made = make(owner, PractitionerFactory(account=account), url=there.url).json()
        jobs.run_pending()

    found = owner.get(f"{URL}{made['id']}/").json()
    assert (found["busy_count"], found["last_error"], found["last_success_at"]) == (1, "", "2026-11-21T08:00:00Z")


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("owner", 200, 201),
        ("manager", 200, 201),
        ("front_desk", 200, 403),
        ("practitioner", 200, 403),
        ("bookkeeper", 403, 403),
        (None, 401, 401),
    ],
)
def test_who_may_look_after_a_calendar(client_as, account, role, reads, writes):
    client = client_as(role)

    assert (client.get(URL).status_code, make(client, PractitionerFactory(account=account)).status_code) == (reads, writes)


def test_practitioners_look_after_their_own(account):
    member = MembershipFactory(account=account, role="practitioner")
    client = ApiClient(token_for(member.user))
    mine, others = ExternalCalendarFactory(account=account, practitioner__member=member), ExternalCalendarFactory(account=account)

    def tried(one):
        return [
            make(client, one.practitioner).status_code,
            client.patch(f"{URL}{one.pk}/", {"label": "New"}).status_code,
            client.post(f"{URL}{one.pk}/refresh/").status_code,
            client.delete(f"{URL}{one.pk}/").status_code,
        ]

    assert tried(mine) == [201, 200, 409, 204]
    assert tried(others) == [403, 403, 403, 403]


def test_other_accounts_do_not_exist(other_owner, account):
    made = ExternalCalendarFactory(account=account)

    assert [other_owner.get(f"{URL}{made.pk}/").status_code, other_owner.delete(f"{URL}{made.pk}/").status_code] == [404, 404]
    assert make(other_owner, made.practitioner).status_code == 400


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_a_fixed_number_of_statements(owner, account, statements, count):
    ExternalCalendarFactory.create_batch(count, account=account)

    with statements() as made:
        response = owner.get(URL)

    assert len(response.json()["results"]) == count
    assert len(made()) == 3, made()
