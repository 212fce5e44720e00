"""One change is one delivery for each endpoint, however often the handler runs; replays say the same under the same id."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from apps.core import jobs
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import acting, emit
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.integrations.errors import EndpointNotActive
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.services import deliveries as module
from apps.integrations.services.deliveries import body_of, ping_endpoint, replay_delivery, replay_events, tell_endpoints
from apps.integrations.services.endpoints import pause_endpoint
from apps.integrations.services.sending import attempt_delivery
from factories.integrations import WebhookDeliveryFactory, WebhookEndpointFactory

NOW = datetime(2027, 3, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def written(**wanted):
    return list(WebhookDelivery.objects.filter(**wanted).order_by("pk").values_list("endpoint_id", "event_id", "number", "state"))


@pytest.fixture
def endpoint(in_account):
    return WebhookEndpointFactory(account=in_account)


@pytest.fixture
def event(in_account, happenings):
    return happened(in_account)


def happened(account):
    return emit("test.happened", account, account_id=account.pk)


# -- the handler


def test_an_event_is_written_down_for_every_endpoint_that_is_told_of_it(in_account, happenings):
    everything = WebhookEndpointFactory(account=in_account)
    this = WebhookEndpointFactory(account=in_account, event_types=["booking.confirmed", "test.happened"])
    WebhookEndpointFactory(account=in_account, event_types=["test.sold"])
    WebhookEndpointFactory(account=in_account, state="paused", state_since=NOW)
    WebhookEndpointFactory(account=in_account, state="disabled", state_since=NOW)
    WebhookEndpointFactory()  # of somebody else
    event = happened(in_account)

    tell_endpoints(event, at=NOW)

    assert written() == [(everything.pk, event.pk, 1, "pending"), (this.pk, event.pk, 1, "pending")]
    assert {row.body for row in WebhookDelivery.objects.all()} == {body_of(event)}
    assert {row.next_attempt_at for row in WebhookDelivery.objects.all()} == {NOW}


def test_an_endpoint_is_not_told_of_what_happened_before_it_was_there(in_account, event):
    """The handlers of an event may run late: its job waited behind others."""
    WebhookEndpointFactory(account=in_account)

    tell_endpoints(event)

    assert written() == []


def test_the_body_is_what_the_log_shows(in_account, happenings):
    with acting(42, "staff"):
        event = emit("test.happened", in_account, account_id=in_account.pk, changes={"when": [None, "2027-03-06T12:00:00Z"]})

    assert json.loads(body_of(event)) == {
        "id": f"evt_{event.pk}",
        "account": in_account.pk,
        "sequence": event.pk,
        "type": "test.happened",
        "created_at": event.created_at.isoformat().replace("+00:00", "Z"),
        "subject": {"type": "accounts.account", "id": in_account.pk, "version": None},
        "client": None,
        "actor": 42,
        "source": "staff",
        "changes": {"when": [None, "2027-03-06T12:00:00Z"]},
    }


def test_what_is_private_is_never_sent(endpoint, in_account, happenings):
    for name in ("test.private", "webhook_endpoint.changed", "webhook.test"):
        tell_endpoints(emit(name, endpoint if "webhook" in name else in_account, account_id=in_account.pk))

    assert written() == []


def test_running_the_handler_again_writes_nothing_more(endpoint, event):
    for _ in range(3):
        tell_endpoints(event)

    assert written() == [(endpoint.pk, event.pk, 1, "pending")]


def test_without_the_unique_key_it_would(endpoint, event):
    """The negative control: the same code on a table without the key."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE integrations_webhookdelivery DROP CONSTRAINT integrations_webhookdelivery_once")

    for _ in range(3):
        tell_endpoints(event)

    assert written() == [(endpoint.pk, event.pk, 1, "pending")] * 3


def test_the_key_is_the_databases(endpoint, event):
    """A second row of the same event, endpoint and number cannot be stored by anybody."""
    tell_endpoints(event)

    with pytest.raises(IntegrityError, match="integrations_webhookdelivery_once"), transaction.atomic():
        WebhookDeliveryFactory(account=endpoint.account, endpoint=endpoint, event_id=event.pk, body="{}")


