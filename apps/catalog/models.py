"""What is offered, and by whom."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.accounts.models import Membership, validate_zone
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history

DAY_MINUTES = 24 * 60


class Service(TenantModel):
    """Something a client can book. Prices are cents of the account's currency, lengths are minutes."""

    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    category = models.CharField(max_length=100, blank=True)
    duration_minutes = models.PositiveIntegerField()
    buffer_before_minutes = models.PositiveIntegerField(default=0)
    buffer_after_minutes = models.PositiveIntegerField(default=0)
    slot_step_minutes = models.PositiveIntegerField(null=True, blank=True, help_text="Distance of starts; empty: the duration.")
    price_cents = models.PositiveBigIntegerField()
    tax_rate = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True, help_text="Per cent.")
    capacity = models.PositiveIntegerField(default=1, help_text="Seats of one occurrence; 1 is an individual session.")
    min_notice_minutes = models.PositiveIntegerField(default=0)
    horizon_days = models.PositiveIntegerField(null=True, blank=True, default=365, help_text="How far ahead; empty: no limit.")
    horizon_in_working_days = models.BooleanField(
        default=False, db_default=False, help_text="Count horizon_days from Monday to Friday only."
    )
    season_from = models.DateField(null=True, blank=True, help_text="First local day on which sessions take place.")
    season_to = models.DateField(null=True, blank=True, help_text="Last local day, inclusive.")
    online_capacity = models.PositiveIntegerField(null=True, blank=True, help_text="Seats that clients may book themselves; empty: all.")
    min_attendees = models.PositiveIntegerField(default=1, db_default=1, help_text="Below this an occurrence does not take place.")
    min_attendees_hours = models.PositiveIntegerField(default=24, db_default=24, help_text="How long before the start that is decided.")
    requires_approval = models.BooleanField(default=False)
    cancellation_policy = models.JSONField(default=dict, blank=True)
    limits = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="catalog_service_tenant_key"),
            UniqueConstraint(fields=["account", "name"], name="catalog_service_unique_name"),
            CheckConstraint(
                condition=Q(duration_minutes__gte=1, duration_minutes__lte=7 * DAY_MINUTES),
                name="catalog_service_duration",
                violation_error_message="A session lasts from 1 minute to 7 days.",
            ),
            CheckConstraint(
                condition=Q(buffer_before_minutes__lte=DAY_MINUTES, buffer_after_minutes__lte=DAY_MINUTES),
                name="catalog_service_buffers",
                violation_error_message="A buffer lasts at most a day.",
            ),
            CheckConstraint(
                condition=Q(slot_step_minutes=None) | Q(slot_step_minutes__gte=1, slot_step_minutes__lte=DAY_MINUTES),
                name="catalog_service_step",
                violation_error_message="Starts lie 1 minute to a day apart.",
            ),
            CheckConstraint(
                condition=Q(capacity__gte=1, capacity__lte=1000),
                name="catalog_service_capacity",
                violation_error_message="An occurrence has 1 to 1000 seats.",
            ),
            CheckConstraint(
                condition=Q(season_from=None) | Q(season_to=None) | Q(season_to__gte=F("season_from")),
                name="catalog_service_season",
                violation_error_message="season_to cannot lie before season_from.",
            ),
            CheckConstraint(
                condition=Q(online_capacity=None) | Q(online_capacity__lte=F("capacity")),
                name="catalog_service_online_capacity",
                violation_error_message="Clients cannot book more seats than there are.",
            ),
            CheckConstraint(
                condition=Q(min_attendees__gte=1, min_attendees__lte=F("capacity"), min_attendees_hours__lte=365 * 24),
                name="catalog_service_min_attendees",
                violation_error_message="The minimum lies between 1 and the capacity, and is decided at most a year before the start.",
            ),
            CheckConstraint(
                condition=Q(tax_rate=None) | Q(tax_rate__gte=0, tax_rate__lte=100),
                name="catalog_service_tax_rate",
                violation_error_message="A tax rate lies between 0 and 100 per cent.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="catalog_service_recent")]  # services/

    def __str__(self) -> str:
        return self.name


class Practitioner(TenantModel):
    """Someone who gives sessions (the sources say consultant). ``member`` is their login's membership, when they have one."""

    member = TenantForeignKey(Membership, models.SET_NULL, related_name="practitioners", null=True, blank=True)
    display_name = models.CharField(max_length=200)
    headline = models.CharField(max_length=200, blank=True)
    bio = models.TextField(blank=True)
    timezone = models.CharField(max_length=64, validators=[validate_zone])
    limits = models.JSONField(default=dict, blank=True)
    rating_total = models.PositiveIntegerField(default=0, db_default=0, editable=False, help_text="Sum of the published ratings.")
    rating_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="catalog_practitioner_tenant_key"),
            SameAccount("member", name="catalog_practitioner_member_account"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="catalog_practitioner_recent")]  # practitioners/

    def __str__(self) -> str:
        return self.display_name


class Offering(TenantModel):
    """A practitioner gives a service, perhaps at an own price (cents) or length (minutes)."""

    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="offerings")
    service = TenantForeignKey(Service, models.CASCADE, related_name="offerings")
    price_cents = models.PositiveBigIntegerField(null=True, blank=True)
    duration_minutes = models.PositiveIntegerField(null=True, blank=True)
    weight = models.PositiveSmallIntegerField(default=1, db_default=1, help_text="Share of the sessions of clients who take anybody.")
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="catalog_offering_tenant_key"),
            CheckConstraint(condition=Q(weight__gte=1, weight__lte=100), name="catalog_offering_weight"),
            SameAccount("practitioner", name="catalog_offering_practitioner_account"),
            SameAccount("service", name="catalog_offering_service_account"),
            UniqueConstraint(
                fields=["account", "practitioner", "service"],
                name="catalog_offering_unique",
                violation_error_message="This practitioner offers this service already.",
            ),
            CheckConstraint(
                condition=Q(duration_minutes=None) | Q(duration_minutes__gte=1, duration_minutes__lte=7 * DAY_MINUTES),
                name="catalog_offering_duration",
                violation_error_message="A session lasts from 1 minute to 7 days.",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="catalog_offering_recent")]  # offerings/

    def __str__(self) -> str:
        return f"{self.service_id} by {self.practitioner_id}"
