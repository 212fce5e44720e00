"""Writing down what people are told: notifications and deliveries, once per change, person and channel, in one transaction.

Nothing is sent here. What leaves the house is a row first (``Delivery``), and a job of the same transaction that sends it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Model
from django.utils import timezone, translation

from apps.accounts.models import Account
from apps.core import jobs
from apps.core.db import joined
from apps.notifications.catalogue import Message
from apps.notifications.models import Channel, Delivery, Notification
from apps.notifications.models.deliveries import new_token
from apps.notifications.preferences import wants_of
from apps.notifications.recipients import Recipient
from apps.notifications.rendering import Letter, compose
from apps.notifications.services.sending import send_delivery

LIVE_CHANNEL = "clientele_live"
"""``LISTEN`` to it for '<user id>:<notification id>' of every new notification, heard once it is committed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was written by this call; a repetition writes nothing and says so."""

    notifications: list[int] = field(default_factory=list)
    deliveries: list[int] = field(default_factory=list)


@joined
def tell(
    account: Account,
    *,
    key: str,
    message: Message,
    recipients: Iterable[Recipient],
    facts: Mapping[str, Any],
    extras: Sequence[tuple[Any, Mapping[str, Any]]] = (),
    data: Mapping[str, Any] | None = None,
    calendar: bytes | None = None,
    event_id: int | None = None,
    channels: Collection[str] | None = None,
    at: datetime | None = None,
) -> Told:
    """Tell recipients one thing: write what is not written yet, and queue the sending of it.

    ``key`` names the thing ("event:<id>:<message>", "reminder:<id>"): one notification per (account, user, key), one delivery per
    (account, key, channel, address), however often and by how many at once this is called. ``facts`` fill the placeholders of the
    message, ``extras`` are further sentences with their own facts. ``calendar`` goes along with mails as an .ics file. ``channels``
    narrows to these (a reminder's rule names one); without it every channel that the person wants is used. Who has no address for a
    channel, or does not want it, is left out without an error.
    """
    at = at or timezone.now()
    everybody = list(recipients)
    wanted = wants_of([one.user.pk for one in everybody if one.user is not None])
    notifications: list[Notification] = []
    deliveries: list[Delivery] = []
    for one in everybody:
        ways = [
            channel
            for channel in Channel
            if (channels is None or channel in channels) and wanted(one.user, message.kind, channel) and one.reachable_by(channel)
        ]
        if not ways:
            continue
        with translation.override(one.language):
            letter = compose(
                account, message, facts=facts, extras=extras, zone=ZoneInfo(one.timezone), reader=one, outward=ways != [Channel.IN_APP]
            )
        for way in ways:
            if way == Channel.IN_APP:
                notifications.append(_notification(account, one, message, letter, key=key, data=data, event_id=event_id))
            else:
                about: Any = {"key": key, "calendar": calendar, "event_id": event_id, "at": at}
                deliveries.append(_delivery(account, one, message, letter, way, **about))
    return Told(_write_notifications(account, notifications), _write_deliveries(account, deliveries))


def _notification(
    account: Account, reader: Recipient, message: Message, letter: Letter, *, key: str, data: Mapping[str, Any] | None, event_id: int | None
) -> Notification:
    assert reader.user is not None  # noqa: S101  only logins are reachable inside the product
    return Notification(
        account=account,
        user_id=reader.user.pk,
        event_id=event_id,
        key=key,
        kind=message.kind,
        title=letter.title,
        message=letter.message,
        action_url=letter.action_url,
        data=dict(data or {}),
    )


def _delivery(
    account: Account,
    reader: Recipient,
    message: Message,
    letter: Letter,
    channel: Channel,
    *,
    key: str,
    calendar: bytes | None,
    event_id: int | None,
    at: datetime,
) -> Delivery:
    is_mail = channel == Channel.EMAIL
    return Delivery(
        account=account,
        key=key,
        kind=message.kind,
        channel=channel,
        user_id=reader.user.pk if reader.user is not None else None,
        client_id=reader.client.pk if reader.client is not None else None,
        event_id=event_id,
        address=reader.address(channel),
        language=reader.language,
        timezone=reader.timezone,
        subject=letter.title if is_mail else "",
        text=letter.text if is_mail else letter.short,
        html=letter.html if is_mail else "",
        attachments=_attachments(calendar, message) if is_mail else [],
        next_attempt_at=at,
        message_token=new_token(),
    )


def _attachments(calendar: bytes | None, message: Message) -> list[dict[str, str]]:
    if calendar is None:
        return []
    kind = f"text/calendar; method={message.calendar}; charset=utf-8"
    return [{"name": "session.ics", "type": kind, "text": calendar.decode()}]


# -- one statement for each kind of row


def _write_notifications(account: Account, rows: list[Notification]) -> list[int]:
    written = insert_new(rows, returning="id, user_id")
    if written:
        payloads = [f"{user_id}:{pk}" for pk, user_id in written]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, one) FROM unnest(%s::text[]) AS one", [LIVE_CHANNEL, payloads])
    return [pk for pk, _ in written]


def _write_deliveries(account: Account, rows: list[Delivery]) -> list[int]:
    written = [pk for (pk,) in insert_new(rows, returning="id")]
    jobs.defer_many(send_delivery, ({"account_id": account.pk, "delivery_id": pk} for pk in written))
    return written


def insert_new(rows: Sequence[Model], *, returning: str) -> list[tuple[Any, ...]]:
    """Insert the rows that break no unique key, with one statement, and return columns of those that were really written.

    ``bulk_create(ignore_conflicts=True)`` would not say which.
    """
    if not rows:
        return []
    model = type(rows[0])
    fields = [one for one in model._meta.concrete_fields if not one.primary_key]
    values = [[one.get_db_prep_save(one.pre_save(row, True), connection) for one in fields] for row in rows]
    columns = ", ".join(connection.ops.quote_name(str(one.column)) for one in fields)
    one_row = f"({', '.join(['%s'] * len(fields))})"
    sql = (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({columns}) VALUES {', '.join([one_row] * len(rows))}"  # noqa: S608
        f" ON CONFLICT DO NOTHING RETURNING {returning}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for row in values for value in row])
        return cursor.fetchall()


__all__ = ["LIVE_CHANNEL", "Told", "insert_new", "tell"]
