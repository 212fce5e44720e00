"""Webhooks at the staff door."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from apps.core import jobs
from apps.core.models import Event, IdempotencyKey
from apps.core.tenancy import account_scope
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from factories.integrations import SECRET, WebhookDeliveryFactory, WebhookEndpointFactory
from tests.logbook import settled

ENDPOINTS, DELIVERIES = "/api/webhook-endpoints/", "/api/webhook-deliveries/"
URL = "https://hooks.example.com/in"


def iso(at):
    return at.isoformat().replace("+00:00", "Z")


def test_a_new_endpoint_answers_with_its_secret_and_nothing_else_ever_does(owner):
    created = owner.post(ENDPOINTS, {"url": URL, "description": "Books", "event_types": ["booking.confirmed"]})

    assert created.status_code == 201
    body = created.json()
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert body == {
        "id": body["id"],
        "url": URL,
        "description": "Books",
        "event_types": ["booking.confirmed"],
        "state": "active",
        "state_reason": "",
        "state_since": None,
        "missed_since": None,
        "failing_since": None,
        "consecutive_failures": 0,
        "previous_secret_until": None,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    assert owner.get(ENDPOINTS).json()["results"] == [body]
    assert owner.get(f"{ENDPOINTS}{body['id']}/").json() == body
    changed = owner.patch(f"{ENDPOINTS}{body['id']}/", {"description": "Ledger"})
    assert changed.json() == {**body, "description": "Ledger", "updated_at": changed.json()["updated_at"]}
    for path in (ENDPOINTS, f"{ENDPOINTS}{body['id']}/", "/api/events/"):
        assert secret.removeprefix("whsec_") not in owner.get(path).content.decode()


def test_a_rotation_shows_the_new_secret_once(owner, account):
    endpoint = WebhookEndpointFactory(account=account)

    rotated = owner.post(f"{ENDPOINTS}{endpoint.pk}/rotate-secret/", {"overlap_hours": 2}, headers={"Idempotency-Key": "k"})

    assert rotated.status_code == 200
    assert rotated.json()["secret"] != SECRET
    until = datetime.fromisoformat(rotated.json()["previous_secret_until"])
    assert abs(until - timezone.now() - timedelta(hours=2)) < timedelta(minutes=1)
    with account_scope(account):
        assert not IdempotencyKey.objects.exists()  # a kept reply would keep the secret
    assert "secret" not in owner.get(f"{ENDPOINTS}{endpoint.pk}/").json()
    assert owner.post(f"{ENDPOINTS}{endpoint.pk}/rotate-secret/", {}).status_code == 200
    assert owner.post(f"{ENDPOINTS}{endpoint.pk}/rotate-secret/", {"overlap_hours": 200}).status_code == 400


def test_a_key_of_idempotency_keeps_no_secret_of_a_creation_either(owner, account):
    owner.post(ENDPOINTS, {"url": URL}, headers={"Idempotency-Key": "k"})

    with account_scope(account):
        assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url"),
        ({"url": "https://example.com:8080/"}, "url"),
        ({"url": "https://a:b@example.com/"}, "url"),
        ({"url": "https://example.com/\r\nx"}, "url"),
        ({"url": "https://example.com/" + "a" * 2000}, "url"),
        ({"url": 5.5}, "url"),
        ({"url": URL, "event_types": ["no.such"]}, "event_types"),
        ({"url": URL, "event_types": ["membership.removed"]}, "event_types"),
        ({"url": URL, "event_types": "booking.confirmed"}, "event_types"),
        ({"url": URL, "description": "a" * 201}, "description"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(owner, account, data, field):
    answer = owner.post(ENDPOINTS, data)

    assert (answer.status_code, answer.json()["error"]) == (400, "validation_error")
    assert [name.split(".")[0] for name in answer.json()["fields"]] == [field]
    with account_scope(account):
        assert not WebhookEndpoint.objects.exists()


def test_state_and_secrets_are_not_written_from_outside(owner, account):
    for name in ("state", "secret", "secrets", "consecutive_failures", "account"):
        assert owner.post(ENDPOINTS, {"url": URL, name: "x"}).json()["error"] == "unknown_field"
    endpoint = WebhookEndpointFactory(account=account)
    assert owner.patch(f"{ENDPOINTS}{endpoint.pk}/", {"state": "paused"}).json()["error"] == "unknown_field"


def test_an_account_has_at_most_twenty(owner, account):
    WebhookEndpointFactory.create_batch(20, account=account)

    answer = owner.post(ENDPOINTS, {"url": URL})

    assert (answer.status_code, answer.json()["error"], answer.json()["maximum"]) == (409, "too_many_endpoints", 20)


def test_an_endpoint_is_paused_and_resumed(owner, account):
    endpoint = WebhookEndpointFactory(account=account)
    waits = WebhookDeliveryFactory(account=account, endpoint=endpoint)

    paused = owner.post(f"{ENDPOINTS}{endpoint.pk}/pause/")
    assert (paused.status_code, paused.json()["state"], paused.json()["state_reason"]) == (200, "paused", "by_hand")
    assert owner.get(f"{DELIVERIES}{waits.pk}/").json()["state"] == "cancelled"
    assert owner.post(f"{ENDPOINTS}{endpoint.pk}/pause/").json()["error"] == "invalid_transition"
    for path in (f"{ENDPOINTS}{endpoint.pk}/ping/", f"{DELIVERIES}{waits.pk}/replay/"):
        refused = owner.post(path)
        assert (refused.status_code, refused.json()["error"], refused.json()["state"]) == (409, "endpoint_not_active", "paused")
    assert owner.post(f"{ENDPOINTS}{endpoint.pk}/resume/").json()["state"] == "active"
    assert owner.post(f"{ENDPOINTS}{endpoint.pk}/resume/").json()["error"] == "invalid_transition"


def test_an_endpoint_goes_with_the_record_of_what_was_sent(owner, account):
    endpoint = WebhookEndpointFactory(account=account)
    kept = WebhookDeliveryFactory(account=account)
    WebhookDeliveryFactory(account=account, endpoint=endpoint)

    assert owner.delete(f"{ENDPOINTS}{endpoint.pk}/").status_code == 204
    assert owner.get(f"{ENDPOINTS}{endpoint.pk}/").status_code == 404
    assert [row["id"] for row in owner.get(DELIVERIES).json()["results"]] == [kept.pk]


@pytest.mark.parametrize(
    ("role", "read", "manage", "own"),
    [
        ("owner", 200, 200, 200),
        ("manager", 200, 200, 403),
        ("front_desk", 403, 403, 403),
        ("practitioner", 403, 403, 403),
        ("bookkeeper", 403, 403, 403),
    ],
)
def test_managers_look_after_endpoints_and_owners_make_them(client_as, account, role, read, manage, own):
    client, endpoint = client_as(role), WebhookEndpointFactory(account=account)

    assert client.get(ENDPOINTS).status_code == client.get(DELIVERIES).status_code == read
    assert client.post(f"{ENDPOINTS}{endpoint.pk}/pause/").status_code == manage
    assert client.post(f"{ENDPOINTS}{endpoint.pk}/resume/").status_code == manage
    assert client.post(f"{ENDPOINTS}{endpoint.pk}/rotate-secret/").status_code == own
    assert client.patch(f"{ENDPOINTS}{endpoint.pk}/", {"description": "x"}).status_code == own


def test_what_an_endpoint_can_be_told_of(owner):
    found = owner.get(f"{ENDPOINTS}event-types/").json()

    names = [one["type"] for one in found]
    assert names == sorted(names)
    assert {"booking.confirmed", "payment.succeeded"} <= set(names)
    assert not {name for name in names if name.startswith(("webhook", "membership", "invitation", "provider_account"))}
    assert set(found[0]) == {"type", "subject", "says"}


def test_a_delivery_shows_what_was_sent_and_how_it_ended(owner, account):
    delivery = WebhookDeliveryFactory(
        account=account, state="failed", attempts=11, next_attempt_at=None, last_status=500, last_error="refused", duration_ms=120
    )

    shown = owner.get(f"{DELIVERIES}{delivery.pk}/").json()

    body = shown.pop("body")
    assert (body["id"], body["type"], body["account"]) == (f"evt_{delivery.event_id}", "webhook.test", account.pk)
    assert owner.get(DELIVERIES).json()["results"] == [shown]
    assert shown == {
        "id": delivery.pk,
        "endpoint": delivery.endpoint_id,
        "event_id": delivery.event_id,
        "event_type": "webhook.test",
        "number": 1,
        "state": "failed",
        "attempts": 11,
        "next_attempt_at": None,
        "last_attempt_at": None,
        "last_status": 500,
        "last_error": "refused",
        "duration_ms": 120,
        "delivered_at": None,
        "created_at": iso(delivery.created_at),
        "updated_at": iso(delivery.updated_at),
    }


def test_deliveries_are_filtered(owner, account, other_account):
    first, second = WebhookEndpointFactory.create_batch(2, account=account)
    waits = WebhookDeliveryFactory(account=account, endpoint=first)
    done = WebhookDeliveryFactory(
        account=account, endpoint=second, state="succeeded", next_attempt_at=None, delivered_at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    foreign = WebhookEndpointFactory(account=other_account)

    def ids(query):
        return [row["id"] for row in owner.get(f"{DELIVERIES}?{query}").json()["results"]]

    assert ids("") == [done.pk, waits.pk]
    assert ids(f"endpoint={first.pk}") == [waits.pk]
    assert ids("state=succeeded") == [done.pk]
    assert ids("event_type=webhook.test") == [done.pk, waits.pk]
    assert ids("event_type=booking.confirmed") == []
    assert owner.get(f"{DELIVERIES}?endpoint={foreign.pk}").status_code == 400
    assert owner.get(f"{DELIVERIES}?nonsense=1").json()["error"] == "unknown_field"


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("path", "factory"), [(ENDPOINTS, WebhookEndpointFactory), (DELIVERIES, WebhookDeliveryFactory)])
def test_a_list_takes_a_fixed_number_of_statements(owner, account, statements, path, factory, count):
    factory.create_batch(count, account=account)
    owner.get(path)

    with statements() as made:
        answer = owner.get(path)

    assert len(answer.json()["results"]) == count
    assert len(made()) == 3, made()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2020-01-01T00:00:00Z"}, "from"),
        ({"from": "2027-01-01T00:00:00"}, "from"),
    ],
)
def test_a_replay_needs_a_time(owner, account, data, field):
    endpoint = WebhookEndpointFactory(account=account)

    answer = owner.post(f"{ENDPOINTS}{endpoint.pk}/replay/", data)

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


@pytest.mark.django_db(transaction=True)
def test_a_ping_arrives_and_can_be_read_about(queue, receiver, client_as):
    owner = client_as("owner")
    endpoint = owner.post(ENDPOINTS, {"url": receiver.url}).json()

    sent = owner.post(f"{ENDPOINTS}{endpoint['id']}/ping/")
    jobs.run_pending()

    assert (sent.status_code, sent.json()["event_type"], sent.json()["state"]) == (201, "webhook.test", "pending")
    (hook,) = receiver.hooks
    assert Webhook(endpoint["secret"]).verify(hook.body, hook.headers) == sent.json()["body"]
    read = owner.get(f"{DELIVERIES}{sent.json()['id']}/").json()
    assert (read["state"], read["last_status"], read["attempts"]) == ("succeeded", 200, 1)


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_made_good_by_a_replay(queue, receiver, account, client_as):
    """Paused, something happens, resumed, replayed: the receiver has what it missed, once, and its body is what the log shows."""
    owner = client_as("owner")
    endpoint = owner.post(ENDPOINTS, {"url": receiver.url, "event_types": ["client.created"]}).json()
    path = f"{ENDPOINTS}{endpoint['id']}/"
    paused = owner.post(f"{path}pause/").json()
    made = owner.post("/api/clients/", {"full_name": "Ada", "email": "ada@example.com"})
    assert made.status_code == 201
    jobs.run_pending()
    assert receiver.hooks == []
    owner.post(f"{path}resume/")

    replayed = owner.post(f"{path}replay/", {"from": paused["state_since"]}, headers={"Idempotency-Key": "once"})
    again = owner.post(f"{path}replay/", {"from": paused["state_since"]}, headers={"Idempotency-Key": "once"})
    jobs.run_pending()

    assert (replayed.status_code, replayed.json(), again.json()) == (200, {"deliveries": 1}, {"deliveries": 1})
    (hook,) = receiver.hooks
    (logged,) = settled(owner, f"/api/events/?subject_type=clients.client&subject_id={made.json()['id']}")["results"]
    assert json.loads(hook.body) == {"id": f"evt_{logged['sequence']}", "account": account.pk, **logged}
    assert owner.post(f"{path}replay/", {"from": paused["state_since"]}).json() == {"deliveries": 0}


@pytest.mark.django_db(transaction=True)
def test_a_delivery_is_replayed_under_the_same_id(queue, receiver, client_as):
    owner = client_as("owner")
    endpoint = owner.post(ENDPOINTS, {"url": receiver.url}).json()
    first = owner.post(f"{ENDPOINTS}{endpoint['id']}/ping/").json()
    assert owner.post(f"{DELIVERIES}{first['id']}/replay/").json()["error"] == "invalid_transition"
    jobs.run_pending()

    again = owner.post(f"{DELIVERIES}{first['id']}/replay/")
    jobs.run_pending()

    assert (again.status_code, again.json()["number"], again.json()["body"]) == (201, 2, first["body"])
    assert [hook.headers["webhook-id"] for hook in receiver.hooks] == [f"evt_{first['event_id']}"] * 2


def test_another_account_sees_nothing(other_owner, account):
    delivery = WebhookDeliveryFactory(account=account)

    for path in (f"{ENDPOINTS}{delivery.endpoint_id}/", f"{DELIVERIES}{delivery.pk}/"):
        assert other_owner.get(path).status_code == 404
    for path in (f"{ENDPOINTS}{delivery.endpoint_id}/ping/", f"{DELIVERIES}{delivery.pk}/replay/"):
        assert other_owner.post(path).status_code == 404
    assert other_owner.get(DELIVERIES).json()["results"] == []


def test_openapi_shows_no_secret(client_as):
    schema = client_as(None).get(reverse("schema")).content.decode()

    assert "whsec_" not in schema.replace("`whsec_`", "")
    assert "WebhookEndpoint" in schema


def test_the_events_about_endpoints_are_in_the_log_with_who_did_it(client_as, account):
    owner = client_as("owner")
    owner.post(ENDPOINTS, {"url": URL})

    with account_scope(account):
        event = Event.objects.get(type="webhook_endpoint.created")
    assert (event.source, event.actor_id is not None) == ("staff", True)
    with account_scope(account):
        assert not WebhookDelivery.objects.exists()
