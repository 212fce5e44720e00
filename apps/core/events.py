"""Events: one row says what happened; handlers run after commit, at least once, through the job queue.

Every type is declared where it is emitted (``apps/<app>/events.py``); docs/events.md is made of the declarations.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import Model

from apps.core import jobs
from apps.core.db import at_end, rows
from apps.core.models import Event
from apps.core.tenancy import account_scope

logger = logging.getLogger(__name__)

Handler = Callable[[Event], None]
Follower = Callable[[Any, Event], None]
Among = Callable[[list[Event]], set[int]]
"""Of these events, the ids of those that a handler has something to do about."""

MANY = 20
"""From so many events on, handlers are asked which of them they want (``on``)."""

ANY = "*"
"""Every type (for a handler), every key (of changes)."""

_types: dict[str, "EventType"] = {}
_handlers: dict[str, list[str]] = {}
_by_name: dict[str, Handler] = {}
_among: dict[str, Among] = {}
_followers: dict[str, list[Follower]] = {}


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. ``subject`` is the label of the model it is about; ``changes`` are the keys it may carry.

    One that is not ``public`` is for the business's own log only: it never leaves through a webhook.
    """

    name: str
    subject: str
    says: str
    changes: tuple[str, ...] = ()
    public: bool = True


class UndeclaredEvent(LookupError):
    """Somebody emits what no ``events.py`` declares: a mistake in our code."""


def declare(subject: str, types: dict[str, tuple[str, tuple[str, ...]]], *, public: bool = True) -> None:
    """Declare the events about one model: {type: (what it says, keys of changes)}."""
    for name, (says, changes) in types.items():
        if name in _types:
            raise ValueError(f"{name} is declared twice.")
        _types[name] = EventType(name, subject, says, changes, public)


def event_types() -> list[EventType]:
    """Every declared type by name."""
    return [_types[name] for name in sorted(_types)]


def event_type(name: str) -> EventType:
    """The declaration of a type. Raises UndeclaredEvent."""
    try:
        return _types[name]
    except KeyError:
        raise UndeclaredEvent(f"{name} is not declared in the events.py of its app.") from None


def in_words(name: str) -> str:
    """What a type says, '' for one of the past that is not declared any more."""
    return _types[name].says if name in _types else ""


@dataclass(frozen=True, slots=True)
class Acting:
    """Who changes things in this context, and through which door (staff, customer, public, admin, command, job)."""

    actor_id: int | None = None
    source: str = ""


NOBODY = Acting()
_acting: ContextVar[Acting] = ContextVar("acting", default=NOBODY)


@contextmanager
def acting(actor_id: int | None, source: str) -> Iterator[None]:
    """Everything emitted inside carries this actor and source."""
    token = _acting.set(Acting(actor_id, source))
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Acting:
    """The actor and source in force."""
    return _acting.get()


def on(*types: str, among: Among | None = None) -> Callable[[Handler], Handler]:
    """Register a handler: ``@on("booking.cancelled")``, or ``@on(ANY)``. It must be idempotent; it runs in the event's account scope.

    ``among`` is asked once about many events of one account (an import's) which of them the handler has something to do about.
    """

    def register(handler: Handler) -> Handler:
        name = f"{handler.__module__}.{handler.__qualname__}"
        _by_name[name] = handler
        if among is not None:
            _among[name] = among
        for event_type in types:
            _handlers.setdefault(event_type, []).append(name)
        return handler

    return register


def within(*types: str) -> Callable[[Follower], Follower]:
    """Register what belongs to the change itself: called with the subject and the event, in the
    emitting transaction, which it can undo.

    Only for records that must never disagree with the change (the ledger). It should leave its work to ``core.db.at_end``.
    """

    def register(follower: Follower) -> Follower:
        for event_type in types:
            _followers.setdefault(event_type, []).append(follower)
        return follower

    return register


def emit(name: str, subject: Model, *, changes: dict[str, Any] | None = None, account_id: int | None = None) -> Event:
    """Write an event about ``subject`` and see that its handlers run, both in the caller's transaction.

    ``changes`` is {field: [before, after]} with JSON values. The account is the subject's own unless given.
    """
    event_type(name)
    who = current_actor()
    event = Event.objects.create(
        account_id=account_id if account_id is not None else subject.account_id,  # type: ignore[attr-defined]
        type=name,
        subject_type=subject._meta.label_lower,
        subject_id=subject.pk,
        client_id=getattr(subject, "concerned_client_id", None),
        version=getattr(subject, "version", None),
        actor_id=who.actor_id,
        source=who.source,
        changes=changes or {},
    )
    for follow in _followers.get(name, ()):
        follow(subject, event)
    if handlers_of(name):
        _dispatch_later(event.account_id, [event.pk])
    return event


