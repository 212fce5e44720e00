"""What the doctor would find, if somebody wrote past the services."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.core.doctor import invariants
from apps.core.tenancy import platform_scope
from factories.integrations import WebhookDeliveryFactory, WebhookEndpointFactory

CODES = ("I18.webhooks", "I90", "I91", "I92")
DELIVERY = "UPDATE integrations_webhookdelivery SET"


def findings():
    """{code: offending ids} of the invariants about webhooks."""
    with platform_scope("doctor"):
        return {one.code: [row[0] for row in found] for one in invariants() if one.code in CODES and (found := one.find())}


def break_it(sql, *without):
    with platform_scope("break"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        for constraint in without:
            cursor.execute(f"ALTER TABLE integrations_webhookdelivery DROP CONSTRAINT integrations_webhookdelivery_{constraint}")
        cursor.execute(sql)


@pytest.fixture
def delivery(account):
    return WebhookDeliveryFactory(account=account)


def test_sound_deliveries_give_no_findings(account, delivery):
    WebhookDeliveryFactory(account=account, state="failed", next_attempt_at=None)
    WebhookEndpointFactory(account=account, state="paused", state_since=timezone.now())

    assert findings() == {}


def test_a_delivery_that_points_into_another_account_is_found(account, other_account, delivery):
    foreign = WebhookEndpointFactory(account=other_account)

    break_it(f"{DELIVERY} endpoint_id = {foreign.pk}", "endpoint_account")
    assert findings() == {"I18.webhooks": [delivery.pk]}


def test_an_event_of_nobody_is_found(delivery):
    break_it(f"{DELIVERY} event_id = 1")

    assert findings() == {"I90": [delivery.pk]}


def test_an_event_that_was_written_twice_is_found(account, delivery):
    break_it("SELECT 1", "once")
    WebhookDeliveryFactory(account=account, endpoint=delivery.endpoint, event_id=delivery.event_id, body="{}")

    assert findings() == {"I90": [delivery.pk]}


@pytest.mark.parametrize("change", ["next_attempt_at = NULL", "state = 'failed'", "next_attempt_at = now() - interval '73 hours'"])
def test_a_delivery_that_nobody_takes_up_is_found(delivery, change):
    break_it(f"{DELIVERY} {change}", "waits_for_a_time")

    assert findings() == {"I91": [delivery.pk]}


def test_what_waits_for_an_endpoint_that_is_paused_is_found(account, delivery):
    endpoint = WebhookEndpointFactory(account=account, state="paused", state_since=timezone.now())
    waits = WebhookDeliveryFactory(account=account, endpoint=endpoint, next_attempt_at=timezone.now() - timedelta(hours=2))

    assert findings() == {"I92": [waits.pk]}