@pytest.mark.django_db(transaction=True)
def test_ten_handlers_at_once_are_one_delivery_and_one_webhook(integration):
    event, barrier = integration.emitted(), threading.Barrier(10)

    def tell(_):
        try:
            with account_scope(integration.account):
                barrier.wait(30)
                tell_endpoints(event)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(tell, range(10)))
    jobs.run_pending()

    assert integration.deliveries("event_id", "number", "state") == [(event.pk, 1, "succeeded")]
    assert len(integration.receiver.hooks) == 1


def test_without_an_endpoint_an_event_costs_one_query(in_account, event, statements):
    WebhookEndpointFactory()

    with statements() as made:
        tell_endpoints(event)

    assert len(made()) == 1


def test_what_is_private_costs_nothing(in_account, happenings, statements):
    event = emit("test.private", in_account, account_id=in_account.pk)

    with statements() as made:
        tell_endpoints(event)

    assert made() == []


@pytest.mark.parametrize("count", [1, 3])
def test_all_endpoints_are_written_with_one_insert(in_account, happenings, statements, count):
    WebhookEndpointFactory.create_batch(count, account=in_account)
    event = happened(in_account)

    with statements() as made:
        tell_endpoints(event)

    inserts = [sql for sql in made() if "INSERT INTO" in sql and "webhookdelivery" in sql]
    assert (len(inserts), len(made())) == (1, 3)  # which endpoints, their deliveries, their jobs


# -- a test


def test_a_test_goes_to_one_endpoint_once(in_account, endpoint):
    WebhookEndpointFactory(account=in_account)

    delivery = ping_endpoint(endpoint, at=NOW)
    tell_endpoints(Event.objects.get(pk=delivery.event_id))

    assert written() == [(endpoint.pk, delivery.event_id, 1, "pending")]
    assert json.loads(delivery.body)["type"] == "webhook.test"


@pytest.mark.django_db(transaction=True)
def test_a_test_that_fails_is_not_tried_again_and_says_nothing_of_the_endpoint(integration):
    integration.receiver.statuses = [500]
    with account_scope(integration.account):
        delivery = ping_endpoint(integration.endpoint)

    attempt_delivery(integration.account.pk, integration.endpoint.pk, delivery_id=delivery.pk)

    assert integration.deliveries("state", "last_status") == [("failed", 500)]
    assert (integration.read().state, integration.read().consecutive_failures) == ("active", 0)


@pytest.mark.django_db(transaction=True)
def test_a_test_is_sent_before_what_waits_for_a_failing_endpoint(integration):
    integration.happens()
    with account_scope(integration.account):
        WebhookEndpoint.objects.update(consecutive_failures=9, failing_since=NOW)
        ping_endpoint(integration.endpoint)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'first' IS NULL")
    jobs.run_pending()

    assert json.loads(integration.receiver.hooks[0].body)["type"] == "webhook.test"


# -- replays


@pytest.mark.django_db(transaction=True)
def test_a_replay_is_a_new_delivery_of_the_same_event_and_the_same_body(integration):
    event = integration.happens(changes={"price": [1, 2]})
    jobs.run_pending()
    with account_scope(integration.account):
        Event.objects.filter(pk=event.pk).update(changes={})
        again = replay_delivery(integration.deliveries()[0])
    jobs.run_pending()

    first, second = integration.receiver.hooks
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["webhook-delivery"] != second.headers["webhook-delivery"] == str(again.pk)
    assert integration.deliveries("event_id", "number", "state") == [(event.pk, 1, "succeeded"), (event.pk, 2, "succeeded")]


def test_what_is_on_its_way_is_not_replayed(in_account, endpoint, event):
    tell_endpoints(event)
    (delivery,) = WebhookDelivery.objects.all()

    with pytest.raises(InvalidTransition), transaction.atomic():
        replay_delivery(delivery)
    assert replay_events(endpoint, since=event.created_at - HOUR, until=event.created_at + HOUR, undelivered_only=False) == 0
    assert len(written()) == 1


def test_nothing_is_replayed_to_an_endpoint_that_is_not_active(in_account, endpoint, event):
    delivery = WebhookDeliveryFactory(account=in_account, endpoint=endpoint, state="failed", next_attempt_at=None)
    pause_endpoint(endpoint)

    for call in (
        lambda: replay_delivery(delivery),
        lambda: replay_events(endpoint, since=event.created_at),
        lambda: ping_endpoint(endpoint),
    ):
        with pytest.raises(EndpointNotActive) as refused, transaction.atomic():
            call()
        assert refused.value.extras == {"state": "paused"}


