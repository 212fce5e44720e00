"""Months of trade in seconds: sales, sessions and payments through the services, with the clock set back for each."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F

from apps.accounts.models import Role
from apps.bookings.models import Booking, Side, Status
from apps.bookings.services.endings import cancel_booking, complete_booking, mark_no_show
from apps.bookings.services.expiry import forfeit_expired
from apps.bookings.services.pauses import pause_order
from apps.bookings.services.reviews import create_review, publish_review
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.waiting import join_waitlist
from apps.bookings.slots import find_slots, offers_of
from apps.catalog.models import Practitioner, Service
from apps.checkout.demo.opening import Opened
from apps.checkout.services import Sale, sell
from apps.clients.models import Client
from apps.orders.models import Order
from apps.packages.models import Package
from apps.payments.models import Payment
from apps.payments.services import cancel_pending_payments, create_payment, mark_received
from apps.scheduling.hours import from_epoch

PAST, FUTURE = timedelta(days=150), timedelta(days=28)
A_DAY = timedelta(days=1)
COMMENTS = (
    "Exactly what I needed.",
    "Friendly, on time, and explained everything.",
    "",
    "The room was a little cold, the hour was not.",
    "I will come again.",
    "Best hour of my week.",
)
CASH, TRANSFER = Payment.Method.CASH, Payment.Method.BANK_TRANSFER


@dataclass(frozen=True, slots=True)
class Deal:
    """One sale: ``days_ago``, of what, and how many of its sessions lie behind us and ahead.

    ``paid``: all, half, twice or none of it. ``ending``: '' when the order's status follows from its sessions.
    """

    days_ago: int
    client: Client
    what: Package | Service
    behind: int = 0
    ahead: int = 0
    method: str = CASH
    paid: str = "all"
    missed: bool = False
    ending: str = ""


@dataclass(slots=True)
class Done:
    """What trading left behind; ``ends`` is the state that sessions, by id, have reached since."""

    orders: int = 0
    sessions: int = 0
    ahead: int = 0
    ends: dict[int, str] = field(default_factory=dict)
    resting: list[int] = field(default_factory=list)


class Diary:
    """Free starts by service, from the real slots: every session of the demo could have been booked by hand."""

    def __init__(self, opened: Opened, at: datetime, rng: random.Random) -> None:
        self.rng = rng
        self.practitioners = {p.pk: p for p in opened.practitioners.values()}
        self.taken: dict[int, list[tuple[int, int]]] = {pk: [] for pk in self.practitioners}
        self.starts: dict[int, list[tuple[int, int, int, int]]] = {}
        since, until = at - PAST, at + FUTURE
        for service in opened.services.values():
            terms, offers = offers_of(opened.account.pk, service.pk)
            if terms is None:
                continue
            slots = find_slots(account=opened.account, terms=terms, offers=offers, since=since, until=until, at=since)
            before, after = terms.before_minutes * 60, terms.after_minutes * 60
            self.starts[service.pk] = [(s.start, s.practitioner_id, s.start - before, s.end + after) for s in slots]

    def take(self, service: Service, since: datetime, until: datetime) -> tuple[Practitioner, datetime]:
        """A free start in [since, until), claimed, and whose it is."""
        lower, upper = since.timestamp(), until.timestamp()
        fitting = [s for s in self.starts[service.pk] if lower <= s[0] < upper]
        self.rng.shuffle(fitting)
        for start, practitioner_id, busy_from, busy_until in fitting:
            taken = self.taken[practitioner_id]
            if all(busy_until <= begun or ended <= busy_from for begun, ended in taken):
                taken.append((busy_from, busy_until))
                return self.practitioners[practitioner_id], from_epoch(start)
        raise LookupError(f"The demo has no free start for {service} between {since} and {until}.")


def trade(opened: Opened, at: datetime) -> Done:
    """Make every deal of the business, oldest first. Call inside the account's scope."""
    rng = random.Random(opened.plan.slug)  # noqa: S311  the same demo every time
    diary, done = Diary(opened, at, rng), Done()
    for deal in sorted(_deals(opened, rng), key=lambda deal: -deal.days_ago):
        _make(opened, diary, deal, at, done)
    for service in opened.services.values():
        if service.capacity > 1:
            _hold_classes(opened, diary, service, at, done)
    _reach_ends(done, at)
    _hear_from_clients(at)
    return done


