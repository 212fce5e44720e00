"""Offering freed time to those who wait, and their yes (rules.md §10, docs/adr/0009-waitlist.md).

An offer is a real hold of real sessions: the client's own unscheduled ones, and what is missing is sold without a payment. The
payment comes with the yes; without one the order is cancelled with a total of 0.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.errors import HoldExpired, NoticeTooShort, OfferClosed, QuietHours
from apps.bookings.matching import Opening, accepts_at_once, entries_for, opening_at, quiet_until, usable_sessions
from apps.bookings.models import Booking, Side, Status, WaitlistEntry, WaitlistOffer
from apps.bookings.services.claims import lock_practitioners
from apps.bookings.services.scheduling import confirm_booking, hold_booking, schedule_booking
from apps.bookings.services.waiting import (
    decline_offer,
    entry_actions,
    lapse_offer,
    lock_entry,
    lock_offer,
    mark_accepted,
    refuse_closed,
    withdraw_offer,
)
from apps.catalog.models import Practitioner
from apps.checkout.services import sell
from apps.core.db import joined
from apps.core.errors import DomainError, InvalidTransition
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import create_payment
from apps.users.models import User

logger = logging.getLogger(__name__)

SALT = "checkout.waitlist_offer"
LIFETIME = timedelta(minutes=60)
BOOKED = (Status.PENDING, Status.CONFIRMED, Status.CHECKED_IN, Status.COMPLETED, Status.NO_SHOW)
"""Sessions that somebody has taken, perhaps long before the offer hears of it."""
ROUND = 10
"""So many clients are asked by one broadcast, and tried for one opening."""

Mode, Offer = WaitlistOffer.Mode, WaitlistOffer.Status


# -- offering


@joined
def offer_time(
    entry: WaitlistEntry, *, practitioner: Practitioner, start_time: datetime, placed_by: User | None = None, at: datetime | None = None
) -> WaitlistOffer:
    """Hold a start (aware) for a waiting client until they answer: at most 60 minutes, and not beyond the notice that is needed.

    Uses the client's unscheduled sessions, first those of the entry's order, and sells what is missing without a payment.
    Raises InvalidTransition (the client does not wait), QuietHours, NoticeTooShort and everything that holding and selling raise.
    """
    at = at or timezone.now()
    entry = WaitlistEntry.objects.select_related("account", "client", "service").get(pk=entry.pk)
    until = quiet_until(entry, start_time, at)
    if until is not None:
        raise QuietHours(possible_from=until.isoformat())
    return _hold(entry, practitioner, start_time, placed_by, at)


def _hold(entry: WaitlistEntry, practitioner: Practitioner, start_time: datetime, placed_by: User | None, at: datetime) -> WaitlistOffer:
    _require_waiting(entry)
    expires_at = _answer_until(entry, start_time, at)
    lock_practitioners([practitioner.pk], at)  # before anything is sold, as everybody does
    sessions, order = _sessions_for(entry, practitioner, start_time, placed_by, at)
    for number, session in enumerate(sessions, start=1):
        sessions[number - 1] = hold_booking(
            session,
            practitioner=practitioner,
            start_time=start_time,
            expires_at=expires_at,
            by=Side.SYSTEM,
            attendee_name=_guest(number),
            at=at,
        )
    entry = lock_entry(entry.pk)
    _require_waiting(entry)
    offer = _write_offer(entry, practitioner.pk, start_time, Mode.SEQUENTIAL, expires_at, order)
    _link(sessions, offer)
    return offer


def _require_waiting(entry: WaitlistEntry) -> None:
    if entry.status != WaitlistEntry.Status.WAITING:
        raise InvalidTransition(allowed_actions=entry_actions(entry.status))


def _guest(number: int) -> str:
    """One person takes one place of an occurrence; whom a party brings is not known yet."""
    return "" if number == 1 else f"Guest {number}"


def _answer_until(entry: WaitlistEntry, start_time: datetime, at: datetime) -> datetime:
    """When an offer made now lapses. Raises NoticeTooShort when there is no time left to answer."""
    notice = timedelta(minutes=max(entry.notice_minutes, entry.service.min_notice_minutes))
    latest = start_time - notice
    if latest <= at:
        raise NoticeTooShort(bookable_from=(at + notice).isoformat())
    return min(at + LIFETIME, latest)


def _sessions_for(
    entry: WaitlistEntry, practitioner: Practitioner, start_time: datetime, placed_by: User | None, at: datetime
) -> tuple[list[Booking], Order | None]:
    """(as many unscheduled sessions as the party needs, by order; the order that was sold for those that were missing)."""
    usable = usable_sessions(entry.account, entry.service_id, start_time, at).filter(client_id=entry.client_id)
    found: list[Booking] = list(usable.filter(order_id=entry.order_id)[: entry.party]) if entry.order_id else []
    if len(found) < entry.party:
        found += usable.exclude(pk__in=[session.pk for session in found])[: entry.party - len(found)]
    found.sort(key=lambda session: (session.order_id, session.pk))
    missing = entry.party - len(found)
    if not missing:
        return found, None
    sale = sell(
        account=entry.account,
        client=entry.client,
        method=Payment.Method.CASH,
        service=entry.service,
        practitioner=practitioner,
        quantity=missing,
        collect=False,
        placed_by=placed_by,
        at=at,
    )
    return [*found, *sale.bookings], sale.order


def _write_offer(
    entry: WaitlistEntry, practitioner_id: int, start_time: datetime, mode: str, expires_at: datetime, order: Order | None = None
) -> WaitlistOffer:
    offer = WaitlistOffer.objects.create(
        account_id=entry.account_id,
        entry=entry,
        client_id=entry.client_id,
        practitioner_id=practitioner_id,
        start_time=start_time,
        mode=mode,
        expires_at=expires_at,
        order=order,
    )
    entry.status = WaitlistEntry.Status.OFFERED
    entry.save(update_fields=["status", "updated_at"])
    changes = {"entry": [None, entry.pk], "start_time": [None, start_time.isoformat()], "expires_at": [None, expires_at.isoformat()]}
    emit("waitlist.offered", offer, changes=changes)
    return offer


def _link(sessions: list[Booking], offer: WaitlistOffer) -> None:
    for session in sessions:
        session.offer = offer
        session.save(update_fields=["offer", "updated_at"])


# -- the answer


@joined
def accept_offer(
    offer: WaitlistOffer, *, method: str = Payment.Method.CASH, placed_by: User | None = None, at: datetime | None = None
) -> WaitlistOffer:
    """The client's yes: the held sessions are confirmed (or requested, where the service requires approval) and what was sold for
    them is to be paid by ``method``. The first yes to a broadcast books, and those who come too late are told so.

    Raises OfferClosed (answered, lapsed, withdrawn, or its hold is gone) and, for a broadcast, everything that scheduling raises.
    """
    return _accept(offer, method, placed_by, at or timezone.now())


def _accept(offer: WaitlistOffer, method: str, placed_by: User | None, at: datetime, *, by_hand: bool = False) -> WaitlistOffer:
    """``by_hand``: staff have confirmed its sessions, perhaps not all, so the offer follows, however late."""
    offer = WaitlistOffer.objects.select_related("entry__account", "entry__client", "entry__service", "practitioner").get(pk=offer.pk)
    _refuse_unanswerable(offer, at, late=by_hand)
    order: Order | None = offer.order
    booked: list[Booking] = []
    if offer.mode == Mode.BROADCAST:
        booked, order = _book(offer, placed_by, at)
    held = lock_offer(offer.pk)
    _refuse_unanswerable(held.offer, at, late=by_hand)
    if offer.mode == Mode.BROADCAST:
        held.offer.order = order
        held.offer.save(update_fields=["order", "updated_at"])
        _link(booked, held.offer)
    else:
        _confirm([session for session in held.sessions if session.offer_id == held.offer.pk], 1 if by_hand else held.entry.party, at)
    if order is not None:
        _collect(order, method, at)
    mark_accepted(held, at)
    if offer.mode == Mode.BROADCAST:
        _tell_the_others(held.offer, held.entry, at)
    return held.offer


def _refuse_unanswerable(offer: WaitlistOffer, at: datetime, *, late: bool) -> None:
    refuse_closed(offer)
    if offer.expires_at <= at and not late:
        raise OfferClosed("This offer has lapsed.", status=Offer.LAPSED)


def _confirm(sessions: list[Booking], needed: int, at: datetime) -> None:
    """Confirm what is held; sessions that somebody has confirmed by hand already stay as they are."""
    live = [session for session in sessions if session.status in (Status.HELD, *BOOKED)]
    if len(live) < needed:
        raise OfferClosed("The time of this offer is not held any more.")
    for session in live:
        if session.status == Status.HELD:
            try:
                confirm_booking(session, by=Side.CLIENT, at=at)
            except HoldExpired as error:
                raise OfferClosed("This offer has lapsed.", status=Offer.LAPSED) from error


def _book(offer: WaitlistOffer, placed_by: User | None, at: datetime) -> tuple[list[Booking], Order | None]:
    """Book the start of a broadcast for the first who says yes."""
    lock_practitioners([offer.practitioner_id], at)  # before anything is sold, as everybody does
    sessions, order = _sessions_for(offer.entry, offer.practitioner, offer.start_time, placed_by, at)
    wanted: dict[str, Any] = {"practitioner": offer.practitioner, "start_time": offer.start_time, "by": Side.SYSTEM, "at": at}
    numbered = enumerate(sessions, start=1)
    return [schedule_booking(session, attendee_name=_guest(number), **wanted) for number, session in numbered], order


def _collect(order: Order, method: str, at: datetime) -> None:
    order = Order.objects.get(pk=order.pk)  # as it is now that it is locked
    if order.total_amount_cents:
        create_payment(order=order, method=method, amount_cents=order.total_amount_cents, at=at)
    emit("order.placed", order, changes={"total_amount_cents": [None, order.total_amount_cents]})


def _tell_the_others(accepted: WaitlistOffer, entry: WaitlistEntry, at: datetime) -> None:
    """Take back the other offers of a broadcast for which there is no room any more."""
    opening = opening_at(entry.account, entry.service_id, accepted.practitioner_id, accepted.start_time, at)
    seats = opening.seats if opening else 0
    for other in _broadcast_at(entry.service_id, accepted.practitioner_id, accepted.start_time).filter(entry__party__gt=seats):
        withdraw_offer(other, at)


def _broadcast_at(service_id: int, practitioner_id: int, start_time: datetime) -> Any:
    found = WaitlistOffer.objects.filter(practitioner_id=practitioner_id, start_time=start_time, entry__service_id=service_id)
    return found.filter(mode=Mode.BROADCAST, status=Offer.OPEN).order_by("entry_id")


def token_of(offer: WaitlistOffer) -> str:
    """What the client's message carries: signed by the server, so that no dump of the table can make one."""
    return signing.dumps([offer.account_id, offer.pk, offer.nonce], salt=SALT)


