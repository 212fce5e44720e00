"""The log of events: whoever follows it misses nothing, also when transactions commit in another order than they began."""

import random
import threading
import time
from contextlib import closing, contextmanager
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from apps.core.db import rows
from apps.core.doctor import invariants
from apps.core.errors import Invalid
from apps.core.events import ANY, declare, emit
from apps.core.log import events_after
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from factories.accounts import AccountFactory

pytestmark = pytest.mark.django_db(transaction=True)

WRITE = """INSERT INTO core_event (account_id, type, subject_type, subject_id, source, changes, created_at, updated_at)
    VALUES (%s, 'test.happened', 'accounts.account', 1, '', '{}', now(), now()) RETURNING id"""


@pytest.fixture(autouse=True)
def _declared(monkeypatch):
    monkeypatch.setattr("apps.core.events._types", {})
    declare("accounts.account", {"test.happened": ("Something happened.", (ANY,))})


@contextmanager
def writer(account):
    """A transaction of another connection: yields (write, commit)."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT set_config('app.account_id', %s, true)", [str(account.pk)])

        def write():
            cursor.execute(WRITE, [account.pk])
            return cursor.fetchone()[0]

        yield write, lambda: cursor.execute("COMMIT")


def naive(account, after, size=100):
    """What a reader does who takes ids for the order of things."""
    with account_scope(account):
        return rows("SELECT id FROM core_event WHERE account_id = %s AND id > %s ORDER BY id LIMIT %s", [account.pk, after, size])


def follow(account, after, size=100):
    with account_scope(account):
        return [event.id for event in events_after(account.pk, after, size=size)]


def settled(account, after, expected, size=100):
    """What a patient reader sees: other tests of this cluster have open transactions, too, and hold the horizon back meanwhile."""
    deadline = time.monotonic() + 120
    while (found := follow(account, after, size)) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def happen(account, times=1):
    with account_scope(account):
        return [emit("test.happened", account, account_id=account.pk).pk for _ in range(times)]


def test_a_reader_waits_for_a_slower_transaction_with_smaller_ids():
    """Negative control: the naive reader sees the later row first, moves on and never sees the earlier one."""
    account = AccountFactory()
    with writer(account) as (write, commit):
        slow = write()
        [quick] = happen(account)
        assert naive(account, 0) == [(quick,)]
        assert follow(account, 0) == []
        commit()

    assert naive(account, quick) == []  # lost
    assert settled(account, 0, [slow, quick]) == [slow, quick]


def test_a_reader_misses_nothing_when_the_later_transaction_has_the_smaller_id():
    """Negative control: horizon or not, a cursor over ids alone skips the row."""
    account = AccountFactory()
    with writer(account) as (write_first, commit_first), writer(account) as (write_second, commit_second):
        rows_of_first = [write_first()]  # its transaction gets the smaller number …
        small = write_second()
        rows_of_first.append(write_first())  # … and a greater id than the other one
        commit_first()
        seen = settled(account, 0, rows_of_first)
        assert seen == rows_of_first
        commit_second()

    assert naive(account, max(seen)) == []  # lost
    assert settled(account, seen[-1], [small]) == [small]


def test_a_rolled_back_event_is_a_gap_and_nothing_waits_for_it():
    account = AccountFactory()
    with writer(account) as (write, _):
        write()
    [after] = happen(account)

    assert settled(account, 0, [after]) == [after]


def test_pages_follow_each_other_and_the_end_can_be_asked_again():
    account, other = AccountFactory(), AccountFactory()
    written = []
    for _ in range(7):
        written += happen(account)
        happen(other)

    assert settled(account, 0, written) == written
    seen, after = [], 0
    while page := follow(account, after, size=3):
        seen += page
        after = page[-1]
    assert seen == written
    assert follow(account, after) == []
    assert follow(account, after) == []
    [more] = happen(account)
    assert settled(account, after, [more]) == [more]


def test_an_unknown_or_foreign_place_is_refused():
    account, other = AccountFactory(), AccountFactory()
    [foreign] = happen(other)
    happen(account)
    for place in (foreign, 10**15):
        with pytest.raises(Invalid):
            follow(account, place)


def test_the_events_of_one_thing():
    account, other = AccountFactory(), AccountFactory()
    before = happen(account, 2)
    with account_scope(account):
        about = emit("test.happened", other, account_id=account.pk)
    assert settled(account, 0, [*before, about.pk]) == [*before, about.pk]
    with account_scope(account):
        found = events_after(account.pk, 0, size=10, subject=("accounts.account", other.pk))
    assert [event.id for event in found] == [about.pk]


@pytest.mark.slow
def test_readers_beside_many_writers_see_every_event_exactly_once():
    account = AccountFactory()
    written: list[int] = []
    lock, stop = threading.Lock(), threading.Event()

    def write(seed):
        chance = random.Random(seed)
        try:
            for _ in range(25):
                with transaction.atomic():
                    ids = happen(account, chance.randint(1, 3))
                    stop.wait(chance.random() / 100)
                    if chance.random() < 0.2:
                        transaction.set_rollback(True)
                        ids = []
                with lock:
                    written.extend(ids)
        finally:
            connection.close()

    def read(seen):
        try:
            after = 0
            while True:
                done = stop.is_set()
                page = follow(account, after, size=5)
                seen += page
                after = page[-1] if page else after
                if done and not page and len(seen) >= len(written):
                    return
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=[seed]) for seed in range(6)]
    seen_by: list[list[int]] = [[], []]
    readers = [threading.Thread(target=read, args=[seen]) for seen in seen_by]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()

    assert len(written) > 100
    for seen in seen_by:
        assert len(seen) == len(set(seen))
        assert set(seen) == set(written)
    with account_scope(account):
        assert Event.objects.count() == len(written)


def test_a_restored_log_is_found_and_mended():
    """A dump keeps the numbers of its cluster's transactions; another one may be far behind."""
    account = AccountFactory()
    written = happen(account, 3)
    with connection.cursor() as cursor, platform_scope("test"):
        cursor.execute("UPDATE core_event SET transaction = '900000000000000000'::xid8")
    assert follow(account, 0) == []
    assert [one.code for one in invariants() if one.code == "I39" and found_by(one)] == ["I39"]

    said = StringIO()
    call_command("rebase_events", stdout=said)
    assert "3 events lie ahead" in said.getvalue()
    assert follow(account, 0) == []
    call_command("rebase_events", "--apply", stdout=said)

    assert settled(account, 0, written) == written
    assert follow(account, written[0]) == written[1:]
    assert not [one for one in invariants() if one.code == "I39" and found_by(one)]
    call_command("rebase_events", "--apply", stdout=said)
    assert "nothing to do" in said.getvalue()
    [new] = happen(account)
    assert settled(account, written[-1], [new]) == [new]


def found_by(invariant):
    with platform_scope("test"):
        return invariant.find()
