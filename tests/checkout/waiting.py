"""What the tests of the waitlist share."""

import json
from datetime import date, time, timedelta

import time_machine
from django.db import connection, transaction

from apps.bookings.models import Booking, WaitlistEntry
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.waiting import join_waitlist
from apps.checkout.tasks import sweep_account
from apps.checkout.waitlist import offer_freed_time, offer_time
from apps.core.db import rows
from apps.core.doctor import findings
from apps.core.events import deliver, dispatch
from apps.core.tenancy import account_scope, platform_scope
from factories.accounts import MembershipFactory
from factories.clients import ClientFactory
from tests.bookings.life import FOR_WORKERS
from tests.studio import MONDAY_TEN, NOW

WINDOW = {"first_day": date(2026, 11, 23), "last_day": date(2026, 11, 27), "earliest": time(10), "latest": time(10)}
HOUR = timedelta(hours=1)
LATER = NOW + timedelta(minutes=61)


def wait(studio, client=None, **wishes):
    """A client who waits for ten o'clock on any day of the week, unless told otherwise."""
    client = client or ClientFactory(account=studio.account)
    window = {} if "start_time" in wishes or "first_day" in wishes else WINDOW
    with account_scope(studio.account):
        return join_waitlist(account=studio.account, client=client, service=studio.service, at=NOW, **{**window, **wishes})


def taken(studio, start=MONDAY_TEN, **options):
    """A session that is in the way."""
    with account_scope(studio.account):
        return schedule_booking(studio.draft(), practitioner=studio.practitioner, start_time=start, at=NOW, **options)


def offer(studio, entry, start=MONDAY_TEN, at=NOW):
    with account_scope(studio.account), transaction.atomic():
        return offer_time(entry, practitioner=studio.practitioner, start_time=start, at=at)


def freed(studio, start=MONDAY_TEN, at=NOW):
    """What is offered when this start is free; the entries' ids."""
    about = {"service_id": studio.service.pk, "practitioner_id": studio.practitioner.pk, "start_time": start}
    with account_scope(studio.account):
        return [made.entry_id for made in offer_freed_time(account=studio.account, **about, at=at)]


def work():
    """Run the handlers of everything that has happened, and of what follows from it."""
    done = 0
    waiting = "SELECT id, task_name, args FROM procrastinate_jobs WHERE task_name = ANY (%s) AND status = 'todo' ORDER BY id"
    tasks = {"core.dispatch": dispatch, "core.deliver": deliver}
    while queue := rows(waiting, [list(tasks)]):
        for job_id, name, arguments in queue:
            tasks[name](**json.loads(arguments))
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job_id])
            done += 1
    return done


def sweep(studio):
    sweep_account(account_id=studio.account.pk)
    work()


def state(studio, entry):
    """(status, lapses, [(offer's start, status)])"""
    with account_scope(studio.account):
        entry = WaitlistEntry.objects.get(pk=entry.pk)
        return entry.status, entry.lapses, [(o.start_time, o.status) for o in entry.offers.order_by("pk")]


def held(studio):
    """(client, start) of the sessions that are held."""
    with account_scope(studio.account):
        return list(Booking.objects.filter(status="held").order_by("pk").values_list("client_id", "start_time"))


def broken(studio):
    """The invariants that do not hold, of an account with an owner; no worker runs. Lapsed holds (I05) go by the database's clock, not by the test's."""
    MembershipFactory(account=studio.account)
    with platform_scope("test"):
        return [one.code for one, found in findings() if found and one.code != "I05" and one.code not in FOR_WORKERS]


def travel(moment):
    return time_machine.travel(moment, tick=True)
