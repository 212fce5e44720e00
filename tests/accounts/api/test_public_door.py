"""/api/public/<slug>/: whose account it is, who is asking, what may be kept, and how often somebody may."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connections
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from apps.accounts.models import Account
from apps.core.api.limits import Allowance, give_back, network_of
from apps.core.tenancy import account_scope
from factories.accounts import AccountFactory, token_for
from factories.catalog import ServiceFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient
from tests.studio import NOW

CARD = "/api/public/berlin/"
SERVICES = f"{CARD}services/"


# -- whose it is


def test_the_address_names_the_account(account, other_account):
    ServiceFactory(account=account, name="Here")
    ServiceFactory(account=other_account, name="There")

    here, there = (ApiClient().get(f"/api/public/{slug}/services/") for slug in ("berlin", "new-york"))

    assert [row["name"] for row in here.json()["results"]] == ["Here"]
    assert [row["name"] for row in there.json()["results"]] == ["There"]


def test_a_member_elsewhere_still_gets_the_account_of_the_address(account, other_owner):
    ServiceFactory(account=account, name="Here")

    response = other_owner.get(SERVICES, headers={"X-Account": "new-york"})

    assert [row["name"] for row in response.json()["results"]] == ["Here"]


@pytest.mark.parametrize("slug", ["nobody", "BERLIN", "berlin%00", "b", "%20", "1", "berlin;", "a" * 500, "ber lin", "%ff"])
def test_an_account_that_does_not_exist_is_not_found(account, slug):
    response = ApiClient().get(f"/api/public/{slug}/services/")

    assert (response.status_code, response.json()["error"]) == (404, "not_found")


def test_a_closed_account_looks_like_none(account):
    closed = AccountFactory(slug="closed", status=Account.Status.CLOSED)
    ServiceFactory(account=closed)

    answers = [ApiClient().get(f"/api/public/{slug}/services/") for slug in ("closed", "unknown")]

    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1] == {"error": "not_found", "message": "Not found.", "request_id": ""}
    assert [answer.status_code for answer in answers] == [404, 404]
    assert ApiClient().post("/api/public/closed/checkout/", {}).status_code == 404


def test_a_token_that_is_not_valid_is_refused(account):
    response = ApiClient("0" * 64).get(SERVICES)

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")


def test_a_token_changes_nothing_of_what_everybody_sees(account, client_as):
    ServiceFactory(account=account)

    assert ApiClient().get(SERVICES).content == client_as("owner").get(SERVICES).content


def test_reading_takes_two_statements(account, statements):
    ServiceFactory(account=account)
    ApiClient().get(SERVICES)

    with statements() as made:
        ApiClient().get(SERVICES)

    assert len(made()) == 2  # account, services


# -- what may be kept


def test_a_catalogue_may_be_kept_for_a_minute_and_is_sent_once(account):
    service = ServiceFactory(account=account)
    first = ApiClient().get(SERVICES)

    again = ApiClient().get(SERVICES, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "public, max-age=60"
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    with account_scope(account):
        service.price_cents += 1
        service.save()
    changed = ApiClient().get(SERVICES, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_errors_are_kept_nowhere(account):
    for path in (f"{SERVICES}999/", f"{SERVICES}?nonsense=1", "/api/public/unknown/services/"):
        response = ApiClient().get(path)
        assert (response.headers["Cache-Control"], "ETag" in response.headers) == ("no-store", False), path


# -- how often


def test_places_are_taken_for_a_while_and_each_has_their_own():
    tries = Allowance("tries", 2)
    with time_machine.travel(NOW, tick=False) as clock:
        first = tries.take("me", seconds=60)
        clock.shift(timedelta(seconds=20))
        tries.take("me", seconds=60)
        with pytest.raises(Throttled) as refused:
            tries.take("me", seconds=60)
        assert refused.value.wait == 40
        assert tries.take("somebody else", seconds=60)
        give_back(first)
        assert tries.take("me", seconds=60) == first
        with pytest.raises(Throttled):
            tries.take("me", seconds=60)
        clock.shift(timedelta(seconds=61))
        assert [bool(tries.take("me", seconds=60)) for _ in range(2)] == [True, True]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_only_so_many_find_a_place(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "core_cache"}}
    cache.clear()
    tries, start = Allowance("race", 5), threading.Barrier(12)

    def one(_):
        start.wait()
        try:
            return bool(tries.take("me", seconds=60))
        except Throttled:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(one, range(12)))

    assert answers.count(True) == 5
    cache.clear()


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "network"),
    [
        (0, "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (1, "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        (2, "10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (0, "::ffff:203.0.113.7", "", "203.0.113.7"),
        (0, "", "", ""),
    ],
)
def test_where_a_request_comes_from_is_said_by_the_last_trusted_proxy(rf, settings, proxies, remote, forwarded, network):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert network_of(Request(rf.get("/", REMOTE_ADDR=remote, headers=headers))) == network


def test_a_deactivated_login_is_refused(account):
    person = CustomerFactory()
    client = ApiClient(token_for(person.user))
    assert client.get(SERVICES).status_code == 200
    person.user.is_active = False
    person.user.save()
    assert client.get(SERVICES).status_code == 401
