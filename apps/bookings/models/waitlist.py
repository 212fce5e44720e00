"""Waiting for time: who wants it, and what they were offered (rules.md §10)."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.accounts.models import new_nonce
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.orders.models import Order


class WaitlistEntry(TenantModel):
    """A client waits for one occurrence (``start_time``) or for any start inside the preferred windows.

    Windows are local dates, weekdays (0 is Monday) and times of day in ``timezone``. ``order`` names the purchase whose sessions
    are to be used; without it the client's unscheduled sessions are tried, and then one is sold. Nothing is charged before acceptance.
    """

    class Status(models.TextChoices):
        """waiting and offered are open; sleeping has let three offers lapse; the rest are ends."""

        WAITING = "waiting"
        OFFERED = "offered"
        SLEEPING = "sleeping"
        BOOKED = "booked"
        LEFT = "left"
        EXPIRED = "expired"

    client = TenantForeignKey(Client, models.RESTRICT, related_name="waitlist_entries")
    service = TenantForeignKey(Service, models.RESTRICT, related_name="waitlist_entries", db_index=False)
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="waitlist_entries", null=True, blank=True)
    order = TenantForeignKey(Order, models.RESTRICT, related_name="waitlist_entries", null=True, blank=True)
    start_time = models.DateTimeField(null=True, blank=True, help_text="Only this occurrence.")
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True, help_text="Inclusive.")
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True, help_text="Empty: any.")
    earliest = models.TimeField(null=True, blank=True)
    latest = models.TimeField(null=True, blank=True, help_text="Latest local start, inclusive.")
    timezone = models.CharField(max_length=64)
    party = models.PositiveSmallIntegerField(default=1)
    notice_minutes = models.PositiveIntegerField(default=0, help_text="How much notice the client needs.")
    priority = models.SmallIntegerField(default=0, help_text="Higher comes first.")
    auto_accept_hours = models.PositiveIntegerField(
        null=True, blank=True, help_text="Book without asking when the start is at least this many hours away."
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    lapses = models.PositiveSmallIntegerField(default=0)
    expires_at = models.DateTimeField(help_text="When the window has passed.")
    note = models.CharField(max_length=500, blank=True)

    objects: ClassVar[Any] = scoped()
    history = history()

    class Meta:
        verbose_name_plural = "waitlist entries"
        constraints: ClassVar = [
            TenantKey(name="bookings_waitlistentry_tenant_key"),
            SameAccount("client", name="bookings_waitlistentry_client_account"),
            SameAccount("service", name="bookings_waitlistentry_service_account"),
            SameAccount("practitioner", name="bookings_waitlistentry_practitioner_account"),
            SameAccount("order", name="bookings_waitlistentry_order_account"),
            CheckConstraint(
                condition=Q(start_time__isnull=False, first_day=None, last_day=None)
                | Q(start_time=None, first_day__isnull=False, last_day__gte=F("first_day")),
                name="bookings_waitlistentry_occurrence_or_window",
            ),
            CheckConstraint(condition=Q(party__gte=1, party__lte=100), name="bookings_waitlistentry_party"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="bookings_waitlistentry_recent"),  # waitlist/
            # whom to offer freed time
            Index(
                fields=["account", "service", "-priority", "created_at", "id"],
                name="bookings_waitlistentry_queue",
                condition=Q(status="waiting"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client_id} waits for {self.service_id}"


class WaitlistOffer(TenantModel):
    """A start offered to a waiting client: by a hold of its own (``sequential``), or to several at once (``broadcast``)."""

    class Mode(models.TextChoices):
        SEQUENTIAL = "sequential"
        BROADCAST = "broadcast"

    class Status(models.TextChoices):
        OPEN = "open"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        LAPSED = "lapsed"
        WITHDRAWN = "withdrawn"

    entry = TenantForeignKey(WaitlistEntry, models.RESTRICT, related_name="offers")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="waitlist_offers", db_index=False)
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="waitlist_offers", db_index=False)
    start_time = models.DateTimeField()
    mode = models.CharField(max_length=10, choices=Mode.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    expires_at = models.DateTimeField()
    order = TenantForeignKey(
        Order, models.RESTRICT, related_name="sold_for", null=True, blank=True, help_text="Sold for this offer alone: it ends with it."
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    nonce = models.CharField(max_length=32, default=new_nonce, editable=False)

    objects: ClassVar[Any] = scoped()
    history = history(excluded_fields=["nonce"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="bookings_waitlistoffer_tenant_key"),
            SameAccount("entry", name="bookings_waitlistoffer_entry_account"),
            SameAccount("client", name="bookings_waitlistoffer_client_account"),
            SameAccount("practitioner", name="bookings_waitlistoffer_practitioner_account"),
            SameAccount("order", name="bookings_waitlistoffer_order_account"),
            UniqueConstraint(fields=["entry"], condition=Q(status="open"), name="bookings_waitlistoffer_one_open"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="bookings_waitlistoffer_recent"),  # waitlist-offers/
            Index(fields=["expires_at"], name="bookings_waitlistoffer_open", condition=Q(status="open")),  # the sweeper
            # who was offered this start before
            Index(fields=["account", "practitioner", "start_time"], name="bookings_waitlistoffer_start"),
        ]

    def __str__(self) -> str:
        return f"{self.start_time:%Y-%m-%d %H:%M} for {self.entry_id}"
