"""What people are told when something happened. Each runs at least once, and writes nothing twice."""

from apps.clients.models import Client
from apps.core.events import on
from apps.core.models import Event
from apps.notifications.models import Notification
from apps.notifications.services.speaking import speak
from apps.notifications.voices import VOICES


@on(*VOICES)
def tell_people(event: Event) -> None:
    """Notifications, mails and short messages about a change."""
    speak(event)


@on("membership.removed")
def forget_what_a_member_was_told(event: Event) -> None:
    """Who does not work here any more does not read on, unless they are a client, too."""
    user_id = event.changes.get("user", [None])[0]
    if user_id is not None and not Client.objects.filter(customer__user_id=user_id).exists():
        Notification.objects.filter(user_id=user_id).delete()
