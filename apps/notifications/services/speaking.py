"""From an event to what people are told of it: who speaks for the change, to whom, and what the rest of the change adds.

Everything is decided by rows that were committed together, so every run of every handler of the change comes to the same answer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.calendar import calendar_of, session_of
from apps.bookings.models import Booking, Review, Status
from apps.content.models import BlogComment
from apps.core.db import joined, rows
from apps.core.models import Event
from apps.notifications.catalogue import EXTRAS, MESSAGES, TO_CLIENTS, Message
from apps.notifications.facts import Scene, account_of, before_and_after, bookings, document_of, moment, of_booking, scene_of
from apps.notifications.recipients import Recipient, client_reader, managers, member_reader, practitioner_reader, without
from apps.notifications.rendering import Extra
from apps.notifications.services.telling import Told, tell
from apps.notifications.voices import CLIENT, MANAGERS, PRACTITIONER, Voice, voices_of
from apps.notifications.words import Instant, Lines, Moments, Money, Span
from apps.orders.models import Order
from apps.payments.models import OPEN, PROVIDERS, GiftCode, Payment, Refund
from apps.tickets.models import Ticket
from apps.tickets.selectors import shown_to_client

SETTLED = (Order.PaymentStatus.PAID, Order.PaymentStatus.OVERPAID)
MOST_EVENTS = 1000
"""Of one transaction; changes of more are imports and repairs, whose later events speak for themselves."""
MOST_OTHERS = 10
MOST_COMMENTS = 20
"""Of one hour that managers are told of."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event of the change with one thing that it could say to one reader (``group``: which client or practitioner)."""

    event: Event
    voice: Voice
    group: int


@joined
def speak(event: Event) -> list[Told]:
    """Tell everybody whom this event speaks to. Run again, or by several at once, it writes nothing twice."""
    change = _change_of(event)
    account = account_of(event)
    told = []
    for to in (CLIENT, PRACTITIONER, MANAGERS):
        candidates = _candidates(change, to)
        for group in {one.group for one in candidates if one.event.pk == event.pk}:
            ranked = sorted((one for one in candidates if one.group == group), key=lambda one: (one.voice.rank, one.event.pk))
            chosen = _chosen(ranked)
            if chosen is not None and chosen.candidate.event.pk == event.pk:
                told.append(_tell(account, chosen, ranked, change))
    return told


def _change_of(event: Event) -> list[Event]:
    """The events of the same transaction, oldest first: one statement."""
    ids = rows(
        "SELECT id FROM core_event WHERE account_id = %s AND transaction = (SELECT transaction FROM core_event WHERE id = %s)"
        " ORDER BY id LIMIT %s",
        [event.account_id, event.pk, MOST_EVENTS],
    )
    found = {one.pk: one for one in Event.objects.filter(pk__in=[pk for (pk,) in ids]).order_by("pk")}
    return list({**found, event.pk: event}.values())


# -- who could speak


def _candidates(change: list[Event], to: str) -> list[Candidate]:
    possible = [(event, voice) for event in change for voice in voices_of(event, to)]
    if to == MANAGERS:
        return [Candidate(event, voice, 0) for event, voice in possible]
    whose = _clients_of(change) if to == CLIENT else _practitioners_of(possible)
    found = [Candidate(event, voice, whose(event, voice) or 0) for event, voice in possible]
    return [one for one in found if one.group]


def _clients_of(change: list[Event]) -> Callable[[Event, Voice], int | None]:
    """A gift code belongs to whoever bought it; of everything else the event says whom it is about."""
    gifts = [event.subject_id for event in change if event.subject_type == "payments.giftcode"]
    buyers = dict(GiftCode.objects.filter(pk__in=gifts, order__isnull=False).values_list("pk", "order__client_id")) if gifts else {}
    return lambda event, voice: buyers.get(event.subject_id) if event.subject_type == "payments.giftcode" else event.client_id


def _practitioners_of(possible: list[tuple[Event, Voice]]) -> Callable[[Event, Voice], int | None]:
    """By the event where it says so, otherwise by the row."""
    missing: dict[str, set[int]] = {}
    for event, voice in possible:
        if _named(event, voice) is None:
            missing.setdefault(event.subject_type, set()).add(event.subject_id)
    known: dict[tuple[str, int], int | None] = {}
    for model in (Booking, Review):
        label = model._meta.label_lower
        if missing.get(label):
            pairs = model.objects.filter(pk__in=missing[label]).values_list("pk", "practitioner_id")
            known.update({(label, pk): practitioner_id for pk, practitioner_id in pairs})
    return lambda event, voice: _named(event, voice) or known.get((event.subject_type, event.subject_id))


