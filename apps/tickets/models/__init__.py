"""Support: what clients ask for, what is said about it, and how soon it has to be answered."""

from apps.tickets.models.talk import TicketAttachment, TicketMessage, TicketTime
from apps.tickets.models.terms import SlaTarget, SupportHours, TicketCategory
from apps.tickets.models.ticket import Priority, Status, Ticket, TicketQuerySet

__all__ = [
    "Priority",
    "SlaTarget",
    "Status",
    "SupportHours",
    "Ticket",
    "TicketAttachment",
    "TicketCategory",
    "TicketMessage",
    "TicketQuerySet",
    "TicketTime",
]
