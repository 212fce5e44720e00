"""What sessions, documents, reviews and the waitlist know of a person."""

from collections.abc import Iterable, Iterator

from apps.bookings.models import ACTIVE, Booking, BookingDocument, BookingSeries, Review, WaitlistEntry, WaitlistOffer
from apps.bookings.services.waiting import leave_waitlist
from apps.core.subjects import ERASED, Done, Subject, blanked, drop_files, erased_by, files_told_by, kept, obstructs, told

OPEN_ENTRIES = (WaitlistEntry.Status.WAITING, WaitlistEntry.Status.OFFERED, WaitlistEntry.Status.SLEEPING)


def ahead(subject: Subject) -> Iterable[int]:
    """Sessions that hold a time."""
    return Booking.objects.filter(client__in=subject.ids, status__in=ACTIVE).values_list("pk", flat=True)


def leave_every_waitlist(subject: Subject, done: Done) -> None:
    """Nobody offers them a time any more."""
    entries = list(WaitlistEntry.objects.filter(client__in=subject.ids, status__in=OPEN_ENTRIES).order_by("pk"))
    for entry in entries:
        leave_waitlist(entry, at=subject.at)


def drop_documents(subject: Subject, done: Done) -> None:
    """Their files go after the commit, rows at once."""
    documents = BookingDocument.objects.filter(client__in=subject.ids)
    drop_files(documents)
    done.add(done.dropped, BookingDocument._meta.db_table, documents.delete()[0])


def documents(subject: Subject) -> Iterator[tuple[str, str]]:
    """The files that were put to their sessions and shared with them."""
    rows = BookingDocument.objects.filter(client__in=subject.ids, is_shared=True).order_by("pk")
    for pk, name, key in rows.values_list("pk", "name", "storage_key"):
        yield f"documents/{pk}-{name}", key


obstructs("future_booking", ahead)
erased_by(leave_every_waitlist)
blanked(Booking, "client", attendee_name=ERASED, cancel_reason=ERASED, override_reason=ERASED)
erased_by(drop_documents, (BookingDocument, "client"))
blanked(Review, "client", comment="", reply="", status=Review.Status.HIDDEN)
blanked(WaitlistEntry, "client", note="")
kept(WaitlistOffer, "client", because="times that were offered; it names nobody")
kept(BookingSeries, "client", because="rules of sessions; it names nobody")

told("bookings", Booking, "client", leave=("override_reason", "occupied"))
told("documents", BookingDocument, "client", leave=("storage_key",), in_house=True)
told("reviews", Review, "client")
told("waitlist", WaitlistEntry, "client")
files_told_by(documents)
