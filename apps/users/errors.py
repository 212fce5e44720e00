"""What people may be refused."""

from apps.core.errors import DomainError


class InactiveUser(DomainError):
    """The login was deactivated."""

    code = "inactive_user"
    default_message = "This user is not active."
