"""Endpoints that fail: when they are tried more rarely, and when nothing is sent to them any more."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction

from apps.core.errors import Invalid
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.integrations import tasks
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.services import sending
from apps.integrations.services.deliveries import replay_events, tell_endpoints
from apps.integrations.services.endpoints import change_endpoint, pause_endpoint, remove_endpoint, resume_endpoint
from apps.integrations.services.sending import attempt_delivery
from tests.integrations.receiver import HOUR, MINUTE, NOW, STATE, attempt, look, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


def test_an_endpoint_that_says_gone_is_disabled(integration):
    integration.receiver.status = 410
    integration.happens()
    integration.happens()

    assert attempt(integration) is False

    endpoint = integration.read()
    assert (endpoint.state, endpoint.state_reason) == ("disabled", "gone")
    assert endpoint.state_since is not None
    assert integration.deliveries("state", "last_status", "last_error") == [("failed", 410, "gone"), ("cancelled", None, "")]
    assert integration.types()[-1] == "webhook_endpoint.disabled"
    integration.happens()
    assert len(integration.deliveries()) == 2
    assert look(NOW + 5 * HOUR) == 0
    assert len(integration.receiver.hooks) == 1


def test_an_address_that_is_not_public_any_more_is_never_called_and_pauses_the_endpoint(integration, settings):
    integration.happens()
    settings.OUTBOUND_ALLOWED_HOSTS = []

    assert attempt(integration) is False

    endpoint = integration.read()
    assert (endpoint.state, endpoint.state_reason) == ("paused", "port_not_allowed")
    assert integration.deliveries(*STATE) == [("failed", 1, None, "port_not_allowed")]
    assert integration.receiver.hooks == []


def fail(integration, times, *, begin=NOW + MINUTE, every=HOUR):
    """So many failures in a row, each of another event."""
    integration.receiver.status = 500
    for number in range(times):
        at = begin + number * every
        with time_machine.travel(at, tick=False):
            event = integration.happens()
            (delivery,) = integration.deliveries("pk", event_id=event.pk)
            attempt_delivery(integration.account.pk, integration.endpoint.pk, delivery_id=delivery, at=at)


def test_twenty_failures_over_more_than_three_days_pause_the_endpoint_with_notice(integration):
    fail(integration, 20, every=timedelta(hours=1))
    assert integration.read().state == "active"  # many, but each event is tried for three days
    assert integration.read().consecutive_failures == 20

    fail(integration, 1, begin=NOW + 73 * HOUR)

    endpoint = integration.read()
    assert (endpoint.state, endpoint.state_reason, endpoint.state_since) == ("paused", "failing", NOW + 73 * HOUR)
    assert set(integration.deliveries("state")) == {"cancelled"}
    with account_scope(integration.account):
        (event,) = Event.objects.filter(type="webhook_endpoint.paused")
    assert (event.subject_type, event.subject_id) == ("integrations.webhookendpoint", endpoint.pk)
    assert (event.changes, event.source) == ({"state": ["active", "paused"], "state_reason": ["", "failing"]}, "")


def test_what_an_endpoint_missed_by_being_stopped_is_known_until_it_was_sent_again(integration):
    integration.receiver.status = 500
    with time_machine.travel(NOW + MINUTE, tick=False):
        waited = integration.happens()
        attempt(integration, at=NOW + MINUTE)
    with time_machine.travel(NOW + HOUR, tick=False), account_scope(integration.account), transaction.atomic():
        pause_endpoint(integration.endpoint)
    with time_machine.travel(NOW + 2 * HOUR, tick=False):
        missed = integration.happens()
        with account_scope(integration.account), transaction.atomic():
            endpoint = resume_endpoint(integration.endpoint)
    assert endpoint.missed_since == waited.created_at

    with time_machine.travel(NOW + 3 * HOUR, tick=False), account_scope(integration.account), transaction.atomic():
        assert replay_events(integration.endpoint, event_types=["test.sold"]) == 0  # a part of it is not all
        assert integration.read().missed_since == waited.created_at
        assert replay_events(integration.endpoint) == 2
    assert integration.deliveries("event_id", state="pending") == [waited.pk, missed.pk]
    assert integration.read().missed_since is None
    with account_scope(integration.account), pytest.raises(Invalid), transaction.atomic():
        replay_events(integration.endpoint)


def test_what_was_given_up_and_what_is_on_its_way_was_missed_too(integration):
    with time_machine.travel(NOW + MINUTE, tick=False):
        given_up = integration.happens()
    with time_machine.travel(NOW + 2 * MINUTE, tick=False):
        on_its_way = integration.happens()
    with account_scope(integration.account):
        WebhookEndpoint.objects.update(failing_since=NOW, consecutive_failures=3)
        of_event = WebhookDelivery.objects.filter(event_id=given_up.pk)
        of_event.update(state="failed", next_attempt_at=None, last_attempt_at=NOW + HOUR)
        WebhookDelivery.objects.filter(event_id=on_its_way.pk).update(state="sending", next_attempt_at=NOW + 2 * HOUR)
    with time_machine.travel(NOW + HOUR, tick=False), account_scope(integration.account), transaction.atomic():
        pause_endpoint(integration.endpoint)
    assert integration.read().missed_since == given_up.created_at

    with account_scope(integration.account):  # the control: of a sound endpoint only what is on its way
        sound = {"state": "active", "state_reason": "", "state_since": None, "failing_since": None, "consecutive_failures": 0}
        WebhookEndpoint.objects.update(missed_since=None, **sound)
    with time_machine.travel(NOW + HOUR, tick=False), account_scope(integration.account), transaction.atomic():
        pause_endpoint(integration.endpoint)
    assert integration.read().missed_since == on_its_way.created_at


def test_more_than_thirty_days_after_it_was_stopped_the_last_thirty_are_sent_again(integration):
    with time_machine.travel(NOW + MINUTE, tick=False), account_scope(integration.account), transaction.atomic():
        pause_endpoint(integration.endpoint)
    late = NOW + timedelta(days=40)
    with time_machine.travel(late - HOUR, tick=False):
        missed = integration.happens()
    with time_machine.travel(late, tick=False), account_scope(integration.account), transaction.atomic():
        resume_endpoint(integration.endpoint)
        assert replay_events(integration.endpoint) == 1
    assert integration.deliveries("event_id", state="pending") == [missed.pk]
    assert integration.read().missed_since is None


def test_a_mistake_of_ours_counts_as_an_attempt(integration, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("ours")

    monkeypatch.setattr(sending, "fetch", broken)
    integration.happens()

    assert attempt(integration) is False
    assert integration.deliveries("state", "attempts", "last_error") == [("pending", 1, "internal")]


def test_a_day_of_few_failures_does_not_pause(integration):
    fail(integration, 19, every=2 * HOUR)

    assert (integration.read().state, integration.read().consecutive_failures) == ("active", 19)


def test_one_success_begins_the_count_anew(integration):
    fail(integration, 19, every=2 * HOUR)
    integration.receiver.status = 200
    with time_machine.travel(NOW + 38 * HOUR, tick=False):
        integration.happens()
        (waits,) = integration.deliveries("pk", attempts=0)
        attempt_delivery(integration.account.pk, integration.endpoint.pk, delivery_id=waits, at=NOW + 38 * HOUR)
    assert (integration.read().consecutive_failures, integration.read().failing_since) == (0, None)

    fail(integration, 1, begin=NOW + 40 * HOUR)

    assert (integration.read().state, integration.read().consecutive_failures) == ("active", 1)


def test_a_delivery_that_is_given_up_pauses_its_endpoint(integration):
    integration.receiver.status = 500
    integration.happens()
    with account_scope(integration.account):
        WebhookDelivery.objects.update(attempts=10)

    attempt(integration, at=NOW + 60 * HOUR)

    assert integration.deliveries("state") == ["failed"]
    assert (integration.read().state, integration.read().state_reason) == ("paused", "failing")


def test_an_endpoint_that_refuses_only_one_event_stays_active(integration):
    integration.receiver.statuses = [200, 500]
    integration.happens()
    integration.happens()
    with account_scope(integration.account):
        WebhookDelivery.objects.order_by("-pk").filter(pk=integration.deliveries("pk")[1]).update(attempts=10)
    attempt(integration, at=NOW + 60 * HOUR)
    attempt(integration, at=NOW + 60 * HOUR)

    assert integration.deliveries("state") == ["succeeded", "failed"]
    assert integration.read().state == "active"


def test_an_endpoint_that_is_failing_is_tried_once_a_minute_and_everything_follows_when_it_is_well(integration):
    integration.receiver.status = 500
    for _ in range(30):
        integration.happens()
    work()
    assert len(integration.receiver.hooks) == sending.FAILING

    integration.happens()
    work()  # not even queued
    assert len(integration.receiver.hooks) == sending.FAILING
    look(NOW + MINUTE)
    look(NOW + 2 * MINUTE)
    assert len(integration.receiver.hooks) == sending.FAILING + 2

    integration.receiver.status = 200
    look(NOW + 20 * MINUTE)
    assert set(integration.deliveries("state")) == {"succeeded"}


def test_a_pause_cancels_what_waits_and_what_is_being_sent_is_not_tried_again(integration):
    integration.receiver.statuses = [500]
    integration.happens()
    integration.happens()

    def meanwhile():
        with account_scope(integration.account):
            pause_endpoint(integration.endpoint)

    integration.receiver.during = meanwhile
    attempt(integration)

    assert integration.deliveries("state", "attempts") == [("cancelled", 1), ("cancelled", 0)]
    assert look(NOW + 5 * HOUR) == 0
    with account_scope(integration.account):
        resume_endpoint(integration.endpoint)
    integration.receiver.during = lambda: None
    assert look(NOW + 5 * HOUR) == 0
    integration.happens()
    assert attempt(integration) is True


def test_what_came_while_its_endpoint_was_being_paused_does_not_wait_for_ever(integration):
    integration.happens()
    with account_scope(integration.account):
        pause_endpoint(integration.endpoint)
        WebhookDelivery.objects.update(state="sending", next_attempt_at=NOW)  # its worker died in the meantime

    assert look(NOW + MINUTE) == 1
    assert integration.deliveries("state", "next_attempt_at") == [("cancelled", None)]


def test_an_endpoint_that_is_removed_while_it_is_called_leaves_nothing(integration):
    integration.happens()

    def meanwhile():
        with account_scope(integration.account):
            remove_endpoint(integration.endpoint)

    integration.receiver.during = meanwhile

    assert attempt(integration) is True
    assert integration.deliveries() == []
    assert integration.types()[-1] == "webhook_endpoint.removed"


def test_a_secret_that_nobody_can_read_is_a_failure_without_a_call(integration, settings):
    integration.happens()
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    assert attempt(integration) is False

    assert integration.deliveries(*STATE) == [("pending", 1, None, "secret_unreadable")]
    assert integration.receiver.hooks == []


def test_what_ended_a_month_ago_is_forgotten(integration):
    integration.happens()
    integration.happens()
    with account_scope(integration.account):
        kept = integration.deliveries("pk")[1]
        WebhookDelivery.objects.update(created_at=NOW - timedelta(days=31))
        WebhookDelivery.objects.exclude(pk=kept).update(state="failed", next_attempt_at=None)

    assert tasks.forget(timestamp=0) == 1
    assert integration.deliveries("pk") == [kept]  # it still waits


def test_one_endpoint_does_not_hold_up_another(integration):
    """The first one hangs up on everybody; the second one gets the same events."""
    second, _ = integration.add(url=integration.receiver.url + "/second")
    with account_scope(integration.account):
        change_endpoint(integration.endpoint, url="http://127.0.0.1:1/")
    integration.happens()
    work()

    assert integration.deliveries("state", endpoint_id=integration.endpoint.pk) == ["pending"]
    assert integration.deliveries("state", endpoint_id=second.pk) == ["succeeded"]


def test_telling_twice_sends_once(integration):
    event = integration.happens()
    with account_scope(integration.account):
        tell_endpoints(event)
    work()

    assert len(integration.receiver.hooks) == 1
