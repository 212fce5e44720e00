"""Offering freed time to those who wait, and their yes (rules.md §10, docs/adr/0009-waitlist.md).

An offer is a real hold of real sessions: the client's own unscheduled ones, and what is missing is sold without a payment. The
payment comes with the yes, by the rules of a sale; without one the order is cancelled with a total of 0.
"""

import logging
from dataclasses import dataclass
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
from apps.bookings.services.claims import lock_practitioners, refuse_unpaid
from apps.bookings.services.scheduling import confirm_booking, extend_hold, hold_booking, release_hold, schedule_booking
from apps.bookings.services.waiting import (
    Locked,
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
from apps.checkout.errors import MethodNotOffered
from apps.checkout.services import due_now, first_way_of_paying, refuse_method, sell, waits_until
from apps.clients.services.blocking import refuse_blocked
from apps.core.db import joined
from apps.core.errors import DomainError, InvalidTransition
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.orders.models import ONLINE, Order
from apps.packages.selectors import PlannedSession
from apps.payments.models import PROVIDERS, Payment
from apps.payments.services import create_payment
from apps.payments.services.wallet import spend_credit
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


@dataclass(frozen=True, slots=True)
class _Yes:
    """Who says yes to an offer, and how they want to pay for what is sold for it (None: the first way that is offered to them)."""

    by: str
    method: str | None = None
    placed_by: User | None = None


@joined
def accept_offer(
    offer: WaitlistOffer,
    *,
    method: str | None = None,
    by: str = Side.PROVIDER,
    placed_by: User | None = None,
    at: datetime | None = None,
) -> WaitlistOffer:
    """The client's yes, from themselves or (``by`` provider) as staff heard it. What was sold for the offer is to be paid by ``method``,
    by the rules of a sale: all of it or a deposit, and only in ways that are offered.

    Its sessions are confirmed (or requested, where the service requires approval), except that those that have to be paid beforehand
    stay held until their payment has come in. The first yes to a broadcast books, and those who come too late are told so.
    Raises OfferClosed (answered, lapsed, withdrawn, or its hold is gone), MethodNotOffered, ProviderOff, NoWallet, InsufficientFunds,
    PaymentRequired (the client's own session is one of an unpaid order) and, for a broadcast, everything that scheduling raises.
    """
    return _accept(offer, _Yes(by, method, placed_by), at or timezone.now())


def _accept(offer: WaitlistOffer, yes: _Yes, at: datetime, *, by_hand: bool = False) -> WaitlistOffer:
    """``by_hand``: staff have confirmed its sessions, perhaps not all, so the offer follows, however late."""
    offer = WaitlistOffer.objects.select_related("entry__account", "entry__client", "entry__service", "practitioner").get(pk=offer.pk)
    _refuse_unanswerable(offer, at, late=by_hand)
    if yes.by == Side.CLIENT:
        refuse_blocked(offer.entry.client_id)
    order: Order | None = offer.order
    booked: list[Booking] = []
    if offer.mode == Mode.BROADCAST:
        booked, order = _book(offer, yes, at)
    held = lock_offer(offer.pk)
    _refuse_unanswerable(held.offer, at, late=by_hand)
    if order is not None:
        order = Order.objects.get(pk=order.pk)  # as it is now that it is locked
    method, until = _terms(order, held.entry.account, yes, at)
    if offer.mode == Mode.BROADCAST:
        held.offer.order = order
        held.offer.save(update_fields=["order", "updated_at"])
        _link([session for session in booked if session.status != Status.DRAFT], held.offer)
        sold = [session for session in booked if order is not None and session.order_id == order.pk]
    else:
        mine = [session for session in held.sessions if session.offer_id == held.offer.pk]
        sold = [session for session in mine if order is not None and session.order_id == order.pk]
        _require_held(mine, 1 if by_hand else held.entry.party)
        _confirm([session for session in mine if until is None or session not in sold], yes.by, at)
        if until is not None:
            sold, until = _keep(sold, until, at)
    if order is not None:
        _collect(order, held, sold, yes, method, until, at)
    mark_accepted(held, at)
    if offer.mode == Mode.BROADCAST:
        _tell_the_others(held.offer, held.entry, at)
    return held.offer


def _terms(order: Order | None, account: Account, yes: _Yes, at: datetime) -> tuple[str, datetime | None]:
    """(how what was sold is paid, until when its sessions are held for the money: None when they are booked without)."""
    if order is None or not order.total_amount_cents:
        return Payment.Method.CASH, None
    method = yes.method or first_way_of_paying(account, by=yes.by)
    refuse_method(account, method=method, by=yes.by)
    return method, waits_until(account, method=method, by=yes.by, at=at)


def _refuse_unanswerable(offer: WaitlistOffer, at: datetime, *, late: bool) -> None:
    refuse_closed(offer)
    if offer.expires_at <= at and not late:
        raise OfferClosed("This offer has lapsed.", status=Offer.LAPSED)


def _require_held(sessions: list[Booking], needed: int) -> None:
    if sum(session.status in (Status.HELD, *BOOKED) for session in sessions) < needed:
        raise OfferClosed("The time of this offer is not held any more.")


def _confirm(sessions: list[Booking], by: str, at: datetime) -> None:
    """Confirm what is held; sessions that somebody has confirmed by hand already stay as they are."""
    for session in sessions:
        if session.status == Status.HELD:
            try:
                confirm_booking(session, by=Side.CLIENT if by == Side.CLIENT else Side.SYSTEM, at=at)
            except HoldExpired as error:
                raise OfferClosed("This offer has lapsed.", status=Offer.LAPSED) from error


def _keep(sold: list[Booking], until: datetime, at: datetime) -> tuple[list[Booking], datetime]:
    """Hold what was sold for its money, at least as long as it is held anyway; what is not held for money is a draft until it is paid."""
    if until <= at:
        return sold, until
    ends = [session.hold_expires_at for session in sold if session.status == Status.HELD and session.hold_expires_at is not None]
    until = max([until, *ends])
    return [extend_hold(session, until=until, at=at) if session.status == Status.HELD else session for session in sold], until


def _book(offer: WaitlistOffer, yes: _Yes, at: datetime) -> tuple[list[Booking], Order | None]:
    """Book the start of a broadcast for the first who says yes, or hold it until they have paid."""
    lock_practitioners([offer.practitioner_id], at)  # before anything is sold, as everybody does
    sessions, order = _sessions_for(offer.entry, offer.practitioner, offer.start_time, yes.placed_by, at)
    _, until = _terms(order, offer.entry.account, yes, at)
    wanted: dict[str, Any] = {"practitioner": offer.practitioner, "start_time": offer.start_time, "by": Side.SYSTEM, "at": at}
    booked = []
    for number, session in enumerate(sessions, start=1):
        if until is None or order is None or session.order_id != order.pk:
            session = schedule_booking(session, attendee_name=_guest(number), **wanted)
            if yes.by == Side.CLIENT:
                refuse_unpaid(session.order)
        elif until > at:
            session = hold_booking(session, attendee_name=_guest(number), expires_at=until, **wanted)
        booked.append(session)
    return booked, order


def _collect(order: Order, held: Locked, sold: list[Booking], yes: _Yes, method: str, until: datetime | None, at: datetime) -> None:
    """Expect what is due now of what was sold for an offer. Who says yes themselves has placed the order (rules.md §4)."""
    entry = held.entry
    if yes.by == Side.CLIENT and order.source not in ONLINE:
        order.source = "public"
        order.save(update_fields=["source", "updated_at"])
    if order.total_amount_cents:
        plan = [PlannedSession(session.position, entry.service, session.price_cents) for session in sold]
        due = due_now(
            order,
            client=entry.client,
            package=None,
            service=entry.service,
            plan=plan,
            instalments=None,
            start_time=held.offer.start_time,
            at=at,
        )
        if method == Payment.Method.WALLET:
            spend_credit(order=order, amount_cents=due, reserve=False, at=at)
        else:
            waiting = sold[0] if until is not None and sold else None
            payment = create_payment(order=order, method=method, amount_cents=due, booking=waiting, expires_at=until, at=at)
            if waiting is not None and until is not None and until <= at:
                _claim_later(payment, held.offer, at)
    emit("order.placed", order, changes={"total_amount_cents": [None, order.total_amount_cents]})


def _claim_later(payment: Payment, offer: WaitlistOffer, at: datetime) -> None:
    """Its time is not held for the money: it is claimed when that is here, as in a sale."""
    for one in Booking.objects.filter(order_id=payment.order_id, status=Status.HELD).order_by("pk"):
        release_hold(one, at=at, why="unpaid")
    payment.practitioner_id, payment.start_time, payment.expires_at = offer.practitioner_id, offer.start_time, None
    payment.save(update_fields=["practitioner", "start_time", "expires_at", "updated_at"])


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
def answer_by_token(*, token: str, accept: bool, method: str | None = None, at: datetime | None = None) -> WaitlistOffer:
    """The answer of whoever holds the token, in the offer's own account. Raises OfferClosed, also for a token that is not ours, and what
    ``accept_offer`` raises.
    """
    try:
        account_id, offer_id, nonce = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise OfferClosed from error
    with account_scope(account_id):
        offer = WaitlistOffer.objects.filter(pk=offer_id, nonce=nonce, account__status=Account.Status.ACTIVE).first()
        if offer is None:
            raise OfferClosed
        return accept_offer(offer, method=method, by=Side.CLIENT, at=at) if accept else decline_offer(offer, at=at)


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
            if not accepts_at_once(entry, opening.start_time, at) or _pays_beforehand(offer, at):
                return offer
            return accept_offer(offer, by=Side.CLIENT, at=at)
    except DomainError as refusal:  # a limit of the client, another offer at this moment …: it is the next one's turn
        logger.info("waitlist entry %s is passed over: %s", entry.pk, refusal.code)
        return None


def _pays_beforehand(offer: WaitlistOffer, at: datetime) -> bool:
    """Whether a yes that was given beforehand is not enough, because somebody has to pay (or to say how): the client answers themselves."""
    order = offer.order
    try:
        return order is not None and _terms(order, order.account, _Yes(Side.CLIENT), at)[0] in PROVIDERS
    except MethodNotOffered:
        return True


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
                    _accept(offer, _Yes(Side.PROVIDER, Payment.Method.CASH), at, by_hand=True)
                elif offer.expires_at <= at:
                    lapse_offer(offer, at=at)
                else:
                    decline_offer(offer, at=at)
        except OfferClosed:
            logger.info("waitlist offer %s was closed in the meantime", offer.pk)
