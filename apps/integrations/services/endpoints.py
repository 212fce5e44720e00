"""Where webhooks go. A signing secret is given out once, when it is made, and kept encrypted."""

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q
from django.utils import timezone

from apps.accounts.models import Account
from apps.core.db import joined
from apps.core.errors import Invalid, InvalidTransition, NotFound
from apps.core.events import emit, event_types
from apps.core.models import Event
from apps.core.outbound import OutboundRefused, checked_url
from apps.core.tenancy import current_account_id
from apps.core.vault import VaultClosed, lock_away, take_out
from apps.integrations.errors import TooManyEndpoints
from apps.integrations.models import WebhookDelivery, WebhookEndpoint

State = WebhookEndpoint.State

MOST_ENDPOINTS = 20
TEST = "webhook.test"
BY_HAND = "by_hand"
WORDS = {
    "scheme_not_allowed": "Send an address that begins with https:// or http://.",
    "credentials_in_url": "An address with a name or password in it cannot be used.",
    "port_not_allowed": "Only the ports 80 and 443 can be used.",
    "address_not_public": "This address is not on the open internet.",
    "malformed_url": "This is not an address that can be called.",
}


def public_types() -> list[str]:
    """What an endpoint can be told of, by name. A test goes to the one endpoint that is tested."""
    return [one.name for one in event_types() if one.public and one.name != TEST]


@joined
def create_endpoint(*, url: str, description: str = "", event_types: Iterable[str] = ()) -> tuple[WebhookEndpoint, str]:
    """An endpoint of the current account, and its signing secret, which is not shown again.

    ``event_types`` is what it is told; empty: everything. Raises Invalid, TooManyEndpoints.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=current_account_id())  # type: ignore[misc]  # there is a scope
    if WebhookEndpoint.objects.count() >= MOST_ENDPOINTS:
        raise TooManyEndpoints(maximum=MOST_ENDPOINTS)
    host, wanted, secret = _host(url), _known(event_types), _new_secret()
    endpoint = WebhookEndpoint.objects.create(
        account=account, url=url, description=description, event_types=wanted, secrets=lock_away({"secret": secret})
    )
    emit("webhook_endpoint.created", endpoint, changes={"host": [None, host], "event_types": [None, wanted]})
    return endpoint, secret


@joined
def change_endpoint(
    endpoint: WebhookEndpoint, *, url: str | None = None, description: str | None = None, event_types: Iterable[str] | None = None
) -> WebhookEndpoint:
    """Change what is given. Deliveries that wait go to the new address. Raises Invalid."""
    found = locked_endpoint(endpoint.pk)
    wanted: dict[str, Any] = {"url": url, "description": description, "event_types": None if event_types is None else _known(event_types)}
    wanted = {name: value for name, value in wanted.items() if value is not None and value != getattr(found, name)}
    if not wanted:
        return found
    changes = {name: [getattr(found, name), value] for name, value in wanted.items() if name != "url"}
    if "url" in wanted:
        changes["host"] = [_host_of(found.url), _host(wanted["url"])]
    for name, value in wanted.items():
        setattr(found, name, value)
    found.save(update_fields=[*wanted, "updated_at"])
    emit("webhook_endpoint.changed", found, changes=changes)
    return found


@joined
def rotate_secret(endpoint: WebhookEndpoint, *, overlap_hours: int = 24, at: datetime | None = None) -> tuple[WebhookEndpoint, str]:
    """A new signing secret, which is not shown again. The one before it signs, too, for so many hours; an older one no more."""
    at = at or timezone.now()
    found, secret = locked_endpoint(endpoint.pk), _new_secret()
    try:
        previous = take_out(found.secrets)["secret"]
    except VaultClosed:  # nobody can sign with it any more, which is why somebody rotates it
        previous, overlap_hours = "", 0
    kept = {"secret": secret, "previous": previous} if overlap_hours else {"secret": secret}
    found.secrets = lock_away(kept)
    found.previous_secret_until = at + timedelta(hours=overlap_hours) if overlap_hours else None
    found.save(update_fields=["secrets", "previous_secret_until", "updated_at"])
    until = found.previous_secret_until.isoformat() if found.previous_secret_until else None
    emit("webhook_endpoint.secret_rotated", found, changes={"previous_secret_until": [None, until]})
    return found, secret


@joined
def pause_endpoint(endpoint: WebhookEndpoint, *, at: datetime | None = None) -> WebhookEndpoint:
    """Send nothing there until it is resumed. What waits is cancelled, what happens now is not sent. Raises InvalidTransition."""
    found = locked_endpoint(endpoint.pk)
    if found.state != State.ACTIVE:
        raise InvalidTransition("This endpoint is not active.", allowed_actions=["resume"])
    stop_endpoint(found, state=State.PAUSED, reason=BY_HAND, at=at or timezone.now())
    return found


@joined
def resume_endpoint(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Send there again what happens from now on; what it missed (since ``missed_since``) is for a replay. Raises InvalidTransition."""
    found = locked_endpoint(endpoint.pk)
    if found.state == State.ACTIVE:
        raise InvalidTransition("This endpoint is active.", allowed_actions=["pause"])
    changes = {"state": [found.state, State.ACTIVE.value], "state_reason": [found.state_reason, ""]}
    found.state, found.state_reason, found.state_since = State.ACTIVE, "", None
    found.failing_since, found.consecutive_failures = None, 0
    found.save(update_fields=["state", "state_reason", "state_since", "failing_since", "consecutive_failures", "updated_at"])
    emit("webhook_endpoint.resumed", found, changes=changes)
    return found


