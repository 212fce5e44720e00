"""What can go wrong with time."""

from apps.core.errors import DomainError
from apps.core.errors import FileNotScanned as FileNotScanned
from apps.core.errors import FileTooLarge as FileTooLarge
from apps.core.errors import FileTypeRefused as FileTypeRefused


class SlotTaken(DomainError):
    """Somebody else has the time; ``alternatives`` lists the nearest bookable starts."""

    code = "slot_taken"
    default_message = "This time is no longer free."


class OutsideHours(DomainError):
    """The practitioner does not work then, or sessions do not start at that minute; ``rule`` says which."""

    code = "outside_hours"
    default_message = "This time is outside working hours."


class NoticeTooShort(DomainError):
    """The start is in the past or closer than the service's minimum notice."""

    code = "notice_too_short"
    default_message = "This time is too close, or has passed."


class BeyondHorizon(DomainError):
    """The start lies further ahead than the service can be booked."""

    code = "beyond_horizon"
    default_message = "This service cannot be booked that far ahead."


class LocalTimeMissing(DomainError):
    """The clock is put forward over this wall time. Send another one, or an instant with its offset."""

    code = "local_time_missing"
    status = 400
    default_message = "This time does not exist: the clock is put forward over it."


class LocalTimeAmbiguous(DomainError):
    """The clock shows this wall time twice; ``candidates`` are the two instants, one of which has to be sent with its offset."""

    code = "local_time_ambiguous"
    status = 400
    default_message = "This time happens twice: the clock is put back. Send it with its offset."


class LimitReached(DomainError):
    """A limit of the service, the practitioner or the client for that day, week or month is used up; ``rule`` names it."""

    code = "limit_reached"
    default_message = "No more sessions can be booked in that period."


class AlreadyScheduled(DomainError):
    """The session has its time already."""

    code = "already_scheduled"
    default_message = "This session is scheduled already."


class PackageExpired(DomainError):
    """The package's validity ends before the session would start."""

    code = "package_expired"
    default_message = "The package is not valid at that time."


class PackagePaused(DomainError):
    """The package is paused."""

    code = "package_paused"
    default_message = "The package is paused."


class OrderFrozen(DomainError):
    """The payment of this session's order is disputed, or was lost in a dispute and has not been made again."""

    code = "order_frozen"
    default_message = "The payment of this order is disputed. Its sessions cannot be scheduled until that is settled."


class HoldExpired(DomainError):
    """The hold's time ran out before it was confirmed; the session may be scheduled again if the time is still free."""

    code = "hold_expired"
    default_message = "This hold has expired."


class TooEarly(DomainError):
    """The session has not come so far yet; ``possible_from`` says when."""

    code = "too_early"
    default_message = "It is too early for that."


class TooLate(DomainError):
    """The time in which this could be done has passed; ``possible_until`` says when that was."""

    code = "too_late"
    default_message = "It is too late for that."


class AlreadyBooked(DomainError):
    """The client has a place in this occurrence already; a guest needs a name of their own."""

    code = "already_booked"
    default_message = "This client has a place here already. Name the guest who takes another one."


class NoSessionsLeft(DomainError):
    """The client has no unscheduled session that fits."""

    code = "no_sessions_left"
    default_message = "There is no unscheduled session left."


class PaymentRequired(DomainError):
    """The order must be paid first; ``balance_due_cents`` is what is missing."""

    code = "payment_required"
    default_message = "This has to be paid first."


class SeriesConflict(DomainError):
    """Not every occurrence of a series fits; ``occurrences`` says which, why, and what is near, and nothing was changed."""

    code = "series_conflict"
    default_message = "Not every session of this series fits. Nothing was changed."


class AlreadyReviewed(DomainError):
    """The session has its review; there is one for each."""

    code = "already_reviewed"
    default_message = "This session has been reviewed already."


class OfferClosed(DomainError):
    """The waitlist offer was answered, has lapsed or was withdrawn; ``status`` says which, when it is known."""

    code = "offer_closed"
    default_message = "This offer is no longer open."


class QuietHours(DomainError):
    """The client does not want to be asked at this hour; ``possible_from`` says when it is over."""

    code = "quiet_hours"
    default_message = "The client has quiet hours now."
