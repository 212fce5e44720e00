"""Who owns a website: the junction of source 003."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Case, CheckConstraint, F, Index, Q, UniqueConstraint, When
from django.utils import timezone

from apps.clients.models import Client
from apps.core.constraints import KnownInAccount, SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.sites.models.site import Site
from apps.users.models import Customer


class SiteOwnershipQuerySet(models.QuerySet):
    def current(self) -> "SiteOwnershipQuerySet":
        """Those that have not ended."""
        return self.filter(ended_at=None)

    def live(self) -> "SiteOwnershipQuerySet":
        """Current ones of sites that are in use (not archived): what a customer has."""
        return self.current().exclude(site__status=Site.Status.ARCHIVED)

    def in_order(self) -> "SiteOwnershipQuerySet":
        """Primary first, then as they were acquired."""
        return self.order_by("-is_primary", "acquired_at", "pk")


class SiteOwnership(TenantModel):
    """A site belongs to a customer, from ``acquired_at`` until ``ended_at`` (empty: now). Rows are never deleted: who owned what stays known.

    ``client`` is the customer's record in this account: it opens the row to the customer's door and to the account's timeline. A customer
    who has sites in use in an account has exactly one primary one there. ``current_customer`` has to be a client of the account; of the past
    a row keeps the customer as long as the person is not erased.
    """

    class Role(models.TextChoices):
        OWNER = "owner"
        COLLABORATOR = "collaborator"

    client = TenantForeignKey(Client, models.RESTRICT, related_name="site_ownerships", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="owned_sites", null=True, blank=True)
    site = TenantForeignKey(Site, models.RESTRICT, related_name="ownerships", db_index=False)
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.OWNER)
    is_primary = models.BooleanField(default=False)
    acquired_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    current_customer = models.GeneratedField(
        expression=Case(When(ended_at=None, then=F("customer_id"))),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )

    objects: ClassVar[Any] = scoped(SiteOwnershipQuerySet)
    history = history(excluded_fields=["current_customer"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="sites_siteownership_tenant_key"),
            SameAccount("client", name="sites_siteownership_client_account"),
            SameAccount("site", name="sites_siteownership_site_account"),
            KnownInAccount("customer", column="current_customer", through="clients.Client", name="sites_siteownership_customer_of_account"),
            UniqueConstraint(
                fields=["customer", "site"],
                condition=Q(ended_at=None),
                name="sites_siteownership_once",
                violation_error_message="This customer owns the site already.",
            ),
            UniqueConstraint(
                fields=["account", "customer"], condition=Q(is_primary=True, ended_at=None), name="sites_siteownership_one_primary"
            ),
            CheckConstraint(condition=Q(is_primary=False) | Q(ended_at=None), name="sites_siteownership_primary_is_current"),
            CheckConstraint(condition=Q(ended_at=None) | Q(ended_at__gte=F("acquired_at")), name="sites_siteownership_period"),
            CheckConstraint(condition=Q(customer__isnull=False) | Q(ended_at__isnull=False), name="sites_siteownership_somebody"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "client", "acquired_at"], name="sites_siteownership_by_client"),  # my-sites/
            Index(fields=["account", "site", "acquired_at"], name="sites_siteownership_by_site"),  # sites/<uuid>/owners/
        ]

    def __str__(self) -> str:
        return f"{self.client_id} owns {self.site_id}"

    @property
    def is_owner(self) -> bool:
        """Whether the role is "owner"."""
        return self.role == self.Role.OWNER
