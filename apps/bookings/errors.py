"""What can go wrong with time."""

from apps.core.errors import DomainError


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


class LimitReached(DomainError):
    """A limit of the service or the practitioner for that day or week is used up; ``rule`` names it."""

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
