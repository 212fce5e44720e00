"""Errors of the domain: a stable code, a sentence for a person and the status the API answers with.

Services raise them; ``core.api.errors`` is the only place that renders them. The list of codes is generated into docs/errors.md.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """Something the business does not allow. ``extras`` are added to the error envelope as they are (JSON values)."""

    code: ClassVar[str] = "conflict"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This is not possible now."

    def __init__(self, message: str | None = None, *, fields: dict[str, list[str]] | None = None, **extras: Any) -> None:
        self.message = message or self.default_message
        self.fields = fields
        self.extras = extras
        super().__init__(self.message)


class Invalid(DomainError):
    """Input that can never be right, found below the serializer; ``fields`` says where."""

    code = "validation_error"
    status = 400
    default_message = "The data sent is not valid."


class UnknownField(Invalid):
    """A key, filter or setting that does not exist or may not be written."""

    code = "unknown_field"
    default_message = "Unknown or read-only fields were sent."


class NotFound(DomainError):
    """Missing and foreign look the same on purpose."""

    code = "not_found"
    status = 404
    default_message = "Not found."


class NotAllowed(DomainError):
    """The caller's role does not include this action."""

    code = "permission_denied"
    status = 403
    default_message = "Your role does not allow this."


class AccountRequired(DomainError):
    """The credential belongs to several accounts (or none) and the X-Account header does not choose one of them."""

    code = "account_required"
    status = 400
    default_message = "Choose an account with the X-Account header."


class InUse(DomainError):
    """The row is referred to by records that must stay."""

    code = "in_use"
    default_message = "This is in use and cannot be deleted; deactivate it instead."


class InvalidTransition(DomainError):
    """The object's state does not allow this; ``allowed_actions`` lists what it allows."""

    code = "invalid_transition"
    default_message = "The state of this object does not allow that."


class QuoteStale(DomainError):
    """The quote has expired, or what it was answered from has changed; ``quote`` is the new one."""

    code = "quote_stale"
    default_message = "This quote no longer holds. Here is the new one."


class StaleVersion(DomainError):
    """Somebody changed the object in the meantime; ``version`` is the current one."""

    code = "stale_version"
    status = 412
    default_message = "This was changed in the meantime. Read it again before changing it."


class PayloadTooLarge(DomainError):
    """The request body is larger than the limit."""

    code = "payload_too_large"
    status = 413
    default_message = "The request body is too large."


class IdempotencyConflict(DomainError):
    """The Idempotency-Key was used before with another request."""

    code = "idempotency_conflict"
    status = 422
    default_message = "This Idempotency-Key was already used for a different request."


class IdempotencyInProgress(DomainError):
    """The first request with this Idempotency-Key has not finished yet."""

    code = "idempotency_in_progress"
    default_message = "The first request with this Idempotency-Key is still running."


class Busy(DomainError):
    """The database gave up (a lock not granted in time, a deadlock); nothing was changed, and it may be tried again."""

    code = "busy"
    status = 503
    default_message = "Too many changes to the same records at once. Please try again."


class StorageUnavailable(DomainError):
    """The storage of files did not answer; nothing was kept, and the upload may be tried again."""

    code = "storage_unavailable"
    status = 503
    default_message = "Files cannot be stored just now. Please try again."


class FileTypeRefused(DomainError):
    """The file is of a kind that is not kept, or its name and its content do not agree; the message says what."""

    code = "file_type_refused"
    status = 400
    default_message = "Send a PDF, PNG, JPEG, WebP, Word document (docx) or plain text."


class FileTooLarge(DomainError):
    """The file has more than 10 MiB (10,485,760 bytes)."""

    code = "file_too_large"
    status = 413
    default_message = "A file may have at most 10 MB."


class FileNotScanned(DomainError):
    """The virus scanner gave no answer; nothing was kept, and the upload may be tried again."""

    code = "file_not_scanned"
    status = 503
    default_message = "The file could not be scanned just now. Please try again."


class FileMissing(DomainError):
    """The document is known, but its file is not in the storage (after an incomplete restore, for example)."""

    code = "file_missing"
    default_message = "The file of this document cannot be found. Please upload it again."


def all_error_types() -> list[type[DomainError]]:
    """Every error class loaded, by code: the source of docs/errors.md and of the OpenAPI enumeration."""
    found: dict[str, type[DomainError]] = {}
    queue: list[type[DomainError]] = [DomainError]
    while queue:
        error = queue.pop()
        queue.extend(error.__subclasses__())
        if error is not DomainError:
            found.setdefault(error.code, error)
    return [found[code] for code in sorted(found)]
