"""What the tests of sites share: an account with people and sites, and what a customer has."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import add_site_to_customer, get_customer_sites
from apps.users.models import Customer
from factories.clients import ClientFactory
from factories.sites import SiteFactory
from factories.users import CustomerFactory
from tests.studio import NOW


@dataclass
class Agency:
    """A web agency: Joe is its customer, and the sites are called a, b, c …"""

    account: Account
    joe: Client = field(init=False)
    sites: dict[str, Site] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.joe = self.person("Joe")
        for slug in "abc":
            self.sites[slug] = SiteFactory(account=self.account, slug=slug, site_title=f"Site {slug}")

    def person(self, name: str) -> Client:
        return ClientFactory(account=self.account, full_name=name, customer=CustomerFactory(full_name=name))

    def give(self, slug: str, client: Client | None = None, days: int = 0, **options: Any) -> SiteOwnership:
        with account_scope(self.account):
            customer = (client or self.joe).customer
            return add_site_to_customer(self.sites[slug], customer=customer, at=NOW + timedelta(days=days), **options)

    def owned(self, person: Client | Customer) -> list[str]:
        """What somebody has, as slugs; the primary one with a star."""
        customer = person.customer if isinstance(person, Client) else person
        with account_scope(self.account):
            return [f"{row.site.slug}{'*' * row.is_primary}" for row in get_customer_sites(customer)]

    def said(self, type_: str) -> list[dict[str, Any]]:
        with account_scope(self.account):
            return list(Event.objects.filter(type=type_).order_by("pk").values_list("changes", flat=True))

    def do(self, service: Any, thing: Any, **options: Any) -> Any:
        with account_scope(self.account):
            return service(thing, **options)
