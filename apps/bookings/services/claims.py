"""How a session takes its time and gives it back: the row itself is the claim, guarded by constraints (rules.md §0).

Everything here runs inside a service's transaction, under its locks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, DateTimeField, Exists, F, OuterRef, QuerySet

from apps.accounts.selectors import setting
from apps.bookings.errors import (
    AlreadyBooked,
    OrderFrozen,
    PackageExpired,
    PackagePaused,
    PaymentRequired,
    SlotTaken,
)
from apps.bookings.explain import explain
from apps.bookings.models import ONE_PLACE, ONE_SEAT, ONE_SERVICE, ONE_START, Booking, Side, Status
from apps.bookings.slots import Diary, Offer, Terms, nearest_starts, open_diary
from apps.catalog.models import Practitioner, Service
from apps.core.compiled import InParam, Param, run
from apps.core.db import constraint_error
from apps.core.errors import Invalid, InvalidTransition, NotFound, StaleVersion
from apps.core.events import emit
from apps.core.tenancy import current_account_id
from apps.orders.models import ONLINE, Order
from apps.scheduling.hours import from_epoch, to_epoch

ALTERNATIVES_WITHIN = timedelta(days=7)
# States of payments whose money may still come; the same words as in apps.payments, which lies above.
AWAITED = ("new", "pending", "requires_action", "unknown")
CLAIM_FIELDS = (
    "practitioner",
    "status",
    "start_time",
    "end_time",
    "timezone",
    "local_start",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "busy_from",
    "busy_until",
    "seat",
    "capacity",
    "overlap_allowed",
    "override_reason",
    "attendee_name",
    "allocation",
    "hold_expires_at",
    "booked_at",
    "status_changed_at",
    "policy",
    "version",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class Override:
    """A staff decision to bend notice, horizon, hours, limits and overlap; ``reason`` is kept on the booking and in the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A start that somebody wants for a session: who wants it, and what may be bent for it."""

    start_time: datetime
    at: datetime
    by: str = Side.PROVIDER
    override: Override | None = None

    def __post_init__(self) -> None:
        """In UTC, so that events, quotes and rows say the same."""
        object.__setattr__(self, "start_time", self.start_time.astimezone(UTC))


# -- locks


def lock_practitioners(practitioner_ids: Iterable[int], at: datetime) -> dict[int, bool]:
    """Let bookings of a practitioner queue up, so that losers read the winner's claim instead of breaking on it. By id.

    Returns {id: whether holds have lapsed there}. Raises Invalid for an id that does not exist in this account.
    """
    wanted = sorted(set(practitioner_ids))
    found = dict(run("bookings.lock_practitioners", _practitioners, {"account": current_account_id(), "ids": wanted, "at": at}))
    for missing in set(wanted) - found.keys():
        raise Invalid(fields={"practitioner": [f'Invalid pk "{missing}" - object does not exist.']})
    return found


def _practitioners() -> QuerySet:
    lapsed = Booking._base_manager.filter(
        status=Status.HELD, hold_expires_at__lte=Param("at", DateTimeField()), practitioner_id=OuterRef("pk")
    )
    mine = Practitioner._base_manager.filter(account_id=Param("account", BigIntegerField()))
    wanted = mine.filter(InParam(F("pk"), Param("ids", ArrayField(BigIntegerField()))))
    return wanted.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", Exists(lapsed))


def lock_booking(booking_id: int, order: Order) -> Booking:
    """The session of a locked order, locked; with its account and service, and the very ``order`` object."""
    found: list[Booking] = run("bookings.lock_booking", _booking, {"account": order.account_id, "booking": booking_id})
    if not found:
        raise NotFound
    booking = found[0]
    if booking.order_id != order.pk:  # transferred between reading and locking
        raise StaleVersion(version=booking.version)
    booking.order = order
    return booking


def _booking() -> QuerySet:
    rows = Booking._base_manager.select_for_update(of=("self",), no_key=True).select_related("account", "service")
    return rows.filter(account_id=Param("account", BigIntegerField()), pk=Param("booking", BigIntegerField()))


def lock_limits(service: Service) -> None:
    """A limit of the service counts over all practitioners, so their locks are not enough."""
    if service.limits:
        Service.objects.select_for_update(no_key=True).only("id").get(pk=service.pk)


def check_version(booking: Booking, version: int | None) -> None:
    """Raise StaleVersion unless the caller knew the booking as it is."""
    if version is not None and version != booking.version:
        raise StaleVersion(version=booking.version)


# -- what is allowed


def refuse_unpaid(order: Order, *, held: Booking | None = None) -> None:
    """Raise PaymentRequired when a client wants time of a locked order of which nothing is paid, though it was to be paid beforehand.

    That is an order placed online whose last payment is any but cash on arrival, and a session that is ``held`` for a payment, whoever
    sold it: the money confirms it, not its client (rules.md §4).
    """
    if order.paid_cents or not order.balance_due_cents:
        return
    asked = order.payments.exclude(method="wallet").order_by("-pk").values_list("method", "status", "booking_id").first()  # type: ignore[attr-defined]
    if asked is None or asked[0] == "cash":
        return
    _, status, waiting_with = asked
    if order.source in ONLINE or (held is not None and waiting_with == held.pk and status in AWAITED):
        raise PaymentRequired(balance_due_cents=order.balance_due_cents)


def refuse_outside_validity(order: Order, *, start_time: datetime, at: datetime) -> None:
    """A session must start (or, by setting, be booked) before its order expires, and not while it rests (rules.md §2)."""
    if order.order_type == Order.Type.PACKAGE and order.is_resting(start_time):
        raise PackagePaused
    if order.expires_at is not None:
        decisive = max(start_time, at) if setting(order.account, "expiry_requires") == "start" else at
        if decisive >= order.expires_at:
            raise PackageExpired(expires_at=order.expires_at.isoformat())
    if order.status == Order.Status.EXPIRED:
        raise PackageExpired
    if order.status not in (Order.Status.ACTIVE, Order.Status.PAUSED):  # paused today is no matter for a start after the pause
        raise InvalidTransition("The order of this session is closed.", allowed_actions=[])


def refuse_frozen(order: Order) -> None:
    """Nothing new is planned with sessions whose payment the client's bank has taken back (rules.md §5). Raises OrderFrozen."""
    if order.frozen_at is not None:
        raise OrderFrozen


