"""A worker that dies at a named moment of sending: ``python -m tests.notifications.cut '{"point": …, "database": …, …}'``."""

# ruff: noqa: PLC0415  Django has to be set up before anything of it is imported

import json
import os
import sys
from typing import Any

from tests.payments.cut import after, die


def arrange(point: str) -> None:
    """Put the end at its point."""
    from apps.notifications.services import sending

    match point:
        case "before the claim is committed":
            sending.SenderIdentity.objects.first = die
        case "between claim and send":
            sending._call = die
        case "between send and record":
            sending._call = after(sending._call)
        case _:
            raise ValueError(point)


def main() -> None:
    job: dict[str, Any] = json.loads(sys.argv[1])
    import django
    from django.conf import settings
    from django.db import connections

    django.setup()
    for alias in connections:
        connections[alias].settings_dict["NAME"] = job["database"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", job["port"]
    arrange(job["point"])
    from apps.notifications.services.sending import send_delivery

    send_delivery(*job["ids"])


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    main()
