"""Sites and who owns them."""

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone

from apps.sites.models import Site, SiteOwnership, SiteTransfer
from factories.base import TenantFactory
from factories.clients import ClientFactory
from factories.users import CustomerFactory


class SiteFactory(TenantFactory):
    slug = factory.Sequence(lambda n: f"site-{n}")
    site_title = factory.Sequence(lambda n: f"Site {n}")

    class Meta:
        model = Site


class SiteOwnershipFactory(TenantFactory):
    """A primary ownership of a new site by a new client with a login; give ``is_primary=False`` for a second one of the same client."""

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"), customer=factory.SubFactory(CustomerFactory))
    customer = factory.SelfAttribute("client.customer")
    site = factory.SubFactory(SiteFactory, account=factory.SelfAttribute("..account"))
    is_primary = True

    class Meta:
        model = SiteOwnership


class SiteTransferFactory(TenantFactory):
    """An open offer of a new ownership to a new client with a login."""

    ownership = factory.SubFactory(SiteOwnershipFactory, account=factory.SelfAttribute("..account"))
    site = factory.SelfAttribute("ownership.site")
    from_client = factory.SelfAttribute("ownership.client")
    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"), customer=factory.SubFactory(CustomerFactory))
    expires_at: Any = factory.LazyFunction(lambda: timezone.now() + timedelta(days=14))

    class Meta:
        model = SiteTransfer
