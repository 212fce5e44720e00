"""Fifty clients, one slot (RC1): real server, real connections, and the proof that both guards are needed to fail."""

import http.client
import json
import threading
import time
from collections import Counter
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from apps.bookings.models import ONE_SEAT, ONE_SERVICE, ONE_START, Booking
from apps.bookings.services import scheduling
from apps.core.doctor import findings
from apps.core.tenancy import account_scope, platform_scope
from factories.accounts import MembershipFactory, token_for
from tests.studio import open_studio

CLIENTS = 50
GUARDS = (ONE_SERVICE, ONE_START, ONE_SEAT)


@pytest.fixture
def constraints_dropped(transactional_db):
    """A database without the three constraints; they come back at the end, when the table is empty again."""
    with connection.cursor() as cursor:
        kept = {}
        for name in (ONE_SERVICE, ONE_START):
            cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
            kept[name] = cursor.fetchone()[0]
            cursor.execute(f"ALTER TABLE bookings_booking DROP CONSTRAINT {name}")
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [ONE_SEAT])
        index = cursor.fetchone()[0]
        cursor.execute(f"DROP INDEX {ONE_SEAT}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE bookings_booking CASCADE")
        for name, definition in kept.items():
            cursor.execute(f"ALTER TABLE bookings_booking ADD CONSTRAINT {name} {definition}")
        cursor.execute(index)


@pytest.fixture
def lock_removed(monkeypatch):
    monkeypatch.setattr(scheduling, "lock_practitioners", lambda practitioner_ids, at: {})


@pytest.fixture
def wide_window(monkeypatch):
    """Time between looking and writing, so that whoever can slip in does."""
    write_claim = scheduling.write_claim

    def slowly(*args):
        time.sleep(0.3)
        write_claim(*args)

    monkeypatch.setattr(scheduling, "write_claim", slowly)


def race(live_server, clients=CLIENTS):
    """All clients ask for the same start at once; returns the answers and the bookings that got it."""
    studio = open_studio()
    MembershipFactory(account=studio.account)
    token = token_for(MembershipFactory(account=studio.account, role="front_desk").user)
    drafts = [studio.draft(client=studio.other_client()) for _ in range(clients)]
    monday = timezone.now() + timedelta(days=7 - timezone.now().weekday())
    start = monday.replace(hour=10, minute=0, second=0, microsecond=0)
    body = json.dumps({"practitioner": studio.practitioner.pk, "start_time": start.isoformat()})
    barrier, answers = threading.Barrier(clients), []

    def connect():
        server = http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=60)
        server.connect()  # one after the other: the test server's backlog is short
        return server

    def ask(booking, server):
        barrier.wait()
        server.request(
            "POST",
            f"/api/bookings/{booking.pk}/schedule/",
            body,
            {"Authorization": f"Token {token}", "Content-Type": "application/json"},
        )
        response = server.getresponse()
        answers.append((response.status, json.loads(response.read())))

    threads = [threading.Thread(target=ask, args=(booking, connect())) for booking in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with account_scope(studio.account):
        won = Booking.objects.filter(start_time=start).count()
    return answers, won


def broken():
    with platform_scope("test"):
        return [one.code for one, found in findings() if found]


@pytest.mark.django_db(transaction=True)
def test_one_of_fifty_wins_and_the_rest_are_offered_alternatives(live_server):
    answers, won = race(live_server)

    assert Counter(status for status, _ in answers) == {200: 1, 409: CLIENTS - 1}
    assert won == 1
    losers = [body for status, body in answers if status == 409]
    assert {body["error"] for body in losers} == {"slot_taken"}
    assert all(body["alternatives"] for body in losers)
    assert broken() == []


@pytest.mark.django_db(transaction=True)
def test_constraints_alone_let_one_win(live_server, lock_removed, wide_window):
    answers, won = race(live_server)

    assert Counter(status for status, _ in answers) == {200: 1, 409: CLIENTS - 1}
    assert won == 1


@pytest.mark.django_db(transaction=True)
def test_lock_alone_lets_one_win(live_server, constraints_dropped, wide_window):
    answers, won = race(live_server)

    assert Counter(status for status, _ in answers) == {200: 1, 409: CLIENTS - 1}
    assert won == 1


@pytest.mark.django_db(transaction=True)
def test_negative_control_without_guards_several_win_and_doctor_sees_it(live_server, constraints_dropped, lock_removed, wide_window):
    answers, won = race(live_server)

    assert won > 1
    assert Counter(status for status, _ in answers)[200] == won
    assert "I01" in broken() or "I04" in broken()
