"""Sending: what the receiver gets, when it is tried again, and when we stop."""

import json
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction
from standardwebhooks import Webhook, WebhookVerificationError

from apps.core import jobs
from apps.core.db import rows
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.integrations import tasks
from apps.integrations.models import WebhookEndpoint
from apps.integrations.services import sending
from apps.integrations.services.endpoints import change_endpoint, rotate_secret
from apps.integrations.services.sending import GIVE_UP_AFTER, LEASE, PAUSES, send_due
from tests.integrations.receiver import HOUR, MINUTE, NOW, STATE, attempt, look, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


# -- what is sent


def test_a_webhook_verifies_with_the_library_of_the_standard(integration):
    event = integration.happens(changes={"name": ["ä", "ö"]})

    jobs.run_pending()

    (hook,) = integration.receiver.hooks
    told = Webhook(integration.secret).verify(hook.body, hook.headers)
    assert told == {
        "id": f"evt_{event.pk}",
        "account": integration.account.pk,
        "sequence": event.pk,
        "type": "test.happened",
        "created_at": event.created_at.isoformat().replace("+00:00", "Z"),
        "subject": {"type": "accounts.account", "id": integration.account.pk, "version": None},
        "client": None,
        "actor": None,
        "source": "",
        "changes": {"name": ["ä", "ö"]},
    }
    (delivery,) = integration.deliveries()
    assert hook.headers["webhook-id"] == f"evt_{event.pk}"
    assert hook.headers["webhook-delivery"] == str(delivery.pk)
    assert (hook.headers["content-type"], hook.headers["user-agent"]) == ("application/json", "Clientele-Webhooks/1.0")
    assert (delivery.state, delivery.attempts, delivery.last_status, delivery.last_error) == ("succeeded", 1, 200, "")
    assert (delivery.next_attempt_at, delivery.body) == (None, hook.body)
    assert delivery.delivered_at is not None
    assert delivery.duration_ms < 5000


def test_a_changed_byte_or_name_or_time_does_not_verify(integration):
    integration.happens()
    attempt(integration)
    (hook,) = integration.receiver.hooks
    library = Webhook(integration.secret)
    library.verify(hook.body, hook.headers)

    forged = [
        (hook.body.replace("test.happened", "test.happenee"), hook.headers),
        (hook.body + " ", hook.headers),
        (hook.body, {**hook.headers, "webhook-id": "evt_1"}),
        (hook.body, {**hook.headers, "webhook-timestamp": str(int(hook.headers["webhook-timestamp"]) + 1)}),
    ]

    for body, headers in forged:
        with pytest.raises(WebhookVerificationError):
            library.verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(hook.body, hook.headers)