@transaction.atomic
def answer_by_token(*, token: str, accept: bool, method: str = Payment.Method.CASH, at: datetime | None = None) -> WaitlistOffer:
    """The answer of whoever holds the token, in the offer's own account. Raises OfferClosed, also for a token that is not ours."""
    try:
        account_id, offer_id, nonce = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise OfferClosed from error
    with account_scope(account_id):
        offer = WaitlistOffer.objects.filter(pk=offer_id, nonce=nonce, account__status=Account.Status.ACTIVE).first()
        if offer is None:
            raise OfferClosed
        return accept_offer(offer, method=method, at=at) if accept else decline_offer(offer, at=at)


# -- by itself


@joined
def offer_freed_time(
    *, account: Account, service_id: int, practitioner_id: int, start_time: datetime, at: datetime | None = None
) -> list[WaitlistOffer]:
    """Offer a start to those who wait, in the account's mode; nothing happens when it cannot be booked or nobody fits.

    A second call finds the start taken by the first one's hold (or its broadcast running), so it is not offered twice.
    """
    at = at or timezone.now()
    mode = setting(account, "waitlist_mode")
    if mode == "off":
        return []
    lock_practitioners([practitioner_id], at)
    opening = opening_at(account, service_id, practitioner_id, start_time, at)
    if opening is None or _broadcast_at(service_id, practitioner_id, start_time).exists():
        return []
    entries = entries_for(opening, at=at, limit=ROUND, awake=True)
    if mode == Mode.BROADCAST:
        return _broadcast(entries, opening, at)
    return _offer_in_turn(entries, opening, at)


