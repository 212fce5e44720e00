"""What people may be refused."""

from apps.core.errors import DomainError


class InactiveUser(DomainError):
    """The login was deactivated."""

    code = "inactive_user"
    default_message = "This user is not active."


class ClaimExpired(DomainError):
    """The link to a new login was used, is too old or was never ours: the answer is the same."""

    code = "claim_expired"
    default_message = "This link is not valid (any more). Ask for a new password with your e-mail address instead."
