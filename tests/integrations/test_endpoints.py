"""Endpoints: what may be one, what the log says of it, and what is never shown."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from apps.core.errors import Invalid, InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.core.vault import take_out
from apps.integrations.errors import TooManyEndpoints
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.services.endpoints import (
    MOST_ENDPOINTS,
    change_endpoint,
    create_endpoint,
    pause_endpoint,
    public_types,
    remove_endpoint,
    resume_endpoint,
    rotate_secret,
    signing_secrets,
)
from factories.integrations import WebhookDeliveryFactory, WebhookEndpointFactory

NOW = datetime(2027, 3, 6, 12, tzinfo=UTC)
URL = "https://hooks.example.com/in?token=CANARY"


def log():
    """(type, changes) of the account's events about endpoints."""
    found = Event.objects.filter(type__startswith="webhook_endpoint.").order_by("pk")
    return list(found.values_list("type", "changes"))


def test_a_new_endpoint_has_a_secret_of_32_bytes_that_is_kept_encrypted(in_account):
    endpoint, secret = create_endpoint(url=URL, description="Books", event_types=["booking.confirmed", "booking.confirmed"])

    assert secret.startswith("whsec_")
    assert len(secret) == 6 + 44
    assert create_endpoint(url=URL)[1] != secret
    stored = WebhookEndpoint.objects.get(pk=endpoint.pk)
    assert secret.removeprefix("whsec_") not in str(vars(stored))
    assert take_out(stored.secrets) == {"secret": secret}
    assert (stored.state, stored.event_types, stored.description) == ("active", ["booking.confirmed"], "Books")


