"""What clients say about sessions that took place."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.bookings.models.booking import Booking
from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped


class Review(TenantModel):
    """One client's rating (1 to 5) of one completed session, shown in public once staff have published it."""

    class Status(models.TextChoices):
        PENDING = "pending"
        PUBLISHED = "published"
        HIDDEN = "hidden"

    booking = TenantForeignKey(Booking, models.RESTRICT, related_name="reviews", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="reviews")
    practitioner = TenantForeignKey(Practitioner, models.RESTRICT, related_name="reviews")
    rating = models.PositiveSmallIntegerField()
    comment = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    published_at = models.DateTimeField(null=True, blank=True)
    reply = models.TextField(blank=True)
    replied_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = scoped()
    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="bookings_review_tenant_key"),
            SameAccount("booking", name="bookings_review_booking_account"),
            SameAccount("client", name="bookings_review_client_account"),
            SameAccount("practitioner", name="bookings_review_practitioner_account"),
            UniqueConstraint(fields=["booking"], name="bookings_review_one_each"),
            CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="bookings_review_rating"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="bookings_review_recent")]  # reviews/

    def __str__(self) -> str:
        return f"{self.rating} for {self.booking_id}"