def _deals(opened: Opened, rng: random.Random) -> Iterator[Deal]:
    """Something for every client who is not a lead, and every state an order can be in."""
    plan = opened.plan
    buyers = [*opened.clients[: len(plan.clients) - plan.leads], opened.clients[-1]]
    single = [s for s in opened.services.values() if s.capacity == 1 and s.price_cents]
    six, many, mixed, short, _ = opened.packages.values()
    for number, client in enumerate(buyers):
        yield Deal(rng.randint(10, 75), client, rng.choice(single), behind=1, missed=number % 7 == 3)
        if number % 3 == 1:
            yield Deal(rng.randint(1, 4), client, rng.choice(single), ahead=1, paid="none" if number % 2 else "all")
    for number, client in enumerate(buyers[:11]):
        package, method = (six, many)[number % 2], (CASH, TRANSFER)[number % 3 > 0]
        paid, ahead = ("all", "all", "none")[number % 3], (2, 0, 1)[number % 3]
        yield Deal(rng.randint(25, 70), client, package, behind=1 + number % 3, ahead=ahead, method=method, paid=paid)
    for client in buyers[3:6]:
        yield Deal(2, client, six, method=TRANSFER, paid="none")
    for client in buyers[11:14]:
        yield Deal(rng.randint(1, 6), client, mixed, ahead=1, method=TRANSFER)
    for service in opened.services.values():
        if service.price_cents == 0:
            yield Deal(5, buyers[6], service, ahead=1)
    yield Deal(130, buyers[14], mixed, behind=99)
    yield Deal(90, buyers[15], short, behind=1, ending=Order.Status.EXPIRED)
    yield Deal(20, buyers[16], six, method=TRANSFER, paid="none", ending=Order.Status.CANCELLED)
    yield Deal(40, buyers[17], six, behind=1, ending=Order.Status.PAUSED)
    yield Deal(18, buyers[18], many, behind=1, ahead=1, paid="half")
    yield Deal(12, buyers[19], mixed, ahead=1, paid="twice")


def _make(opened: Opened, diary: Diary, deal: Deal, at: datetime, done: Done) -> None:
    """Sell, schedule and collect as it happened, then note how it ended."""
    sold_at = at - timedelta(days=deal.days_ago)
    sale = _sell(opened, deal.client, deal.what, sold_at, method=deal.method)
    past, rest = sale.bookings[: deal.behind], sale.bookings[deal.behind :]
    # One after the other: each in its own part of the four weeks after the sale (or of the time since).
    since, until = sold_at + A_DAY, at - A_DAY if deal.behind > 3 else min(at - A_DAY, sold_at + timedelta(days=28))
    part = (until - since) / max(1, len(past))
    for number, booking in enumerate(past):
        practitioner, start = diary.take(booking.service, since + number * part, since + (number + 1) * part)
        schedule_booking(booking, practitioner=practitioner, start_time=start, at=sold_at)
        done.ends[booking.pk] = Status.NO_SHOW if deal.missed else Status.COMPLETED
    part = (FUTURE - A_DAY) / max(1, deal.ahead)
    for number, booking in enumerate(rest[: deal.ahead]):
        practitioner, start = diary.take(booking.service, at + A_DAY + number * part, at + A_DAY + (number + 1) * part)
        schedule_booking(booking, practitioner=practitioner, start_time=start, at=at)
        done.ahead += 1
    _collect(sale, deal.paid, sold_at)
    if deal.ending:
        _finish(sale.order, deal.ending, rest, sold_at, done)
    _date_back(sale.order, sold_at)
    done.orders += 1
    done.sessions += len(sale.bookings)


def _sell(
    opened: Opened,
    client: Client,
    what: Package | Service,
    at: datetime,
    *,
    method: str = CASH,
    practitioner: Practitioner | None = None,
    start: datetime | None = None,
) -> Sale:
    subject: dict[str, Any] = {"package": what} if isinstance(what, Package) else {"service": what}
    return sell(
        account=opened.account,
        client=client,
        method=method,
        practitioner=practitioner,
        start_time=start,
        placed_by=opened.users[Role.FRONT_DESK],
        at=at,
        **subject,
    )


