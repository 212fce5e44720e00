"""Listening to what a studio tells people: its handlers run over its log, and what they wrote is read."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.mail import EmailMessage
from django.db import connections, transaction

from apps.clients.models import Client
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.notifications.handlers import tell_people
from apps.notifications.models import Delivery, Notification
from apps.notifications.services.sending import send_delivery
from apps.notifications.voices import VOICES
from apps.users.models import User
from factories.accounts import MembershipFactory
from tests.studio import Studio


def hear(studio: Studio, *, times: int = 1) -> None:
    """Run the handler for every event of the log, as the queue does after each commit."""
    with account_scope(studio.account):
        events = list(Event.objects.filter(type__in=VOICES).order_by("pk"))
    for _ in range(times):
        for event in events:
            with account_scope(studio.account), transaction.atomic():
                tell_people(event)


def told(studio: Studio, user: User | None = None, since: int = 0) -> list[tuple[str, str]]:
    """(kind, message) of the notifications of a user, oldest first."""
    with account_scope(studio.account):
        found = Notification.objects.filter(pk__gt=since).order_by("pk")
        return list((found.filter(user=user) if user else found).values_list("kind", "message"))


def written(studio: Studio, client: Client | None = None) -> list[Delivery]:
    """The deliveries, oldest first; those to a client, or all."""
    with account_scope(studio.account):
        found = Delivery.objects.order_by("pk")
        return list(found.filter(client=client) if client else found)


def kinds(studio: Studio, client: Client | None = None) -> list[str]:
    """What kinds of mails and short messages were written."""
    return [one.kind for one in written(studio, client)]


def send_all(studio: Studio) -> list[str]:
    """Send everything that is due; what became of each."""
    return [send_delivery(studio.account.pk, one.pk) for one in written(studio)]


def together(call: Callable[[], Any], workers: int = 10) -> list[Any]:
    """The same call by several threads at the same moment, each on a connection of its own; their answers."""
    barrier = threading.Barrier(workers)

    def run(_: int) -> Any:
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def employ(studio: Studio, role: str = "practitioner", **user: Any) -> User:
    """A member with this role; a practitioner becomes the login of the studio's."""
    member = MembershipFactory(account=studio.account, role=role, **{f"user__{name}": value for name, value in user.items()})
    if role == "practitioner":
        with account_scope(studio.account):
            studio.practitioner.member = member
            studio.practitioner.save(update_fields=["member"])
    return member.user


def parts(message: EmailMessage) -> tuple[str, str]:
    """(text, html) of a mail."""
    return message.body, message.alternatives[0][0]  # type: ignore[attr-defined]


__all__ = ["employ", "hear", "kinds", "parts", "send_all", "together", "told", "written"]