def _named(event: Event, voice: Voice) -> int | None:
    if voice.of == "row":
        return None
    before, after = before_and_after(event, "practitioner")
    return before if voice.of == "before" else after


# -- who does


@dataclass(slots=True)
class Chosen:
    candidate: Candidate
    message: Message
    scene: Scene


def _chosen(ranked: Iterable[Candidate]) -> Chosen | None:
    """The first that has something to say."""
    for candidate in ranked:
        scene = scene_of(candidate.event)
        if scene is None:
            continue
        name = _resolved(candidate, scene)
        if name:
            return Chosen(candidate, MESSAGES[name], scene)
    return None


def _resolved(candidate: Candidate, scene: Scene) -> str:
    """The message after a look at the rows, '' when there is nothing to say."""
    name = candidate.voice.message
    resolve = RESOLVERS.get(name)
    return name if resolve is None else resolve(candidate.event, scene)


def _sale(event: Event, scene: Scene) -> str:
    """Who pays at a provider is at its page now, and hears once the money is here; who transfers money has to know where to."""
    assert scene.order is not None  # noqa: S101  the reader of orders sets it
    payments = list(Payment.objects.filter(order=scene.order).order_by("pk"))
    if any(one.method in PROVIDERS for one in payments):
        return ""
    transfer = next((one for one in payments if one.method == Payment.Method.BANK_TRANSFER and one.status in OPEN), None)
    if transfer is None:
        return "order_placed"
    scene.facts.update({"amount": Money(transfer.amount_cents, transfer.currency), "reference": transfer.reference})
    return "payment_instructions"


def _receipt(event: Event, scene: Scene) -> str:
    """Of a gift code that is paid one hears once it can be redeemed, the moment after."""
    order = scene.order
    is_gift = order is not None and order.order_type == Order.Type.GIFT and order.payment_status in SETTLED
    return "" if is_gift else "payment_received"


def _late_money(name: str) -> Callable[[Event, Scene], str]:
    """Late money that its order needs, and whose start could be claimed again, is a payment like any other."""

    def resolve(event: Event, scene: Scene) -> str:
        too_much = before_and_after(event, "payment_status")[1] == Order.PaymentStatus.OVERPAID
        lost = Event.objects.filter(type="payment.start_lost", subject_type=event.subject_type, subject_id=event.subject_id)
        return name if too_much or lost.exists() else ""

    return resolve


def _pause(event: Event, scene: Scene) -> str:
    first, last = before_and_after(event, "first_day")[1], before_and_after(event, "last_day")[1]
    scene.facts["first_day"] = datetime.fromisoformat(first).date()
    if last is None:
        return "package_paused_openly"
    scene.facts["last_day"] = datetime.fromisoformat(last).date()
    return "package_paused"


def _refund_on_its_way(event: Event, scene: Scene) -> str:
    return "refund_on_its_way" if scene.subject.method in PROVIDERS else ""


def _refund_sent(event: Event, scene: Scene) -> str:
    """What a provider sends was announced when it set off."""
    at_once = before_and_after(event, "status")[0] == Refund.Status.REQUESTED
    return "refund_sent" if at_once or scene.subject.method == Payment.Method.BANK_TRANSFER else ""


def _refund_waits(event: Event, scene: Scene) -> str:
    return "staff_refund_requested" if scene.subject.status == Refund.Status.REQUESTED else ""


def _trouble(name: str) -> Callable[[Event, Scene], str]:
    def resolve(event: Event, scene: Scene) -> str:
        scene.facts["why"] = getattr(scene.subject, "review", "") or getattr(scene.subject, "failure", "") or "?"
        return name

    return resolve


def _comment_told(name: str) -> Callable[[Event, Scene], str]:
    """Of a flood of comments the first ones are told: the others are found beside them."""

    def resolve(event: Event, scene: Scene) -> str:
        comment = scene.subject
        lately = BlogComment.objects.filter(created_at__gt=comment.created_at - timedelta(hours=1), pk__lt=comment.pk)
        return name if lately.count() < MOST_COMMENTS else ""

    return resolve


def _review_wanted(event: Event, scene: Scene) -> str:
    """Only people with a login can write one."""
    booking = scene.booking
    has_login = booking is not None and booking.client.customer_id is not None
    return "review_requested" if has_login and not Review.objects.filter(booking=booking).exists() else ""


def _document_for_client(event: Event, scene: Scene) -> str:
    document = document_of(event)
    user_id = _user_of(scene)
    shared = document is not None and document.is_shared and user_id is not None and event.actor_id != user_id
    return "document_shared" if shared else ""


