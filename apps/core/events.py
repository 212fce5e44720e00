"""Events: one row says what happened; handlers run after commit, at least once, through the job queue."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from apps.core import jobs
from apps.core.models import Event
from apps.core.tenancy import account_scope

logger = logging.getLogger(__name__)

Handler = Callable[[Event], None]
Follower = Callable[[Any], None]

_handlers: dict[str, list[str]] = {}
_by_name: dict[str, Handler] = {}
_followers: dict[str, list[Follower]] = {}


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


def on(*types: str) -> Callable[[Handler], Handler]:
    """Register a handler: ``@on("booking.cancelled")``. It must be idempotent; it runs in the event's account scope."""

    def register(handler: Handler) -> Handler:
        name = f"{handler.__module__}.{handler.__qualname__}"
        _by_name[name] = handler
        for event_type in types:
            _handlers.setdefault(event_type, []).append(name)
        return handler

    return register


def within(*types: str) -> Callable[[Follower], Follower]:
    """Register what belongs to the change itself: called with the subject in the emitting transaction, which it can undo.

    Only for records that must never disagree with the change (the ledger). It should leave its work to ``core.db.at_end``.
    """

    def register(follower: Follower) -> Follower:
        for event_type in types:
            _followers.setdefault(event_type, []).append(follower)
        return follower

    return register


def emit(event_type: str, subject: Model, *, changes: dict[str, Any] | None = None, account_id: int | None = None) -> Event:
    """Write an event about ``subject`` and queue its handlers, both in the caller's transaction.

    ``changes`` is {field: [before, after]} with JSON values. The account is the subject's own unless given.
    """
    who = current_actor()
    event = Event.objects.create(
        account_id=account_id if account_id is not None else subject.account_id,  # type: ignore[attr-defined]
        type=event_type,
        subject_type=subject._meta.label_lower,
        subject_id=subject.pk,
        actor_id=who.actor_id,
        source=who.source,
        changes=changes or {},
    )
    for follow in _followers.get(event_type, ()):
        follow(subject)
    names = _handlers.get(event_type, ())
    jobs.defer_many(deliver, ({"account_id": event.account_id, "event_id": event.pk, "handler": name} for name in names))
    return event


@jobs.task(name="core.deliver", queue="events", retry=jobs.RETRY)
def deliver(account_id: int, event_id: int, handler: str) -> None:
    """Run one handler for one event inside the account's scope; a failure is retried without touching other handlers."""
    with account_scope(account_id), acting(None, "job"):
        event = Event.objects.filter(pk=event_id).first()
        if event is None:  # its account was deleted in the meantime
            logger.info("event %s is gone; %s has nothing to do", event_id, handler)
            return
        _by_name[handler](event)
