"""Events: one row with its change, handlers after the commit, at least once, each for itself."""

import json
from contextlib import closing, suppress

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from apps.core import events, jobs
from apps.core.db import joined, rows
from apps.core.events import ANY, Acting, UndeclaredEvent, acting, current_actor, declare, deliver, dispatch, emit, on
from apps.core.models import Counter, Event
from apps.core.tenancy import account_scope, current_account_id
from factories.accounts import AccountFactory
from factories.clients import ClientFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def handlers(monkeypatch):
    """Registrations made in the test are gone after it; the queue is empty before and after (its tables are not Django's)."""
    monkeypatch.setattr(events, "_types", {})
    monkeypatch.setattr(events, "_handlers", {})
    monkeypatch.setattr(events, "_by_name", {})
    declare(ANY, dict.fromkeys(("test.happened", "test.sold", "test.other"), ("Something happened.", (ANY,))))
    _empty_queue()
    yield
    _empty_queue()


def _empty_queue() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_events CASCADE")


def queued() -> list[tuple[list[int], str]]:
    """(events, status) of the jobs that tell the handlers."""
    found = rows("SELECT args ->> 'event_ids', status::text FROM procrastinate_jobs WHERE task_name = 'core.dispatch' ORDER BY id")
    return [(json.loads(ids), status) for ids, status in found]


def tried_again() -> list[tuple[str, str, int]]:
    """(handler, status, attempts) of the deliveries that failed at first."""
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
    assert queued() == [([event.pk], "succeeded")]
    jobs.run_pending()
    assert len(seen) == 1


def test_what_a_job_queues_belongs_to_its_transaction(handlers):
    """Negative control: queued on the worker's connection, both jobs are there before the end, and the second one after it."""
    account = AccountFactory()

    def waiting() -> int:
        """Jobs that others see."""
        with closing(connection.copy()) as another, another.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND task_name IN ('core.dispatch', 'core.deliver')"
            )
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
    assert (len(queued()), tried_again()) == (2, [])


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
    assert seen == ["flaky", "sound", "flaky"]
    assert [status for _, status in queued()] == ["succeeded"]
    assert tried_again() == [("test.flaky", "todo", 1)]

    make_due()
    jobs.run_pending()
    assert seen == ["flaky", "sound", "flaky", "flaky"]
    assert tried_again() == [("test.flaky", "succeeded", 2)]
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

    assert tried_again() == [("test.broken", "failed", jobs.RETRY.max_attempts + 1)]
    assert len(seen) == 1 + jobs.RETRY.max_attempts + 1


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


def test_a_dead_job_whose_successor_waits_ends_and_holds_up_no_other(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append("one"))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, status, args)"
            " VALUES ('core', 'core.sweep_files', 'twins', 'twins', 'todo', '{\"timestamp\": 0}') RETURNING id"
        )
        (dead,) = cursor.fetchone()
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', attempts = 1 WHERE id = %s", [dead])
    _emit(account)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing', attempts = 1 WHERE task_name = 'core.dispatch'")
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, status, args)"
            " VALUES ('core', 'core.sweep_files', 'twins', 'twins', 'todo', '{\"timestamp\": 1}')"
        )

    with suppress(AlreadyEnqueued):
        jobs.retry_stalled_jobs.defer(timestamp=0)
    jobs.run_pending()
    make_due()
    jobs.run_pending()

    assert seen == ["one"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM procrastinate_jobs WHERE lock = 'twins' ORDER BY id")
        assert [status for (status,) in cursor.fetchall()] == ["aborted", "succeeded"]


def test_finished_jobs_are_forgotten_and_failures_are_kept_for_longer(handlers):
    with connection.cursor() as cursor:
        for name, status, hours in (
            ("young", "succeeded", 23),
            ("old", "succeeded", 25),
            ("waiting", "todo", 2000),
            ("failed", "failed", 25),
            ("failed long ago", "failed", 30 * 24 + 1),
        ):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, status, args) VALUES ('core', %s, 'todo', '{}') RETURNING id",
                [name],
            )
            (job,) = cursor.fetchone()
            cursor.execute("UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status WHERE id = %s", [status, job])
            cursor.execute("UPDATE procrastinate_events SET at = now() - %s * interval '1 hour' WHERE job_id = %s", [hours, job])
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 day' WHERE task_name = 'waiting'")

    with suppress(AlreadyEnqueued):
        jobs.forget_finished_jobs.defer(timestamp=0)
    jobs.run_pending()

    left = rows(
        "SELECT task_name FROM procrastinate_jobs WHERE task_name IN ('young', 'old', 'waiting', 'failed', 'failed long ago') ORDER BY id"
    )
    assert [name for (name,) in left] == ["young", "waiting", "failed"]


