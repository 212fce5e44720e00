"""Who owns what. Everything here reads inside the scope that its caller has opened."""

from uuid import UUID

from apps.sites.models import Site, SiteOwnership
from apps.users.models import Customer


def get_customer_sites(customer: Customer, *, account_id: int | None = None) -> list[SiteOwnership]:
    """The customer's current ownerships of sites in use, with their sites: primary first, then as they were acquired.

    Over all accounts in scope, or one. With several accounts each has its own primary.
    """
    mine = SiteOwnership.objects.live().filter(customer=customer)
    if account_id is not None:
        mine = mine.filter(account_id=account_id)
    return list(mine.select_related("site").in_order())


def verify_site_ownership(customer: Customer, *, site_id: UUID) -> bool:
    """Whether the customer owns the site of this UUID now, and it is in use."""
    return SiteOwnership.objects.live().filter(customer=customer, site__site_id=site_id).exists()


def get_site_owners(site: Site, *, ended: bool = False) -> list[SiteOwnership]:
    """Who owns a site, owners before collaborators and then as they acquired it; with ``ended`` those of the past come after them."""
    found = site.ownerships.all() if ended else site.ownerships.current()  # type: ignore[attr-defined]
    return sorted(
        found.select_related("customer__user", "client"),
        key=lambda row: (row.ended_at is not None, not row.is_owner, row.acquired_at, row.pk),
    )
