"""What is to be sent: one delivery for each event and endpoint, its body frozen when it is written."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import orjson
from django.db.models import Count, Max, Q
from django.utils import timezone

from apps.core import jobs
from apps.core.db import joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import emit, event_type
from apps.core.log import as_told
from apps.core.models import Event
from apps.integrations.errors import EndpointNotActive
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.models.webhooks import message_id
from apps.integrations.services.endpoints import TEST, locked_endpoint, public_types
from apps.integrations.services.sending import FAILING, send_due

State = WebhookDelivery.State

ON_ITS_WAY = (State.PENDING, State.SENDING)
REPLAY_DAYS = 30
MOST_REPLAYED = 10_000
BATCH = 500


def body_of(event: Event) -> str:
    """What is sent of an event: what GET /api/events/ shows of it, with a name by which a receiver knows it again."""
    told = {"id": message_id(event.pk), "account": event.account_id, **as_told(event)}
    return orjson.dumps(told, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS).decode()


@joined
def tell_endpoints(event: Event, *, at: datetime | None = None) -> None:
    """Write one delivery of an event for each endpoint that is to be told of it, and queue the sending. Repeating it changes nothing."""
    if event.type == TEST or not event_type(event.type).public:
        return
    told = Q(event_types=[]) | Q(event_types__contains=[event.type])
    active = WebhookEndpoint.objects.filter(told, state=WebhookEndpoint.State.ACTIVE)
    endpoints = list(active.filter(created_at__lte=event.created_at).order_by("pk"))  # its past is for a replay
    if not endpoints:
        return
    at, body = at or timezone.now(), body_of(event)
    WebhookDelivery.objects.bulk_create(
        [_delivery(endpoint, event, body, at=at) for endpoint in endpoints],
        ignore_conflicts=True,
    )
    # One that is failing is tried by the sweep, once a minute, whatever happens.
    _send([endpoint.pk for endpoint in endpoints if endpoint.consecutive_failures < FAILING], event.account_id)


@joined
def ping_endpoint(endpoint: WebhookEndpoint, *, at: datetime | None = None) -> WebhookDelivery:
    """Send a test to this endpoint alone, once. Raises EndpointNotActive."""
    at, found = at or timezone.now(), _active(endpoint)
    event = emit(TEST, found)
    delivery = _delivery(found, event, body_of(event), at=at)
    delivery.save(force_insert=True)
    _send([found.pk], found.account_id, delivery.pk)
    return delivery


@joined
def replay_delivery(delivery: WebhookDelivery, *, at: datetime | None = None) -> WebhookDelivery:
    """Send the same body again under the same event id, as a new delivery. Raises EndpointNotActive, InvalidTransition."""
    at, endpoint = at or timezone.now(), _active(delivery.endpoint)
    same = WebhookDelivery.objects.filter(endpoint_id=endpoint.pk, event_id=delivery.event_id)
    if same.filter(state__in=ON_ITS_WAY).exists():
        raise InvalidTransition("This event is on its way to the endpoint already.", allowed_actions=[])
    again = WebhookDelivery(
        account_id=delivery.account_id,
        endpoint_id=endpoint.pk,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        number=1 + (same.aggregate(last=Max("number"))["last"] or 0),
        body=delivery.body,
        next_attempt_at=at,
    )
    again.save(force_insert=True)
    _send([endpoint.pk], endpoint.account_id, again.pk)
    return again


@joined
def replay_events(
    endpoint: WebhookEndpoint,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    event_types: Iterable[str] = (),
    undelivered_only: bool = True,
    at: datetime | None = None,
) -> int:
    """Send the events of a time (``until`` is outside it; default: now) to an endpoint again; returns how many. Without ``since``: what
    it has missed since it was stopped.

    Of what the endpoint is told, or of ``event_types`` among it. What is on its way is left alone, and so is what was accepted
    once, unless ``undelivered_only`` is off. Raises Invalid, EndpointNotActive.
    """
    at = at or timezone.now()
    found, until = _active(endpoint), until or at
    oldest = at - timedelta(days=REPLAY_DAYS)
    missed_since = max(found.missed_since, oldest) if found.missed_since is not None else None
    since = since or missed_since
    if since is None:
        raise Invalid(fields={"from": ["This endpoint has missed nothing by being stopped. Say from when on."]})
    if not since < until:
        raise Invalid(fields={"to": ["The end must lie after the beginning."]})
    if since < oldest:
        raise Invalid(fields={"from": [f"Events of the last {REPLAY_DAYS} days can be sent again; older ones are in the log."]})
    wanted = _narrowed(found, event_types)
    events = list(
        Event.objects.filter(created_at__gte=since, created_at__lt=until, type__in=wanted).order_by("created_at", "pk")[: MOST_REPLAYED + 1]
    )
    if len(events) > MOST_REPLAYED:
        raise Invalid(fields={"from": [f"That is more than {MOST_REPLAYED} events. Send a shorter time."]})
    last = _known_deliveries(found, [event.pk for event in events])
    made = []
    for event in events:
        number, accepted, waiting = last.get(event.pk, (0, 0, 0))
        if not waiting and not (accepted and undelivered_only):
            made.append(_delivery(found, event, body_of(event), at=at, number=number + 1))
    WebhookDelivery.objects.bulk_create(made, batch_size=BATCH, ignore_conflicts=True)
    if missed_since is not None and since <= missed_since and until >= at and not event_types:
        WebhookEndpoint.objects.filter(pk=found.pk).update(missed_since=None)
    if made:
        emit("webhook_endpoint.replayed", found, changes={"deliveries": [0, len(made)]})
        _send([found.pk], found.account_id)
    return len(made)


def _narrowed(endpoint: WebhookEndpoint, types: Iterable[str]) -> list[str]:
    """The types to replay. Raises Invalid for one that this endpoint is not told of."""
    told = set(endpoint.event_types or public_types())
    wanted = set(types) or told
    strange = sorted(wanted - told)
    if strange:
        raise Invalid(fields={"event_types": [f"This endpoint is not told of {name}." for name in strange]})
    return sorted(wanted)


def _known_deliveries(endpoint: WebhookEndpoint, event_ids: list[int]) -> dict[int, tuple[int, int, int]]:
    """{event: (last number, how many were accepted, how many are on their way)}."""
    counted = (
        WebhookDelivery.objects.filter(endpoint_id=endpoint.pk, event_id__in=event_ids)
        .order_by()
        .values("event_id")
        .annotate(
            last=Max("number"),
            accepted=Count("pk", filter=Q(state=State.SUCCEEDED)),
            waiting=Count("pk", filter=Q(state__in=ON_ITS_WAY)),
        )
    )
    return {one["event_id"]: (one["last"], one["accepted"], one["waiting"]) for one in counted}


def _delivery(endpoint: WebhookEndpoint, event: Event, body: str, *, at: datetime, number: int = 1) -> WebhookDelivery:
    return WebhookDelivery(
        account_id=event.account_id,
        endpoint_id=endpoint.pk,
        event_id=event.pk,
        event_type=event.type,
        number=number,
        body=body,
        next_attempt_at=at,
    )


def _active(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    found = locked_endpoint(endpoint.pk)
    if found.state != WebhookEndpoint.State.ACTIVE:
        raise EndpointNotActive(state=found.state)
    return found


def _send(endpoint_ids: list[int], account_id: int, first: int | None = None) -> None:
    jobs.defer_many(send_due, ({"account_id": account_id, "endpoint_id": pk, "first": first} for pk in endpoint_ids))
