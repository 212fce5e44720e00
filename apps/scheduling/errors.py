"""What can go wrong with calendars that are kept elsewhere."""

from apps.core.errors import DomainError


class FetchedJustNow(DomainError):
    """The calendar was asked a moment ago; ``possible_from`` says when it may be asked again."""

    code = "fetched_just_now"
    default_message = "This calendar was read a moment ago. Try again later."


class TooManyCalendars(DomainError):
    """A practitioner has as many external calendars as one may have."""

    code = "too_many_calendars"
    default_message = "This practitioner has ten external calendars already."
