"""What support knows of a person."""

from collections.abc import Iterator

from apps.core.subjects import ERASED, Done, Subject, blank_rows, blanked, drop_files, erased_by, files_told_by, told, told_by
from apps.tickets.models import Ticket, TicketAttachment, TicketMessage, TicketTime


def blank_descriptions(subject: Subject, done: Done) -> None:
    """The client's own words, which no history repeats."""
    done.add(done.blanked, Ticket._meta.db_table, blank_rows(Ticket.objects.filter(client__in=subject.ids), {"description": ERASED}))


def drop_attachments(subject: Subject, done: Done) -> None:
    """Rows go at once, their files after the commit."""
    attachments = TicketAttachment.objects.filter(client__in=subject.ids)
    drop_files(attachments)
    done.add(done.dropped, TicketAttachment._meta.db_table, attachments.delete()[0])


def written_for_them(subject: Subject) -> Iterator[dict[str, object]]:
    """Messages that the person can read, or has written."""
    rows = TicketMessage.objects.filter(client__in=subject.ids, is_internal=False).order_by("pk")
    yield from rows.values("id", "ticket_id", "side", "body", "sent_at").iterator(chunk_size=500)


def attachments(subject: Subject) -> Iterator[tuple[str, str]]:
    """The files that they can see."""
    rows = TicketAttachment.objects.filter(client__in=subject.ids, is_internal=False).order_by("pk")
    for pk, name, key in rows.values_list("pk", "name", "storage_key"):
        yield f"tickets/{pk}-{name}", key


blanked(Ticket, "client", subject=ERASED)
erased_by(blank_descriptions)
blanked(TicketMessage, "client", body=ERASED)
blanked(TicketTime, "client", note=ERASED)
erased_by(drop_attachments, (TicketAttachment, "client"))

told("tickets", Ticket, "client", leave=("assignee", "opened_by", "running_since", "used_seconds"))
told_by("ticket_messages", written_for_them)
told("internal_ticket_messages", TicketMessage, "client", in_house=True)
told("ticket_times", TicketTime, "client", in_house=True)
files_told_by(attachments)
