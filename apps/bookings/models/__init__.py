"""Bookings and what hangs on them."""

from apps.bookings.models.booking import (
    ACTIVE,
    CLAIMS_TIME,
    ONE_PLACE,
    ONE_SEAT,
    ONE_SERVICE,
    ONE_START,
    TIMELESS,
    Booking,
    BookingQuerySet,
    Side,
    Status,
)
from apps.bookings.models.documents import MAX_DOCUMENT_BYTES, BookingDocument
from apps.bookings.models.reviews import Review
from apps.bookings.models.series import MAX_OCCURRENCES, BookingSeries
from apps.bookings.models.waitlist import WaitlistEntry, WaitlistOffer

__all__ = [
    "ACTIVE",
    "CLAIMS_TIME",
    "MAX_DOCUMENT_BYTES",
    "MAX_OCCURRENCES",
    "ONE_PLACE",
    "ONE_SEAT",
    "ONE_SERVICE",
    "ONE_START",
    "TIMELESS",
    "Booking",
    "BookingDocument",
    "BookingQuerySet",
    "BookingSeries",
    "Review",
    "Side",
    "Status",
    "WaitlistEntry",
    "WaitlistOffer",
]
