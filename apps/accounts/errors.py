"""What signing in and working in an account may be refused."""

from apps.core.errors import DomainError


class NotSignedIn(DomainError):
    """Wrong e-mail, wrong password or a login that may not sign in: nobody is told which."""

    code = "not_authenticated"
    status = 401
    default_message = "The e-mail address or the password is wrong."


class MfaRequired(DomainError):
    """The password is right; the second factor is missing."""

    code = "mfa_required"
    status = 401
    default_message = "Send the code of your second factor as mfa_code."


class EmailUnverified(DomainError):
    """The password is right, but nobody has proved yet that the address belongs to the user."""

    code = "email_unverified"
    status = 403
    default_message = "Verify your e-mail address first."


class RateLimited(DomainError):
    """Too many attempts; ``retry_after`` says how many seconds to wait."""

    code = "rate_limited"
    status = 429
    default_message = "Too many attempts. Try again later."


class LastOwner(DomainError):
    """An account keeps at least one active owner."""

    code = "last_owner"
    default_message = "The last owner of an account cannot leave or lose this role."


class InvitationExpired(DomainError):
    """Used, revoked, too old, forged or meant for another address: the answer is the same."""

    code = "invitation_expired"
    default_message = "This invitation is not valid (any more). Ask for a new one."


class AccountInUse(DomainError):
    """The account has records of money, which must stay."""

    code = "account_in_use"
    default_message = "This account has orders or payments and cannot be deleted; close it instead."
