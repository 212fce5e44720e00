"""Recurring bookings: the rule; its occurrences are ordinary bookings."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Index, Q

from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.orders.models import Order

MAX_OCCURRENCES = 104


class BookingSeries(TenantModel):
    """A rule that gives sessions of one client their starts (rules.md §8). ``start_wall`` is naive local time in ``timezone``.

    Ends by ``count``, by ``until`` (last local day) or, with neither, when the sessions are used up; at most 104 occurrences.
    ``order`` limits it to the sessions of one order.
    """

    class Frequency(models.TextChoices):
        DAILY = "daily"
        WEEKLY = "weekly"
        MONTHLY_BY_DATE = "monthly_by_date"
        MONTHLY_BY_WEEKDAY = "monthly_by_weekday"

    class MonthEnd(models.TextChoices):
        """What a month without the day 29, 30 or 31 gets."""

        SKIP = "skip"
        LAST_DAY = "last_day"

    class Policy(models.TextChoices):
        """What happens to occurrences that do not fit."""

        ALL_OR_NOTHING = "all_or_nothing"
        SKIP = "skip"
        NEAREST = "nearest"

    class Status(models.TextChoices):
        ACTIVE = "active"
        ENDED = "ended"

    client = TenantForeignKey(Client, models.RESTRICT, related_name="series")
    service = TenantForeignKey(Service, models.RESTRICT, related_name="series")
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="series")
    order = TenantForeignKey(Order, models.RESTRICT, related_name="series", null=True, blank=True)
    previous = TenantForeignKey("self", models.RESTRICT, related_name="continued_by", null=True, blank=True)
    frequency = models.CharField(max_length=20, choices=Frequency.choices)
    every = models.PositiveSmallIntegerField(default=1)
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True, help_text="0 is Monday; weekly only.")
    month_end = models.CharField(max_length=10, choices=MonthEnd.choices, default=MonthEnd.SKIP)
    start_wall = models.CharField(max_length=19, help_text="Wall clock of the first start in timezone, YYYY-MM-DDTHH:MM:SS.")
    timezone = models.CharField(max_length=64)
    count = models.PositiveSmallIntegerField(null=True, blank=True)
    until = models.DateField(null=True, blank=True, help_text="Last local day, inclusive.")
    policy = models.CharField(max_length=16, choices=Policy.choices, default=Policy.ALL_OR_NOTHING)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)

    objects: ClassVar[Any] = scoped()
    history = history()

    class Meta:
        verbose_name_plural = "booking series"
        constraints: ClassVar = [
            TenantKey(name="bookings_bookingseries_tenant_key"),
            SameAccount("client", name="bookings_bookingseries_client_account"),
            SameAccount("service", name="bookings_bookingseries_service_account"),
            SameAccount("practitioner", name="bookings_bookingseries_practitioner_account"),
            SameAccount("order", name="bookings_bookingseries_order_account"),
            SameAccount("previous", name="bookings_bookingseries_previous_account"),
            CheckConstraint(condition=Q(every__gte=1, every__lte=52), name="bookings_bookingseries_every"),
            CheckConstraint(condition=Q(count=None) | Q(count__gte=1, count__lte=MAX_OCCURRENCES), name="bookings_bookingseries_count"),
            CheckConstraint(condition=Q(count=None) | Q(until=None), name="bookings_bookingseries_one_end"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="bookings_bookingseries_recent")]  # series/

    def __str__(self) -> str:
        return f"{self.frequency} from {self.start_wall}"
