"""Files that belong to a session."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint

from apps.bookings.models.booking import Booking
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, scoped

MAX_DOCUMENT_BYTES = 10 * 1024 * 1024


class BookingDocument(TenantModel):
    """A checked file of a session. ``storage_key`` is made by the server, <account>/<uuid>, and never shown.

    ``name`` is what the uploader called it, for the download only. ``client`` is the session's: it opens the row to the customer door,
    where ``is_shared`` decides.
    """

    class Kind(models.TextChoices):
        FORM = "form"
        REPORT = "report"
        IMAGE = "image"
        OTHER = "other"

    booking = TenantForeignKey(Booking, models.RESTRICT, related_name="documents")
    client = TenantForeignKey(Client, models.RESTRICT, related_name="documents")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.OTHER)
    storage_key = models.CharField(max_length=100)
    content_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    is_shared = models.BooleanField(default=True, help_text="Whether the client sees it.")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    objects: ClassVar[Any] = scoped()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="bookings_bookingdocument_tenant_key"),
            SameAccount("booking", name="bookings_bookingdocument_booking_account"),
            SameAccount("client", name="bookings_bookingdocument_client_account"),
            UniqueConstraint(fields=["account", "storage_key"], name="bookings_bookingdocument_unique_key"),
            CheckConstraint(condition=Q(size__gte=1, size__lte=MAX_DOCUMENT_BYTES), name="bookings_bookingdocument_size"),
            CheckConstraint(condition=Q(storage_key__regex=r"^[0-9]+/[0-9a-f-]{36}$"), name="bookings_bookingdocument_key"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="bookings_bookingdocument_list")]  # quota, lists

    def __str__(self) -> str:
        return self.name
