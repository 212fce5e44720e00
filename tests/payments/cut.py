"""A process that dies at a named moment: ``python -m tests.payments.cut '{"point": …, "database": …, …}'``.

It does what a worker does (a request, a job, an event), and ends with ``os._exit`` where the test wants it: no rollback, no clean-up,
no answer, as under ``kill -9``.
"""

# ruff: noqa: PLC0415  Django has to be set up before anything of it is imported

import json
import os
import sys
from collections.abc import Callable
from typing import Any

DIED = 137


def die(*args: Any, **kwargs: Any) -> Any:
    """The end."""
    os._exit(DIED)


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, and then the end."""

    def last(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        die()

    return last


def arrange(point: str) -> None:
    """Put the end at its point."""
    from apps.checkout.api import paying
    from apps.checkout.api.staff import views
    from apps.payments.services import inbox, online

    match point:
        case "before the order is committed":
            views.sell = after(views.sell)
        case "before the provider is called":
            paying.begin_payment = die
        case "before the provider's answer is written":
            online.settle_payment = die
        case "before the provider's answer is committed":
            online.plan_check = after(online.plan_check)
        case "before the reply":
            paying.begin_payment = after(paying.begin_payment)
        case "before an event is committed":
            inbox.jobs.defer_once = after(inbox.jobs.defer_once)
        case "after an event is committed":
            inbox.receive_event = after(inbox.receive_event)
        case "before what an event means is written":
            inbox.settle_payment = die
        case "before what an event means is committed":
            inbox._done = after(inbox._done)
        case "":
            pass
        case _:
            raise ValueError(point)


def run(job: dict[str, Any]) -> None:
    import time_machine

    from apps.payments.services import inbox, online

    with time_machine.travel(job["at"], tick=True):
        match job["what"]:
            case "request":
                from tests.conftest import ApiClient

                answer = ApiClient(job["token"], **{"Idempotency-Key": job["key"]}).post(job["path"], job["body"])
                sys.stdout.write(str(answer.status_code))
            case "recheck":
                online.recheck_payment(*job["ids"])
            case "receive":
                inbox.receive_event(job["account"], "stripe", headers=job["headers"], body=job["body"].encode())
            case "process":
                inbox.process_event(*job["ids"])


def main() -> None:
    job = json.loads(sys.argv[1])
    import django
    from django.conf import settings
    from django.db import connections

    django.setup()
    for alias in connections:
        connections[alias].settings_dict["NAME"] = job["database"]
    settings.STRIPE_API_BASE = job["stripe"]
    settings.ALLOWED_HOSTS = ["testserver"]
    arrange(job["point"])
    run(job)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    main()
