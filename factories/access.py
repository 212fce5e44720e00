from datetime import timedelta

import factory
from django.utils import timezone

from apps.clients.guests import LINK, TOKEN, address_digests, digest, new_secret
from apps.clients.models import GuestAccess
from factories.base import TenantFactory
from factories.clients import ClientFactory


class GuestAccessFactory(TenantFactory):
    """A link that was mailed and opened; nobody has its secrets."""

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    address_digest = factory.LazyAttribute(lambda row: address_digests(row.account.pk, row.client.email)[0])
    link_digest = factory.LazyAttribute(lambda row: digest(new_secret(row.account.pk, LINK)))
    token_digest = factory.LazyAttribute(lambda row: digest(new_secret(row.account.pk, TOKEN)))
    opened_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyAttribute(lambda row: row.opened_at + timedelta(hours=1))

    class Meta:
        model = GuestAccess
