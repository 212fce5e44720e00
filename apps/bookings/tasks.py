"""What time brings about by itself. Each job works account by account, in that account's scope, and may be run again at any moment."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Booking, BookingSeries, Status
from apps.bookings.occurrences import Occurrence, undecided
from apps.bookings.services.claims import lock_booking
from apps.bookings.services.endings import complete_booking, mark_no_show
from apps.bookings.services.expiry import follow_pauses, forfeit_expired, run_through, warn_of_expiry
from apps.bookings.services.occurrences import decide_minimum
from apps.bookings.services.scheduling import release_hold
from apps.bookings.services.series import end_finished_series
from apps.catalog.models import Service
from apps.core import jobs
from apps.core.errors import DomainError, InvalidTransition
from apps.core.events import acting
from apps.core.tenancy import account_scope, platform_scope
from apps.orders.services import lock_order

logger = logging.getLogger(__name__)

CLOSED_AFTER = timedelta(hours=24)
BATCH = 200


@contextmanager
def working_for(account_id: int, name: str) -> Iterator[None]:
    """One short transaction in one account's scope, as the job ``name``."""
    with account_scope(account_id), acting(None, f"job:{name}"):
        yield


class Apart:
    """Work that is done piece by piece: one that fails keeps none of the others waiting, and the run says so at its end by failing, too.

    ``with apart("hold 7"): …`` around each piece, in a transaction of its own inside, and ``apart.tell()`` at the end.
    """

    def __init__(self) -> None:
        self.failed: Exception | None = None

    @contextmanager
    def __call__(self, piece: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            logger.exception("%s could not be done; the run goes on with the others", piece)
            self.failed = error

    def tell(self) -> None:
        """Raise what has failed last."""
        if self.failed is not None:
            raise self.failed


@jobs.periodic(cron="* * * * *")
@jobs.task(name="bookings.release_lapsed_holds", queue="core", queueing_lock="bookings.release_lapsed_holds")
def release_lapsed_holds(timestamp: int) -> int:
    """Give back the holds whose time has run out; returns how many. What somebody confirms at this moment is left alone."""
    at, released, apart = timezone.now(), 0, Apart()
    with platform_scope("lapsed holds"):
        lapsed = list(Booking.objects.lapsed(at).order_by("account_id", "pk").values_list("account_id", "pk")[:BATCH])
    for account_id, booking_id in lapsed:
        with apart(f"hold {booking_id}"), working_for(account_id, "holds"):
            found = Booking.objects.filter(pk=booking_id).first()
            if found is None:
                continue
            booking = lock_booking(booking_id, lock_order(found.order_id))
            if booking.status == Status.HELD and booking.hold_expires_at is not None and booking.hold_expires_at <= at:
                release_hold(booking, at=at, why="lapsed")
                released += 1
    apart.tell()
    return released


@jobs.periodic(cron="*/10 * * * *")
@jobs.task(name="bookings.close_past_sessions", queue="core", queueing_lock="bookings.close_past_sessions")
def close_past_sessions(timestamp: int) -> int:
    """Complete, or mark as no-show, what nobody has closed 24 hours after its end, where the account has chosen so; returns how many."""
    at, closed, apart = timezone.now(), 0, Apart()
    with platform_scope("sessions that nobody has closed"):
        chosen = list(Account.objects.filter(status=Account.Status.ACTIVE, settings__has_key="after_session").values_list("pk", flat=True))
    for account_id in chosen:
        with working_for(account_id, "close"):
            wanted = setting(Account.objects.get(pk=account_id), "after_session")
            states = {"complete": [Status.CONFIRMED, Status.CHECKED_IN], "no_show": [Status.CONFIRMED]}.get(wanted, [])
            past = Booking.objects.filter(status__in=states, start_time__lt=at, end_time__lte=at - CLOSED_AFTER)
            ids = list(past.order_by("start_time", "pk").values_list("pk", flat=True)[:BATCH])
        for booking_id in ids:
            with apart(f"session {booking_id}"):
                closed += _close(account_id, booking_id, wanted, at)
    apart.tell()
    return closed


@jobs.periodic(cron="23 * * * *")
@jobs.task(name="bookings.end_finished_series", queue="core", queueing_lock="bookings.end_finished_series")
def end_series(timestamp: int) -> int:
    """Mark series without an occurrence to come as ended; returns how many."""
    with platform_scope("accounts with series"):
        active = BookingSeries.objects.filter(status=BookingSeries.Status.ACTIVE).order_by("account_id")
        accounts = list(active.values_list("account_id", flat=True).distinct())
    ended, apart = 0, Apart()
    for account_id in accounts:
        with apart(f"the series of account {account_id}"), working_for(account_id, "series"):
            ended += end_finished_series(timezone.now())
    apart.tell()
    return ended


def _close(account_id: int, booking_id: int, wanted: str, at: datetime) -> bool:
    """Close one session; False when somebody has changed it in the meantime."""
    try:
        with working_for(account_id, "close"):
            booking = Booking.objects.get(pk=booking_id)
            if wanted == "complete":
                complete_booking(booking, at=at)
            else:
                mark_no_show(booking, at=at, reason="Not closed within 24 hours.")
    except InvalidTransition:
        logger.info("session %s is closed already", booking_id)
        return False
    return True


@jobs.periodic(cron="2-59/15 * * * *")  # local days end on the quarter of an hour, all over the world
@jobs.task(name="bookings.keep_packages", queue="core", queueing_lock="bookings.keep_packages")
def keep_packages(timestamp: int) -> int:
    """Queue the care of packages for every open account; returns for how many."""
    with platform_scope("packages that pause, expire or will soon"):
        accounts = list(Account.objects.filter(status=Account.Status.ACTIVE).order_by("pk").values_list("pk", flat=True))
    jobs.defer_many(keep_packages_of, ({"account_id": account_id} for account_id in accounts))
    return len(accounts)


@jobs.task(name="bookings.keep_packages_of", queue="core", retry=jobs.RETRY)
def keep_packages_of(account_id: int) -> int:
    """Begin and end pauses, warn of the end, forfeit what was not used by then; returns how many orders were changed."""
    at, changed = timezone.now(), 0
    for step in (follow_pauses, forfeit_expired, warn_of_expiry):
        for batch in run_through(account_id, step, at=at, source="job:packages"):
            changed += len(batch.done)
    return changed


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="bookings.decide_minimums", queue="core", queueing_lock="bookings.decide_minimums")
def decide_minimums(timestamp: int) -> int:
    """Ask staff about occurrences below their minimum, or cancel them, when their time of decision has come; returns how many.

    What does not fit into one run's batch is found again by the next.
    """
    at, decided, apart = timezone.now(), 0, Apart()
    with platform_scope("occurrences below their minimum"):
        concerned = Service.objects.filter(min_attendees__gt=1, account__status=Account.Status.ACTIVE)
        accounts = list(concerned.order_by("account_id").values_list("account_id", flat=True).distinct())
    for account_id in accounts:
        with working_for(account_id, "minimums"):
            account = Account.objects.get(pk=account_id)
            due = undecided(account, at)[:BATCH]
        for one in due:
            with apart(f"the occurrence of service {one.service} at {one.start_time}"):
                decided += _decide(account, one, at)
    apart.tell()
    return decided


def _decide(account: Account, occurrence: Occurrence, at: datetime) -> bool:
    """Decide about one occurrence; one that cannot be decided now does not keep the others waiting, and is tried again."""
    try:
        with working_for(account.pk, "minimums"):
            return bool(decide_minimum(account, occurrence, at=at))
    except DomainError as error:
        logger.warning("no decision about service %s at %s: %s", occurrence.service, occurrence.start_time, error.code)
        return False
