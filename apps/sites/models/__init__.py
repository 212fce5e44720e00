"""Websites that an account makes and keeps for its customers, and who owns them (source 003)."""

from apps.sites.models.ownership import SiteOwnership, SiteOwnershipQuerySet
from apps.sites.models.site import Site, SiteQuerySet
from apps.sites.models.transfer import SiteTransfer

__all__ = ["Site", "SiteOwnership", "SiteOwnershipQuerySet", "SiteQuerySet", "SiteTransfer"]