def test_an_event_whose_account_is_gone_is_no_failure(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append("one"))
    event = _emit(account)
    with account_scope(account):
        Event.objects.filter(pk=event.pk).delete()

    jobs.run_pending()

    assert (seen, queued()) == ([], [([event.pk], "succeeded")])
    deliver(account_id=account.pk, event_id=event.pk, handler="test.one")
    assert seen == []


def test_a_delivery_sees_nothing_of_another_account(handlers):
    account, other, seen = AccountFactory(), AccountFactory(), []
    handler("one", lambda event: seen.append(event))
    event = _emit(account)

    deliver(account_id=other.pk, event_id=event.pk, handler="test.one")
    dispatch(account_id=other.pk, event_ids=[event.pk])

    assert seen == []


def test_all_events_of_a_service_call_are_queued_with_one_statement(handlers, django_assert_num_queries):
    account, seen = AccountFactory(), []
    for name in ("one", "two"):
        handler(name, lambda event, name=name: seen.append((event.pk, name)))

    @joined
    def outer():
        return [emit("test.happened", account, account_id=account.pk), *inner()]

    @joined
    def inner():
        return [emit("test.happened", account, account_id=account.pk), emit("test.other", account, account_id=account.pk)]

    with account_scope(account), django_assert_num_queries(4):
        first, second, _ = outer()

    assert queued() == [([first.pk, second.pk], "todo")]
    jobs.run_pending()
    assert seen == [(first.pk, "one"), (first.pk, "two"), (second.pk, "one"), (second.pk, "two")]


def test_a_service_that_fails_leaves_nothing_for_the_next_one(handlers):
    account, seen = AccountFactory(), []
    handler("one", lambda event: seen.append(event.changes))

    @joined
    def service(fails):
        emit("test.happened", account, account_id=account.pk, changes={"fails": fails})
        if fails:
            raise ZeroDivisionError

    with suppress(ZeroDivisionError), account_scope(account):
        service(True)
    with account_scope(account):
        service(False)

    jobs.run_pending()
    assert (len(queued()), seen) == (1, [{"fails": False}])


def test_a_handler_of_every_type_hears_them_all(handlers):
    account, seen = AccountFactory(), []
    heard = lambda event: seen.append(event.type)  # noqa: E731
    heard.__qualname__, heard.__module__ = "every", "test"
    on(ANY)(heard)

    with account_scope(account):
        emit("test.other", account, account_id=account.pk)
        emit("test.sold", account, account_id=account.pk)
    jobs.run_pending()

    assert seen == ["test.other", "test.sold"]


def test_what_is_not_declared_cannot_be_emitted(handlers):
    account = AccountFactory()
    with account_scope(account):
        with pytest.raises(UndeclaredEvent, match=r"test\.unheard_of"):
            emit("test.unheard_of", account, account_id=account.pk)
        assert Event.objects.count() == 0
    with pytest.raises(ValueError, match="declared twice"):
        declare("accounts.account", {"test.happened": ("Again.", ())})


def test_an_event_says_whose_client_it_is_about_and_which_version(handlers):
    studio = AccountFactory()
    with account_scope(studio):
        client = ClientFactory(account=studio)
        about_client, about_counter = emit("test.happened", client), emit("test.happened", Counter.objects.create(account=studio, name="x"))

    assert (about_client.client_id, about_client.version) == (client.pk, None)
    assert (about_counter.client_id, about_counter.version) == (None, None)


def test_every_registered_handler_can_be_found_by_the_worker():
    """Names are stored in the queue: they must be importable paths of module-level functions."""
    for name, registered in events._by_name.items():
        assert "<" not in name, name
        assert name == f"{registered.__module__}.{registered.__qualname__}"
    assert {name for names in events._handlers.values() for name in names} == set(events._by_name)
    assert {deliver.name, dispatch.name} <= set(app.tasks)
    assert set(events._handlers) - {ANY} <= set(events._types)