def _document_for_staff(event: Event, scene: Scene) -> str:
    return "staff_document_added" if event.actor_id is not None and event.actor_id == _user_of(scene) else ""


def _user_of(scene: Scene) -> int | None:
    customer = scene.client.customer if scene.client is not None else None
    return customer.user_id if customer is not None else None


def _sessions(name: str) -> Callable[[Event, Scene], str]:
    def resolve(event: Event, scene: Scene) -> str:
        told = before_and_after(event, "sessions")
        moved = next((one for one in told if one), 0)
        scene.facts["sessions"] = len(moved) if isinstance(moved, list) else int(moved)
        return name

    return resolve


def _ticket_of_owner(name: str) -> Callable[[Event, Scene], str]:
    """Who does not own the site any more hears no more of its tickets."""
    return lambda event, scene: name if shown_to_client(Ticket.objects.filter(pk=event.subject_id)).exists() else ""


def _timed(name: str) -> Callable[[Event, Scene], str]:
    """Nothing is said about a session that had no time."""
    return lambda event, scene: name if "when" in scene.facts else ""


RESOLVERS: dict[str, Callable[[Event, Scene], str]] = {
    "order_placed": _sale,
    "payment_received": _receipt,
    "payment_late": _late_money("payment_late"),
    "staff_payment_late": _late_money("staff_payment_late"),
    "package_paused": _pause,
    "refund_on_its_way": _refund_on_its_way,
    "refund_sent": _refund_sent,
    "staff_refund_requested": _refund_waits,
    "staff_refund_failed": _trouble("staff_refund_failed"),
    "staff_payment_review": _trouble("staff_payment_review"),
    **{name: _comment_told(name) for name in ("staff_comment_waiting", "staff_comment_received")},
    "review_requested": _review_wanted,
    "document_shared": _document_for_client,
    "staff_document_added": _document_for_staff,
    "package_expiring": _sessions("package_expiring"),
    "package_given": _sessions("package_given"),
    "package_got": _sessions("package_got"),
    **{name: _ticket_of_owner(name) for name in TO_CLIENTS if name.startswith("ticket_")},
    "package_extended": lambda event, scene: "package_extended" if "until" in scene.facts else "",
    **{
        name: _timed(name)
        for name in MESSAGES
        if name.startswith(("booking_", "staff_booking_")) and name not in ("booking_reinstated", "booking_reminder")
    },
}


# -- saying it


def _tell(account: Account, chosen: Chosen, ranked: list[Candidate], change: list[Event]) -> Told:
    event, voice, message, scene = chosen.candidate.event, chosen.candidate.voice, chosen.message, chosen.scene
    others = [one.event for one in ranked if one.voice.message == voice.message and one.event.pk != event.pk]
    alike = _scenes_of(others) if scene.booking is not None else []
    extras = _others(alike)
    if voice.to == CLIENT:
        extras += _added(account, chosen, change)
    return tell(
        account,
        key=f"event:{event.pk}:{voice.message}",
        message=message,
        recipients=_readers(account, chosen),
        facts=scene.facts,
        extras=extras,
        data={**scene.data, "event": event.type},
        calendar=_calendar(account, message, [scene, *alike], voice.to),
        event_id=event.pk,
    )


def _readers(account: Account, chosen: Chosen) -> list[Recipient]:
    scene, event = chosen.scene, chosen.candidate.event
    if chosen.candidate.voice.to == CLIENT:
        return [client_reader(scene.client, account, zone=scene.zone)] if scene.client is not None else []
    if chosen.candidate.voice.to == MANAGERS:
        in_charge = [member_reader(scene.in_charge, account)] if scene.in_charge is not None else managers(account)
        return without(in_charge, event.actor_id)
    practitioner = scene.practitioners.get(chosen.candidate.group)
    return without(practitioner_reader(practitioner, account), event.actor_id) if practitioner is not None else []


def _scenes_of(events: list[Event]) -> list[Scene]:
    """The sessions of further events of the same kind, at the times that their events say."""
    found = bookings().in_bulk([event.subject_id for event in events])
    scenes = []
    for event in events:
        booking = found.get(event.subject_id)
        if booking is not None:
            began, begins = (moment(one) for one in before_and_after(event, "start_time"))
            scene = of_booking(booking, start=begins or began, end=moment(before_and_after(event, "end_time")[0]) if not begins else None)
            if scene.start is not None:
                scenes.append(scene)
    return scenes


