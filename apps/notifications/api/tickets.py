"""Asking for a stream: the same question at both doors."""

from collections.abc import Iterable

from django.utils import timezone
from rest_framework import serializers

from apps.notifications.tickets import issue_ticket


class StreamTicketSerializer(serializers.Serializer):
    """Where an `EventSource` listens to new notifications."""

    url = serializers.URLField(help_text="Open it with `new EventSource(url)`; it needs no header.")
    expires_at = serializers.DateTimeField(help_text="The stream ends then; ask for another ticket and pass on the last id.")


HOW = """A stream of new notifications (server-sent events): each is an event `notification`, whose `id` is the notification's and
whose `data` is what the list shows.

Read the list after the stream is open, so that nothing falls between. A browser that was cut off comes back by itself with
`Last-Event-ID` and gets what it missed; after a new ticket pass the last id yourself: `?ticket=…&last_event_id=…`. Some events may come
twice: drop ids you have. `reload` says that more was missed than is sent again: read the list. `end` says why the server ends the stream
(`ticket_expired`, `inactive`, `closing`). At most five streams per login (429). Asking the list now and then works just as well."""


def ticket_for(user_id: int, account_ids: Iterable[int]) -> dict[str, object]:
    url, expires_at = issue_ticket(user_id, account_ids=account_ids, at=timezone.now())
    return {"url": url, "expires_at": expires_at}