EMIT_MANY = """
    INSERT INTO core_event (account_id, type, subject_type, subject_id, client_id, actor_id, source, changes, created_at, updated_at)
    SELECT %s, %s, %s, e.subject_id, CASE WHEN %s THEN e.subject_id END, %s, %s, e.changes::jsonb, now(), now()
    FROM unnest(%s::bigint[], %s::text[]) WITH ORDINALITY AS e (subject_id, changes, place) ORDER BY e.place RETURNING id
"""


def emit_many(name: str, model: type[Model], changed: Sequence[tuple[int, dict[str, Any]]], *, account_id: int) -> None:
    """``emit`` for many rows of a model, (id, changes) each, with one statement: for imports, not for what people do.

    For types that nothing follows in the same transaction (``within``).
    """
    event_type(name)
    if _followers.get(name):
        raise RuntimeError(f"{name} is followed row by row: use emit().")
    if not changed:
        return
    who = current_actor()
    is_client = model._meta.label_lower == "clients.client"
    texts = [orjson.dumps(changes).decode() for _, changes in changed]
    about = [account_id, name, model._meta.label_lower, is_client, who.actor_id, who.source]
    ids = rows(EMIT_MANY, [*about, [pk for pk, _ in changed], texts])
    if handlers_of(name):
        _dispatch_later(account_id, [pk for (pk,) in ids])


def _dispatch_later(account_id: int, event_ids: list[int]) -> None:
    queue = _Queue(account_id, event_ids)
    kept = at_end(("core.dispatch", account_id), queue)
    if kept is not queue:
        kept.event_ids += event_ids


def handlers_of(name: str) -> list[str]:
    """The names of the handlers that run for a type."""
    return [*_handlers.get(name, ()), *_handlers.get(ANY, ())]


class _Queue:
    """One job for all events of one service call in one account."""

    def __init__(self, account_id: int, event_ids: list[int]) -> None:
        self.account_id = account_id
        self.event_ids = event_ids

    def __call__(self) -> None:
        jobs.defer_many(dispatch, [{"account_id": self.account_id, "event_ids": self.event_ids}])


@jobs.task(name="core.dispatch", queue="events", retry=jobs.RETRY)
def dispatch(account_id: int, event_ids: list[int]) -> None:
    """Run the handlers of these events, each in a transaction of its own; one that fails becomes a job that is tried again alone."""
    with account_scope(account_id):
        found = {event.pk: event for event in Event.objects.filter(pk__in=event_ids)}
        wanted = _wanted(list(found.values())) if len(found) >= MANY else {}
    for event, name in [(found[pk], name) for pk in event_ids if pk in found for name in handlers_of(found[pk].type)]:
        if name in wanted and event.pk not in wanted[name]:
            continue
        try:
            _run(event, name)
        except Exception as error:
            logger.warning("event %s (%s): %s failed and is tried again: %r", event.pk, event.type, name, error, exc_info=True)
            with account_scope(account_id):
                jobs.defer_many(deliver, [{"account_id": account_id, "event_id": event.pk, "handler": name}])


def _wanted(events: list[Event]) -> dict[str, set[int]]:
    """{handler: ids of the events it has something to do about}, for the handlers that can say so of many at once."""
    theirs = {name: [event for event in events if name in handlers_of(event.type)] for name in _among}
    return {name: _among[name](mine) for name, mine in theirs.items() if mine}


@jobs.task(name="core.deliver", queue="events", retry=jobs.RETRY)
def deliver(account_id: int, event_id: int, handler: str) -> None:
    """Run one handler for one event; a failure is retried without touching other handlers."""
    with account_scope(account_id):
        event = Event.objects.filter(pk=event_id).first()
    if event is None:  # its account was deleted in the meantime
        logger.info("event %s is gone; %s has nothing to do", event_id, handler)
        return
    _run(event, handler)


def _run(event: Event, handler: str) -> None:
    with account_scope(event.account_id), acting(None, "job"):
        _by_name[handler](event)
