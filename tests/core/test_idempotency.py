"""Idempotency-Key over HTTP: one effect per key, whatever happens to the request that carries it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections

from apps.core import idempotency
from apps.core.errors import IdempotencyInProgress
from apps.core.models import Counter, IdempotencyKey
from apps.core.tenancy import account_scope
from factories.accounts import MembershipFactory, token_for
from tests.conftest import ApiClient
from tests.core import probe

pytestmark = pytest.mark.usefixtures("probe")

URL = "/api/probe/"


@pytest.fixture
def token(account):
    return token_for(MembershipFactory(account=account).user)


def send(token, body, key="key-1", path=URL, **headers):
    return ApiClient(token, **{"Idempotency-Key": key, **headers}).post(path, body)


def names(account) -> list[str]:
    with account_scope(account):
        return sorted(Counter.objects.values_list("name", flat=True))


def keys(account) -> list[tuple[str, int | None]]:
    with account_scope(account):
        return sorted(IdempotencyKey.objects.values_list("key", "status_code"))


def age(account, **by) -> None:
    """Move every key of the account into the past."""
    with account_scope(account), connection.cursor() as cursor:
        cursor.execute("UPDATE core_idempotencykey SET created_at = created_at - %s", [timedelta(**by)])


def fields_of(response) -> dict:
    body = response.json()
    assert body.pop("request_id")
    return body


def test_the_same_key_and_body_get_the_same_answer_and_one_effect(token, account):
    first = send(token, {"name": "once"})
    again = send(token, {"name": "once"})

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["Content-Type"] == again.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.headers["X-Request-ID"] != again.headers["X-Request-ID"]
    assert (names(account), keys(account)) == (["once"], [("key-1", 201)])


def test_without_a_key_nothing_is_remembered(token, account):
    for name in ("a", "b"):
        assert ApiClient(token).post(URL, {"name": name}).status_code == 201

    assert (names(account), keys(account)) == (["a", "b"], [])


@pytest.mark.parametrize(
    ("body", "path"), [({"name": "other"}, URL), ({"name": "once", "value": 1}, URL), ({"name": "once"}, URL + "?a=1")], ids=str
)
def test_another_request_under_the_same_key_is_refused(token, account, body, path):
    send(token, {"name": "once"})

    other = send(token, body, path=path)

    assert other.status_code == 422
    assert fields_of(other) == {
        "error": "idempotency_conflict",
        "message": "This Idempotency-Key was already used for a different request.",
    }
    assert names(account) == ["once"]


def test_a_key_belongs_to_its_user_and_account(token, account, other_account):
    colleague = token_for(MembershipFactory(account=account).user)
    stranger = token_for(MembershipFactory(account=other_account).user)

    answers = [send(who, {"name": name}) for who, name in ((token, "mine"), (colleague, "hers"), (stranger, "theirs"))]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert (names(account), names(other_account)) == (["hers", "mine"], ["theirs"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [({}, 400, "validation_error"), ({"name": "refused"}, 409, "not_now"), ({"name": "crash"}, 500, "server_error"), ([], 400, None)],
)
def test_a_failure_changes_nothing_and_gives_the_key_back(token, account, body, status, code):
    failed = send(token, body)

    assert (failed.status_code, failed.json()["error"]) == (status, code or failed.json()["error"])
    assert probe.SECRET.encode() not in failed.content
    assert (names(account), keys(account)) == ([], [])

    assert send(token, {"name": "second try"}).status_code == 201
    assert names(account) == ["second try"]


def test_a_malformed_body_gives_the_key_back(token, account):
    client = ApiClient(token, **{"Idempotency-Key": "key-1"})

    assert client.generic("POST", URL, b"{", "application/json").json()["error"] == "malformed_json"
    assert keys(account) == []


@pytest.mark.parametrize("who", ["anonymous", "nobody's member"])
def test_who_may_not_enter_leaves_no_key(db, account, who):
    token = None if who == "anonymous" else "0" * 64

    response = send(token, {"name": "x"})

    assert (response.status_code, response.json()["error"]) == (401, "not_authenticated")
    assert keys(account) == []


@pytest.mark.parametrize("key", ["", "a\0b", "a" * 256, "tab\there", "new\nline", "\x7f"])
def test_a_key_that_cannot_be_stored_is_refused(token, account, key):
    response = send(token, {"name": "once"}, key=key)

    assert response.status_code == 400
    assert response.json()["fields"] == {"Idempotency-Key": ["Send 1 to 255 printable characters."]}
    assert (names(account), keys(account)) == ([], [])


@pytest.mark.parametrize("key", ["a" * 255, "é", "with space", "'; DROP TABLE core_counter; --", "%s%s", "0"])
def test_every_printable_key_works(token, account, key):
    assert [send(token, {"name": "once"}, key=key).status_code for _ in range(2)] == [201, 201]
    assert names(account) == ["once"]


def test_a_reply_is_forgotten_after_24_hours(token, account):
    send(token, {"name": "first"})

    age(account, hours=23, minutes=59)
    assert send(token, {"name": "first"}).headers["Idempotent-Replayed"] == "true"
    assert send(token, {"name": "second"}).status_code == 422

    age(account, minutes=2)
    later = send(token, {"name": "second"})
    assert (later.status_code, "Idempotent-Replayed" in later.headers) == (201, False)
    assert names(account) == ["first", "second"]
    assert send(token, {"name": "second"}).headers["Idempotent-Replayed"] == "true"


def test_old_keys_are_deleted_in_every_account(token, account, other_account):
    send(token, {"name": "old"}, key="old")
    send(token_for(MembershipFactory(account=other_account).user), {"name": "old"}, key="old")
    for one in (account, other_account):
        age(one, hours=25)
    send(token, {"name": "new"}, key="new")

    assert idempotency.forget_old_keys(0) == 2
    assert (keys(account), keys(other_account)) == ([("new", 201)], [])


def _left_behind(account, token, body) -> None:
    """A claim whose process died before the work: the request is sent, and its work never happens."""

    def die(name: str) -> None:
        raise SystemExit

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(idempotency, "release", lambda claim: None)
        probe.during.append(die)
        with pytest.raises(SystemExit):
            send(token, body)
        probe.during.clear()
    assert (names(account), keys(account)) == ([], [("key-1", None)])


def test_a_claim_left_by_a_crash_is_taken_over_after_a_minute(token, account):
    _left_behind(account, token, {"name": "once"})

    age(account, seconds=55)
    early = send(token, {"name": "once"})
    assert (early.status_code, fields_of(early)["error"]) == (409, "idempotency_in_progress")

    age(account, seconds=10)
    assert send(token, {"name": "other"}).status_code == 422
    assert send(token, {"name": "once"}).status_code == 201
    assert send(token, {"name": "once"}).headers["Idempotent-Replayed"] == "true"
    assert names(account) == ["once"]


def test_work_that_was_taken_over_is_rolled_back(account):
    """The first request hung for more than a minute and comes back: only the second one's work counts."""
    asked = {"account_id": account.pk, "actor_id": None, "key": "k", "request_hash": "h"}
    with account_scope(account):
        first = idempotency.claim(**asked)
    age(account, seconds=61)
    with account_scope(account):
        second = idempotency.claim(**asked)

        idempotency.release(first)  # does not release what is no longer its own
        with pytest.raises(IdempotencyInProgress):
            idempotency.store_reply(first, 201, "first")
        idempotency.store_reply(second, 201, "second")
        with pytest.raises(IdempotencyInProgress):
            idempotency.store_reply(first, 201, "first")

        assert idempotency.claim(**asked).response == "second"


