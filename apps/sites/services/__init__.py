"""Sites and their owners (source 003): the writing services, and under the same roof the three questions it names."""

from apps.sites.selectors import get_customer_sites, get_site_owners, verify_site_ownership
from apps.sites.services.owners import add_site_to_customer, hand_over, lock_site, remove_site_from_customer, set_primary_site
from apps.sites.services.sites import archive_site, create_site, restore_site, update_site
from apps.sites.services.transfers import accept_transfer, cancel_transfer, decline_transfer, end_old_offers, offer_transfer

__all__ = [
    "accept_transfer",
    "add_site_to_customer",
    "archive_site",
    "cancel_transfer",
    "create_site",
    "decline_transfer",
    "end_old_offers",
    "get_customer_sites",
    "get_site_owners",
    "hand_over",
    "lock_site",
    "offer_transfer",
    "remove_site_from_customer",
    "restore_site",
    "set_primary_site",
    "update_site",
    "verify_site_ownership",
]
