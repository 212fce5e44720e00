"""Calendar feeds over HTTP: made at two doors, read at a third."""

from datetime import timedelta
from urllib.parse import urlsplit

import icalendar
import pytest
import time_machine
from django.test import Client

from apps.core.tenancy import account_scope
from apps.integrations.models import CalendarFeed
from factories.accounts import MembershipFactory, token_for
from factories.catalog import PractitionerFactory
from factories.clients import ClientFactory
from factories.feeds import CalendarFeedFactory, feed_token
from tests.bookings.life import book
from tests.conftest import ApiClient
from tests.portal import become, sign_in
from tests.studio import MONDAY_TEN, NOW, open_studio

URL, OWN = "/api/calendar-feeds/", "/api/customer/calendar-feeds/"


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


def path_of(response):
    assert response.status_code in (200, 201), response.content
    return urlsplit(response.json()["url"]).path


def make(caller, **fields):
    return caller.post(URL, {name: getattr(value, "pk", value) for name, value in fields.items()})


def read(path, **headers):
    """As a calendar program does it: without a token, and wanting text/calendar."""
    return Client(raise_request_exception=False).get(path, headers={"Accept": "text/calendar", **headers})


# -- reading


def test_a_calendar_program_reads_a_feed(owner, studio):
    booking = book(studio)
    response = read(path_of(make(owner, practitioner=studio.practitioner)))

    assert response.status_code == 200
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert response["Cache-Control"] == "private"
    assert response["X-Content-Type-Options"] == "nosniff"
    (event,) = icalendar.Calendar.from_ical(response.content).events
    assert (str(event["UID"]), event.start) == (f"booking-{booking.pk}@{booking.account_id}.clientele.example", MONDAY_TEN)


def test_who_has_it_already_gets_304_until_it_changes(owner, studio):
    path = path_of(make(owner, client=studio.client))
    first = read(path)

    again = read(path, **{"If-None-Match": first["ETag"]})
    book(studio)
    changed = read(path, **{"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"], again["Cache-Control"]) == (304, b"", first["ETag"], "private")
    assert (changed.status_code, changed["ETag"] != first["ETag"]) == (200, True)


def test_head_says_the_same_without_the_calendar(owner, studio):
    path = path_of(make(owner, client=studio.client))
    got, head = read(path), Client().head(path)

    assert (head.status_code, head.content, head["ETag"], head["Content-Type"]) == (200, b"", got["ETag"], got["Content-Type"])


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_feed_is_only_read(owner, studio, method):
    path = path_of(make(owner, client=studio.client))

    assert getattr(ApiClient(), method)(path).status_code == 405


def test_every_wrong_address_gets_the_same_words(owner, studio, other_account):
    other_studio = open_studio(other_account)
    made = make(owner, client=studio.client)
    path, revoked = path_of(made), make(owner, client=studio.client)
    owner.delete(f"{URL}{revoked.json()['id']}/")
    wrong = [
        path_of(revoked),
        path.replace(studio.account.slug, other_studio.account.slug),
        path.replace(studio.account.slug, "nobody-is-called-so"),
        path[:-5] + "x.ics",
        f"/api/public/{studio.account.slug}/calendar/{made.json()['id']}.ics",
        f"/api/public/{studio.account.slug}/calendar/{'%00' * 3}.ics",
        f"/api/public/{studio.account.slug}/calendar/{'x' * 3000}.ics",
    ]

    answers = [read(address) for address in wrong]

    assert read(path).status_code == 200
    assert [answer.status_code for answer in answers] == [404] * len(wrong)
    assert {answer.json()["error"] + answer.json()["message"] for answer in answers} == {"not_foundNot found."}
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}


def test_a_token_in_the_header_helps_nobody(owner, studio):
    CalendarFeedFactory(account=studio.account, client=studio.client, revoked_at=NOW)
    path = f"/api/public/{studio.account.slug}/calendar/{feed_token(studio.client.pk)}.ics"

    assert (owner.get(path).status_code, read(path).status_code) == (404, 404)


