"""What follows from events elsewhere, after they are committed."""

from apps.core.events import ANY, on
from apps.core.models import Event
from apps.integrations.services.deliveries import tell_endpoints


@on(ANY)
def tell_webhook_endpoints(event: Event) -> None:
    """Whatever happens is written down for the endpoints that are to be told of it."""
    tell_endpoints(event)
