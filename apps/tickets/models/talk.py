"""What is said, sent and done about a ticket. ``client`` is the ticket's: it opens what is not internal to the customer door."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from django.utils import timezone

from apps.bookings.models import MAX_DOCUMENT_BYTES, Booking, Side
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, scoped
from apps.tickets.models.ticket import Ticket

SIDES = [(Side.CLIENT.value, "Client"), (Side.PROVIDER.value, "Provider")]


class TicketMessage(TenantModel):
    """One message. An internal one is staff's own: the database itself shows it to no customer, and its text goes into no event or mail."""

    ticket = TenantForeignKey(Ticket, models.CASCADE, related_name="messages", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="ticket_messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    side = models.CharField(max_length=8, choices=SIDES)
    is_internal = models.BooleanField(default=False)
    body = models.TextField(max_length=10_000)
    sent_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[Any] = scoped()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="tickets_ticketmessage_tenant_key"),
            SameAccount("ticket", name="tickets_ticketmessage_ticket_account"),
            SameAccount("client", name="tickets_ticketmessage_client_account"),
            CheckConstraint(condition=Q(is_internal=False) | Q(side="provider"), name="tickets_ticketmessage_internal_is_staffs"),
        ]
        indexes: ClassVar = [Index(fields=["ticket", "id"], name="tickets_ticketmessage_of")]  # tickets/<id>/messages/

    def __str__(self) -> str:
        return f"message {self.pk}"


class TicketAttachment(TenantModel):
    """A checked file of a ticket (the rules of documents of sessions). ``storage_key`` is made by the server and never shown."""

    ticket = TenantForeignKey(Ticket, models.CASCADE, related_name="attachments", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="ticket_attachments")
    name = models.CharField(max_length=200)
    storage_key = models.CharField(max_length=100)
    content_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    is_internal = models.BooleanField(default=False, help_text="Whether it is kept from the client.")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    objects: ClassVar[Any] = scoped()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="tickets_ticketattachment_tenant_key"),
            SameAccount("ticket", name="tickets_ticketattachment_ticket_account"),
            SameAccount("client", name="tickets_ticketattachment_client_account"),
            UniqueConstraint(fields=["account", "storage_key"], name="tickets_ticketattachment_unique_key"),
            CheckConstraint(condition=Q(size__gte=1, size__lte=MAX_DOCUMENT_BYTES), name="tickets_ticketattachment_size"),
            CheckConstraint(condition=Q(storage_key__regex=r"^[0-9]+/[0-9a-f-]{36}$"), name="tickets_ticketattachment_key"),
        ]
        indexes: ClassVar = [
            Index(fields=["ticket", "-id"], name="tickets_ticketattachment_of"),  # tickets/<id>/attachments/
            Index(fields=["account"], include=["size"], name="tickets_ticketattachment_quota"),
        ]

    def __str__(self) -> str:
        return self.name


class TicketTime(TenantModel):
    """Work on a ticket that used up a session of the client's. ``note`` is staff's own; ``minutes`` is how long it really took."""

    ticket = TenantForeignKey(Ticket, models.CASCADE, related_name="times", db_index=False)
    client = TenantForeignKey(Client, models.RESTRICT, related_name="ticket_times")
    booking = TenantForeignKey(Booking, models.RESTRICT, related_name="ticket_times", db_index=False)
    minutes = models.PositiveSmallIntegerField()
    note = models.CharField(max_length=500, blank=True)
    logged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)

    objects: ClassVar[Any] = scoped()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="tickets_tickettime_tenant_key"),
            SameAccount("ticket", name="tickets_tickettime_ticket_account"),
            SameAccount("client", name="tickets_tickettime_client_account"),
            SameAccount("booking", name="tickets_tickettime_booking_account"),
            UniqueConstraint(fields=["booking"], name="tickets_tickettime_one_each"),
            CheckConstraint(condition=Q(minutes__gte=1), name="tickets_tickettime_positive"),
        ]
        indexes: ClassVar = [Index(fields=["ticket", "id"], name="tickets_tickettime_of_ticket")]  # tickets/<id>/times/

    def __str__(self) -> str:
        return f"{self.minutes} min"
