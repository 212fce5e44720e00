"""What is said about tickets: that there is something to read, never what was written."""

from django.utils.translation import gettext_lazy as _

from apps.notifications.message import Message
from apps.notifications.models import Kind

MY_TICKET, TICKET = "/my/tickets/%(ticket_id)d", "/tickets/%(ticket_id)d"

TO_CLIENTS: dict[str, Message] = {
    "ticket_opened": Message(
        Kind.TICKET_OPENED,
        _("Your ticket #%(number)s: %(subject)s"),
        _("%(account)s has opened ticket #%(number)s for you: %(subject)s."),
        MY_TICKET,
    ),
    "ticket_replied": Message(
        Kind.TICKET_REPLIED,
        _("%(account)s has answered: %(subject)s"),
        _("There is a new message for you at ticket #%(number)s."),
        MY_TICKET,
    ),
    "ticket_file": Message(
        Kind.TICKET_REPLIED,
        _("A new file at your ticket: %(subject)s"),
        _("%(account)s has put a file to ticket #%(number)s for you."),
        MY_TICKET,
    ),
    "ticket_started": Message(
        Kind.TICKET_STATUS,
        _("We are working on it: %(subject)s"),
        _("%(account)s is working on ticket #%(number)s."),
        MY_TICKET,
    ),
    "ticket_waiting": Message(
        Kind.TICKET_STATUS,
        _("We wait for your answer: %(subject)s"),
        _("%(account)s needs to hear from you before ticket #%(number)s can go on."),
        MY_TICKET,
    ),
    "ticket_resolved": Message(
        Kind.TICKET_STATUS,
        _("Solved: %(subject)s"),
        _("Ticket #%(number)s is solved. If it is not, please answer within 14 days."),
        MY_TICKET,
    ),
    "ticket_closed": Message(
        Kind.TICKET_STATUS,
        _("Closed: %(subject)s"),
        _("Ticket #%(number)s was closed. You can reopen it within 14 days."),
        MY_TICKET,
    ),
    "ticket_reopened": Message(
        Kind.TICKET_STATUS,
        _("Open again: %(subject)s"),
        _("%(account)s has taken up ticket #%(number)s again."),
        MY_TICKET,
    ),
    "ticket_time": Message(
        Kind.TICKET_STATUS,
        _("A session was used for your ticket: %(subject)s"),
        _("%(account)s has worked on ticket #%(number)s. Minutes: %(minutes)s. This used up one session: %(service)s."),
        MY_TICKET,
    ),
}

TO_STAFF: dict[str, Message] = {
    "staff_ticket_opened": Message(
        Kind.TICKET_OPENED,
        _("New ticket by %(client)s: %(subject)s"),
        _("%(client)s has opened ticket #%(number)s."),
        TICKET,
    ),
    "staff_ticket_assigned": Message(
        Kind.TICKET_OPENED,
        _("A ticket for you: %(subject)s"),
        _("You look after ticket #%(number)s of %(client)s now."),
        TICKET,
    ),
    "staff_ticket_replied": Message(
        Kind.TICKET_REPLIED,
        _("%(client)s has written: %(subject)s"),
        _("There is a new message at ticket #%(number)s."),
        TICKET,
    ),
    "staff_ticket_file": Message(
        Kind.TICKET_REPLIED,
        _("A file from %(client)s: %(subject)s"),
        _("%(client)s has put a file to ticket #%(number)s."),
        TICKET,
    ),
    "staff_ticket_closed": Message(
        Kind.TICKET_STATUS,
        _("Closed by %(client)s: %(subject)s"),
        _("%(client)s has closed ticket #%(number)s."),
        TICKET,
    ),
    "staff_ticket_reopened": Message(
        Kind.TICKET_STATUS,
        _("Open again: %(subject)s"),
        _("%(client)s has taken up ticket #%(number)s again."),
        TICKET,
    ),
    "staff_ticket_time": Message(
        Kind.TICKET_STATUS,
        _("Your time for ticket #%(number)s was logged"),
        _("%(service)s for %(client)s, minutes: %(minutes)s. It is in your calendar as a session that took place."),
        TICKET,
    ),
    "staff_ticket_unanswered": Message(
        Kind.TICKET_OVERDUE,
        _("Not answered in time: %(subject)s"),
        _("Ticket #%(number)s of %(client)s still has no answer."),
        TICKET,
    ),
    "staff_ticket_unsolved": Message(
        Kind.TICKET_OVERDUE,
        _("Not solved in time: %(subject)s"),
        _("Ticket #%(number)s of %(client)s should have been solved by now."),
        TICKET,
    ),
}
