"""Whether a site can be sold: one sale of it at a time, and none while it belongs to somebody."""

from apps.orders.models import Order
from apps.sites.models import Site, SiteOwnership

OFFERED = (Site.Status.DRAFT, Site.Status.ACTIVE)


def open_sale_of(site: Site) -> Order | None:
    """The order by which a site is being sold: placed, and neither handed over nor given up."""
    return Order.objects.filter(site=site, order_type=Order.Type.SITE, status=Order.Status.ACTIVE).first()


def belongs_to_another(site: Site, *, client_id: int | None) -> bool:
    """Whether somebody else than this client (None: a stranger) is its owner. A collaborator is none."""
    owners = SiteOwnership.objects.current().filter(site=site, role=SiteOwnership.Role.OWNER)
    return owners.exclude(client_id=client_id).exists() if client_id is not None else owners.exists()


def is_for_sale(site: Site, *, client_id: int | None) -> bool:
    """Whether a locked site can be sold to a client (None: a stranger); it stays so until the transaction ends."""
    return site.status in OFFERED and open_sale_of(site) is None and not belongs_to_another(site, client_id=client_id)
