"""The outside world: what carries mails and short messages."""


class Refused(Exception):
    """It will not be carried, however often it is tried."""


class Unreachable(Exception):
    """It was not carried this time."""
