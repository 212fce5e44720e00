"""Recurring bookings: a rule gives sessions of one client their starts, all in one transaction (rules.md §8).

Asking first and doing are one function: the quote says per occurrence what the commit does. Each occurrence is an ordinary booking
that consumes its own session and keeps its own policy; ``original_start``, the start by the rule, is its key in the series.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps.accounts.models import Account, zone_names
from apps.bookings.errors import NoSessionsLeft, SeriesConflict
from apps.bookings.models import MAX_OCCURRENCES, Booking, BookingSeries
from apps.bookings.planning import EXPIRED, NO_SESSION, PAUSED, WITHIN, Placement, Pool, Refusal, Validity, open_planner
from apps.bookings.recurrence import Rule, checked, is_shifted, to_instant
from apps.bookings.services.claims import lock_practitioners
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.slots import Offer, Terms, offers_of
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core import quotes
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.orders.models import Order
from apps.orders.services import lock_orders

Policy = BookingSeries.Policy
WITHIN_MINUTES = int(WITHIN.total_seconds() // 60)


@dataclass(frozen=True, slots=True)
class SeriesWish:
    """What is to recur: ``rule`` on the wall clocks of ``timezone``, for sessions of ``client`` (with ``order``: of that one only).

    ``policy`` says what happens to occurrences that do not fit; ``within_minutes`` how far ``nearest`` may move them.
    """

    account: Account
    client: Client
    service: Service
    practitioner: Practitioner
    rule: Rule
    timezone: str
    order: Order | None = None
    policy: str = Policy.ALL_OR_NOTHING
    within_minutes: int = WITHIN_MINUTES

    def inputs(self) -> dict[str, Any]:
        """What a quote's token stands for."""
        ids = [self.client.pk, self.service.pk, self.practitioner.pk, self.order and self.order.pk]
        return {"ids": ids, "rule": asdict(self.rule), "zone": self.timezone, "policy": self.policy, "within": self.within_minutes}


@joined
def quote_series(wish: SeriesWish, *, at: datetime | None = None) -> dict[str, Any]:
    """Per occurrence whether it fits, the session it would consume, and three alternatives if it does not; with a token.

    {token, expires_at, occurrences, totals}; an occurrence's ``status`` is ok, conflict, closed, notice, horizon, limit, expired,
    paused or no_session, ``code`` the error it would meet, ``planned_start`` what it would get by the policy. At most eight
    statements. Raises Invalid, NoSessionsLeft.
    """
    at = at or timezone.now()
    _, result = _plan(wish, at)
    return quotes.offer("series.create", account_id=wish.account.pk, inputs=wish.inputs(), result=result, at=at)


@joined
def create_series(wish: SeriesWish, *, quote: str | None = None, at: datetime | None = None) -> BookingSeries:
    """Book the occurrences that fit, by the policy: all or nothing, without those that do not fit, or these at the nearest start.

    Raises Invalid, NoSessionsLeft, QuoteStale, SeriesConflict (with ``occurrences``) and what ``schedule_booking`` raises; then
    nothing is written.
    """
    at = at or timezone.now()
    lock_practitioners([wish.practitioner.pk], at)
    lock_orders(_drafts(wish).order_by().values_list("order_id", flat=True))
    placements, result = _plan(wish, at)
    quotes.uphold(quote, "series.create", account_id=wish.account.pk, inputs=wish.inputs(), result=result, at=at)
    refuse_conflicts(result, planned=[one.planned is not None for one in placements], policy=wish.policy)
    series = BookingSeries.objects.create(
        account=wish.account,
        client=wish.client,
        service=wish.service,
        practitioner=wish.practitioner,
        order=wish.order,
        start_wall=wish.rule.start.isoformat(timespec="seconds"),
        timezone=wish.timezone,
        policy=wish.policy,
        **rule_columns(checked(wish.rule)),
    )
    booked = 0
    for one in placements:
        if one.planned is not None and one.session is not None:
            booking = schedule_booking(one.session, practitioner=wish.practitioner, start_time=one.planned, at=at)
            put_into(booking, series, key=one.start)
            booked += 1
    emit("series.created", series, changes={"occurrences": [0, booked], "left_out": [0, len(placements) - booked]})
    return series


