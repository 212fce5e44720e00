"""What support refuses. The site rule of source 003 has its errors in apps.sites.errors."""

from apps.core.errors import DomainError


class ReopeningOver(DomainError):
    """The ticket ended too long ago to be taken up again; ``possible_until`` says when that was over."""

    code = "reopening_over"
    default_message = "This ticket ended too long ago. Please open a new one."
