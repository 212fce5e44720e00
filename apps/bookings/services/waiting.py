"""Waiting for time: joining, changing one's mind, and the ends of an offer that nobody took (rules.md §10).

Offering and accepting sell, so they live in apps.checkout. Locks: orders by id, then sessions, then entry and offer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Account, zone_names
from apps.bookings.errors import OfferClosed
from apps.bookings.matching import end_of_window
from apps.bookings.models import Booking, Side, Status, WaitlistEntry, WaitlistOffer
from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import MAX_OPEN_HOLDS, release_hold
from apps.bookings.slots import offers_of
from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Busy, Invalid, InvalidTransition
from apps.core.events import emit
from apps.orders.services import lock_orders

LAPSES_BEFORE_SLEEP = 3
LONGEST_WINDOW = timedelta(days=366)
PREFERENCES = (
    "practitioner",
    "order",
    "start_time",
    "first_day",
    "last_day",
    "weekdays",
    "earliest",
    "latest",
    "timezone",
    "party",
    "notice_minutes",
    "priority",
    "auto_accept_hours",
    "note",
)
Entry, Offer = WaitlistEntry.Status, WaitlistOffer.Status
ENTRY_ACTIONS: dict[str, list[str]] = {Entry.WAITING: ["offer", "leave"], Entry.OFFERED: ["leave"], Entry.SLEEPING: ["wake", "leave"]}


def entry_actions(status: str) -> list[str]:
    """What may be done with an entry in this state."""
    return list(ENTRY_ACTIONS.get(status, ()))


def offer_actions(status: str) -> list[str]:
    """What may be done with an offer in this state."""
    return ["accept", "decline"] if status == Offer.OPEN else []


# -- entries


@joined
def join_waitlist(*, account: Account, client: Client, service: Service, at: datetime | None = None, **preferences: Any) -> WaitlistEntry:
    """Let a client wait for a service: for one occurrence (``start_time``), or for any start in a window of local days.

    ``preferences`` are the fields of PREFERENCES; the zone is the account's unless given. Nothing is charged. Raises Invalid.
    """
    at = at or timezone.now()
    entry = WaitlistEntry(account=account, client=client, service=service, **{"timezone": account.timezone, **preferences})
    if client.stage == Client.Stage.ARCHIVED:
        raise Invalid(fields={"client": ["This client is archived."]})
    _check(entry, at)
    entry.save()
    emit("waitlist.joined", entry, changes={"status": [None, entry.status], "service": [None, service.pk]})
    return entry


@joined
def change_entry(entry: WaitlistEntry, *, at: datetime | None = None, **preferences: Any) -> WaitlistEntry:
    """Change what a client waits for, or their priority. An offer that is open stays open. Raises Invalid, InvalidTransition."""
    at = at or timezone.now()
    entry = lock_entry(entry.pk)
    _require_open(entry)
    before = {name: getattr(entry, _column(name)) for name in preferences}
    for name, value in preferences.items():
        setattr(entry, name, value)
    _check(entry, at)
    entry.save(update_fields=[*preferences, "expires_at", "updated_at"])
    changes = {name: [_plain(old), _plain(getattr(entry, _column(name)))] for name, old in before.items()}
    emit("waitlist.changed", entry, changes={name: pair for name, pair in changes.items() if pair[0] != pair[1]})
    return entry


def _column(name: str) -> str:
    return f"{name}_id" if name in ("practitioner", "order") else name


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _check(entry: WaitlistEntry, at: datetime) -> None:
    """Refuse what could never be offered, and set ``expires_at``."""
    wrong: dict[str, list[str]] = {}
    if (entry.start_time is None) == (entry.first_day is None and entry.last_day is None):
        wrong["start_time"] = ["Send either a start time or a window of days (first_day and last_day)."]
    elif entry.start_time is None and (entry.first_day is None or entry.last_day is None):
        wrong["last_day" if entry.last_day is None else "first_day"] = ["A window has a first and a last day."]
    elif entry.first_day is not None and entry.last_day is not None and not entry.first_day <= entry.last_day:
        wrong["last_day"] = ["last_day cannot lie before first_day."]
    elif entry.first_day is not None and entry.last_day is not None and entry.last_day - entry.first_day > LONGEST_WINDOW:
        wrong["last_day"] = ["A window has at most 366 days."]
    if entry.timezone not in zone_names():
        wrong["timezone"] = ["This is not an IANA time zone name, for example Europe/Berlin."]
    if len(set(entry.weekdays)) != len(entry.weekdays) or not set(entry.weekdays) <= set(range(7)):
        wrong["weekdays"] = ["Send different numbers from 0 (Monday) to 6."]
    entry.weekdays = sorted(entry.weekdays)
    if entry.earliest is not None and entry.latest is not None and entry.latest < entry.earliest:
        wrong["latest"] = ["latest cannot lie before earliest."]
    most = min(entry.service.capacity, MAX_OPEN_HOLDS)
    if not 1 <= entry.party <= most:
        wrong["party"] = [f"Up to {most} places of this service can be waited for together."]
    if entry.order is not None and entry.order.client_id != entry.client_id:
        wrong["order"] = ["This order is not this client's."]
    if not offers_of(entry.account_id, entry.service_id, entry.practitioner_id)[1]:
        whom = "This practitioner does not offer" if entry.practitioner_id else "Nobody offers"
        wrong["service"] = [f"{whom} this service."]
    if wrong:
        raise Invalid(fields=wrong)
    entry.expires_at = end_of_window(entry.start_time, entry.last_day, ZoneInfo(entry.timezone))
    if entry.expires_at <= at:
        raise Invalid(fields={"last_day" if entry.start_time is None else "start_time": ["This time has passed."]})


@joined
def leave_waitlist(entry: WaitlistEntry, *, at: datetime | None = None) -> WaitlistEntry:
    """Stop waiting; the time of an open offer is given back. Raises InvalidTransition, and Busy when one is being made just now."""
    at = at or timezone.now()
    open_offer = WaitlistOffer.objects.filter(entry=entry.pk, status=Offer.OPEN).first()
    held = lock_offer(open_offer.pk) if open_offer else None
    entry = held.entry if held else lock_entry(entry.pk)
    _require_open(entry)
    if entry.status == Entry.OFFERED:
        if held is None or held.offer.status != Offer.OPEN:
            raise Busy
        _give_back(held, at, "left")
        _answer(held.offer, Offer.DECLINED, at)
    _turn(entry, Entry.LEFT, "waitlist.left")
    return entry


@joined
def wake_entry(entry: WaitlistEntry, *, at: datetime | None = None) -> WaitlistEntry:
    """A sleeping entry waits again, and may let three offers lapse again. Raises InvalidTransition."""
    at = at or timezone.now()
    entry = lock_entry(entry.pk)
    if entry.status != Entry.SLEEPING or entry.expires_at <= at:
        raise InvalidTransition(allowed_actions=entry_actions(entry.status))
    entry.lapses = 0
    _turn(entry, Entry.WAITING, "waitlist.woken", "lapses")
    return entry


@joined
def expire_entry(entry: WaitlistEntry, *, at: datetime | None = None) -> bool:
    """End an entry whose window has passed; False when it was changed in the meantime, or is under offer."""
    at = at or timezone.now()
    entry = lock_entry(entry.pk)
    if entry.status not in (Entry.WAITING, Entry.SLEEPING) or entry.expires_at > at:
        return False
    _turn(entry, Entry.EXPIRED, "waitlist.expired")
    return True


def lock_entry(entry_id: int) -> WaitlistEntry:
    """The entry, locked until the transaction ends; with its account, client, service and order."""
    rows = WaitlistEntry.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("account", "client", "service", "order").get(pk=entry_id)


def _require_open(entry: WaitlistEntry) -> None:
    if entry.status not in ENTRY_ACTIONS:
        raise InvalidTransition("This client does not wait any more.", allowed_actions=[])


def _turn(entry: WaitlistEntry, status: str, event: str = "", *fields: str) -> None:
    """Write a new state of a locked entry, and say so."""
    before, entry.status = entry.status, status
    entry.save(update_fields=["status", *fields, "updated_at"])
    if event:
        emit(event, entry, changes={"status": [before, status]})


# -- offers


@dataclass(frozen=True, slots=True)
class Locked:
    """An offer with its entry and its sessions, all locked."""

    offer: WaitlistOffer
    entry: WaitlistEntry
    sessions: list[Booking]


def lock_offer(offer_id: int) -> Locked:
    """Lock the orders, sessions, entry and offer of an offer, in this order: of an answer and a lapse at once, one is first."""
    known = WaitlistOffer.objects.values("entry_id", "order_id").get(pk=offer_id)
    mine = Booking.objects.filter(Q(offer=offer_id) | Q(order__isnull=False, order=known["order_id"]))
    lock_orders([pk for pk in (*mine.values_list("order_id", flat=True), known["order_id"]) if pk is not None])
    sessions = list(mine.select_for_update(of=("self",), no_key=True).order_by("pk"))
    entry = lock_entry(known["entry_id"])
    offer = WaitlistOffer.objects.select_for_update(of=("self",), no_key=True).get(pk=offer_id)
    offer.entry = entry
    return Locked(offer, entry, sessions)


def refuse_closed(offer: WaitlistOffer) -> None:
    """Raise OfferClosed unless the offer waits for its answer."""
    if offer.status != Offer.OPEN:
        raise OfferClosed(status=offer.status)


@joined
def decline_offer(offer: WaitlistOffer, *, at: datetime | None = None) -> WaitlistOffer:
    """The client does not want this start: its time is free for the next one, and they go on waiting. Raises OfferClosed."""
    return _end(offer, Offer.DECLINED, at or timezone.now())


@joined
def lapse_offer(offer: WaitlistOffer, *, at: datetime | None = None) -> WaitlistOffer:
    """Nobody answered in time: the time is free for the next one. With the third lapse the entry goes to sleep. Raises OfferClosed."""
    at = at or timezone.now()
    return _end(offer, Offer.LAPSED, at)


def _end(offer: WaitlistOffer, status: str, at: datetime) -> WaitlistOffer:
    held = lock_offer(offer.pk)
    refuse_closed(held.offer)
    if status == Offer.LAPSED and held.offer.expires_at > at:
        raise OfferClosed("This offer still waits for its answer.", status=Offer.OPEN)
    _give_back(held, at, str(status))
    _answer(held.offer, status, at)
    entry = held.entry
    if status == Offer.LAPSED:
        entry.lapses += 1
    if entry.lapses >= LAPSES_BEFORE_SLEEP:
        _turn(entry, Entry.SLEEPING, "waitlist.slept", "lapses")
    else:
        _turn(entry, Entry.WAITING, "", "lapses")
    return held.offer


def withdraw_offer(offer: WaitlistOffer, at: datetime) -> None:
    """Take back an offer that holds nothing, for somebody else was faster; the client goes on waiting."""
    entry = lock_entry(offer.entry_id)
    offer = WaitlistOffer.objects.select_for_update(of=("self",), no_key=True).get(pk=offer.pk)
    if offer.status == Offer.OPEN:
        _answer(offer, Offer.WITHDRAWN, at)
        _turn(entry, Entry.WAITING)


def _give_back(held: Locked, at: datetime, why: str) -> None:
    """Free the sessions of a locked offer. What was sold for it alone is cancelled, for nothing, and with it its order."""
    taken = [s for s in held.sessions if s.status not in (Status.HELD, Status.DRAFT, Status.CANCELLED)]
    if taken:  # somebody confirmed a held session by hand
        raise OfferClosed("The sessions of this offer are booked.", status=Offer.ACCEPTED)
    for session in held.sessions:
        if held.offer.order_id is not None and session.order_id == held.offer.order_id:
            if session.status != Status.CANCELLED:
                cancel_booking(session, by=Side.SYSTEM, reason=f"Waitlist offer {why}", at=at)
        elif session.status == Status.HELD:
            release_hold(session, at=at, why=why)


def _answer(offer: WaitlistOffer, status: str, at: datetime) -> None:
    offer.status, offer.answered_at = status, at
    offer.save(update_fields=["status", "answered_at", "updated_at"])
    about = {"entry": [None, offer.entry_id], "start_time": [None, offer.start_time.isoformat()]}
    emit(f"waitlist.{Offer(status).value}", offer, changes={"status": [Offer.OPEN.value, str(status)], **about})


def mark_accepted(held: Locked, at: datetime) -> None:
    """The offer was taken: entry and offer have reached their end."""
    _answer(held.offer, Offer.ACCEPTED, at)
    _turn(held.entry, Entry.BOOKED, "waitlist.booked")