def _others(alike: list[Scene]) -> list[Extra]:
    if not alike:
        return []
    times = sorted(scene.start for scene in alike if scene.start is not None)
    return [(EXTRAS["also"], {"count": len(alike) + 1, "others": Moments(tuple(times[:MOST_OTHERS]), len(times) > MOST_OTHERS)})]


def _calendar(account: Account, message: Message, scenes: list[Scene], to: str) -> bytes | None:
    timed = [scene for scene in scenes if scene.booking is not None and scene.start is not None]
    if not message.calendar or not timed:
        return None
    off = message.calendar == "CANCEL"
    sessions = [
        session_of(
            scene.booking,  # type: ignore[arg-type]  # filtered above
            reader="client" if to == CLIENT else "practitioner",
            start=scene.start,
            end=scene.end,
            cancelled=off,
        )
        for scene in timed
    ]
    return calendar_of(sessions, method="CANCEL" if off else "PUBLISH", organizer=account.name)


def _added(account: Account, chosen: Chosen, change: list[Event]) -> list[Extra]:
    """What the rest of the change adds for this client, each as one sentence."""
    name, scene, event = chosen.candidate.voice.message, chosen.scene, chosen.candidate.event
    mine = [one for one in change if one.client_id == event.client_id]
    extras: list[Extra] = []
    if name in ("booking_confirmed", "booking_requested", "order_placed", "gift_code_ready") and scene.order is not None:
        extras += _about_money(account, chosen, mine)
    if name in ("booking_cancelled", "booking_rescheduled", "booking_no_show"):
        fee = before_and_after(event, "fee_cents")[1]
        if fee and scene.order is not None:
            extras.append((EXTRAS["fee"], {"amount": Money(fee, scene.order.currency)}))
    if name in ("booking_cancelled", "booking_declined", "session_voided"):
        extras += _going_back(mine)
    if name == "package_paused":
        returned = before_and_after(event, "returned")[1] or []
        if returned:
            extras.append((EXTRAS["returned"], {"count": len(returned)}))
    if name == "payment_late" and any(one.type == "payment.start_lost" for one in mine):
        extras.append((EXTRAS["start_lost"], {}))
    return extras


def _about_money(account: Account, chosen: Chosen, mine: list[Event]) -> list[Extra]:
    order, name = chosen.scene.order, chosen.message.kind
    assert order is not None  # noqa: S101  asked before
    came = sum(one.changes["captured_cents"][1] for one in mine if one.type == "payment.succeeded" and "captured_cents" in one.changes)
    extras: list[Extra] = [(EXTRAS["paid"], {"amount": Money(came, order.currency)})] if came else []
    if not any(one.type == "order.placed" and one.subject_id == order.pk for one in mine):
        return extras
    transfer = Payment.objects.filter(order=order, method=Payment.Method.BANK_TRANSFER, status__in=OPEN).order_by("pk").first()
    if transfer is None:
        due = Payment.objects.filter(order=order, method=Payment.Method.CASH, status__in=OPEN).order_by("pk").first()
        return [*extras, (EXTRAS["balance"], {"amount": Money(due.amount_cents, due.currency)})] if due is not None else extras
    if name != MESSAGES["payment_instructions"].kind:
        about = {"amount": Money(transfer.amount_cents, transfer.currency), "reference": transfer.reference, "what": order.number}
        extras.append((TO_CLIENTS["payment_instructions"].text, about))
    words = setting(account, "bank_transfer_instructions")
    if words:
        extras.append((EXTRAS["instructions"], {"text": Lines(words)}))
    return [*extras, *_kept(transfer)]


def _kept(transfer: Payment) -> list[Extra]:
    """The start that is held until the money is here."""
    held = bookings().filter(pk=transfer.booking_id, status=Status.HELD, start_time__isnull=False, end_time__isnull=False).first()
    if held is None or held.hold_expires_at is None:
        return []
    when = {"when": Span(held.start_time, held.end_time), "until": Instant(held.hold_expires_at)}
    return [(EXTRAS["held"], {"service": held.service.name, **when})]


def _going_back(mine: list[Event]) -> list[Extra]:
    sent = [one.subject_id for one in mine if one.type in ("refund.pending", "refund.succeeded")]
    if not sent:
        return []
    back: dict[str, int] = {}
    for currency, cents in Refund.objects.filter(pk__in=sent).values_list("currency", "amount_cents"):
        back[currency] = back.get(currency, 0) + cents
    return [(EXTRAS["refund"], {"amount": Money(cents, currency)}) for currency, cents in sorted(back.items())]


__all__ = ["speak"]