# -- several at once


def _in_threads(count, call):
    """``call(i)`` in ``count`` threads that start together; closes their connections."""
    barrier = threading.Barrier(count)

    def run(i):
        try:
            barrier.wait()
            return call(i)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_key", [True, False])
def test_twenty_at_once_have_one_effect(token, account, with_key):
    """Without the key (the negative control) there are twenty."""

    def call(i):
        return send(token, {"name": "once"}) if with_key else ApiClient(token).post(URL, {"name": f"each {i}"})

    answers = _in_threads(20, call)

    if not with_key:
        assert len(names(account)) == 20
        return
    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(refused) == 20
    assert len({answer.content for answer in done}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    assert {fields_of(answer)["error"] for answer in refused} <= {"idempotency_in_progress"}
    assert (names(account), keys(account)) == (["once"], [("key-1", 201)])


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_one_of_many_takes_a_claim_over(token, account):
    _left_behind(account, token, {"name": "once"})
    age(account, seconds=61)

    answers = _in_threads(10, lambda i: send(token, {"name": "once"}))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(answer.status_code == 201 and "Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert names(account) == ["once"]


@pytest.mark.django_db(transaction=True)
def test_while_the_first_request_runs_the_second_is_told_so(token, account):
    entered, go_on = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        entered.set()
        assert go_on.wait(10)

    def first():
        try:
            return send(token, {"name": "once"})
        finally:
            connections.close_all()

    probe.during.append(wait)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first)
        assert entered.wait(10)
        try:
            meanwhile = send(token, {"name": "once"})
            other = send(token, {"name": "other"})
        finally:
            go_on.set()
        done = running.result(10)

    assert (meanwhile.status_code, fields_of(meanwhile)["error"]) == (409, "idempotency_in_progress")
    assert other.status_code == 422
    assert done.status_code == 201
    probe.during.clear()
    assert send(token, {"name": "once"}).content == done.content
    assert names(account) == ["once"]