def _collect(sale: Sale, paid: str, at: datetime) -> None:
    """What came in of the price: all, half (in two payments, the second pending), twice (by mistake) or none."""
    if sale.payment is None or paid == "none":
        return
    if paid == "half":
        total = sale.payment.amount_cents
        _cancel(sale.payment)
        first = create_payment(order=sale.order, method=CASH, amount_cents=total // 2)
        create_payment(order=sale.order, method=CASH, amount_cents=total - total // 2)
        mark_received(first, at=at)
        return
    mark_received(sale.payment, at=at)
    if paid == "twice":
        again = create_payment(order=sale.order, method=CASH, amount_cents=sale.payment.amount_cents)
        mark_received(again, at=at)


def _cancel(payment: Payment) -> None:
    payment.status = Payment.Status.CANCELLED
    payment.save(update_fields=["status", "updated_at"])


def _finish(order: Order, ending: str, rest: list[Booking], sold_at: datetime, done: Done) -> None:
    """A purchase that is called off, or rests; what has expired is found by the same job as every day."""
    if ending == Order.Status.CANCELLED:
        for booking in rest:
            cancel_booking(booking, by=Side.PROVIDER, void=True, reason="Changed their mind before paying.", at=sold_at + 2 * A_DAY)
        cancel_pending_payments(order)
    if ending == Order.Status.PAUSED:
        done.resting.append(order.pk)  # paused last: sessions that took place before are closed first


def _date_back(order: Order, at: datetime) -> None:
    """created_at is the day of the sale, not the day of the demo."""
    Order.objects.filter(pk=order.pk).update(created_at=at)
    Booking.objects.filter(order=order).update(created_at=at)
    Payment.objects.filter(order=order).update(created_at=at)


def _hold_classes(opened: Opened, diary: Diary, service: Service, at: datetime, done: Done) -> None:
    """Two classes that took place and three to come, the first of them full; every seat is an order of its own."""
    buyers = opened.clients[: len(opened.plan.clients) - opened.plan.leads]
    for number, (days, seats) in enumerate(((-20, 4), (-9, 5), (3, service.capacity), (10, service.capacity - 2), (17, 2))):
        day = at + timedelta(days=days)
        practitioner, start = diary.take(service, day, day + timedelta(days=6))
        sold_at = min(at, start) - timedelta(days=2)
        for client in (buyers[(number * 5 + seat) % len(buyers)] for seat in range(seats)):
            sale = _sell(opened, client, service, sold_at, practitioner=practitioner, start=start)
            _collect(sale, "all" if days < 0 or client.pk % 2 else "none", sold_at)
            _date_back(sale.order, sold_at)
            if days < 0:
                done.ends[sale.bookings[0].pk] = Status.COMPLETED
            done.orders, done.sessions, done.ahead = done.orders + 1, done.sessions + 1, done.ahead + (days > 0)


def _reach_ends(done: Done, at: datetime) -> None:
    """Close the sessions that lie behind us in the order in which they happened; then let expire what has expired."""
    for booking in Booking.objects.filter(pk__in=done.ends).select_related("account").order_by("end_time", "pk"):
        assert booking.start_time is not None  # noqa: S101  it was scheduled
        assert booking.end_time is not None  # noqa: S101  it was scheduled
        if done.ends[booking.pk] == Status.NO_SHOW:
            mark_no_show(booking, at=booking.start_time + timedelta(minutes=30))
        else:
            complete_booking(booking, at=booking.end_time)
    forfeit_expired(at=at)
    for order in Order.objects.filter(pk__in=done.resting).select_related("account"):
        today = at.astimezone(ZoneInfo(order.account.timezone)).date()
        pause_order(order, first_day=today, reason="A long journey.", at=at)


def _hear_from_clients(at: datetime) -> None:
    """Reviews of some sessions, all but one published; somebody waits for the class that is full."""
    took_place = Booking.objects.filter(status=Status.COMPLETED).select_related("practitioner").order_by("-end_time", "pk")
    for number, booking in enumerate(took_place[:12:2]):
        review = create_review(booking, rating=5 - number % 3 // 2, comment=COMMENTS[number], at=at)
        if number:
            publish_review(review, at=at)
    full = Booking.objects.filter(status=Status.CONFIRMED, capacity__gt=1, seat=F("capacity"), start_time__gt=at).first()
    if full is not None:
        inside = Booking.objects.filter(practitioner=full.practitioner_id, start_time=full.start_time).values("client")
        waiting = Client.objects.exclude(pk__in=inside).filter(stage=Client.Stage.ACTIVE).order_by("pk").first()
        if waiting is not None:
            wish = {"practitioner": full.practitioner, "start_time": full.start_time}
            join_waitlist(account=full.account, client=waiting, service=full.service, at=at, **wish)