def refuse_unless_offered(booking: Booking, *, terms: Terms, offer: Offer, wish: Wish) -> None:
    """Ask the slots about exactly this start, and say why when it is not among them."""
    start_time, at = wish.start_time, wish.at
    diary = _diary(booking, terms, offer, start_time, start_time + timedelta(seconds=1), wish)
    start = to_epoch(start_time)
    if start_time.microsecond or not any(found == start for found, _ in diary.starts(offer, at)):
        first = explain(diary, [offer], start_time, at)[0]  # the slots would list it without a reason
        raise first.error(alternatives=alternatives(booking, terms=terms, offer=offer, wish=wish))


def _diary(booking: Booking, terms: Terms, offer: Offer, since: datetime, until: datetime, wish: Wish) -> Diary:
    online = wish.by == Side.CLIENT
    return open_diary(
        booking.account,
        terms,
        [offer],
        since,
        until,
        except_booking=booking.pk,
        at=wish.at,
        client_id=booking.client_id,
        online=online,
    )


def alternatives(booking: Booking, *, terms: Terms, offer: Offer, wish: Wish) -> list[dict[str, Any]]:
    """The nearest bookable starts of the same practitioner within a week, RFC 3339 in the practitioner's zone."""
    start_time, at = wish.start_time, wish.at
    since, until = max(start_time - ALTERNATIVES_WITHIN, at), max(start_time, at) + ALTERNATIVES_WITHIN
    diary = _diary(booking, terms, offer, since, until, wish)
    return [
        {
            "start": from_epoch(slot.start).astimezone(offer.zone).isoformat(),
            "end": from_epoch(slot.end).astimezone(offer.zone).isoformat(),
            "practitioner": slot.practitioner_id,
        }
        for slot in nearest_starts(diary.slots(offer, at), start_time)
    ]


# -- taking and giving back


def place(booking: Booking, *, terms: Terms, offer: Offer, wish: Wish) -> None:
    """Set the times and the seat of a session; the smallest free seat of a group. Raises SlotTaken when none is left."""
    set_times(booking, terms=terms, offer=offer, start_time=wish.start_time)
    booking.capacity = terms.capacity
    booking.overlap_allowed, booking.override_reason = False, ""
    if wish.override is not None:
        booking.overlap_allowed = overlaps(booking)
        booking.override_reason = wish.override.reason
    booking.seat = _seat(booking, wish)


def set_times(booking: Booking, *, terms: Terms, offer: Offer, start_time: datetime) -> None:
    """Set the practitioner and every column that follows from the start."""
    booking.practitioner_id = offer.practitioner_id
    booking.start_time = start_time
    booking.end_time = start_time + timedelta(minutes=offer.duration_minutes)
    booking.timezone = offer.zone.key
    booking.local_start = start_time.astimezone(offer.zone).strftime("%Y-%m-%dT%H:%M:%S")
    booking.buffer_before_minutes, booking.buffer_after_minutes = terms.before_minutes, terms.after_minutes
    booking.busy_from = start_time - timedelta(minutes=terms.before_minutes)
    booking.busy_until = booking.end_time + timedelta(minutes=terms.after_minutes)


def _seat(booking: Booking, wish: Wish) -> int:
    if booking.capacity == 1 or booking.overlap_allowed:
        return 1
    taken = taken_seats(booking)
    online = booking.service.online_capacity if wish.by == Side.CLIENT else None
    free = [seat for seat in range(1, booking.capacity + 1) if seat not in taken]
    if not free or (online is not None and len(taken) >= online):
        raise SlotTaken(alternatives=[])
    return free[0]