def _offer_in_turn(entries: list[WaitlistEntry], opening: Opening, at: datetime) -> list[WaitlistOffer]:
    made, seats = [], opening.seats
    for entry in entries:
        offer = _try(entry, opening, at) if entry.party <= seats else None
        if offer is not None:
            made.append(offer)
            seats -= entry.party
        if not seats:
            break
    return made


def _try(entry: WaitlistEntry, opening: Opening, at: datetime) -> WaitlistOffer | None:
    """Hold the start for this client, and book it when they have accepted beforehand; None when it cannot be theirs."""
    practitioner = Practitioner.objects.get(pk=opening.practitioner_id)
    try:
        with transaction.atomic():
            offer = _hold(entry, practitioner, opening.start_time, None, at)
            return accept_offer(offer, at=at) if accepts_at_once(entry, opening.start_time, at) else offer
    except DomainError as refusal:  # a limit of the client, another offer at this moment …: it is the next one's turn
        logger.info("waitlist entry %s is passed over: %s", entry.pk, refusal.code)
        return None


def _broadcast(entries: list[WaitlistEntry], opening: Opening, at: datetime) -> list[WaitlistOffer]:
    """Ask all at once; who has accepted beforehand is the first to say yes."""
    at_once = [entry for entry in entries if accepts_at_once(entry, opening.start_time, at)]
    made = _offer_in_turn(at_once, opening, at)
    left = opening.seats - sum(offer.entry.party for offer in made)
    for entry in sorted(entries, key=lambda entry: entry.pk):
        if entry in at_once or entry.party > left:
            continue
        try:
            with transaction.atomic():
                expires_at = _answer_until(entry, opening.start_time, at)
                entry = lock_entry(entry.pk)
                _require_waiting(entry)
                made.append(_write_offer(entry, opening.practitioner_id, opening.start_time, Mode.BROADCAST, expires_at))
        except DomainError as refusal:
            logger.info("waitlist entry %s is passed over: %s", entry.pk, refusal.code)
    return made


@joined
def settle_offers_at(practitioner_id: int, start_time: datetime, *, at: datetime | None = None) -> None:
    """Close the open offers of a start whose sessions were given back or confirmed past them, by staff or by the clock."""
    at = at or timezone.now()
    open_there = WaitlistOffer.objects.filter(practitioner_id=practitioner_id, start_time=start_time, status=Offer.OPEN)
    for offer in open_there.filter(mode=Mode.SEQUENTIAL).order_by("pk"):
        states = set(Booking.objects.filter(offer=offer).values_list("status", flat=True))
        if Status.HELD in states:
            continue
        try:
            with transaction.atomic():
                if states & set(BOOKED):
                    _accept(offer, Payment.Method.CASH, None, at, by_hand=True)
                elif offer.expires_at <= at:
                    lapse_offer(offer, at=at)
                else:
                    decline_offer(offer, at=at)
        except OfferClosed:
            logger.info("waitlist offer %s was closed in the meantime", offer.pk)
