"""After commit: a client who is entered with an address that a customer has proved is that customer's."""

from allauth.account.models import EmailAddress

from apps.clients.models import Client
from apps.clients.services.linking import link_client
from apps.core.events import on
from apps.core.models import Event


def with_proved_address(events: list[Event]) -> set[int]:
    """Of many events, those about leads with an address that somebody has proved."""
    leads = Client.objects.filter(pk__in={event.subject_id for event in events}, customer=None, merged_into=None).exclude(email_key="")
    addresses = dict(leads.values_list("pk", "email_key"))
    proved = set(EmailAddress.objects.filter(email__in=set(addresses.values()), verified=True).values_list("email", flat=True))
    return {event.pk for event in events if addresses.get(event.subject_id) in proved}


@on("client.created", "client.updated", among=with_proved_address)
def link_to_customer(event: Event) -> None:
    """Only a new address can make the difference."""
    if event.type == "client.updated" and "email" not in event.changes:
        return
    client = Client.objects.filter(pk=event.subject_id, customer=None, merged_into=None).first()
    if client is not None:
        link_client(client)
