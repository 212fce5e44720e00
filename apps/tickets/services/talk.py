"""What is said about a ticket and sent with it. An internal message or file is staff's own and is told to nobody."""

import hashlib
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.errors import LimitReached
from apps.bookings.files import checked
from apps.bookings.models import Side
from apps.core import storage
from apps.core.db import joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import current_actor, emit
from apps.tickets.lifecycle import allowed_actions, client_actions
from apps.tickets.models import Status, Ticket, TicketAttachment, TicketMessage
from apps.tickets.services.tickets import lock_ticket, refuse_clients, take_step

MAX_MESSAGES = 1000
MAX_ATTACHMENTS = 20
MEGABYTE = 1024 * 1024


@joined
def add_message(
    ticket: Ticket, *, body: str, is_internal: bool = False, by: str = Side.PROVIDER, at: datetime | None = None
) -> TicketMessage:
    """Write a message; emits ``ticket.replied``, or ``ticket.note_added`` for an internal one.

    Staff's first answer keeps the first promise and starts an open ticket. What a client writes ends the waiting for it, and takes a
    resolved ticket up again. Raises InvalidTransition (the ticket is closed: reopen it first), ReopeningOver, LimitReached
    (``messages_per_ticket``), and Invalid for a client's internal message.
    """
    at = at or timezone.now()
    if is_internal and by == Side.CLIENT:
        raise Invalid(fields={"internal": ["Only staff write internal messages."]})
    ticket = lock_ticket(ticket)
    if ticket.status == Status.CLOSED and not is_internal:
        raise InvalidTransition("This ticket is closed. Reopen it to write.", allowed_actions=_offered(ticket, by, at))
    if TicketMessage.objects.filter(ticket=ticket).count() >= MAX_MESSAGES:
        raise LimitReached(f"A ticket has at most {MAX_MESSAGES} messages.", rule="messages_per_ticket")
    message = TicketMessage.objects.create(
        account_id=ticket.account_id,
        ticket=ticket,
        client_id=ticket.client_id,
        author_id=current_actor().actor_id,
        side=by,
        is_internal=is_internal,
        body=body,
        sent_at=at,
    )
    if is_internal:
        emit("ticket.note_added", ticket, changes={"message": [None, message.pk]})
        return message
    emit("ticket.replied", ticket, changes={"message": [None, message.pk], **_told(ticket, by)})
    if by == Side.CLIENT:
        _taken_up(ticket, at)
    else:
        _answered(ticket, at)
    return message


def _offered(ticket: Ticket, by: str, at: datetime) -> list[str]:
    """What this side may do with a ticket instead."""
    return client_actions(ticket.status, ticket.resolved_at, at) if by == Side.CLIENT else allowed_actions(ticket.status)


def _told(ticket: Ticket, by: str) -> dict[str, list[Any]]:
    """Whose doing it is, and who looks after the ticket: they are told."""
    return {"by": [None, by], "assignee": [ticket.assignee_id, ticket.assignee_id]}


def _answered(ticket: Ticket, at: datetime) -> None:
    """Staff have answered. Of those who answer at once one has waited for the other, and may have begun earlier."""
    if ticket.first_answered_at is None or at < ticket.first_answered_at:
        ticket.first_answered_at = at
        ticket.save(update_fields=["first_answered_at", "updated_at"])
    if ticket.status == Status.OPEN:
        take_step(ticket, "start", by=Side.PROVIDER, at=at)


def _taken_up(ticket: Ticket, at: datetime) -> None:
    """The client has said something: it is the business's turn."""
    if ticket.status == Status.WAITING:
        take_step(ticket, "start", by=Side.CLIENT, at=at)
    elif ticket.status == Status.RESOLVED:
        refuse_clients(ticket, "reopen", at=at)
        take_step(ticket, "reopen", by=Side.CLIENT, at=at)


@joined
def add_attachment(ticket: Ticket, *, name: str, content: bytes, is_internal: bool = False, by: str = Side.PROVIDER) -> TicketAttachment:
    """Check a file and keep it with a ticket; emits ``ticket.attachment_added`` or ``ticket.internal_attachment_added``.

    The file is stored before anything is locked, and removed again when the transaction is rolled back. Raises FileTooLarge,
    FileTypeRefused, FileNotScanned, StorageUnavailable, InvalidTransition (the ticket is closed), and LimitReached for the twenty-first
    file of a ticket (``attachments_per_ticket``) and for a full account (``document_quota_mb``).
    """
    file = checked(name, content)
    key = storage.new_key(ticket.account_id)
    storage.write(key, file.content)
    account = Account.objects.select_for_update(no_key=True).only("id", "settings").get(pk=ticket.account_id)
    ticket = lock_ticket(ticket)
    if ticket.status == Status.CLOSED and not is_internal:
        raise InvalidTransition("This ticket is closed. Reopen it first.", allowed_actions=_offered(ticket, by, timezone.now()))
    if TicketAttachment.objects.filter(ticket=ticket).count() >= MAX_ATTACHMENTS:
        raise LimitReached(f"A ticket has at most {MAX_ATTACHMENTS} files.", rule="attachments_per_ticket")
    quota = setting(account, "document_quota_mb")
    if storage.kept_bytes() + len(file.content) > quota * MEGABYTE:
        raise LimitReached(f"The {quota} MB that this account has for documents are used up.", rule="document_quota_mb")
    attachment = TicketAttachment.objects.create(
        account_id=ticket.account_id,
        ticket=ticket,
        client_id=ticket.client_id,
        name=file.name,
        storage_key=key,
        content_type=file.content_type,
        size=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
        is_internal=is_internal,
        uploaded_by_id=current_actor().actor_id,
    )
    if is_internal:
        emit("ticket.internal_attachment_added", ticket, changes={"attachment": [None, attachment.pk]})
    else:
        emit("ticket.attachment_added", ticket, changes={"attachment": [None, attachment.pk], **_told(ticket, by)})
    return attachment


@joined
def delete_attachment(attachment: TicketAttachment) -> None:
    """Delete a file for good; emits ``ticket.attachment_deleted``."""
    emit("ticket.attachment_deleted", attachment.ticket, changes={"attachment": [attachment.pk, None]})
    storage.remove_later([attachment.storage_key])
    attachment.delete()