def _plan(wish: SeriesWish, at: datetime) -> tuple[list[Placement], dict[str, Any]]:
    """Where the occurrences would go, and the same as a quote says it; nothing is written."""
    zone, rule = zone_of(wish.timezone), checked(wish.rule)
    check_within(wish.within_minutes)
    if wish.order is not None and wish.order.client_id != wish.client.pk:
        raise Invalid(fields={"order": ["This order belongs to somebody else."]})
    terms, offer = offered(wish.account.pk, service_id=wish.service.pk, practitioner_id=wish.practitioner.pk)
    drafts = list(_drafts(wish).select_related("order"))
    limit = MAX_OCCURRENCES if rule.count or rule.until else min(len(drafts), MAX_OCCURRENCES)
    if not limit:
        raise NoSessionsLeft
    walls = rule.walls(limit)
    pool = Pool(drafts, Validity.of(wish.account, (draft.order_id for draft in drafts), at), _nothing_left(wish.order))
    placements = [Placement(to_instant(wall, zone), pool) for wall in walls]
    planner = open_planner(wish.account, terms, offer, [one.start for one in placements], wish.client.pk, at)
    planner.plan(placements, wish.policy, timedelta(minutes=wish.within_minutes))
    occurrences = [
        {**occurrence_json(one, wall=wall, zone=zone, offer=offer), "booking": one.session.pk if one.session else None}
        for one, wall in zip(placements, walls, strict=True)
    ]
    planned = [one.session for one in placements if one.planned is not None and one.session is not None]
    totals = {
        "occurrences": len(placements),
        "ok": sum(one.refused is None for one in placements),
        "planned": len(planned),
        "price_cents": sum(session.price_cents for session in planned),
        "currency": wish.account.currency,
    }
    return placements, {"occurrences": occurrences, "totals": totals}


def _drafts(wish: SeriesWish) -> Any:
    """The sessions that may be used, in the order in which they are used up."""
    drafts = Booking.objects.to_consume().filter(client_id=wish.client.pk, service_id=wish.service.pk)
    return drafts if wish.order is None else drafts.filter(order_id=wish.order.pk)


def _nothing_left(order: Order | None) -> Refusal:
    """Why the only order that may be used has no sessions to give."""
    by_status = {Order.Status.PAUSED: PAUSED, Order.Status.EXPIRED: EXPIRED}
    return NO_SESSION if order is None else by_status.get(Order.Status(order.status), NO_SESSION)


# -- shared with changes


def zone_of(name: str) -> ZoneInfo:
    """The zone of a series. Raises Invalid."""
    if name not in zone_names():
        raise Invalid(fields={"timezone": ["This is not an IANA time zone name, for example Europe/Berlin."]})
    return ZoneInfo(name)


def check_within(minutes: int) -> None:
    """Raise Invalid for a distance that ``nearest`` does not look at."""
    if not 1 <= minutes <= WITHIN_MINUTES:
        raise Invalid(fields={"within_minutes": [f"Send a number from 1 to {WITHIN_MINUTES}."]})


def offered(account_id: int, *, service_id: int, practitioner_id: int) -> tuple[Terms, Offer]:
    """How the practitioner gives the service. Raises Invalid when they do not."""
    terms, offers = offers_of(account_id, service_id, practitioner_id)
    if terms is None or not offers:
        raise Invalid(fields={"practitioner": ["This practitioner does not offer this service."]})
    return terms, offers[0]


def occurrence_json(one: Placement, *, wall: datetime, zone: ZoneInfo, offer: Offer) -> dict[str, Any]:
    """A placement as quotes show it; instants with the offset of the series' zone, so that the wall clock can be read off them."""
    length = timedelta(minutes=offer.duration_minutes)

    def text(instant: datetime | None) -> str | None:
        return instant.astimezone(zone).isoformat() if instant else None

    return {
        "original_start": text(one.start),
        "start_wall": wall.isoformat(timespec="seconds"),
        "start": text(one.start),
        "status": one.status,
        "code": one.code,
        "shifted": is_shifted(wall, zone),
        "planned_start": text(one.planned),
        "alternatives": [
            {"start": text(start), "end": text(start + length), "practitioner": offer.practitioner_id} for start in one.alternatives
        ],
    }


def refuse_conflicts(result: dict[str, Any], *, planned: list[bool], policy: str) -> None:
    """Raise SeriesConflict unless the policy is content: ``skip`` with at least one, the others only with all of them."""
    content = any(planned) if policy == Policy.SKIP else all(planned)
    if not content:
        raise SeriesConflict(occurrences=result["occurrences"], totals=result["totals"])


def rule_columns(rule: Rule) -> dict[str, Any]:
    """The columns of a series that its rule fills, without the start."""
    return {
        "frequency": rule.frequency,
        "every": rule.every,
        "weekdays": list(rule.weekdays),
        "month_end": rule.month_end,
        "count": rule.count,
        "until": rule.until,
    }


def put_into(booking: Booking, series: BookingSeries, *, key: datetime, detached: bool = False) -> None:
    """Make a booking the occurrence of a series with this original start."""
    booking.series, booking.original_start, booking.is_detached = series, key, detached
    booking.save(update_fields=["series", "original_start", "is_detached", "updated_at"])


def end_finished_series(at: datetime) -> int:
    """Mark the active series of the scope that have no occurrence to come as ended; returns how many."""
    coming = Booking.objects.active().filter(series_id=OuterRef("pk"), start_time__gt=at)
    finished = list(BookingSeries.objects.filter(~Exists(coming), status=BookingSeries.Status.ACTIVE).order_by("pk"))
    for series in finished:
        series.status = BookingSeries.Status.ENDED
        series.save(update_fields=["status", "updated_at"])
    return len(finished)


__all__ = ["SeriesWish", "create_series", "end_finished_series", "quote_series"]
