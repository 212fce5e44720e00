"""Bookings: every row is one real session, and a scheduled row claims its time by itself (rules.md §0)."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import CheckConstraint, F, Func, Index, Q, UniqueConstraint, Value

from apps.bookings.models.series import BookingSeries
from apps.bookings.models.waitlist import WaitlistOffer
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
ONE_PLACE = "bookings_booking_one_place_each"


class Side(models.TextChoices):
    """Whose wish a change is: policies bind clients only."""

    CLIENT = "client"
    PROVIDER = "provider"
    SYSTEM = "system"


class BookingQuerySet(models.QuerySet):
    def active(self) -> "BookingQuerySet":
        """Bookings that claim time."""
        return self.filter(status__in=ACTIVE)

    def lapsed(self, at: datetime) -> "BookingQuerySet":
        """Holds whose time has run out; slots ignore them, the next booking attempt or the sweeper frees them."""
        return self.filter(status=Status.HELD, hold_expires_at__lte=at)

    def to_consume(self) -> "BookingQuerySet":
        """Sessions without a time, in the order in which they are used up (rules.md §2)."""
        return self.filter(status=Status.DRAFT, order__status=Order.Status.ACTIVE).order_by(
            F("order__expires_at").asc(nulls_last=True), "-is_granted", "order_id", "position"
        )


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
    attendee_name = models.CharField(max_length=255, blank=True, db_default="", help_text="Who comes, when it is not the client.")
    is_granted = models.BooleanField(default=False, db_default=False, help_text="Given by staff on top of what was bought.")
    allocation = models.CharField(
        max_length=16, blank=True, db_default="", help_text="Why this practitioner: chosen, same, previous, load."
    )
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    booked_at = models.DateTimeField(null=True, blank=True, help_text="When it got its time; the grace period counts from here.")
    status_changed_at = models.DateTimeField(null=True, blank=True)
    policy = models.JSONField(default=dict, blank=True, help_text="The terms the client agreed to: {rules, agreed_at}.")
    moves = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How often the client moved it.")
    late_seconds = models.IntegerField(
        null=True, blank=True, help_text="Seconds that were left when the client gave up a start late: moving away does not launder it."
    )
    free_cancellation = models.BooleanField(
        default=False, db_default=False, help_text="The business moved it: the client may cancel for nothing."
    )
    fee_cents = models.PositiveBigIntegerField(default=0, db_default=0, help_text="Fees charged for late moves, cancellation or absence.")
    consequence = models.JSONField(default=dict, blank=True, db_default={}, help_text="How it ended, in money.")
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    cancel_reason = models.CharField(max_length=500, blank=True)
    cancelled_late = models.BooleanField(default=False)
    cancelled_side = models.CharField(max_length=8, choices=Side.choices, blank=True, db_default="")
    series = TenantForeignKey(BookingSeries, models.RESTRICT, related_name="bookings", db_index=False, null=True, blank=True)
    original_start = models.DateTimeField(null=True, blank=True, help_text="The start the series gave it: its stable key there.")
    is_detached = models.BooleanField(default=False, db_default=False, help_text="Changed by itself, so changes of the series pass it by.")
    offer = TenantForeignKey(WaitlistOffer, models.RESTRICT, related_name="bookings", db_index=False, null=True, blank=True)
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
            SameAccount("series", name="bookings_booking_series_account"),
            SameAccount("offer", name="bookings_booking_offer_account"),
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
            # One person takes one place of an occurrence; guests are named.
            UniqueConstraint(fields=["practitioner", "start_time", "client", "attendee_name"], condition=CLAIMS_TIME, name=ONE_PLACE),
            UniqueConstraint(
                fields=["series", "original_start"],
                condition=Q(series__isnull=False),
                name="bookings_booking_one_per_occurrence",
            ),
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
            Index(fields=["hold_expires_at"], name="bookings_booking_holds", condition=Q(status="held")),  # the sweeper
            # sessions that wait for a time: consumption order, series, gap filling
            Index(fields=["account", "service", "client"], name="bookings_booking_waiting", condition=Q(status="draft")),
            Index(fields=["account", "series", "original_start"], name="bookings_booking_in_series", condition=Q(series__isnull=False)),
            Index(fields=["account", "offer"], name="bookings_booking_by_offer", condition=Q(offer__isnull=False)),
            # calendar feeds: sessions that gave their time back
            Index(
                fields=["account", "status_changed_at"],
                name="bookings_booking_returned",
                condition=Q(status="draft", status_changed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"session {self.position} of {self.order_id}"
