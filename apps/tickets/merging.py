"""Tickets of a client who is merged into another."""

from apps.core.merging import follows
from apps.tickets.models import Ticket, TicketAttachment, TicketMessage, TicketTime

for model in (Ticket, TicketMessage, TicketAttachment, TicketTime):
    follows(model, "client")
