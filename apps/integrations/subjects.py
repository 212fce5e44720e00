"""What has left, or waits to leave, about a person."""

from apps.core.models import Event
from apps.core.subjects import Done, Subject, dropped, erased_by, told
from apps.integrations.models import CalendarFeed, WebhookDelivery


def drop_deliveries(subject: Subject, done: Done) -> None:
    """The bodies of webhooks about them; receivers are told that they were erased, and have to follow themselves."""
    about = Event.objects.filter(client_id__in=subject.ids).values("pk")
    done.add(done.dropped, WebhookDelivery._meta.db_table, WebhookDelivery.objects.filter(event_id__in=about).delete()[0])


dropped(CalendarFeed, "client")
erased_by(drop_deliveries)

told("calendar_feeds", CalendarFeed, "client", leave=("token_digest",))