def take_seat_again(booking: Booking) -> None:
    """The seat of a session that is taken up again: its old one, or the smallest that is free. Raises SlotTaken when none is left."""
    if booking.capacity > 1 and not booking.overlap_allowed:
        taken = taken_seats(booking)
        if booking.seat in taken:
            booking.seat = next((seat for seat in range(1, booking.capacity + 1) if seat not in taken), None)
        if booking.seat is None:
            raise SlotTaken(alternatives=[])


def write_claim(booking: Booking, fields: Iterable[str]) -> None:
    """Write the row; what the constraints refuse is said in the trade's words.

    A seat of a group can only be gone when somebody wrote without the practitioner's lock; then the next free one is tried, in a
    savepoint each, until none is left.
    """
    errors: dict[str, Any] = dict.fromkeys((ONE_SERVICE, ONE_START), lambda: SlotTaken(alternatives=[]))
    errors |= {ONE_PLACE: AlreadyBooked, ONE_SEAT: _SeatTaken}
    of_group = booking.capacity > 1 and not booking.overlap_allowed
    refused: set[int | None] = set()
    while True:
        try:
            with constraint_error(errors, savepoint=of_group):
                booking.save(update_fields=list(fields))
            return
        except _SeatTaken:
            refused.add(booking.seat)
            others = sorted(set(range(1, booking.capacity + 1)) - taken_seats(booking) - refused) if of_group else []
            if not others:
                raise
            booking.seat = others[0]


class _SeatTaken(SlotTaken):
    """The constraint of seats has spoken."""

    def __init__(self) -> None:
        super().__init__(alternatives=[])


def free_lapsed_holds(locked: dict[int, bool], at: datetime) -> int:
    """Give back the holds of locked practitioners (as ``lock_practitioners`` tells) whose time has run out.

    A constraint cannot look at the clock. Rows that somebody else is changing are skipped: whoever does will free or confirm them.
    """
    concerned = [practitioner_id for practitioner_id, has_lapsed in locked.items() if has_lapsed]
    if not concerned:
        return 0
    lapsed = Booking.objects.lapsed(at).filter(practitioner_id__in=concerned)
    rows = list(lapsed.select_for_update(of=("self",), skip_locked=True, no_key=True).order_by("pk"))
    for row in rows:
        return_to_draft(row, "booking.hold_released", at=at, why="lapsed")
    return len(rows)


# What a session loses when it is given back; the money, the order and the history stay.
_TIMELESS: dict[str, Any] = {
    "practitioner_id": None,
    "start_time": None,
    "end_time": None,
    "timezone": "",
    "local_start": "",
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 0,
    "busy_from": None,
    "busy_until": None,
    "seat": None,
    "overlap_allowed": False,
    "override_reason": "",
    "attendee_name": "",
    "allocation": "",
    "hold_expires_at": None,
    "booked_at": None,
    "moves": 0,
    "late_seconds": None,
    "free_cancellation": False,
    "fee_cents": 0,
    "consequence": {},
    "series_id": None,
    "original_start": None,
    "is_detached": False,
    "offer_id": None,
}


def return_to_draft(booking: Booking, event: str, *, at: datetime, **details: Any) -> None:
    """The same row back to draft, without its time; the event keeps the old times, so that feeds can say CANCELLED."""
    changes = {
        "status": [booking.status, Status.DRAFT.value],
        "start_time": [_iso(booking.start_time), None],
        "end_time": [_iso(booking.end_time), None],
        "practitioner": [booking.practitioner_id, None],
        **{name: [None, value] for name, value in details.items()},
    }
    for name, value in _TIMELESS.items():
        setattr(booking, name, value)
    booking.status, booking.status_changed_at = Status.DRAFT, at
    booking.version += 1
    fields = [name.removesuffix("_id") for name in _TIMELESS]
    booking.save(update_fields=[*fields, "status", "status_changed_at", "version", "updated_at"])
    emit(event, booking, changes=changes)


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def overlaps(booking: Booking) -> bool:
    """Whether the wanted time collides with another claim; only then a staff override leaves the constraints."""
    colliding = Booking.objects.active().filter(
        practitioner_id=booking.practitioner_id, busy_from__lt=booking.busy_until, busy_until__gt=booking.busy_from
    )
    others = colliding.exclude(pk=booking.pk).exclude(service_id=booking.service_id, start_time=booking.start_time)
    return others.exists() or len(taken_seats(booking)) >= booking.capacity


def taken_seats(booking: Booking) -> set[int]:
    """The seats that others have at the session's start; those of lapsed holds included, as the constraint sees them."""
    same = Booking.objects.active().filter(
        practitioner_id=booking.practitioner_id, service_id=booking.service_id, start_time=booking.start_time, overlap_allowed=False
    )
    return set(same.exclude(pk=booking.pk).values_list("seat", flat=True))
