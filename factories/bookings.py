import uuid
from datetime import UTC, date, datetime

import factory

from apps.bookings.models import Booking, BookingDocument, BookingSeries, Review, WaitlistEntry, WaitlistOffer
from factories.base import TenantFactory
from factories.catalog import PractitionerFactory, ServiceFactory
from factories.clients import ClientFactory
from factories.orders import OrderFactory


class BookingFactory(TenantFactory):
    """A draft session of an order."""

    order = factory.SubFactory(OrderFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("order.client")
    service = factory.SelfAttribute("order.service")
    position = 1
    price_cents = 5000
    currency = factory.SelfAttribute("account.currency")

    class Meta:
        model = Booking


class BookingSeriesFactory(TenantFactory):
    """A weekly series without occurrences."""

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    service = factory.SubFactory(ServiceFactory, account=factory.SelfAttribute("..account"))
    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    frequency = BookingSeries.Frequency.WEEKLY
    weekdays = factory.List([0])
    start_wall = "2027-03-01T10:00:00"
    timezone = factory.SelfAttribute("account.timezone")
    count = 4

    class Meta:
        model = BookingSeries


class WaitlistEntryFactory(TenantFactory):
    """A client who waits for any start in January 2027."""

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    service = factory.SubFactory(ServiceFactory, account=factory.SelfAttribute("..account"))
    first_day = date(2027, 1, 1)
    last_day = date(2027, 1, 31)
    timezone = factory.SelfAttribute("account.timezone")
    expires_at = datetime(2027, 2, 1, tzinfo=UTC)

    class Meta:
        model = WaitlistEntry


class WaitlistOfferFactory(TenantFactory):
    """A broadcast offer: it holds no session."""

    entry = factory.SubFactory(WaitlistEntryFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("entry.client")
    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    start_time = datetime(2027, 1, 4, 10, tzinfo=UTC)
    mode = WaitlistOffer.Mode.BROADCAST
    expires_at = datetime(2027, 1, 1, tzinfo=UTC)

    class Meta:
        model = WaitlistOffer


class BookingDocumentFactory(TenantFactory):
    """The row of a document; no file is stored."""

    booking = factory.SubFactory(BookingFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("booking.client")
    name = "consent.pdf"
    storage_key = factory.LazyAttribute(lambda o: f"{o.account.pk}/{uuid.uuid4()}")
    content_type = "application/pdf"
    size = 1000
    sha256 = "0" * 64

    class Meta:
        model = BookingDocument


class ReviewFactory(TenantFactory):
    """An unpublished review; sell and complete a session for a true one."""

    booking = factory.SubFactory(BookingFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("booking.client")
    practitioner = factory.SubFactory(PractitionerFactory, account=factory.SelfAttribute("..account"))
    rating = 5

    class Meta:
        model = Review
