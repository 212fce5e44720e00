"""Events: one row with its change, handlers after the commit, at least once, each for itself."""

from contextlib import closing, suppress

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from apps.core import events, jobs
from apps.core.db import rows
from apps.core.events import Acting, acting, current_actor, deliver, emit, on
from apps.core.models import Counter, Event
from apps.core.tenancy import account_scope, current_account_id
from factories.accounts import AccountFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def handlers(monkeypatch):
    """Registrations made in the test are gone after it; the queue is empty before and after (its tables are not Django's)."""
    monkeypatch.setattr(events, "_handlers", {})
    monkeypatch.setattr(events, "_by_name", {})
    _empty_queue()
    yield
    _empty_queue()


def _empty_queue() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_events CASCADE")


def queued() -> list[tuple[str, str, int]]:
    """(handler, status, attempts) of the deliveries."""
    return rows("SELECT args ->> 'handler', status::text, attempts FROM procrastinate_jobs WHERE task_name = 'core.deliver' ORDER BY id")


def make_due() -> None:
    """A retry waits; the test does not."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND scheduled_at IS NOT NULL")


def handler(name, body):
    """Register ``body`` for test.happened under a name of its own."""
    body.__qualname__ = name
    body.__module__ = "test"
    return on("test.happened")(body)


def _emit(account, **options) -> Event:
    with account_scope(account):
        return emit("test.happened", account, account_id=account.pk, **options)


def test_an_event_says_what_happened_to_what_and_by_whom(handlers):
    account = AccountFactory()
    with acting(42, "staff"):
        _emit(account, changes={"name": ["a", "b"]})

    with account_scope(account):
        event = Event.objects.get()
    assert (event.type, event.subject_type, event.subject_id) == ("test.happened", "accounts.account", account.pk)
    assert (event.actor_id, event.source, event.changes) == (42, "staff", {"name": ["a", "b"]})
    assert event.transaction is not None
    assert queued() == []


def test_the_account_of_an_event_is_its_subjects_own(handlers):
    account = AccountFactory()
    with account_scope(account):
        event = emit("test.happened", Counter.objects.create(account=account, name="x"))

    assert event.account_id == account.pk


def test_acting_is_restored_also_after_an_error():
    with acting(1, "staff"):
        with suppress(ZeroDivisionError), acting(2, "job"):
            assert current_actor() == Acting(2, "job")
            raise ZeroDivisionError
        assert current_actor() == Acting(1, "staff")
    assert current_actor() == Acting(None, "")


def test_a_rolled_back_transaction_leaves_no_event_and_no_job(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append(event.pk))

    with suppress(ZeroDivisionError), account_scope(account):
        emit("test.happened", account, account_id=account.pk)
        assert len(queued()) == 1
        raise ZeroDivisionError

    jobs.run_pending()
    assert (queued(), seen) == ([], [])
    with account_scope(account):
        assert Event.objects.count() == 0


def test_a_rolled_back_savepoint_takes_its_event_and_job_along(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append(event.changes))

    with account_scope(account):
        emit("test.happened", account, account_id=account.pk, changes={"kept": [0, 1]})
        with transaction.atomic():
            emit("test.happened", account, account_id=account.pk, changes={"gone": [0, 1]})
            transaction.set_rollback(True)

    jobs.run_pending()
    assert seen == [{"kept": [0, 1]}]


def test_handlers_run_after_the_commit_in_the_events_scope_as_a_job(handlers):
    account, other, seen = AccountFactory(), AccountFactory(), []
    _emit(other)

    def look(event):
        seen.append((event.pk, current_account_id(), current_actor(), Event.objects.count(), Event._base_manager.count()))

    handler("look", look)
    with account_scope(account):
        event = emit("test.happened", account, account_id=account.pk)
        assert seen == []
    assert seen == []

    jobs.run_pending()

    assert seen == [(event.pk, account.pk, Acting(None, "job"), 1, 1)]
    assert queued() == [("test.look", "succeeded", 1)]
    jobs.run_pending()
    assert len(seen) == 1


def test_what_a_job_queues_belongs_to_its_transaction(handlers):
    """Negative control: queued on the worker's connection, both jobs are there before the end, and the second one after it."""
    account = AccountFactory()

    def waiting() -> int:
        """Jobs that others see."""
        with closing(connection.copy()) as another, another.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'handler' = 'test.next'")
            return cursor.fetchone()[0]

    def sells(event):
        emit("test.sold", account, account_id=account.pk)
        seen.append(waiting())
        with suppress(ZeroDivisionError), transaction.atomic():
            emit("test.sold", account, account_id=account.pk)
            assert jobs.defer_once(deliver, "once", account_id=account.pk, event_id=event.pk, handler="test.next")
            seen.append(waiting())
            raise ZeroDivisionError

    def goes_on(event):
        seen.append(event.type)

    seen: list[object] = []
    handler("sells", sells)
    goes_on.__qualname__, goes_on.__module__ = "next", "test"
    on("test.sold")(goes_on)
    with account_scope(account):
        emit("test.happened", account, account_id=account.pk)
    jobs.run_pending()

    assert seen == [0, 0, "test.sold"]
    assert waiting() == 1