@pytest.fixture
def outage(in_account, endpoint, happenings):
    """Six events, an hour apart from NOW on: accepted, given up, cancelled, never written, on its way, private."""
    found = []
    for number, state in enumerate(("succeeded", "failed", "cancelled", "", "pending", "")):
        with time_machine.travel(NOW + number * HOUR, tick=False):
            event = emit("test.private" if number == 5 else "test.happened", in_account, account_id=in_account.pk)
        found.append(event.pk)
        if state:
            options = {"next_attempt_at": NOW} if state == "pending" else {"next_attempt_at": None}
            options |= {"delivered_at": NOW} if state == "succeeded" else {}
            WebhookDeliveryFactory(
                account=in_account, endpoint=endpoint, event_id=event.pk, event_type=event.type, state=state, body="{}", **options
            )
    return found


def replayed(endpoint, **options):
    """The events of the deliveries that a replay at the end of the day makes, with their numbers."""
    before = set(WebhookDelivery.objects.values_list("pk", flat=True))
    count = replay_events(endpoint, **{"since": NOW, "at": NOW + 24 * HOUR, **options})
    made = list(WebhookDelivery.objects.exclude(pk__in=before).order_by("pk").values_list("event_id", "number"))
    assert count == len(made)
    return made


def test_a_replay_of_a_time_sends_what_was_not_accepted(endpoint, outage):
    _, given_up, cancelled, never, _, _ = outage

    assert replayed(endpoint) == [(given_up, 2), (cancelled, 2), (never, 1)]
    assert Event.objects.order_by("pk").last().changes == {"deliveries": [0, 3]}
    assert replayed(endpoint) == []  # they are on their way now


def test_a_replay_of_a_time_can_send_everything_again(endpoint, outage):
    accepted, given_up, cancelled, never, _, _ = outage

    assert replayed(endpoint, undelivered_only=False) == [(accepted, 2), (given_up, 2), (cancelled, 2), (never, 1)]


def test_the_time_of_a_replay_is_half_open(endpoint, outage):
    _, given_up, _, _, _, _ = outage

    assert replayed(endpoint, since=NOW + HOUR, until=NOW + 2 * HOUR) == [(given_up, 2)]


def test_a_replay_sends_only_what_the_endpoint_is_told_of(in_account, endpoint, outage):
    with time_machine.travel(NOW + HOUR, tick=False):
        sold = emit("test.sold", in_account, account_id=in_account.pk)

    assert replayed(endpoint, event_types=["test.sold"]) == [(sold.pk, 1)]
    WebhookEndpoint.objects.update(event_types=["test.happened"])
    assert sold.pk not in [pk for pk, _ in replayed(endpoint)]
    with pytest.raises(Invalid), transaction.atomic():
        replayed(endpoint, event_types=["test.sold"])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"until": NOW}, "to"),
        ({"until": NOW - HOUR}, "to"),
        ({"since": NOW - timedelta(days=29, minutes=1)}, "from"),
        ({"event_types": ["test.private"]}, "event_types"),
        ({"event_types": ["no.such"]}, "event_types"),
    ],
)
def test_a_replay_that_makes_no_sense_is_refused(endpoint, outage, options, field):
    with pytest.raises(Invalid) as refused, transaction.atomic():
        replayed(endpoint, **options)

    assert list(refused.value.fields) == [field]


def test_a_replay_of_too_much_is_refused_as_a_whole(endpoint, outage, monkeypatch):
    monkeypatch.setattr(module, "MOST_REPLAYED", 2)

    with pytest.raises(Invalid), transaction.atomic():
        replayed(endpoint)
    assert replayed(endpoint, until=NOW + 2 * HOUR) == [(outage[1], 2)]


@pytest.mark.django_db(transaction=True)
def test_two_replays_at_once_make_one_delivery_more(integration):
    event = integration.happens()
    jobs.run_pending()
    (delivery,), barrier = integration.deliveries(), threading.Barrier(4)

    def again(_):
        try:
            barrier.wait(30)
            with account_scope(integration.account):
                return replay_delivery(delivery).number
        except InvalidTransition:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(again, range(4)))

    assert sorted(numbers, key=str) == [2, None, None, None]
    assert integration.deliveries("event_id", "number") == [(event.pk, 1), (event.pk, 2)]
