"""What clients, and those who look after them, may be refused."""

from apps.core.errors import DomainError


class LinkExpired(DomainError):
    """The link was used, is too old, or was never ours: the answer is the same."""

    code = "link_expired"
    default_message = "This link is not valid (any more). Ask for a new one."


class NotAccepted(DomainError):
    """The business does not sell to this person online. It is not said why, nor by what they were known."""

    code = "not_accepted"
    default_message = "This cannot be booked online. Please contact the business."


class AlreadyDone(DomainError):
    """The task was done before."""

    code = "already_done"
    default_message = "This task is done already."


class MergeConflict(DomainError):
    """Both records have a place under the same name in the same session; ``conflicts`` lists them. Cancel or rename one of each."""

    code = "merge_conflict"
    default_message = "Both clients have a place in the same session. Cancel one of them first."


class MergeChanged(DomainError):
    """Rows that were moved have been changed since; ``rows`` names them by table."""

    code = "merge_changed"
    default_message = "What was merged has been changed since and cannot be taken apart any more."


class ImportTooLarge(DomainError):
    """A file with more than 20 MB, or more rows than one import may have."""

    code = "import_too_large"
    status = 413
    default_message = "A file has at most 20 MB."


class NotATable(DomainError):
    """The file is neither CSV nor XLSX, or is damaged."""

    code = "not_a_table"
    status = 400
    default_message = "This is not a table that can be read. Send CSV or XLSX."


class ExportGone(DomainError):
    """The file is not ready yet, was fetched already, or its day is over; ``state`` says which."""

    code = "export_gone"
    default_message = "This file cannot be fetched (any more)."


class ErasureRefused(DomainError):
    """Something forbids it now; ``reasons`` lists what: [{code, ids}] with `future_booking`, `open_balance`, `open_payment`, `open_refund`,
    `open_dispute`, `credit_left`, `legal_hold` …"""

    code = "erasure_refused"
    default_message = "This person cannot be erased yet."
