"""Websites: the first customer of each business owns two there, and one is for sale."""

from datetime import datetime, timedelta

from apps.checkout.demo.opening import Opened
from apps.sites.models import Site
from apps.sites.services import add_site_to_customer, create_site, update_site

TITLES = ("Studio pages", "Newsletter archive", "Landing page")
"""The last one belongs to nobody yet."""


def make_websites(opened: Opened, at: datetime) -> list[Site]:
    """Three sites; the first was acquired first and is the primary one."""
    owner, sites = opened.clients[0], []
    for number, title in enumerate(TITLES):
        slug = title.lower().replace(" ", "-")
        site = create_site(
            account_id=opened.account.pk,
            slug=slug,
            site_title=f"{owner.full_name}: {title}" if title != TITLES[-1] else title,
            site_url=f"https://{slug}.{opened.plan.domain}",
            status=Site.Status.DRAFT if title == TITLES[-1] else Site.Status.ACTIVE,
            price_cents=49000 if title == TITLES[-1] else None,
        )
        if title != TITLES[-1] and owner.customer is not None:
            add_site_to_customer(site, customer=owner.customer, at=at - timedelta(days=90 - 30 * number))
            update_site(site, subscription_status=Site.Subscription.ACTIVE)
        sites.append(site)
    return sites
