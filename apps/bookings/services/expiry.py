"""What time does to packages: pauses begin and end, the end is announced, and what was not used by then is forfeited (rules.md §2).

Every function takes the next few orders of the account in whose scope it runs, by id, and says where it stopped; so a run of many
small transactions can be broken off at any moment and repeated. Orders that somebody is changing right now are left for the next run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Booking, Status
from apps.bookings.selectors import expiring_orders, orders_out_of_step, overdue_orders
from apps.bookings.services.packages import change_states, iso
from apps.core.db import joined
from apps.core.errors import NotFound
from apps.core.events import acting, emit
from apps.core.tenancy import account_scope, current_account_id
from apps.orders.models import Order
from apps.orders.services import derive_status

BATCH = 100


@dataclass(slots=True)
class Step:
    """What one batch has done: {order: sessions}, the orders that were busy, and the last id it looked at (None: there are no more)."""

    done: dict[int, list[int]] = field(default_factory=dict)
    busy: list[int] = field(default_factory=list)
    last: int | None = None


def run_through(account_id: int, step: Callable[..., Step], *, at: datetime, source: str, limit: int = BATCH) -> Iterator[Step]:
    """Every batch of a step for one account, each in a transaction and scope of its own."""
    after: int | None = 0
    while after is not None:
        with account_scope(account_id), acting(None, source):
            done = step(at=at, after=after, limit=limit)
        yield done
        after = done.last


@joined
def forfeit_expired(*, at: datetime, after: int = 0, limit: int = BATCH) -> Step:
    """Forfeit the unscheduled sessions of orders whose end has passed: ``booking.forfeited`` for each and ``order.expired``.

    Scheduled sessions stay as they are; their order expires when the last of them is over. Nothing happens the second time.
    """
    step, orders = _next(overdue_orders(at), after, limit)
    for order in orders:
        waiting = Booking.objects.filter(order_id=order.pk, status=Status.DRAFT)
        sessions = list(waiting.select_for_update(no_key=True).order_by("pk"))
        step.done[order.pk] = change_states(sessions, action="forfeit", status=Status.FORFEITED, event="booking.forfeited", at=at)
        derive_status(order, at)
    return step


@joined
def warn_of_expiry(*, at: datetime, after: int = 0, limit: int = BATCH) -> Step:
    """Announce, once per end, that a package with unscheduled sessions expires within ``expiry_warning_days``: ``order.expiring``."""
    days = setting(_account(), "expiry_warning_days")
    step, orders = _next(expiring_orders(at, at + timedelta(days=days)), after, limit)
    for order in orders:
        sessions = list(order.bookings.filter(status=Status.DRAFT).order_by("pk").values_list("pk", flat=True))  # type: ignore[attr-defined]
        order.expiry_warned_at = at
        order.save(update_fields=["expiry_warned_at", "updated_at"])
        emit("order.expiring", order, changes={"expires_at": [None, iso(order.expires_at)], "sessions": [None, sessions]})
        step.done[order.pk] = sessions
    return step


@joined
def follow_pauses(*, at: datetime, after: int = 0, limit: int = BATCH) -> Step:
    """Let the status of orders follow the beginning and the end of their pauses: ``order.paused``, ``order.resumed``."""
    today = at.astimezone(ZoneInfo(_account().timezone)).date()
    step, orders = _next(orders_out_of_step(today), after, limit)
    for order in orders:
        derive_status(order, at)
        step.done[order.pk] = []
    return step


def _account() -> Account:
    account_id = current_account_id()
    if account_id is None:
        raise NotFound
    return Account.objects.get(pk=account_id)


def _next(due: QuerySet[Order], after: int, limit: int) -> tuple[Step, list[Order]]:
    """The next due orders, locked by id, without those that somebody else has locked; what is not due any more is left out."""
    ids = list(due.filter(pk__gt=after).values_list("pk", flat=True)[:limit])
    locking = due.filter(pk__in=ids).select_related("account")
    locked = {order.pk: order for order in locking.select_for_update(of=("self",), no_key=True, skip_locked=True)}
    still_due = list(due.filter(pk__in=ids).values_list("pk", flat=True))  # asked again, as a pause may have been written meanwhile
    busy = [pk for pk in still_due if pk not in locked]
    return Step(busy=busy, last=ids[-1] if len(ids) == limit else None), [locked[pk] for pk in still_due if pk in locked]
