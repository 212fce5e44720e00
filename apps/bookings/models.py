"""Bookings: every row is one real session, and a scheduled row claims its time by itself (rules.md §0)."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import CheckConstraint, F, Func, Index, Q, UniqueConstraint, Value

from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.orders.models import Order


class Status(models.TextChoices):
    """draft has no time and claims nothing; held to checked_in claim time; the rest are ends."""

    DRAFT = "draft"
    HELD = "held"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    FORFEITED = "forfeited"


ACTIVE = (Status.HELD, Status.PENDING, Status.CONFIRMED, Status.CHECKED_IN)
TIMELESS = (Status.DRAFT, Status.CANCELLED, Status.FORFEITED)
CLAIMS_TIME = Q(status__in=[str(s) for s in ACTIVE], overlap_allowed=False)

ONE_SERVICE, ONE_START, ONE_SEAT = "bookings_booking_one_service", "bookings_booking_one_start", "bookings_booking_one_seat"


class BookingQuerySet(models.QuerySet):
    def active(self) -> "BookingQuerySet":
        """Bookings that claim time."""
        return self.filter(status__in=ACTIVE)


class Booking(TenantModel):
    """One session of an order. ``price_cents`` and ``tax_cents`` are this session's share of it and never change.

    A scheduled booking stores its padded range [busy_from, busy_until) = [start - buffer before, end + buffer after) and
    its ``seat``. Three constraints keep a practitioner in one place at a time; the only rows that may share it are seats of
    the same service at the same start. ``overlap_allowed`` (a staff override with a reason) takes a row out of them.
    """

    class PaymentStatus(models.TextChoices):
        UNPAID = "unpaid"
        PAID = "paid"
        REFUNDED = "refunded"

    order = TenantForeignKey(Order, models.RESTRICT, related_name="bookings", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="bookings", db_index=False)
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="bookings", db_index=False, null=True, blank=True)
    service = TenantForeignKey(Service, models.RESTRICT, related_name="bookings")
    position = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    payment_status = models.CharField(max_length=10, choices=PaymentStatus.choices, default=PaymentStatus.UNPAID)
    start_time = models.DateTimeField(null=True, blank=True)
    end_time = models.DateTimeField(null=True, blank=True)
    timezone = models.CharField(max_length=64, blank=True)
    local_start = models.CharField(max_length=19, blank=True, help_text="Wall clock of the start in timezone, YYYY-MM-DDTHH:MM:SS.")
    buffer_before_minutes = models.PositiveIntegerField(default=0)
    buffer_after_minutes = models.PositiveIntegerField(default=0)
    busy_from = models.DateTimeField(null=True, blank=True)
    busy_until = models.DateTimeField(null=True, blank=True)
    occupied = models.GeneratedField(
        expression=Func(F("busy_from"), F("busy_until"), Value("[)"), function="tstzrange", output_field=DateTimeRangeField()),
        output_field=DateTimeRangeField(),
        db_persist=True,
    )
    seat = models.PositiveSmallIntegerField(null=True, blank=True)
    capacity = models.PositiveSmallIntegerField(default=1)
    overlap_allowed = models.BooleanField(default=False)
    override_reason = models.CharField(max_length=500, blank=True)
    price_cents = models.PositiveBigIntegerField()
    tax_cents = models.PositiveBigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    policy = models.JSONField(default=dict, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    cancel_reason = models.CharField(max_length=500, blank=True)
    cancelled_late = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar[Any] = scoped(BookingQuerySet)
    history = history(excluded_fields=["occupied"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="bookings_booking_tenant_key"),
            SameAccount("order", name="bookings_booking_order_account"),
            SameAccount("client", name="bookings_booking_client_account"),
            SameAccount("practitioner", name="bookings_booking_practitioner_account"),
            SameAccount("service", name="bookings_booking_service_account"),
            UniqueConstraint(fields=["order", "position"], name="bookings_booking_unique_position"),
            ExclusionConstraint(
                name=ONE_SERVICE,
                expressions=[
                    ("practitioner", RangeOperators.EQUAL),
                    ("service", RangeOperators.NOT_EQUAL),
                    ("occupied", RangeOperators.OVERLAPS),
                ],
                condition=CLAIMS_TIME,
            ),
            ExclusionConstraint(
                name=ONE_START,
                expressions=[
                    ("practitioner", RangeOperators.EQUAL),
                    ("start_time", RangeOperators.NOT_EQUAL),
                    ("occupied", RangeOperators.OVERLAPS),
                ],
                condition=CLAIMS_TIME,
            ),
            UniqueConstraint(fields=["practitioner", "start_time", "seat"], condition=CLAIMS_TIME, name=ONE_SEAT),
            # NULLs and empty ranges would escape the three constraints above.
            CheckConstraint(
                condition=Q(status__in=[str(s) for s in TIMELESS]) | Q(start_time__isnull=False),
                name="bookings_booking_has_start",
                violation_error_message="Scheduled bookings must have a start time",
            ),
            CheckConstraint(
                condition=~Q(status__in=[str(s) for s in ACTIVE])
                | Q(
                    practitioner__isnull=False,
                    end_time__isnull=False,
                    end_time__gt=F("start_time"),
                    busy_from__isnull=False,
                    busy_from__lte=F("start_time"),
                    busy_until__isnull=False,
                    busy_until__gte=F("end_time"),
                    seat__isnull=False,
                ),
                name="bookings_booking_claim_is_whole",
            ),
            CheckConstraint(
                condition=~Q(status="draft") | Q(start_time=None, end_time=None, busy_from=None, busy_until=None, practitioner=None),
                name="bookings_booking_draft_is_timeless",
            ),
            CheckConstraint(condition=Q(seat=None) | Q(seat__gte=1, seat__lte=F("capacity")), name="bookings_booking_seat"),
            CheckConstraint(condition=Q(overlap_allowed=False) | ~Q(override_reason=""), name="bookings_booking_override_reason"),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="bookings_booking_recent"),  # bookings/
            Index(fields=["account", "start_time", "id"], name="bookings_booking_by_start"),  # bookings/?from=&to=
            Index(fields=["account", "client", "-created_at"], name="bookings_booking_by_client"),  # bookings/?client=
            # slots: busy times of a practitioner; plain columns because range operators are filters under RLS
            Index(fields=["account", "practitioner", "busy_from"], name="bookings_booking_busy", condition=Q(status__in=ACTIVE)),
        ]

    def __str__(self) -> str:
        return f"session {self.position} of {self.order_id}"
