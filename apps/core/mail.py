"""E-mail backend of the demo: every message becomes one .eml file that mail programs open."""

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class EmlFileBackend(BaseEmailBackend):
    """Writes to settings.EMAIL_FILE_PATH; a file appears whole (written aside, then renamed)."""

    def __init__(self, fail_silently: bool = False, **kwargs: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        self.folder = Path(settings.EMAIL_FILE_PATH)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        for message in email_messages:
            name = f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"
            part = self.folder / f"{name}.part"
            mime: Any = message.message()
            part.write_bytes(mime.as_bytes(linesep="\r\n"))
            part.rename(self.folder / f"{name}.eml")
        return len(email_messages)
