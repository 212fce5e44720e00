"""The customer door over accounts: whose rows are in reach, and where a write takes place."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import Account
from apps.bookings.models import Booking
from apps.clients.api import doors
from apps.clients.api.doors import ClientDoor
from apps.clients.models import Client
from apps.core import tenancy
from apps.core.models import Event, IdempotencyKey
from apps.core.tenancy import account_scope
from factories.accounts import MembershipFactory, token_for
from factories.clients import ClientFactory
from factories.users import CustomerFactory, UserFactory
from tests.bookings.life import book
from tests.conftest import ApiClient
from tests.portal import BOOKINGS, become, sign_in
from tests.studio import MONDAY_TEN, NOW, open_studio

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_saturday")]

NOT_YOURS = {
    "error": "validation_error",
    "message": "The data sent is not valid.",
    "fields": {"account": ["You are not a client of an account of this name."]},
}
NOT_FOUND = {"error": "not_found", "message": "Not found."}


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def customer(studio):
    return become(studio)


@pytest.fixture
def me(customer):
    return sign_in(customer)


@pytest.fixture
def abroad(other_account, customer):
    """A second studio, of which the customer is a client, too."""
    studio = open_studio(other_account)
    become(studio, customer)
    return studio


def body_of(response) -> dict:
    body = response.json()
    assert body.pop("request_id")
    return body


def seen(client, query="") -> list[int]:
    response = client.get(f"{BOOKINGS}{query}")
    assert response.status_code == 200, response.content
    return sorted(row["id"] for row in response.json()["results"])


def neighbour(studio):
    """A session of another client of the same studio, who has a login, too."""
    other = ClientFactory(account=studio.account, customer=CustomerFactory())
    return studio.draft(client=other)


# -- reading


def test_a_person_sees_their_own_rows_of_every_account(me, studio, abroad):
    here, there = studio.draft(), abroad.draft()
    neighbour(studio)
    neighbour(abroad)

    assert seen(me) == sorted([here.pk, there.pk])
    assert [me.get(f"{BOOKINGS}{row.pk}/").status_code for row in (here, there)] == [200, 200]


def test_account_narrows_every_request_to_one_account(me, studio, abroad):
    here, there = studio.draft(), abroad.draft()

    assert seen(me, "?account=berlin") == [here.pk]
    assert seen(me, "?account=new-york&status=draft") == [there.pk]
    assert me.get(f"{BOOKINGS}{here.pk}/?account=berlin").status_code == 200
    assert body_of(me.get(f"{BOOKINGS}{here.pk}/?account=new-york")) == NOT_FOUND
    assert body_of(me.post(f"{BOOKINGS}{here.pk}/cancel/?account=new-york")) == NOT_FOUND


def test_a_cursor_stays_inside_the_account_that_was_asked_for(me, studio, abroad):
    here = [studio.draft().pk for _ in range(3)]
    abroad.draft()

    page = me.get(f"{BOOKINGS}?account=berlin&page_size=2").json()
    rest = me.get(page["next"]).json()

    assert [row["id"] for row in page["results"] + rest["results"]] == sorted(here, reverse=True)
    assert rest["next"] is None


@pytest.mark.parametrize("slug", ["new-york", "no-such-account", "", "BERLIN", "berlin%00", "%ff"])
def test_an_account_that_is_not_theirs_and_an_unknown_one_are_refused_in_the_same_words(me, studio, other_account, slug):
    booking = studio.draft()
    open_studio(other_account)

    for path in (BOOKINGS, f"{BOOKINGS}{booking.pk}/", "/api/customer/slots/"):
        response = me.get(f"{path}?account={slug}")
        assert (response.status_code, body_of(response)) == (400, NOT_YOURS)


def test_another_persons_row_and_a_missing_one_are_refused_in_the_same_words(me, studio, other_account):
    same_account, elsewhere = neighbour(studio), neighbour(open_studio(other_account))

    for pk in (same_account.pk, elsewhere.pk, 2**62, 0, "abc"):
        for response in (me.get(f"{BOOKINGS}{pk}/"), me.post(f"{BOOKINGS}{pk}/cancel/"), me.get(f"{BOOKINGS}{pk}/documents/")):
            assert (response.status_code, body_of(response)) == (404, NOT_FOUND)
    with account_scope(studio.account):
        assert Booking.objects.get().status == "draft"


def test_a_customer_who_is_nobodys_client_sees_nothing(studio):
    booking = studio.draft()
    client = sign_in(CustomerFactory())

    assert client.get(BOOKINGS).json() == {"next": None, "previous": None, "results": []}
    assert client.get(f"{BOOKINGS}{booking.pk}/").status_code == 404


def test_without_a_customer_profile_the_door_stays_shut(studio):
    booking = studio.draft()
    owner = MembershipFactory(account=studio.account).user

    for user in (owner, UserFactory()):
        for response in (
            ApiClient(token_for(user)).get(BOOKINGS),
            ApiClient(token_for(user)).get(f"{BOOKINGS}{booking.pk}/?account=berlin"),
            ApiClient(token_for(user), **{"Idempotency-Key": "k"}).post(f"{BOOKINGS}{booking.pk}/cancel/"),
        ):
            assert (response.status_code, response.json()["error"]) == (403, "permission_denied")
    assert ApiClient().get(BOOKINGS).status_code == 401


def test_clients_that_were_merged_away_and_closed_accounts_are_out_of_reach(me, studio, abroad):
    here, there = studio.draft(), abroad.draft()
    with account_scope(studio.account):
        Client.objects.filter(pk=studio.client.pk).update(merged_into=ClientFactory(account=studio.account))
    assert seen(me) == [there.pk]

    Account.objects.filter(pk=abroad.account.pk).update(status=Account.Status.CLOSED)
    assert seen(me) == []
    assert [me.get(f"{BOOKINGS}{row.pk}/").status_code for row in (here, there)] == [404, 404]
    assert body_of(me.get(f"{BOOKINGS}?account=berlin")) == NOT_YOURS


# -- two layers, each alone


def test_the_database_alone_keeps_other_peoples_rows_away(me, studio, abroad, monkeypatch):
    """The view's own filter is taken out: the policies still show one's own rows only."""
    here, there, others = studio.draft(), abroad.draft(), neighbour(studio)
    monkeypatch.setattr(ClientDoor, "narrow_for_request", lambda self, queryset: queryset)

    assert seen(me) == sorted([here.pk, there.pk])
    assert me.get(f"{BOOKINGS}{others.pk}/").status_code == 404
    assert me.post(f"{BOOKINGS}{others.pk}/cancel/").status_code == 404


def test_the_views_own_filter_alone_keeps_other_peoples_rows_away(me, studio, abroad, monkeypatch):
    """The policies are switched off: the view still shows one's own rows only. The control is the third view, without either."""
    here, there, others = studio.draft(), abroad.draft(), neighbour(studio)

    @contextmanager
    def unbound(*args, **kwargs):
        with tenancy.customer_scope(*args, **kwargs), tenancy._entered({tenancy.PLATFORM: "on"}):
            yield

    monkeypatch.setattr(doors, "customer_scope", unbound)
    assert seen(me) == sorted([here.pk, there.pk])
    assert me.get(f"{BOOKINGS}{others.pk}/").status_code == 404

    monkeypatch.setattr(ClientDoor, "narrow_for_request", lambda self, queryset: queryset)
    assert seen(me) == sorted([here.pk, there.pk, others.pk])


