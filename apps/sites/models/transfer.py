"""Offers of a site to a new owner."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history
from apps.sites.models.ownership import SiteOwnership
from apps.sites.models.site import Site


class SiteTransfer(TenantModel):
    """One ownership of a site is offered to another client, whose consent moves it. At most one offer per site is open."""

    class Status(models.TextChoices):
        OFFERED = "offered"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        CANCELLED = "cancelled"
        LAPSED = "lapsed"

    site = TenantForeignKey(Site, models.RESTRICT, related_name="transfers", db_index=False)
    ownership = TenantForeignKey(SiteOwnership, models.RESTRICT, related_name="transfers", help_text="The one that ends with consent.")
    from_client = TenantForeignKey(Client, models.RESTRICT, related_name="sites_given")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="sites_offered", db_index=False, help_text="The new owner.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OFFERED)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="sites_sitetransfer_tenant_key"),
            SameAccount("site", name="sites_sitetransfer_site_account"),
            SameAccount("ownership", name="sites_sitetransfer_ownership_account"),
            SameAccount("from_client", name="sites_sitetransfer_from_account"),
            SameAccount("client", name="sites_sitetransfer_client_account"),
            UniqueConstraint(fields=["account", "site"], condition=Q(status="offered"), name="sites_sitetransfer_one_open"),
            CheckConstraint(condition=Q(status="offered", decided_at=None) | ~Q(status="offered"), name="sites_sitetransfer_decided"),
            CheckConstraint(condition=~Q(client=F("from_client")), name="sites_sitetransfer_to_somebody_else"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "client", "-created_at"], name="sites_sitetransfer_by_client"),  # site-transfers/
            Index(fields=["account", "site", "-created_at"], name="sites_sitetransfer_by_site"),
            Index(fields=["expires_at"], name="sites_sitetransfer_open", condition=Q(status="offered")),  # the job that ends them
        ]

    def __str__(self) -> str:
        return f"{self.site_id} to {self.client_id}: {self.status}"
