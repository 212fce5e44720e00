"""What every door says and takes about reviews."""

import unicodedata
from typing import Any

from rest_framework import serializers

MAX_TEXT = 5000
LAYOUT = "\t\n\r"


class PlainTextField(serializers.CharField):
    """Text of at most 5,000 characters as people write it: lines and tabs, no other control characters. It is shown as it is, never
    as markup.
    """

    default_error_messages = {"control_characters": "Control characters are not allowed."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_TEXT, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if any(unicodedata.category(c) == "Cc" and c not in LAYOUT for c in text):
            self.fail("control_characters")
        return text


__all__ = ["MAX_TEXT", "PlainTextField"]
