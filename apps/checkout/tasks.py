"""What time brings about for those who wait: for a start, or for a site they have paid. May be run again at any moment."""

import logging
from datetime import datetime

from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.errors import OfferClosed
from apps.bookings.matching import wanted_openings
from apps.bookings.models import WaitlistEntry, WaitlistOffer
from apps.bookings.services.waiting import expire_entry, lapse_offer
from apps.bookings.tasks import Apart, working_for
from apps.checkout.sites import due_sales, grant_site
from apps.checkout.waitlist import offer_freed_time, settle_offers_at
from apps.core import jobs
from apps.core.tenancy import platform_scope

logger = logging.getLogger(__name__)

BATCH = 100
OPENINGS = 10
"""So many openings of one service are offered by one sweep."""
JOB, SITES = "waitlist", "sites"
UNENDED = (WaitlistEntry.Status.WAITING, WaitlistEntry.Status.OFFERED, WaitlistEntry.Status.SLEEPING)


@jobs.periodic(cron="*/5 * * * *")
@jobs.task(name="waitlist.sweep", queue="core", queueing_lock="waitlist.sweep")
def sweep_waitlists(timestamp: int) -> int:
    """Queue a sweep for every account in which somebody waits; returns how many."""
    with platform_scope("accounts in which somebody waits"):
        waiting = WaitlistEntry.objects.filter(status__in=UNENDED, account__status=Account.Status.ACTIVE)
        ids = list(waiting.order_by("account_id").values_list("account_id", flat=True).distinct())
        jobs.defer_many(sweep_account, ({"account_id": account_id} for account_id in ids))
    return len(ids)


@jobs.task(name="waitlist.sweep_account", queue="core")
def sweep_account(account_id: int) -> None:
    """Close what has run out, then offer time that nobody has announced: new hours, more seats, quiet hours that are over."""
    at, apart = timezone.now(), Apart()
    _lapse_overdue(account_id, at, apart)
    _expire_entries(account_id, at, apart)
    _offer_openings(account_id, at, apart)
    apart.tell()


def _lapse_overdue(account_id: int, at: datetime, apart: Apart) -> None:
    with working_for(account_id, JOB):
        overdue = WaitlistOffer.objects.filter(status=WaitlistOffer.Status.OPEN, expires_at__lte=at).order_by("expires_at", "pk")
        ids = list(overdue.values_list("pk", flat=True)[:BATCH])
    for offer_id in ids:
        with apart(f"waitlist offer {offer_id}"):
            _lapse(account_id, offer_id, at)


def _lapse(account_id: int, offer_id: int, at: datetime) -> None:
    try:
        with working_for(account_id, JOB):
            lapse_offer(WaitlistOffer.objects.get(pk=offer_id), at=at)
    except OfferClosed:  # answered at this moment, or its session was confirmed by hand
        logger.info("waitlist offer %s did not lapse", offer_id)
        with working_for(account_id, JOB):
            offer = WaitlistOffer.objects.get(pk=offer_id)
            settle_offers_at(offer.practitioner_id, offer.start_time, at=at)


def _expire_entries(account_id: int, at: datetime, apart: Apart) -> None:
    with working_for(account_id, JOB):
        past = WaitlistEntry.objects.filter(status__in=UNENDED, expires_at__lte=at).order_by("expires_at", "pk")
        ids = list(past.values_list("pk", flat=True)[:BATCH])
    for entry_id in ids:
        with apart(f"waitlist entry {entry_id}"), working_for(account_id, JOB):
            expire_entry(WaitlistEntry.objects.get(pk=entry_id), at=at)


def _offer_openings(account_id: int, at: datetime, apart: Apart) -> None:
    with working_for(account_id, JOB):
        account = Account.objects.get(pk=account_id)
        if setting(account, "waitlist_mode") == "off":
            return
        waiting = WaitlistEntry.objects.filter(status=WaitlistEntry.Status.WAITING, expires_at__gt=at)
        services = list(waiting.order_by("service_id").values_list("service_id", flat=True).distinct())
    for service_id in services:
        openings = []
        with apart(f"the openings of service {service_id}"), working_for(account_id, JOB):
            openings = wanted_openings(account, service_id, at=at, limit=OPENINGS)
        for opening in openings:
            with apart(f"the opening of service {service_id} at {opening.start_time}"), working_for(account_id, JOB):
                offer_freed_time(
                    account=account,
                    service_id=service_id,
                    practitioner_id=opening.practitioner_id,
                    start_time=opening.start_time,
                    at=at,
                )


@jobs.periodic(cron="*/15 * * * *")
@jobs.task(name="sites.hand_over", queue="core", queueing_lock="sites.hand_over")
def hand_over_sites(timestamp: int) -> int:
    """Try again to hand over what was paid and could not be owned then; returns how many orders that are."""
    with platform_scope("paid sites that wait for an owner"):
        due = list(due_sales().filter(account__status=Account.Status.ACTIVE).order_by("pk").values_list("account_id", "pk"))
    apart = Apart()
    for account_id, order_id in due:
        with apart(f"the site of order {order_id}"), working_for(account_id, SITES):
            order = due_sales().select_related("client").filter(pk=order_id).first()
            if order is not None:  # otherwise it was handed over or given up at this moment
                grant_site(order)
    apart.tell()
    return len(due)
