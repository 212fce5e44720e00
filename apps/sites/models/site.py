"""The website itself."""

from typing import Any, ClassVar
from uuid import uuid4

from django.core.validators import URLValidator
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.core.constraints import TenantKey
from apps.core.models import TenantModel, history, scoped
from apps.users.models import Customer


class SiteQuerySet(models.QuerySet):
    def live(self) -> "SiteQuerySet":
        """Without the archived ones."""
        return self.exclude(status=Site.Status.ARCHIVED)


class Site(TenantModel):
    """A website. Customers own it by ``SiteOwnership``; one without an owner is for sale.

    ``site_id`` is what the API shows and takes. The address is printed, never fetched. A site costs ``price_cents`` when it is sold, or
    one month where that is empty, and ``monthly_amount_cents`` from then on (cents of the account's currency).
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        ACTIVE = "active"
        SUSPENDED = "suspended"
        ARCHIVED = "archived"

    class Subscription(models.TextChoices):
        NONE = "none"
        TRIALING = "trialing"
        ACTIVE = "active"
        PAST_DUE = "past_due"
        CANCELLED = "cancelled"

    site_id = models.UUIDField(default=uuid4, editable=False)
    slug = models.SlugField(max_length=100, db_index=False)
    site_title = models.CharField(max_length=200)
    site_url = models.CharField(max_length=500, blank=True, validators=[URLValidator(schemes=["http", "https"])])
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    subscription_status = models.CharField(max_length=10, choices=Subscription.choices, default=Subscription.NONE)
    monthly_amount_cents = models.PositiveBigIntegerField(default=9900)
    price_cents = models.PositiveBigIntegerField(null=True, blank=True, help_text="One-off price when sold; empty: the first month.")

    objects: ClassVar[Any] = scoped(SiteQuerySet)
    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="sites_site_tenant_key"),
            UniqueConstraint(fields=["account", "site_id"], name="sites_site_unique_site_id"),
            UniqueConstraint(
                fields=["account", "slug"],
                name="sites_site_unique_slug",
                violation_error_message="A site with this slug exists already.",
            ),
            CheckConstraint(
                condition=Q(site_url="") | Q(site_url__iregex=r"^https?://"),
                name="sites_site_web_address",
                violation_error_message="The address of a site begins with http:// or https://.",
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="sites_site_recent"),  # sites/
        ]

    def __str__(self) -> str:
        return self.site_title

    @property
    def is_live(self) -> bool:
        """Whether it is in use: not archived."""
        return self.status != self.Status.ARCHIVED

    @property
    def sale_price_cents(self) -> int:
        """What it costs when it is sold: its price, or the first month."""
        return self.monthly_amount_cents if self.price_cents is None else self.price_cents

    @property
    def primary_owner(self) -> Customer | None:
        """The customer it belongs to: the one who has owned it longest, collaborators only when there is no owner."""
        return next(iter(self.all_owners), None)

    @property
    def all_owners(self) -> list[Customer]:
        """Everybody it belongs to now, owners before collaborators, then as they acquired it."""
        current = self.ownerships.current().select_related("customer__user")  # type: ignore[attr-defined]
        rows = sorted(current, key=lambda row: (not row.is_owner, row.acquired_at, row.pk))
        return [row.customer for row in rows]

    def is_owned_by(self, customer: Customer | int) -> bool:
        """Whether it belongs to this customer (or the customer of this id) now."""
        customer_id = customer.pk if isinstance(customer, Customer) else customer
        return self.ownerships.current().filter(customer_id=customer_id).exists()  # type: ignore[attr-defined]
