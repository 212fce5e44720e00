"""The live server over real HTTP: what is committed is there within a second, for its reader and for nobody else."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.core.tenancy import account_scope, user_scope
from apps.notifications import live as module
from apps.notifications.live import Live
from apps.notifications.live_rows import connection_parameters
from apps.notifications.models import Notification
from apps.users.models import User
from config import postgres
from factories.accounts import MembershipFactory
from tests.notifications.streaming import Browser, Running, eventually, free_port, is_ready, listening, say, serving, ticket_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SOON = 10.0
"""Long before the next heartbeat, so it was heard and not looked up. How fast it is stands in docs/performance.md."""
PROJECT = Path(postgres.__file__).resolve().parents[1]


@pytest.fixture
def member(account: Account) -> User:
    return MembershipFactory(account=account).user


@pytest.fixture
def colleague(account: Account) -> User:
    return MembershipFactory(account=account).user


@pytest.fixture
def live(account: Account) -> Iterator[Running]:
    with serving() as running:
        yield running


def test_what_is_committed_arrives_at_once_as_the_list_shows_it(live, account, member):
    with listening(live, ticket_of(member, account)) as browser:
        said = time.monotonic()
        number = say(account, member)

        assert eventually(lambda: browser.has(number))

    [(kind, event_id, data, arrived)] = browser.events
    with user_scope(member.pk):
        row = Notification._base_manager.get(pk=number)
    assert arrived - said < SOON
    assert (kind, event_id) == ("notification", number)
    assert {name: data[name] for name in ("id", "account", "type", "title", "message", "read_at")} == {
        "id": number,
        "account": "berlin",
        "type": "order_placed",
        "title": "Title 1",
        "message": "Text 1",
        "read_at": None,
    }
    assert data["created_at"] == row.created_at.isoformat().replace("+00:00", "Z")
    assert browser.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert browser.headers["cache-control"] == "no-store"


def test_what_is_rolled_back_never_arrives(live, account, member):
    with listening(live, ticket_of(member, account)) as browser:
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            say(account, member, "lost")
            raise ZeroDivisionError
        kept = say(account, member, "kept")

        assert eventually(lambda: browser.has(kept))
        assert browser.ids == [kept]


def test_nobody_hears_what_another_is_told(live, account, member, colleague):
    with listening(live, ticket_of(member, account)) as mine, listening(live, ticket_of(colleague, account)) as theirs:
        one, two = say(account, member, 1), say(account, colleague, 2)

        assert eventually(lambda: mine.has(one) and theirs.has(two))
        assert (mine.ids, theirs.ids) == ([one], [two])


def test_a_forged_notice_shows_nobody_a_foreign_notification(live, account, member, colleague):
    """Whoever may NOTIFY can name any id: the stream still reads as its own person."""
    foreign = say(account, colleague)
    with listening(live, ticket_of(member, account)) as browser:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('clientele_live', %s)", [f"{member.pk}:{foreign}"])
            cursor.execute("SELECT pg_notify('clientele_live', 'nonsense')")
        own = say(account, member)

        assert eventually(lambda: browser.has(own))
        assert browser.ids == [own]


@pytest.mark.parametrize(("guards", "shown"), [("both", 0), ("policy", 0), ("filter", 0), ("none", 1)])
def test_policy_and_filter_each_keep_others_away(live, account, member, colleague, guards, shown):
    """Negative control: only without both is another's notification found. The statement runs as the live server's does."""
    foreign = say(account, colleague)
    statement = live.live.rows._statements["named"]
    whose = {"both": member, "policy": colleague, "filter": member, "none": colleague}[guards].pk
    reader = {"both": member, "policy": member, "filter": colleague, "none": colleague}[guards].pk
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.user_id', %s, true)", [str(reader)])
        cursor.execute(statement.sql, statement.arguments({"user": whose, "accounts": [account.pk], "ids": [foreign]}))
        assert len(cursor.fetchall()) == shown


def test_a_ticket_for_one_account_shows_no_other(live, account, other_account, member):
    MembershipFactory(account=other_account, user=member)
    with listening(live, ticket_of(member, account)) as browser, listening(live, ticket_of(member, account, other_account)) as both:
        elsewhere, here = say(other_account, member), say(account, member)

        assert eventually(lambda: browser.has(here) and both.has(elsewhere, here))
        assert browser.ids == [here]


# -- resuming


def test_a_reader_that_comes_back_gets_what_it_missed_and_no_gap(live, account, member):
    with listening(live, ticket_of(member, account)) as browser:
        first = say(account, member, 1)
        assert eventually(lambda: browser.has(first))
    missed = [say(account, member, n) for n in (2, 3)]

    with listening(live, ticket_of(member, account), headers={"Last-Event-ID": str(first)}) as again:
        assert eventually(lambda: again.has(*missed))
        last = say(account, member, 4)
        assert eventually(lambda: again.has(last))
        assert again.ids == [*missed, last]
    with listening(live, ticket_of(member, account), last_event_id=first) as by_query:
        assert eventually(lambda: by_query.has(*missed, last))


def test_without_a_last_id_the_past_stays_in_the_list(live, account, member):
    say(account, member, 1)

    with listening(live, ticket_of(member, account)) as browser:
        new = say(account, member, 2)

        assert eventually(lambda: browser.has(new))
        assert browser.ids == [new]


def test_a_lower_id_that_was_committed_late_is_not_lost_on_resuming(live, account, member, colleague):
    """The naive ``id > last`` would skip it for ever."""
    written, commit = threading.Event(), threading.Event()
    late: list[int] = []

    def slowly() -> None:
        try:
            with transaction.atomic():
                late.append(say(account, member, "late"))
                written.set()
                commit.wait(10)
        finally:
            connection.close()

    slow = threading.Thread(target=slowly)
    slow.start()
    assert written.wait(10)
    with listening(live, ticket_of(member, account)) as browser:
        early = say(account, member, "early")
        assert eventually(lambda: browser.has(early))
        assert browser.ids == [early]
    assert late[0] < early
    with listening(live, ticket_of(colleague, account)) as other:
        commit.set()
        slow.join()
        after = say(account, colleague, "after")
        assert eventually(lambda: other.has(after))  # so the notice of the late one has passed

    with listening(live, ticket_of(member, account), headers={"Last-Event-ID": str(early)}) as again:
        assert eventually(lambda: again.has(late[0]))


def test_a_lower_id_that_is_committed_late_reaches_an_open_stream(live, account, member):
    written, commit = threading.Event(), threading.Event()
    late: list[int] = []

    def slowly() -> None:
        try:
            with transaction.atomic():
                late.append(say(account, member, "late"))
                written.set()
                commit.wait(10)
        finally:
            connection.close()

    slow = threading.Thread(target=slowly)
    slow.start()
    assert written.wait(10)
    with listening(live, ticket_of(member, account)) as browser:
        early = say(account, member, "early")
        assert eventually(lambda: browser.has(early))
        commit.set()
        slow.join()

        assert eventually(lambda: browser.has(late[0]))
        assert browser.ids == [early, late[0]]


def test_what_is_committed_while_the_server_does_not_hear_is_read_when_it_does(live, account, member):
    with listening(live, ticket_of(member, account)) as browser:
        first = say(account, member, 1)
        assert eventually(lambda: browser.has(first))
        with connection.cursor() as cursor:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            cursor.execute(f"{ended} AND query ILIKE 'LISTEN%' OR (query = 'SELECT 1' AND pid <> pg_backend_pid())")
        missed = say(account, member, 2)

        assert eventually(lambda: browser.has(missed), 10)
        assert eventually(live.live.listening.is_set, 10)
        heard = say(account, member, 3)
        assert eventually(lambda: browser.has(heard))
        assert browser.ids == [first, missed, heard]


def test_the_database_may_cut_every_connection(live, account, member):
    with listening(live, ticket_of(member, account)) as browser:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            assert cursor.fetchone()[0] >= 2
        missed = say(account, member, 2)

        assert eventually(lambda: browser.has(missed), 10)
        assert browser.ids == [missed]


def test_who_missed_very_much_is_told_to_read_the_list(live, account, member, monkeypatch):
    first = say(account, member, 0)
    with account_scope(account):
        Notification.objects.bulk_create(
            Notification(account=account, user=member, key=f"n:{n}", kind="order_placed", title="t", message="m") for n in range(250)
        )
    monkeypatch.setattr(module, "MOST_MISSED", 100)

    with listening(live, ticket_of(member, account), last_event_id=first) as browser:
        assert eventually(lambda: "reload" in [kind for kind, *_ in browser.events])
        new = say(account, member, "new")
        assert eventually(lambda: browser.has(new))
    assert len(browser.ids) == 101


# -- who may


@pytest.mark.parametrize("what", ["none", "nonsense", "tampered", "over"])
def test_a_ticket_that_does_not_hold_is_refused_in_the_envelope(live, account, member, colleague, what):
    good = ticket_of(member, account)
    ticket = {
        "none": "",
        "nonsense": "abc",
        "tampered": ticket_of(colleague, account).split(":")[0] + ":" + good.split(":", 1)[1],
        "over": ticket_of(member, account, at=timezone.now() - timedelta(minutes=10)),
    }[what]

    answer = live.get(f"/live/?ticket={ticket}")

    assert answer.status_code == 401
    assert (answer.json()["error"], set(answer.json())) == ("not_authenticated", {"error", "message", "request_id"})
    assert answer.headers["www-authenticate"] == "Token"


def test_a_stream_ends_with_its_ticket(live, account, member):
    almost_over = timezone.now() - timedelta(minutes=10) + timedelta(seconds=2)
    with listening(live, ticket_of(member, account, at=almost_over)) as browser:
        assert browser.ended.wait(5)

    assert [(kind, data) for kind, _, data, _ in browser.events] == [("end", {"reason": "ticket_expired"})]


def test_while_the_database_is_away_nobody_begins(live, account, member, monkeypatch):
    monkeypatch.setattr(live.live.rows, "_read", _away)

    answer = live.get(f"/live/?ticket={ticket_of(member, account)}")

    assert (answer.status_code, answer.json()["error"]) == (503, "busy")
    assert live.streams() == 0


async def _away(*args, **kwargs):
    raise psycopg.OperationalError("away")


def test_the_stream_of_somebody_who_was_deactivated_ends(account, member, colleague):
    with (
        serving(check_seconds=0.2) as live,
        listening(live, ticket_of(member, account)) as browser,
        listening(live, ticket_of(colleague, account)) as other,
    ):
        User.objects.filter(pk=member.pk).update(is_active=False)

        assert browser.ended.wait(5)
        assert [data for _, _, data, _ in browser.events] == [{"reason": "inactive"}]
        assert not other.ended.is_set()


@pytest.mark.parametrize("text", ["-1", "abc", "9" * 20, "1.5"])
def test_a_last_id_that_is_none_is_refused(live, account, member, text):
    answer = live.get(f"/live/?ticket={ticket_of(member, account)}", headers={"Last-Event-ID": text})

    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")


# -- limits


def test_a_login_has_five_streams(live, account, member, colleague):
    ticket = ticket_of(member, account)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(listening(live, ticket))

        sixth = live.get(f"/live/?ticket={ticket}")
        assert (sixth.status_code, sixth.json()["error"], sixth.headers["retry-after"]) == (429, "rate_limited", "5")
        stack.enter_context(listening(live, ticket_of(colleague, account)))
    with listening(live, ticket) as again:
        assert again.status == 200


def test_a_process_has_so_many_streams(account, member, colleague):
    with serving(most_streams=1) as live, listening(live, ticket_of(member, account)):
        second = live.get(f"/live/?ticket={ticket_of(colleague, account)}")

    assert (second.status_code, second.json()["error"], second.headers["retry-after"]) == (503, "busy", "5")


def test_a_reader_that_takes_nothing_holds_up_nobody(live, account, member, colleague):
    """Its news wait in the sockets and then in the database, not in the memory of the process."""
    big = "x" * 1900
    with account_scope(account):
        rows = [Notification(account=account, user=member, key=f"n:{n}", kind="order_placed", title="t", message=big) for n in range(4000)]
        Notification.objects.bulk_create(rows)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", live.port))
        ticket = ticket_of(member, account)
        lazy.sendall(f"GET /live/?ticket={ticket}&last_event_id=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert eventually(lambda: live.streams() == 1)
        [stream] = live.live.streams[member.pk]
        with listening(live, ticket_of(colleague, account)) as other:
            for n in range(3):
                said = time.monotonic()
                number = say(account, colleague, n)
                assert eventually(lambda number=number: other.has(number))
                assert time.monotonic() - said < SOON
            with connection.cursor() as cursor:
                notices = [f"{member.pk}:{n}" for n in range(1, 2000)]
                cursor.execute("SELECT pg_notify('clientele_live', one) FROM unnest(%s::text[]) AS one", [notices])
            last = say(account, colleague, "last")
            assert eventually(lambda: other.has(last))  # so the notices were heard, too
            assert len(stream.waiting) <= 500
    assert eventually(lambda: live.streams() == 0)


# -- the rest of HTTP


def test_only_known_origins_may_read_it_in_a_browser(live, account, member, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]

    known = live.get("/live/", method="OPTIONS", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"})
    unknown = live.get("/live/", method="OPTIONS", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"})
    refused = live.get("/live/?ticket=x", headers={"Origin": "https://app.example"})

    assert (known.status_code, known.headers["access-control-allow-origin"]) == (204, "https://app.example")
    assert known.headers["access-control-allow-methods"] == "GET"
    assert "last-event-id" in known.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in unknown.headers
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://app.example")
    assert {answer.headers["vary"] for answer in (known, unknown, refused)} == {"origin"}


def test_other_addresses_and_methods_are_refused(live):
    assert live.get("/api/").status_code == 404
    assert live.get("/live/", method="POST").json()["error"] == "method_not_allowed"
    assert live.get("/healthz").json() == {"status": "ok"}


def test_closing_ends_the_streams_kindly(account, member):
    with serving() as live:
        browser = Browser(live.url(ticket_of(member, account)))
        assert eventually(lambda: live.streams() == 1)

    assert browser.ended.wait(2)
    assert [(kind, data) for kind, _, data, _ in browser.events] == [("end", {"reason": "closing"})]


def test_nothing_is_left_of_a_stream_that_has_ended(live, account, member):
    for _ in range(20):
        with listening(live, ticket_of(member, account)):
            continue

    assert eventually(lambda: live.live.streams == {})
    with psycopg.connect(**connection_parameters()) as other:
        connected = other.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone()[0]
    assert connected <= 1 + 4 + 3  # the listener, the readers, and this test's own


# -- the process


@contextlib.contextmanager
def live_process(port: int, lifeline: int) -> Iterator[subprocess.Popen[bytes]]:
    """``manage.py live`` on the database of the test."""
    known = connection.settings_dict
    url = f"postgres://{known['USER']}:{known['PASSWORD']}@/{known['HOST']}/{known['NAME']}"
    if not known["HOST"].startswith("/"):
        url = f"postgres://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT'] or 5432}/{known['NAME']}"
    command = [sys.executable, "manage.py", "live", "--quiet", f"--port={port}", f"--lifeline={lifeline}"]
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, pass_fds=[lifeline], stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["signal", "lifeline"])
def test_the_process_serves_and_stops_kindly(account, member, how):
    port, (reading, writing) = free_port(), os.pipe()
    with live_process(port, reading) as process:
        running = Running(Live(), port)
        assert eventually(lambda: is_ready(running), 60), process.stderr.read()
        browser = Browser(running.url(ticket_of(member, account)))
        assert browser.opened.wait(10)
        number = say(account, member)
        assert eventually(lambda: browser.has(number))

        process.send_signal(signal.SIGTERM) if how == "signal" else os.close(writing)

        assert browser.ended.wait(5)
        assert (browser.events[-1][0], browser.events[-1][2]) == ("end", {"reason": "closing"})
        assert process.wait(8) == 0
    for descriptor in (reading, writing) if how == "signal" else (reading,):
        os.close(descriptor)


def test_the_process_refuses_a_port_that_is_taken(account):
    reading, writing = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with live_process(port, reading) as process:
            assert process.wait(60) == 1
            assert f"Port {port} on 127.0.0.1 is in use" in process.stderr.read().decode()
    for descriptor in (reading, writing):
        os.close(descriptor)