@pytest.mark.parametrize("count", [1, 50])
def test_a_reading_takes_four_statements_whatever_is_in_it(owner, studio, statements, count):
    path = path_of(make(owner, practitioner=studio.practitioner))
    with time_machine.travel(NOW - timedelta(days=1), tick=False):
        for number in range(count):
            book(studio, start=MONDAY_TEN + timedelta(days=number // 5 + 2 * (number // 25), hours=number % 5), at=NOW)

    with statements() as made:
        response = read(path)

    assert len(icalendar.Calendar.from_ical(response.content).events) == count
    assert len(made()) == 4, "\n".join(sql[:150] for sql in made())


@pytest.mark.django_db(transaction=True)
def test_readings_are_noted_once_a_minute_and_after_the_answer(owner, studio, statements):
    made = make(owner, client=studio.client)
    path, pk = path_of(made), made.json()["id"]

    def noted(after):
        with time_machine.travel(NOW + timedelta(seconds=after), tick=False), statements() as seen:
            assert read(path).status_code == 200
        writes = [sql for sql in seen() if sql.startswith("UPDATE")]
        return len(writes), owner.get(f"{URL}{pk}/").json()["last_read_at"]

    assert noted(0) == (1, "2026-11-21T08:00:00Z")
    assert noted(59) == (0, "2026-11-21T08:00:00Z")
    assert noted(60) == (1, "2026-11-21T08:01:00Z")


@pytest.mark.django_db(transaction=True)
def test_a_reading_that_cannot_be_noted_is_answered_all_the_same(owner, studio, monkeypatch):
    path = path_of(make(owner, client=studio.client))

    class Broken:
        def __enter__(self):
            raise ConnectionError

    monkeypatch.setattr("apps.integrations.services.feeds.account_scope", lambda account: Broken())

    assert read(path).status_code == 200


# -- the business


def test_the_address_is_said_once(owner, studio):
    response = make(owner, practitioner=studio.practitioner, detail="busy", label="Kim's phone")

    made = response.json()
    secret = path_of(response).split("/")[-1].removesuffix(".ics")
    assert {name: made[name] for name in made if name not in ("id", "created_at", "updated_at", "url")} == {
        "practitioner": studio.practitioner.pk,
        "client": None,
        "detail": "busy",
        "label": "Kim's phone",
        "last_read_at": None,
    }
    assert made["url"] == f"http://testserver/api/public/berlin/calendar/{secret}.ics"
    for answer in (owner.get(URL), owner.get(f"{URL}{made['id']}/")):
        assert secret.encode() not in answer.content
        assert b"url" not in answer.content
    with account_scope(studio.account):
        assert CalendarFeed.objects.get().made_by is not None


def test_rotating_gives_another_address(owner, studio):
    made = make(owner, client=studio.client)

    rotated = owner.post(f"{URL}{made.json()['id']}/rotate/")

    assert (read(path_of(made)).status_code, read(path_of(rotated)).status_code) == (404, 200)


def test_a_revoked_feed_is_gone(owner, studio):
    made = make(owner, client=studio.client)
    address = f"{URL}{made.json()['id']}/"

    assert owner.delete(address).status_code == 204
    assert [owner.get(address).status_code, owner.delete(address).status_code, owner.post(f"{address}rotate/").status_code] == [404] * 3
    assert owner.get(URL).json()["results"] == []


@pytest.mark.parametrize(
    "fields", [{}, {"client": 2**62}, {"detail": "everything"}, {"label": "x" * 101}, {"token_digest": "x"}, {"made_by": 1}]
)
def test_bad_input_is_refused(owner, studio, fields):
    extra = {"client": studio.client} if fields and "client" not in fields else {}

    assert make(owner, **extra, **fields).status_code == 400
    assert make(owner, client=studio.client, practitioner=studio.practitioner).status_code == 400


def test_ten_at_most(owner, studio):
    for _ in range(10):
        assert make(owner, client=studio.client).status_code == 201
    response = make(owner, client=studio.client)
    assert (response.status_code, response.json()["error"]) == (409, "too_many_feeds")


@pytest.mark.parametrize(
    ("role", "of_practitioner", "of_client"),
    [
        ("owner", 201, 201),
        ("manager", 201, 201),
        ("front_desk", 403, 201),
        ("practitioner", 403, 201),
        ("bookkeeper", 403, 403),
        (None, 401, 401),
    ],
)
def test_who_may_make_feeds(client_as, studio, role, of_practitioner, of_client):
    client = client_as(role)

    assert make(client, practitioner=studio.practitioner).status_code == of_practitioner
    assert make(client, client=studio.client).status_code == of_client


def test_practitioners_look_after_their_own_feeds(studio):
    member = MembershipFactory(account=studio.account, role="practitioner")
    client = ApiClient(token_for(member.user))
    mine = PractitionerFactory(account=studio.account, member=member)
    with account_scope(studio.account):
        other = CalendarFeed.objects.create(account=studio.account, practitioner=studio.practitioner, token_digest="x")

    made = make(client, practitioner=mine)

    assert [made.status_code, client.delete(f"{URL}{made.json()['id']}/").status_code] == [201, 204]
    assert [client.post(f"{URL}{other.pk}/rotate/").status_code, client.delete(f"{URL}{other.pk}/").status_code] == [403, 403]


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_a_fixed_number_of_statements(owner, studio, statements, count):
    for _ in range(count):
        make(owner, client=studio.client)

    with statements() as made:
        response = owner.get(f"{URL}?client={studio.client.pk}")

    assert len(response.json()["results"]) == count
    assert len(made()) == 4, made()


# -- clients


def test_clients_make_read_rotate_and_revoke_their_own(studio):
    booking = book(studio)
    client = sign_in(become(studio))

    made = client.post(OWN, {"label": "Phone"})
    assert (made.status_code, made.json()["account"], made.json()["account_name"]) == (201, "berlin", "Berlin Studio")
    assert [str(e["UID"]) for e in icalendar.Calendar.from_ical(read(path_of(made)).content).events] == [
        f"booking-{booking.pk}@{booking.account_id}.clientele.example"
    ]
    address = f"{OWN}{made.json()['id']}/"
    rotated = client.post(f"{address}rotate/")
    assert [read(path_of(made)).status_code, read(path_of(rotated)).status_code] == [404, 200]
    assert [row["label"] for row in client.get(OWN).json()["results"]] == ["Phone"]
    assert b"url" not in client.get(address).content
    assert [client.delete(address).status_code, read(path_of(rotated)).status_code, client.get(address).status_code] == [204, 404, 404]


def test_clients_see_nothing_of_others(studio, other_account):
    me = sign_in(become(studio))
    other = open_studio(other_account)
    feeds = [
        CalendarFeedFactory(account=studio.account, client=ClientFactory(account=studio.account)),
        CalendarFeedFactory(account=other_account, client=other.client),
    ]
    with account_scope(studio.account):
        feeds.append(CalendarFeed.objects.create(account=studio.account, practitioner=studio.practitioner, token_digest="x"))

    assert me.get(OWN).json()["results"] == []
    for feed in feeds:
        assert [me.get(f"{OWN}{feed.pk}/").status_code, me.delete(f"{OWN}{feed.pk}/").status_code] == [404, 404]


def test_a_client_of_several_businesses_says_which(studio, other_account):
    customer = become(studio)
    other = open_studio(other_account)
    become(other, customer)
    client = sign_in(customer)

    assert client.post(OWN, {}).status_code == 400
    made = client.post(f"{OWN}?account=new-york", {})
    assert (made.status_code, made.json()["account"]) == (201, "new-york")
    assert [row["account"] for row in client.get(OWN).json()["results"]] == ["new-york"]


def test_a_feed_that_the_business_made_can_be_revoked_by_its_client(owner, studio):
    path, client = path_of(made := make(owner, client=studio.client)), sign_in(become(studio))

    assert client.delete(f"{OWN}{made.json()['id']}/").status_code == 204
    assert read(path).status_code == 404