@joined
def remove_endpoint(endpoint: WebhookEndpoint) -> None:
    """Forget an endpoint and the record of what was sent to it."""
    found = locked_endpoint(endpoint.pk)
    emit("webhook_endpoint.removed", found, changes={"host": [_host_of(found.url), None]})
    found.delete()


def stop_endpoint(endpoint: WebhookEndpoint, *, state: State, reason: str, at: datetime) -> None:
    """Pause or disable an active endpoint whose row the caller has locked, and cancel what waits for it."""
    changes = {"state": [endpoint.state, state.value], "state_reason": [endpoint.state_reason, reason]}
    endpoint.state, endpoint.state_reason, endpoint.state_since = state, reason, at
    endpoint.save(update_fields=["state", "state_reason", "state_since", "updated_at"])
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(missed_since=_missed_since(endpoint, at))
    waiting = WebhookDelivery.objects.filter(endpoint_id=endpoint.pk, state=WebhookDelivery.State.PENDING)
    waiting.update(state=WebhookDelivery.State.CANCELLED, next_attempt_at=None, updated_at=at)
    emit("webhook_endpoint.disabled" if state == State.DISABLED else "webhook_endpoint.paused", endpoint, changes=changes)


def _missed_since(endpoint: WebhookEndpoint, at: datetime) -> datetime:
    """When the first event happened that an endpoint which is stopped now has not taken: it waits, is on its way, or was given up
    since the endpoint fails."""
    missed = Q(state__in=(WebhookDelivery.State.PENDING, WebhookDelivery.State.SENDING))
    if endpoint.failing_since is not None:
        missed |= Q(state=WebhookDelivery.State.FAILED, last_attempt_at__gte=endpoint.failing_since)
    theirs = WebhookDelivery.objects.filter(missed, endpoint_id=endpoint.pk).exclude(event_type=TEST)
    first = theirs.aggregate(first=Min("event_id"))["first"]
    happened = Event.objects.filter(pk=first).values_list("created_at", flat=True).first()
    return min(one for one in (endpoint.missed_since, happened, at) if one is not None)


def signing_secrets(endpoint: WebhookEndpoint, *, at: datetime) -> list[str]:
    """What signs now: the secret, and the one before it while both are good. Raises VaultClosed."""
    kept = take_out(endpoint.secrets)
    both = endpoint.previous_secret_until is not None and at < endpoint.previous_secret_until and "previous" in kept
    return [kept["secret"], kept["previous"]] if both else [kept["secret"]]


def locked_endpoint(endpoint_id: int) -> WebhookEndpoint:
    """The row, locked: whoever changes an endpoint and its deliveries locks the endpoint first. Raises NotFound."""
    found = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    if found is None:  # removed in the meantime
        raise NotFound
    return found


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _known(types: Iterable[str]) -> list[str]:
    wanted = sorted(set(types))
    unknown = sorted(set(wanted) - set(public_types()))
    if unknown:
        raise Invalid(fields={"event_types": [f"There is no event type {name}." for name in unknown]})
    return wanted


def _host(url: str) -> str:
    try:
        return checked_url(url).host
    except OutboundRefused as refusal:
        raise Invalid(fields={"url": [WORDS[refusal.code]]}) from None


def _host_of(stored: str) -> str:
    """The host of an address that was once accepted; '' when it is not acceptable any more."""
    try:
        return checked_url(stored).host
    except OutboundRefused:
        return ""
