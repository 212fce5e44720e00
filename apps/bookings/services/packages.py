"""Packages while they are used: extending, granting, and booking the next session (rules.md §2). Pauses are in ``pauses``.

Each function locks the order its money is on and the order itself, by id, before it decides; scheduling locks the order, too, so
nothing gets a time inside a pause that is being written. Sessions are changed in their own rows and never replaced.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from apps.bookings.errors import AlreadyScheduled, NoSessionsLeft, PackageExpired
from apps.bookings.lifecycle import require
from apps.bookings.models import Booking, Side, Status
from apps.bookings.selectors import next_session
from apps.bookings.services.claims import Override
from apps.bookings.services.scheduling import schedule_booking
from apps.catalog.models import Practitioner, Service
from apps.core.db import joined
from apps.core.errors import Invalid, InvalidTransition, StaleVersion
from apps.core.events import emit
from apps.orders.models import Order
from apps.orders.services import derive_status, lock_orders, sold_for
from apps.orders.validity import end_of, last_valid_day

LAST_DAY = date(2200, 12, 31)
MAX_POSITION = 32_767

_ACTIONS: dict[str, list[str]] = {
    Order.Status.ACTIVE: ["pause", "extend", "transfer", "grant", "schedule-next"],
    Order.Status.PAUSED: ["pause", "resume", "extend", "grant"],
    Order.Status.EXPIRED: ["extend"],
    Order.Status.COMPLETED: ["extend", "grant"],
    Order.Status.CANCELLED: [],
}


def allowed_order_actions(order_type: str, status: str) -> list[str]:
    """What may be done with a package in this state, as the last part of the action's address; nothing with a single service.

    A pause that is only planned can be resumed (taken back) while the package is active, too.
    """
    return list(_ACTIONS[status]) if order_type == Order.Type.PACKAGE else []


def lock_package(order: Order, action: str) -> tuple[Order, Order]:
    """(root, order): the order the money is on and the order itself, locked by id. Raises InvalidTransition."""
    wanted = {order.pk, order.parent_id or order.pk}
    found = lock_orders(wanted)
    order = found[order.pk]
    actions = allowed_order_actions(order.order_type, order.status)
    if action not in actions and not (action == "resume" and order.status == Order.Status.ACTIVE):
        only_packages = "Only packages can do that; this is the order of a single service."
        raise InvalidTransition(only_packages if order.order_type != Order.Type.PACKAGE else None, allowed_actions=actions)
    return found[order.parent_id or order.pk], order


def refuse_expired(order: Order, at: datetime) -> None:
    """Past its end a package is over, even if the job that says so has not run yet. Raises PackageExpired."""
    if order.expires_at is not None and at >= order.expires_at and not order.is_resting(at):
        raise PackageExpired(expires_at=order.expires_at.isoformat())


def move_end(order: Order, end: datetime | None) -> None:
    """Write a new end of a locked order. Of a later end the client is warned again."""
    if end == order.expires_at:
        return
    later = order.expires_at is None or (end is not None and end > order.expires_at)
    order.expires_at = end
    order.expiry_warned_at = None if later else order.expiry_warned_at
    order.save(update_fields=["expires_at", "expiry_warned_at", "updated_at"])


def iso(instant: datetime | None) -> str | None:
    """An instant as events keep it."""
    return instant.isoformat() if instant else None


# -- extending


@joined
def extend_order(
    order: Order, *, reason: str, expires_on: date | None = None, days: int | None = None, at: datetime | None = None
) -> Order:
    """Let a package be used longer: until the end of the local day ``expires_on``, or ``days`` more, counted from its present end.

    Sessions that were forfeited are drafts again: the very same rows. Shortening is refused, and so is an end in the past.
    Raises InvalidTransition (also for a package without an end), Invalid.
    """
    at = at or timezone.now()
    if (expires_on is None) == (days is None):
        raise Invalid(fields={"expires_on": ["Send either expires_on or days."]})
    field = "days" if expires_on is None else "expires_on"
    _, order = lock_package(order, "extend")
    if order.expires_at is None:
        actions = allowed_order_actions(order.order_type, order.status)
        raise InvalidTransition("This package has no end yet, so there is nothing to extend.", allowed_actions=actions)
    zone, before = ZoneInfo(order.account.timezone), order.expires_at
    if expires_on is None:
        expires_on = last_valid_day(before, zone) + timedelta(days=days or 0)
    if expires_on > LAST_DAY:
        raise Invalid(fields={field: [f"A package cannot be valid after {LAST_DAY.isoformat()}."]})
    end = end_of(expires_on, zone)
    if end <= before:
        raise Invalid(fields={field: [f"The package is valid until {last_valid_day(before, zone).isoformat()} already."]})
    if end <= at:
        raise Invalid(fields={field: [f"The new end, {expires_on.isoformat()}, has passed already."]})
    move_end(order, end)
    revived = _unforfeit(order, at)
    emit("order.extended", order, changes={"expires_at": [iso(before), iso(end)], "reason": ["", reason], "sessions": [None, revived]})
    derive_status(order, at)
    return order


def _unforfeit(order: Order, at: datetime) -> list[int]:
    """The forfeited sessions of a locked order are drafts again; returns their ids."""
    forfeited = Booking.objects.filter(order_id=order.pk, status=Status.FORFEITED)
    sessions = list(forfeited.select_for_update(no_key=True).order_by("pk"))
    return change_states(sessions, action="unforfeit", status=Status.DRAFT, event="booking.unforfeited", at=at)


def change_states(sessions: list[Booking], *, action: str, status: str, event: str, at: datetime) -> list[int]:
    """Give many locked sessions another state with one statement (and one for the history), and say so for each; returns their ids."""
    before = {}
    for session in sessions:
        require(action, session.status)
        before[session.pk], session.status = session.status, status
        session.status_changed_at, session.updated_at = at, timezone.now()
        session.version += 1
    if sessions:
        fields = ["status", "status_changed_at", "version", "updated_at"]
        bulk_update_with_history(sessions, Booking, fields, manager=Booking._base_manager)
    for session in sessions:
        emit(event, session, changes={"status": [before[session.pk], str(status)]})
    return [session.pk for session in sessions]


# -- granting


@joined
def grant_sessions(order: Order, *, service: Service, count: int, reason: str, at: datetime | None = None) -> list[Booking]:
    """Add ``count`` sessions of a service for nothing. They are used before the paid ones and stay with the client they were given to.

    Raises InvalidTransition, PackageExpired (extend it first), Invalid.
    """
    at = at or timezone.now()
    _, order = lock_package(order, "grant")
    refuse_expired(order, at)
    last = order.bookings.aggregate(last=Max("position"))["last"] or 0  # type: ignore[attr-defined]
    if not 1 <= count <= MAX_POSITION - last:
        raise Invalid(fields={"count": ["An order cannot hold that many sessions."]})
    settled = order.payment_status in (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID)
    # A fee does not make an order's sessions unpaid that were paid, so neither those that are given on top.
    settled = settled or order.paid_cents - order.refunded_cents >= sold_for(order)
    sessions = bulk_create_with_history(
        [
            Booking(
                account_id=order.account_id,
                order=order,
                client_id=order.client_id,
                service=service,
                position=position,
                price_cents=0,
                currency=order.currency,
                is_granted=True,
                payment_status=Booking.PaymentStatus.PAID if settled else Booking.PaymentStatus.UNPAID,
                policy={"rules": service.cancellation_policy, "agreed_at": at.isoformat()},
            )
            for position in range(last + 1, last + count + 1)
        ],
        Booking,
        default_change_reason=reason[:100],
    )
    for session in sessions:
        emit("booking.granted", session, changes={"status": [None, session.status], "order": [None, order.pk], "reason": ["", reason]})
    derive_status(order, at)
    return sessions


# -- using


def schedule_next(
    order: Order,
    *,
    start_time: datetime,
    service: Service | None = None,
    practitioner: Practitioner | None = None,
    override: Override | None = None,
    by: str = Side.PROVIDER,
    at: datetime | None = None,
) -> Booking:
    """Schedule the session of a package that is next in the order of consumption (of one service, when given).

    Practitioners are locked before the order, so the session is chosen unlocked: when somebody takes it meanwhile, the one after it
    is tried. Raises NoSessionsLeft and what ``schedule_booking`` raises.
    """
    at = at or timezone.now()
    while True:
        booking = next_session(client_id=order.client_id, service=service, order=order)
        if booking is None:
            raise NoSessionsLeft
        try:
            with transaction.atomic():
                return schedule_booking(booking, practitioner=practitioner, start_time=start_time, override=override, by=by, at=at)
        except (AlreadyScheduled, StaleVersion):
            if _still_draft(booking, order):
                raise


def _still_draft(booking: Booking, order: Order) -> bool:
    return Booking.objects.filter(pk=booking.pk, order_id=order.pk, status=Status.DRAFT).exists()