def test_while_a_secret_is_rotated_both_verify_and_then_only_the_new_one(integration):
    old = integration.secret
    with account_scope(integration.account):
        _, new = rotate_secret(integration.endpoint, overlap_hours=24)
    integration.happens()
    attempt(integration)

    (hook,) = integration.receiver.hooks
    assert len(hook.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(hook.body, hook.headers)["type"] == "test.happened"

    with time_machine.travel(NOW + 24 * HOUR + MINUTE, tick=True):
        integration.happens()
        attempt(integration)
        later = integration.receiver.hooks[1]
        Webhook(new).verify(later.body, later.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(later.body, later.headers)


def test_a_secret_that_leaked_is_replaced_at_once(integration):
    with account_scope(integration.account):
        _, new = rotate_secret(integration.endpoint, overlap_hours=0)
    integration.happens()
    attempt(integration)

    (hook,) = integration.receiver.hooks
    Webhook(new).verify(hook.body, hook.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(integration.secret).verify(hook.body, hook.headers)


def test_the_body_is_frozen_and_only_the_time_is_new(integration):
    """What becomes of the event, the account or the endpoint later does not change what a retry says."""
    integration.receiver.statuses = [500]
    event = integration.happens(changes={"price": [1, 2]})
    attempt(integration)
    with account_scope(integration.account):
        Event.objects.filter(pk=event.pk).update(changes={"price": [1, 99]})
        change_endpoint(integration.endpoint, url=integration.receiver.url + "/moved")

    assert attempt(integration, at=NOW + 10 * MINUTE) is True

    first, second = integration.receiver.hooks
    assert first.body == second.body
    assert json.loads(second.body)["changes"] == {"price": [1, 2]}
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (first.path, second.path) == ("/hook", "/hook/moved")
    assert int(second.headers["webhook-timestamp"]) == int((NOW + 10 * MINUTE).timestamp())
    with time_machine.travel(NOW + 10 * MINUTE):
        Webhook(integration.secret).verify(second.body, second.headers)


def test_the_call_is_outside_transactions(integration):
    integration.happens()

    with transaction.atomic(), pytest.raises(RuntimeError):
        attempt(integration)

    assert integration.receiver.hooks == []
    assert integration.deliveries("state") == ["pending"]


# -- trying again


def test_the_schedule_of_retries_ends_within_72_hours(integration):
    """Frozen clock: each attempt comes at its time and not a minute before; nothing comes after the eleventh."""
    integration.receiver.status = 503
    integration.happens()
    at, times = NOW + timedelta(seconds=1), []
    while attempt(integration, at=at) is False:
        times.append(at)
        (due,) = integration.deliveries("next_attempt_at")
        if due is None:
            break
        assert attempt(integration, at=due - timedelta(seconds=1)) is None
        assert 0.9 <= (due - at) / PAUSES[len(times) - 1] <= 1.05
        with account_scope(integration.account):  # a failing endpoint is tried by name only; here the delivery's own schedule counts
            WebhookEndpoint.objects.update(consecutive_failures=min(len(times), 4))
        at = due

    assert len(times) == 11
    assert timedelta(hours=58) < times[-1] - times[0] <= GIVE_UP_AFTER
    assert integration.deliveries(*STATE) == [("failed", 11, 503, "refused")]
    assert len({hook.headers["webhook-id"] for hook in integration.receiver.hooks}) == 1
    assert sum(PAUSES, timedelta()) * 1.05 < GIVE_UP_AFTER
    assert attempt(integration, at=at + 500 * HOUR) is None


def test_nothing_is_planned_for_later_than_72_hours(integration):
    assert sending.next_attempt(3, created_at=NOW, at=NOW + 72 * HOUR - 40 * MINUTE) is not None
    assert sending.next_attempt(3, created_at=NOW, at=NOW + 72 * HOUR - 20 * MINUTE) is None
    assert sending.next_attempt(11, created_at=NOW, at=NOW + HOUR) is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, "redirect"), (307, "redirect"), (400, "refused"), (401, "refused"), (404, "refused"), (429, "refused"), (500, "refused")],
)
def test_every_answer_that_is_not_2xx_is_tried_again(integration, status, error):
    """A redirect is not followed: it would carry the body to another host."""
    integration.receiver.statuses = [status]
    integration.happens()

    assert attempt(integration) is False
    assert integration.deliveries(*STATE) == [("pending", 1, status, error)]
    assert attempt(integration, at=NOW + 2 * MINUTE) is True
    assert [hook.path for hook in integration.receiver.hooks] == ["/hook", "/hook"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_acceptance(integration, status):
    integration.receiver.status = status
    integration.happens()

    assert attempt(integration) is True


def test_nobody_listening_is_tried_again(integration):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with account_scope(integration.account):
        change_endpoint(integration.endpoint, url=url)
    integration.happens()

    assert attempt(integration) is False
    assert integration.deliveries(*STATE) == [("pending", 1, None, "unreachable")]


@pytest.mark.slow
def test_a_receiver_that_does_not_answer_is_left_after_the_limit(integration, monkeypatch):
    monkeypatch.setattr(sending, "CALL_SECONDS", 0.5)
    integration.receiver.during = lambda: time.sleep(2)
    integration.happens()

    assert attempt(integration) is False
    assert integration.deliveries(*STATE) == [("pending", 1, None, "timeout")]


def test_the_answer_of_the_receiver_is_kept_nowhere(integration, caplog):
    integration.receiver.status, integration.receiver.says = 500, b"CANARY of the receiver"
    integration.happens()
    with caplog.at_level(logging.DEBUG):
        attempt(integration)

    assert "CANARY" not in str([vars(row) for row in integration.deliveries()]) + str(vars(integration.read()))
    assert "CANARY" not in caplog.text
    assert integration.secret not in caplog.text
    assert integration.secret.removeprefix("whsec_") not in str(vars(integration.read()))


# -- workers that die, and several of them


def test_a_delivery_whose_worker_died_while_sending_is_taken_up_again_with_the_same_id(integration, monkeypatch):
    event = integration.happens()

    def die(attempt, at):
        sending_call(attempt, at)  # the receiver has it
        raise KeyboardInterrupt

    sending_call = sending._call
    monkeypatch.setattr(sending, "_call", die)
    with pytest.raises(KeyboardInterrupt):
        attempt(integration)
    monkeypatch.undo()
    assert integration.deliveries("state", "attempts") == [("sending", 1)]

    assert attempt(integration, at=NOW + MINUTE) is None  # its lease is not over
    assert attempt(integration, at=NOW + LEASE + MINUTE) is True

    assert [hook.headers["webhook-id"] for hook in integration.receiver.hooks] == [f"evt_{event.pk}"] * 2
    assert integration.deliveries("state", "attempts") == [("succeeded", 2)]


def test_a_worker_that_is_late_does_not_overwrite_what_another_has_recorded(integration):
    """The first call hangs until its lease is over; the second one is accepted; then the first one fails."""
    integration.receiver.statuses = [500]
    integration.happens()

    def meanwhile():
        integration.receiver.during = lambda: None
        with time_machine.travel(NOW + LEASE + MINUTE, tick=True):
            assert attempt(integration) is True

    integration.receiver.during = meanwhile
    attempt(integration)

    assert integration.deliveries(*STATE) == [("succeeded", 2, 200, "")]
    assert integration.read().consecutive_failures == 0


def test_ten_jobs_at_once_send_each_event_once(integration):
    for _ in range(5):
        integration.happens()

    def work(_):
        try:
            return send_due(integration.account.pk, integration.endpoint.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        calls = sum(pool.map(work, range(10)))

    assert calls == 5
    assert len({hook.headers["webhook-delivery"] for hook in integration.receiver.hooks}) == len(integration.receiver.hooks) == 5


def test_without_the_claim_the_same_event_would_be_sent_by_all_of_them(integration, monkeypatch):
    """The negative control of the test above: workers that read what is due, and take nothing."""
    integration.happens()
    (delivery,) = integration.deliveries()
    unclaimed = sending.Attempt(
        account_id=integration.account.pk,
        endpoint_id=integration.endpoint.pk,
        delivery_id=delivery.pk,
        number=1,
        event_id=delivery.event_id,
        body=delivery.body,
        url=integration.receiver.url,
        secrets=(integration.secret,),
    )

    for _ in range(3):
        sending._call(unclaimed, NOW)

    assert len(integration.receiver.hooks) == 3


def test_a_slow_endpoint_leaves_workers_to_the_others(integration):
    """At most four calls to it at once; what is fifth waits."""
    for _ in range(6):
        integration.happens()
    claimed = [sending._claim(integration.account.pk, integration.endpoint.pk, None, NOW + MINUTE) for _ in range(6)]

    assert [one is not None for one in claimed] == [True] * 4 + [False] * 2
    sending._record(claimed[0], sending.Outcome(status=200), NOW + MINUTE)
    assert sending._claim(integration.account.pk, integration.endpoint.pk, None, NOW + MINUTE) is not None


def test_the_sweep_finds_what_no_job_knows_of(integration):
    integration.receiver.statuses = [500]
    integration.happens()
    work()
    assert integration.deliveries("state") == ["pending"]

    assert look(NOW + timedelta(seconds=30)) == 0
    assert look(NOW + 2 * MINUTE) == 1
    assert integration.deliveries("state") == ["succeeded"]
    assert look(NOW + 3 * MINUTE) == 0


def test_the_sweep_queues_one_job_for_an_endpoint_however_much_is_due(integration):
    for _ in range(3):
        integration.happens()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs CASCADE")  # the jobs were lost

    with time_machine.travel(NOW + MINUTE, tick=True):
        assert tasks.look_around(timestamp=0) == 1
        assert tasks.look_around(timestamp=0) == 0
        assert rows("SELECT queue_name FROM procrastinate_jobs WHERE task_name = 'webhooks.send_due'") == [("webhooks",)]
        work()

    assert integration.deliveries("state") == ["succeeded"] * 3
