"""One thing that can be said."""

from dataclasses import dataclass
from typing import Any

from apps.notifications.models import Kind


@dataclass(frozen=True, slots=True)
class Message:
    """``url`` is a path of the frontend. ``calendar`` is the method of the .ics file that goes along with mails, '' for none."""

    kind: Kind
    title: Any
    text: Any
    url: str = ""
    calendar: str = ""
