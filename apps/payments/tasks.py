"""The reconciler: every minute it queues what is due, one job for each payment, refund and event.

Each job talks to a provider outside transactions and may be run again at any moment; one that fails keeps none of the others waiting,
and is queued again by a later minute.
"""

import logging

from django.db.models import QuerySet
from django.utils import timezone

from apps.core import jobs
from apps.core.events import acting
from apps.core.tenancy import platform_scope
from apps.payments.models import PROVIDERS, Refund
from apps.payments.services.inbox import left_events, process_inbound
from apps.payments.services.online import recheck_payment
from apps.payments.services.refunds import execute_refund
from apps.payments.services.settling import due_payments

logger = logging.getLogger(__name__)

BATCH = 500


@jobs.periodic(cron="* * * * *")
@jobs.task(name="payments.look_around", queue="core", queueing_lock="payments.look_around")
def look_around(timestamp: int) -> int:
    """Queue a job for everything that is due and not queued yet; returns how many."""
    at, queued = timezone.now(), 0
    refunds = Refund._base_manager.filter(next_check_at__lte=at, method__in=PROVIDERS)
    with platform_scope("payments, refunds and events that are due"):
        for name, job, due in (
            ("payment", check_payment, due_payments(at).order_by("next_check_at", "pk")),
            (
                "refund",
                check_refund,
                refunds.filter(status__in=(Refund.Status.PENDING, Refund.Status.UNKNOWN)).order_by("next_check_at", "pk"),
            ),
            ("event", process_inbound, left_events(at).order_by("created_at", "pk")),
        ):
            for account_id, pk in _first(due):
                queued += jobs.defer_once(job, f"payments.{name}.{pk}", account_id=account_id, **{f"{name}_id": pk})
    return queued


def _first(due: QuerySet) -> list[tuple[int, int]]:
    return list(due.values_list("account_id", "pk")[:BATCH])


@jobs.task(name="payments.check_payment", queue="money")
def check_payment(account_id: int, payment_id: int) -> str:
    """Ask the provider about a payment and do what follows."""
    with acting(None, "job:payments"):
        return recheck_payment(account_id, payment_id)


@jobs.task(name="payments.check_refund", queue="money")
def check_refund(account_id: int, refund_id: int) -> str:
    """Tell the provider to make a refund, or ask what became of it."""
    with acting(None, "job:refunds"):
        return execute_refund(account_id, refund_id)