def test_the_log_and_the_history_know_no_secret(in_account):
    endpoint, secret = create_endpoint(url=URL)
    change_endpoint(endpoint, url="https://new.example.com/?key=CANARY", description="x")
    rotate_secret(endpoint, at=NOW)
    pause_endpoint(endpoint, at=NOW)
    resume_endpoint(endpoint)
    remove_endpoint(endpoint)

    until = (NOW + timedelta(hours=24)).isoformat()
    assert log() == [
        ("webhook_endpoint.created", {"host": [None, "hooks.example.com"], "event_types": [None, []]}),
        ("webhook_endpoint.changed", {"host": ["hooks.example.com", "new.example.com"], "description": ["", "x"]}),
        ("webhook_endpoint.secret_rotated", {"previous_secret_until": [None, until]}),
        ("webhook_endpoint.paused", {"state": ["active", "paused"], "state_reason": ["", "by_hand"]}),
        ("webhook_endpoint.resumed", {"state": ["paused", "active"], "state_reason": ["by_hand", ""]}),
        ("webhook_endpoint.removed", {"host": ["new.example.com", None]}),
    ]
    history = [vars(row) for row in WebhookEndpoint.history.model.objects.all()]
    assert len(history) == 6
    assert "CANARY" not in str(log())
    assert secret not in str(history)
    assert not any("secrets" in row for row in history)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1/", "open internet"),
        ("http://169.254.169.254/latest/meta-data/", "open internet"),
        ("http://localhost/", "open internet"),
        ("https://[::1]/", "open internet"),
        ("https://user:password@example.com/", "name or password"),
        ("https://example.com:8443/", "ports 80 and 443"),
        ("ftp://example.com/", "begins with https://"),
        ("nonsense", "begins with https://"),
        ("http://2130706433/", "not an address"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused(in_account, url, word):
    endpoint = WebhookEndpointFactory(account=in_account)
    for call in (lambda: create_endpoint(url=url), lambda: change_endpoint(endpoint, url=url)):
        with pytest.raises(Invalid) as refused, transaction.atomic():
            call()
        assert word in refused.value.fields["url"][0]
    assert WebhookEndpoint.objects.filter(url=url).count() == 0


def test_only_what_may_leave_can_be_asked_for(in_account):
    for wrong in ("membership.removed", "invitation.created", "provider_account.changed", "webhook.test", "no.such"):
        with pytest.raises(Invalid), transaction.atomic():
            create_endpoint(url=URL, event_types=["booking.confirmed", wrong])
    assert {"booking.confirmed", "payment.succeeded"} <= set(public_types())


def test_a_change_writes_only_what_changes(in_account):
    endpoint, _ = create_endpoint(url=URL, event_types=["booking.confirmed"])

    change_endpoint(endpoint, url=URL, event_types=["booking.confirmed"])
    assert len(log()) == 1

    change_endpoint(endpoint, event_types=[])
    assert log()[-1] == ("webhook_endpoint.changed", {"event_types": [["booking.confirmed"], []]})
    assert WebhookEndpoint.objects.get().url == URL


def test_a_rotation_keeps_the_last_secret_for_a_while_and_never_two(in_account):
    endpoint, first = create_endpoint(url=URL)
    _, second = rotate_secret(endpoint, overlap_hours=24, at=NOW)
    found, third = rotate_secret(endpoint, overlap_hours=1, at=NOW + timedelta(hours=2))

    assert signing_secrets(found, at=NOW + timedelta(hours=2, minutes=59)) == [third, second]
    assert signing_secrets(found, at=NOW + timedelta(hours=3)) == [third]
    assert first not in str(take_out(found.secrets))

    found, fourth = rotate_secret(endpoint, overlap_hours=0, at=NOW + timedelta(hours=2))
    assert signing_secrets(found, at=NOW + timedelta(hours=2)) == [fourth]
    assert take_out(found.secrets) == {"secret": fourth}


def test_a_secret_that_cannot_be_read_any_more_can_still_be_replaced(in_account, settings):
    endpoint, _ = create_endpoint(url=URL)
    settings.FIELD_ENCRYPTION_KEYS = ["another key"]

    found, new = rotate_secret(endpoint, at=NOW)

    assert signing_secrets(found, at=NOW) == [new]
    assert found.previous_secret_until is None


def test_a_pause_cancels_what_waits_and_nothing_else(in_account):
    endpoint = WebhookEndpointFactory(account=in_account)
    other = WebhookEndpointFactory(account=in_account)
    waits = WebhookDeliveryFactory(account=in_account, endpoint=endpoint)
    sending = WebhookDeliveryFactory(account=in_account, endpoint=endpoint, state="sending")
    done = WebhookDeliveryFactory(account=in_account, endpoint=endpoint, state="succeeded", next_attempt_at=None, delivered_at=NOW)
    elsewhere = WebhookDeliveryFactory(account=in_account, endpoint=other)

    found = pause_endpoint(endpoint, at=NOW)

    states = dict(WebhookDelivery.objects.values_list("pk", "state"))
    assert states == {waits.pk: "cancelled", sending.pk: "sending", done.pk: "succeeded", elsewhere.pk: "pending"}
    assert (found.state, found.state_reason, found.state_since) == ("paused", "by_hand", NOW)
    with pytest.raises(InvalidTransition), transaction.atomic():
        pause_endpoint(endpoint)


def test_a_resumed_endpoint_begins_anew(in_account):
    endpoint = WebhookEndpointFactory(
        account=in_account,
        state="disabled",
        state_reason="gone",
        state_since=NOW,
        failing_since=NOW,
        consecutive_failures=21,
    )

    found = resume_endpoint(endpoint)

    assert (found.state, found.state_reason, found.state_since) == ("active", "", None)
    assert (found.failing_since, found.consecutive_failures) == (None, 0)
    with pytest.raises(InvalidTransition), transaction.atomic():
        resume_endpoint(endpoint)


@pytest.mark.django_db(transaction=True)
def test_an_account_has_only_so_many_endpoints_also_when_they_come_at_once(account):
    WebhookEndpointFactory.create_batch(MOST_ENDPOINTS - 2, account=account)
    barrier = threading.Barrier(8)

    def add(_):
        try:
            barrier.wait(30)
            with account_scope(account):
                create_endpoint(url=URL)
        except TooManyEndpoints as refused:
            return refused.extras
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(add, range(8)))

    assert ends.count(None) == 2
    assert ends.count({"maximum": MOST_ENDPOINTS}) == 6
    with account_scope(account):
        assert WebhookEndpoint.objects.count() == MOST_ENDPOINTS