def test_only_the_handlers_of_the_type_run_each_once(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append("one"))
    handler("two", lambda event: seen.append("two"))
    on("test.other")(lambda event: seen.append("other"))

    _emit(account)
    jobs.run_pending()

    assert sorted(seen) == ["one", "two"]


def test_a_handler_that_fails_is_tried_again_and_the_others_are_not_touched(handlers):
    account, seen = AccountFactory(), []

    def flaky(event):
        seen.append("flaky")
        Counter.objects.create(account_id=event.account_id, name=f"try {seen.count('flaky')}")
        if seen.count("flaky") < 3:
            raise ConnectionError("the mail server is away")

    handler("flaky", flaky)
    handler("sound", lambda event: seen.append("sound"))
    _emit(account)

    jobs.run_pending()
    assert seen == ["flaky", "sound"]
    assert queued() == [("test.flaky", "todo", 1), ("test.sound", "succeeded", 1)]

    for _ in range(2):
        make_due()
        jobs.run_pending()
    assert seen == ["flaky", "sound", "flaky", "flaky"]
    assert queued() == [("test.flaky", "succeeded", 3), ("test.sound", "succeeded", 1)]
    with account_scope(account):  # what the failed attempts wrote was rolled back
        assert list(Counter.objects.values_list("name", flat=True)) == ["try 3"]


def test_a_handler_that_never_succeeds_ends_as_failed(handlers):
    account, seen = AccountFactory(), []

    def broken(event):
        seen.append(1)
        raise ValueError("never")

    handler("broken", broken)
    _emit(account)
    for _ in range(jobs.RETRY.max_attempts + 3):
        make_due()
        jobs.run_pending()

    assert queued() == [("test.broken", "failed", len(seen))]
    assert len(seen) == jobs.RETRY.max_attempts + 1


@pytest.mark.parametrize("worker", ["silent for long", "pruned", "alive"])
def test_a_job_whose_worker_died_in_the_middle_is_run_again(handlers, worker):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append("one"))
    _emit(account)
    with connection.cursor() as cursor:
        silent = {"silent for long": jobs.STALLED_AFTER + 30, "pruned": 0, "alive": 1}[worker]
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s * interval '1 s') RETURNING id", [silent])
        (worker_id,) = cursor.fetchone()
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', attempts = 1, worker_id = %s", [worker_id])
        if worker == "pruned":
            cursor.execute("DELETE FROM procrastinate_workers")

    with suppress(AlreadyEnqueued):  # a worker queues it every minute by itself
        jobs.retry_stalled_jobs.defer(timestamp=0)
    jobs.run_pending()
    make_due()
    jobs.run_pending()

    assert seen == ([] if worker == "alive" else ["one"])


def test_an_event_whose_account_is_gone_is_no_failure(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append("one"))
    event = _emit(account)
    with account_scope(account):
        Event.objects.filter(pk=event.pk).delete()

    jobs.run_pending()

    assert (seen, queued()) == ([], [("test.one", "succeeded", 1)])


def test_a_delivery_sees_nothing_of_another_account(handlers):
    account, other, seen = AccountFactory(), AccountFactory(), []
    handler("one", lambda event: seen.append(event))
    event = _emit(account)

    deliver(account_id=other.pk, event_id=event.pk, handler="test.one")

    assert seen == []


def test_many_handlers_are_queued_with_one_statement(handlers, django_assert_num_queries):
    account = AccountFactory()
    for i in range(5):
        handler(f"h{i}", lambda event: None)

    with account_scope(account), django_assert_num_queries(2):
        emit("test.happened", account, account_id=account.pk)

    assert len(queued()) == 5


def test_every_registered_handler_can_be_found_by_the_worker():
    """Names are stored in the queue: they must be importable paths of module-level functions."""
    for name, registered in events._by_name.items():
        assert "<" not in name, name
        assert name == f"{registered.__module__}.{registered.__qualname__}"
    assert {name for names in events._handlers.values() for name in names} == set(events._by_name)
    assert deliver.name in app.tasks
