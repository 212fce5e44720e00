"""What readers do with what they were told, and what they choose to be told."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from apps.core.db import joined
from apps.core.tenancy import account_scope
from apps.notifications.models import Channel, Notification, Preference

COUNTED = 1000
"""Unread notifications are counted up to here; nobody reads on, and the count stays cheap."""


@joined
def mark_read(notification: Notification, *, at: datetime | None = None) -> None:
    """Write when it was first read; reading it again changes nothing."""
    at = at or timezone.now()
    Notification.objects.filter(pk=notification.pk, read_at=None).update(read_at=at, updated_at=at)


@joined
def mark_all_read(*, user_id: int, account_ids: Sequence[int], at: datetime | None = None) -> int:
    """Mark everything that this person has not read in these accounts; returns how many."""
    at, marked = at or timezone.now(), 0
    for account_id in account_ids:
        with account_scope(account_id):
            marked += Notification.objects.filter(user_id=user_id, read_at=None).update(read_at=at, updated_at=at)
    return marked


@joined
def delete_notification(notification: Notification) -> None:
    """Take it out of the list; what was sent by mail stays in the deliveries."""
    Notification.objects.filter(pk=notification.pk).delete()


def unread_count(notifications: QuerySet[Notification]) -> dict[str, Any]:
    """How many of these are unread, counted up to COUNTED through the index of unread ones."""
    unread = notifications.filter(read_at=None).order_by()
    found = unread.values("pk")[: COUNTED + 1].count()
    return {"count": min(found, COUNTED), "is_capped": found > COUNTED}


@joined
def choose(*, user_id: int, choices: Sequence[Mapping[str, Any]]) -> None:
    """Write what a person chose: [{"type": kind, "email": False, …}], for all their accounts. What is not named stays as it is."""
    rows = {
        (choice["type"], channel): Preference(user_id=user_id, kind=choice["type"], channel=channel, is_enabled=choice[channel.value])
        for choice in choices
        for channel in Channel
        if channel.value in choice
    }
    Preference.objects.bulk_create(
        [rows[key] for key in sorted(rows)],
        update_conflicts=True,
        unique_fields=["user", "kind", "channel"],
        update_fields=["is_enabled", "updated_at"],
    )
