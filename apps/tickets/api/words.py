"""What every door says and takes about tickets."""

from typing import Any

from apps.bookings.api.reviews import PlainTextField
from apps.core.api.fields import OneLineField

MAX_SUBJECT, MAX_TEXT, MAX_CATEGORY, MAX_NOTE = 200, 10_000, 80, 500


class LongText(PlainTextField):
    """Plain text of at most 10,000 characters. It is shown as it is, never as markup."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_TEXT, **kwargs})


def subject_field(**kwargs: Any) -> OneLineField:
    """The one line that says what a ticket is about; it is in the titles of mails."""
    return OneLineField(max_length=MAX_SUBJECT, **kwargs)


def category_field(**kwargs: Any) -> OneLineField:
    """A category by its name."""
    words = "One of the business's categories by name (`ticket-categories/`), or empty. Where it has none, any words."
    return OneLineField(max_length=MAX_CATEGORY, allow_blank=True, help_text=words, **kwargs)


SAID: dict[str, Any] = {"default_ordering": "id"}
"""Messages: the oldest first unless asked otherwise."""
