"""Documents of a session: keeping, changing and deleting them. Who may see one is for the doors to say."""

import hashlib
import logging
from typing import Any

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.errors import LimitReached
from apps.bookings.files import checked, renamed
from apps.bookings.models import Booking, BookingDocument
from apps.core import storage
from apps.core.db import joined
from apps.core.errors import Invalid, NotFound
from apps.core.events import current_actor, emit

logger = logging.getLogger(__name__)

MAX_PER_BOOKING = 20
MEGABYTE = 1024 * 1024


@joined
def add_document(booking: Booking, *, name: str, content: bytes, kind: str | None = None, is_shared: bool = True) -> BookingDocument:
    """Check a file and keep it with a session. Without ``kind`` a picture is an image and the rest is other.

    The file is stored before its row is committed, and removed again when the transaction is rolled back; nothing is
    locked while it is on its way. Raises FileTooLarge, FileTypeRefused, FileNotScanned,
    StorageUnavailable, and LimitReached for the twenty-first document of a session (``documents_per_booking``) and for a full
    account (``document_quota_mb``).
    """
    file = checked(name, content)
    key = storage.new_key(booking.account_id)
    storage.write(key, file.content)
    account = _lock_account(booking.account_id)
    booking = _lock_session(booking.pk)
    _refuse_beyond_limits(account, booking, len(file.content))
    document = BookingDocument.objects.create(
        account_id=booking.account_id,
        booking_id=booking.pk,
        client_id=booking.client_id,
        name=file.name,
        kind=kind or (BookingDocument.Kind.IMAGE if file.is_image else BookingDocument.Kind.OTHER),
        storage_key=key,
        content_type=file.content_type,
        size=len(file.content),
        sha256=hashlib.sha256(file.content).hexdigest(),
        is_shared=is_shared,
        uploaded_by_id=current_actor().actor_id,
    )
    # Names of documents say what somebody suffers from: they stay in the row.
    emit("document.added", booking, changes={"document": [None, document.pk], "is_shared": [None, is_shared]})
    return document


def _lock_account(account_id: int) -> Account:
    """Documents of an account are counted one after another, over all its sessions: the quota is the account's."""
    return Account.objects.select_for_update(no_key=True).only("id", "settings").get(pk=account_id)


def _lock_session(booking_id: int) -> Booking:
    """A transfer at this moment changes whose session it is."""
    return Booking.objects.select_for_update(of=("self",), no_key=True).get(pk=booking_id)


def _refuse_beyond_limits(account: Account, booking: Booking, size: int) -> None:
    if BookingDocument.objects.filter(booking_id=booking.pk).count() >= MAX_PER_BOOKING:
        raise LimitReached(f"A session has at most {MAX_PER_BOOKING} documents.", rule="documents_per_booking")
    quota = setting(account, "document_quota_mb")
    if storage.kept_bytes() + size > quota * MEGABYTE:
        raise LimitReached(f"The {quota} MB that this account has for documents are used up.", rule="document_quota_mb")


@joined
def update_document(document: BookingDocument, **changes: Any) -> BookingDocument:
    """Rename, share or unshare, or put into another kind (``name``, ``is_shared``, ``kind``). The file never changes.

    Raises Invalid for a name whose extension is not that of the file.
    """
    document = _lock_document(document)
    if "name" in changes:
        changes["name"] = renamed(changes["name"], document.content_type)
        if changes["name"] is None:
            raise Invalid(fields={"name": ["The name must keep the extension of the file."]})
    changed = {field: value for field, value in changes.items() if getattr(document, field) != value}
    if not changed:
        return document
    told = {field: [getattr(document, field), value] for field, value in changed.items() if field != "name"}
    for field, value in changed.items():
        setattr(document, field, value)
    document.save(update_fields=[*changed, "updated_at"])
    renaming = {"renamed": [False, True]} if "name" in changed else {}
    emit("document.updated", document.booking, changes={"document": [document.pk, document.pk], **told, **renaming})
    return document


@joined
def delete_document(document: BookingDocument) -> None:
    """Delete the row, and the file once that is committed (a job, which is tried again when the storage is away)."""
    document = _lock_document(document)
    booking, pk = document.booking, document.pk
    document.delete()
    storage.remove_later([document.storage_key])
    emit("document.deleted", booking, changes={"document": [pk, None]})


def _lock_document(document: BookingDocument) -> BookingDocument:
    found = BookingDocument.objects.select_for_update(of=("self",), no_key=True).select_related("booking").filter(pk=document.pk).first()
    if found is None:  # somebody was faster
        raise NotFound
    return found