# -- writing


IN_NEW_YORK = MONDAY_TEN + timedelta(hours=6)  # ten o'clock there


def cancel(client, booking, key=None, **body):
    return client.post(f"{BOOKINGS}{booking.pk}/cancel/", body, headers={"Idempotency-Key": key} if key else {})


def keys(studio) -> list[tuple[str, int | None]]:
    with account_scope(studio.account):
        return sorted(IdempotencyKey.objects.values_list("key", "status_code"))


def test_a_write_takes_place_in_the_account_of_its_row_and_says_who_did_it(me, customer, studio, abroad):
    there = book(abroad, start=IN_NEW_YORK)

    response = cancel(me, there)

    assert (response.status_code, response.json()["status"], response.json()["account_slug"]) == (200, "cancelled", "new-york")
    with account_scope(abroad.account):
        event = Event.objects.get(type="booking.cancelled")
    assert (event.subject_id, event.actor_id, event.source) == (there.pk, customer.user_id, "customer")
    with account_scope(studio.account):
        assert not Event.objects.filter(type="booking.cancelled").exists()


def test_a_key_is_kept_by_the_account_of_the_row_and_repeats_the_answer(me, studio, abroad):
    here, there = book(studio), book(abroad, start=IN_NEW_YORK)

    first, again = cancel(me, there, "one"), cancel(me, there, "one")
    elsewhere = cancel(me, here, "one")

    assert [r.status_code for r in (first, again, elsewhere)] == [200, 200, 200]
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in elsewhere.headers
    assert keys(studio) == keys(abroad) == [("one", 200)]
    assert cancel(me, there, "one", reason="another body").json()["error"] == "idempotency_conflict"


def test_a_key_whose_work_was_refused_may_be_used_again(me, studio):
    booking = studio.draft()
    path = f"{BOOKINGS}{booking.pk}/schedule/"
    at_night = {"start_time": "2026-11-23T02:00:00Z"}

    refused = me.post(path, at_night, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["error"], keys(studio)) == (409, "outside_hours", [])

    accepted = me.post(path, {"start_time": MONDAY_TEN.isoformat()}, headers={"Idempotency-Key": "k"})
    assert (accepted.status_code, keys(studio)) == (200, [("k", 200)])


def test_a_key_for_a_row_out_of_reach_is_not_kept(me, studio, abroad):
    others = neighbour(studio)

    response = cancel(me, others, "k")

    assert (response.status_code, body_of(response)) == (404, NOT_FOUND)
    assert keys(studio) == keys(abroad) == []


def test_two_people_may_use_the_same_key(me, studio):
    other = CustomerFactory()
    client = ClientFactory(account=studio.account, customer=other)
    mine, theirs = book(studio), book(studio, studio.draft(client=client), start=IN_NEW_YORK)

    assert [cancel(me, mine, "k").status_code, cancel(sign_in(other), theirs, "k").status_code] == [200, 200]
    assert cancel(me, theirs, "k").status_code == 404
