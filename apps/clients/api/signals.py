"""Events of allauth that concern what businesses keep. Connected in AppConfig.ready."""

from typing import Any

from apps.clients.services.linking import link_clients


def address_was_proved(sender: Any, email_address: Any, **kwargs: Any) -> None:
    """The leads with this address are this person's from now on: at the first verification, and after a change of address."""
    link_clients(email_address.user)
