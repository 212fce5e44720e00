"""Tickets and what belongs to them."""

import uuid
from datetime import UTC, datetime, time

import factory

from apps.tickets.models import (
    SlaTarget,
    SupportHours,
    Ticket,
    TicketAttachment,
    TicketCategory,
    TicketMessage,
    TicketTime,
)
from factories.base import TenantFactory
from factories.bookings import BookingFactory
from factories.sites import SiteOwnershipFactory

OPENED = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class TicketCategoryFactory(TenantFactory):
    name = factory.Sequence(lambda n: f"Category {n}")

    class Meta:
        model = TicketCategory


class SlaTargetFactory(TenantFactory):
    priority = "urgent"
    first_answer_minutes = 30
    solution_minutes = 240

    class Meta:
        model = SlaTarget


class SupportHoursFactory(TenantFactory):
    weekday = 0
    start = time(8)
    end = time(18)

    class Meta:
        model = SupportHours


class TicketFactory(TenantFactory):
    """An open ticket about a site of a new client's. Give ``ownership__is_primary=True`` where that is the client's only site."""

    number = factory.Sequence(lambda n: n + 1)
    ownership = factory.SubFactory(
        SiteOwnershipFactory, account=factory.SelfAttribute("..account"), is_primary=False, acquired_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    client = factory.SelfAttribute("ownership.client")
    site = factory.SelfAttribute("ownership.site")
    subject = "The form does not send"
    description = "I tried it twice."
    opened_at = OPENED
    running_since = factory.SelfAttribute("opened_at")

    class Meta:
        model = Ticket


class TicketMessageFactory(TenantFactory):
    ticket = factory.SubFactory(TicketFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("ticket.client")
    side = "client"
    body = "Are you there?"

    class Meta:
        model = TicketMessage


class TicketAttachmentFactory(TenantFactory):
    """A row whose file is not in the storage."""

    ticket = factory.SubFactory(TicketFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("ticket.client")
    name = "picture.png"
    storage_key = factory.LazyAttribute(lambda row: f"{row.account.pk}/{uuid.uuid4()}")
    content_type = "image/png"
    size = 100
    sha256 = "0" * 64

    class Meta:
        model = TicketAttachment


class TicketTimeFactory(TenantFactory):
    """Time on a ticket with a session of the same client's, which is a draft here: services complete it."""

    ticket = factory.SubFactory(TicketFactory, account=factory.SelfAttribute("..account"))
    client = factory.SelfAttribute("ticket.client")
    booking = factory.SubFactory(
        BookingFactory, account=factory.SelfAttribute("..account"), order__client=factory.SelfAttribute("...client")
    )
    minutes = 30

    class Meta:
        model = TicketTime
