"""What follows from events elsewhere, after they are committed."""

from apps.core.events import ANY, on
from apps.core.models import Event
from apps.integrations.models import WebhookEndpoint
from apps.integrations.services.deliveries import tell_endpoints


def of_listening_accounts(events: list[Event]) -> set[int]:
    """Of many events of one account: all of them, or none where no endpoint listens. One that is made later is told nothing of the past."""
    return {event.pk for event in events} if WebhookEndpoint.objects.filter(state=WebhookEndpoint.State.ACTIVE).exists() else set()


@on(ANY, among=of_listening_accounts)
def tell_webhook_endpoints(event: Event) -> None:
    """Whatever happens is written down for the endpoints that are to be told of it."""
    tell_endpoints(event)
