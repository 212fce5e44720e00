"""Support: opening tickets, talking about them, and the time that they take."""

from apps.tickets.services.overdue import announce_overdue
from apps.tickets.services.talk import add_attachment, add_message, delete_attachment
from apps.tickets.services.tickets import assign_ticket, change_ticket, current_ownership, open_ticket, step
from apps.tickets.services.time import log_time

__all__ = [
    "add_attachment",
    "add_message",
    "announce_overdue",
    "assign_ticket",
    "change_ticket",
    "current_ownership",
    "delete_attachment",
    "log_time",
    "open_ticket",
    "step",
]
