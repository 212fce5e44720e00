"""The moves of the money machine: each takes the world and a house, calls real services, and says in words what has happened.

A move that finds nothing to work on raises Idle; what the services refuse is a DomainError and comes out as it is.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F
from django.utils import timezone

from apps.bookings.models import Booking, Side
from apps.bookings.services.endings import cancel_booking, complete_booking, mark_no_show, undo_no_show
from apps.bookings.services.scheduling import schedule_booking
from apps.bookings.services.transfers import transfer_sessions
from apps.checkout.collecting import collect
from apps.checkout.services import Sale, sell
from apps.checkout.visitors import Visitor, sell_online
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import BankLine, Payment, ProviderEvent
from apps.payments.services.bank import examine, settle_lines, store_lines
from apps.payments.services.inbox import process_event, receive_event
from apps.payments.services.online import begin_payment, recheck_payment
from apps.payments.services.settling import end_waiting, mark_received
from apps.payments.services.wallet import balance_of
from apps.payments.statements import read_statement
from tests.payments.machine import HOUR, LOST, MINUTE, ONLINE, House, Idle, World
from tests.payments.returns import (
    decide_a_dispute,
    decide_a_refund,
    dispute,
    finish_a_refund,
    give,
    invoice,
    redeem,
    refund_a_payment,
    refund_an_order,
    spend_points,
    take,
    void,
)

METHODS = ("cash", "bank_transfer", "stripe", "stripe", "paypal", "paypal", "wallet")
WAITING = ("new", "pending", "requires_action", "unknown")


# -- selling


def _start(world: World, house: House) -> dict[str, Any]:
    """A practitioner and a start on the half hour, within a week."""
    zone = ZoneInfo(house.account.timezone)
    day = (timezone.now().astimezone(zone) + timedelta(days=world.dice.randint(0, 6))).date()
    local = datetime(day.year, day.month, day.day, world.dice.randint(9, 16), world.dice.choice((0, 30)), tzinfo=zone)
    return {"practitioner": world.dice.choice(house.practitioners), "start_time": local}


def _begin(world: World, house: House, sale: Sale | Payment | None) -> None:
    """Tell the provider after the sale, unless the process dies before, or the answer is lost."""
    payment = sale.payment if isinstance(sale, Sale) else sale
    if payment is None or payment.method not in ONLINE or world.often(0.1):
        return
    if world.often(0.05):
        path = "/v1/payment_intents" if payment.method == "stripe" else "/v2/checkout/orders"
        world.fakes[payment.method].fault(path, world.dice.choice(LOST), method="POST")
    begin_payment(house.account.pk, payment.pk, return_url="https://studio.example/back")
    world.fakes[payment.method].faults.clear()


def sell_something(world: World, house: House) -> str:
    """Staff or a client: a package, a service or a gift code, with whatever belongs to it."""
    client, method = world.dice.choice(house.clients), world.dice.choice(METHODS)
    what: dict[str, Any] = {
        "package": {"package": world.dice.choice(house.packages)},
        "service": {"service": world.dice.choice(house.services), "quantity": world.dice.choice((1, 1, 2))},
        "gift": {"gift_cents": world.dice.choice((2500, 5000, 10001))},
    }
    kind = world.dice.choice(("package", "service", "service", "gift"))
    options = dict(what[kind])
    said = [f"sold {kind}"]
    if kind != "gift" and world.often(0.5):
        options |= _start(world, house)
    if kind != "gift" and world.often(0.25):
        options["coupon"] = world.dice.choices(house.coupons, (5, 5, 1))[0]
        said.append("with coupon")
    if kind == "package" and world.often(0.25):
        options["instalments"] = 3
        said.append("in instalments")
    by, door = (Side.CLIENT, "customer") if world.often(0.5) else (Side.PROVIDER, "staff")
    with account_scope(house.account):
        credit = balance_of(client, house.account.currency)
    if credit > 1 and method != "wallet" and world.often(0.4):
        options["use_wallet_cents"] = world.dice.randint(1, min(credit, 1500))
        said.append("with credit")
    sale = world.call(house, sell, account=house.account, client=client, method=method, by=by, door=door, **options)
    if sale.gift_code:
        house.codes.append(sale.gift_code)
    if sale.order.tax_cents:
        said.append("taxed")
    if sale.payment is not None and sale.payment.status != "succeeded" and sale.payment.amount_cents < sale.order.total_amount_cents:
        said.append("in parts")
    _begin(world, house, sale)
    return ", ".join(said)


def sell_to_a_guest(world: World, house: House) -> str:
    house.guests += 1
    visitor = Visitor(full_name=f"Guest {house.guests}", email=f"guest{house.guests % 9}@example.test")
    method = world.dice.choice(("stripe", "paypal", "bank_transfer", "cash"))
    service = world.dice.choice(house.services)
    about: dict[str, Any] = {"account": house.account, "visitor": visitor, "method": method, "service": service, **_start(world, house)}
    sale = world.call(house, sell_online, door="public", **about)
    _begin(world, house, sale)
    return "sold to a guest"


def collect_the_rest(world: World, house: House) -> str:
    with account_scope(house.account):
        owed = Order.objects.filter(total_amount_cents__gt=F("paid_cents") - F("refunded_cents")).exclude(status="cancelled")
        order = world.one(owed)
    amount = world.dice.randint(1, order.balance_due_cents) if world.often(0.2) else None
    payment = world.call(house, collect, order, method=world.dice.choice(METHODS), amount_cents=amount)
    _begin(world, house, payment)
    return "collected"


# -- paying


def receive_by_hand(world: World, house: House) -> str:
    """Cash in the till, or a transfer seen on the account; now and then one that nobody expects any more."""
    with account_scope(house.account):
        payments = Payment.objects.filter(method__in=("cash", "bank_transfer"))
        late = payments.filter(method="bank_transfer", status="cancelled")
        payment = world.one(late if world.often(0.25) and late.exists() else payments.filter(status="pending"))
    paid = world.call(house, mark_received, payment)
    house.held["cash" if paid.method == "cash" else "bank"] += paid.captured_cents
    return f"received {paid.method}{' late' if paid.is_late else ''}"


def import_a_statement(world: World, house: House) -> str:
    """A file of the bank: transfers of ours, one with a wrong amount, one of a stranger; imported twice."""
    with account_scope(house.account):
        open_ones = Payment.objects.filter(method="bank_transfer", status__in=("pending", "cancelled"))
        payments = list(open_ones.order_by("-pk")[:12])
    chosen = world.dice.sample(payments, min(len(payments), 2))
    if not chosen:
        raise Idle
    lines = [f"{timezone.now():%Y-%m-%d};{payment.amount_cents / 100:.2f};Order {payment.reference};Zoë" for payment in chosen]
    if world.often(0.3):
        lines.append(f"{timezone.now():%Y-%m-%d};{payments[0].amount_cents / 100 + 1:.2f};{payments[0].reference};Mistaken")
    lines.append(f"{timezone.now():%Y-%m-%d};{world.step}.00;Rent {world.step};Landlord")
    content = ("Date;Amount;Description;Name\n" + "\n".join(lines) + "\n").encode()
    matched = 0
    for _ in range(2):
        with account_scope(house.account):
            before = set(BankLine.objects.filter(status="matched").values_list("pk", flat=True))
        found = read_statement(content, currency=house.account.currency)
        stored = world.call(house, _store, found.rows)
        settle_lines(house.account.pk, lines=stored.items())
        with account_scope(house.account):
            fresh = BankLine.objects.filter(status="matched").exclude(pk__in=before)
            house.held["bank"] += sum(fresh.values_list("amount_cents", flat=True))
            matched += fresh.count()
    return "imported a statement" + ", matched a transfer" * matched


def _store(lines: Any) -> dict[int, list[int]]:
    return store_lines(examine(lines))


def pay_by_card(world: World, house: House) -> str:
    """The client's browser, with a card that works, is declined, or asks for more; or a debit that takes days."""
    with account_scope(house.account):
        payment = world.one(Payment.objects.filter(method="stripe", status__in=WAITING).exclude(provider_ref=""), latest=15)
    kind, card = world.dice.choices(
        (
            ("paid by card", "pm_card_visa"),
            ("declined", "pm_card_chargeDeclined"),
            ("challenged", "pm_card_authenticationRequired"),
            ("debit", "pm_usBankAccount"),
        ),
        (12, 3, 4, 2),
    )[0]
    status, _ = world.fakes["stripe"].confirm(payment.provider_ref, card)
    if status == 400:  # it is not waited for at Stripe any more, or is in the middle of something
        return "not confirmed"
    if kind == "challenged":
        world.challenged.append(payment.provider_ref)
    if kind == "debit":
        world.processing.append(payment.provider_ref)
    return _come_back(world, house, payment, kind)


def _come_back(world: World, house: House, payment: Payment, kind: str) -> str:
    """The browser returns to our page, or is closed before."""
    if world.often(0.4):
        return kind
    begin_payment(house.account.pk, payment.pk)
    return f"{kind}, browser came back: {recheck_payment(house.account.pk, payment.pk)}"


def answer_a_challenge(world: World, house: House) -> str:
    intent = world.one(world.challenged)
    world.challenged.remove(intent)
    outcome = world.dice.choice(("succeeded", "succeeded", "failed"))
    if world.fakes["stripe"].owner("intents", intent)[1]["status"] != "requires_action":
        raise Idle
    world.fakes["stripe"].do(f"authenticate/{intent}", outcome=outcome)
    return f"challenge {outcome}"


def finish_a_debit(world: World, house: House) -> str:
    intent = world.one(world.processing)
    world.processing.remove(intent)
    world.fakes["stripe"].do(f"finish/{intent}", outcome=world.dice.choice(("succeeded", "succeeded", "failed")))
    return "debit finished"


def approve_at_paypal(world: World, house: House) -> str:
    with account_scope(house.account):
        payment = world.one(Payment.objects.filter(method="paypal", status__in=WAITING).exclude(provider_ref=""), latest=15)
    if house.paypal["orders"][payment.provider_ref]["status"] == "COMPLETED":
        raise Idle
    instrument = "declined" if world.often(0.12) else ""
    world.fakes["paypal"].approve(payment.provider_ref, instrument=instrument)
    if world.often(0.1):
        world.fakes["paypal"].fault("/v2/checkout/orders/*/capture", world.dice.choice(LOST))
    said = _come_back(world, house, payment, f"approved at PayPal{' in vain' if instrument else ''}")
    world.fakes["paypal"].faults.clear()
    return said


def poll(world: World, house: House) -> str:
    with account_scope(house.account):
        payment = world.one(Payment.objects.filter(method__in=ONLINE).exclude(provider_ref=""))
    return f"polled, polled {recheck_payment(house.account.pk, payment.pk)}"


def stop_waiting(world: World, house: House) -> str:
    with account_scope(house.account):
        payment = world.one(Payment.objects.filter(status__in=(*WAITING, "authorized")))
    world.call(house, end_waiting, payment)
    return "stopped waiting"


# -- being told


def hear(world: World, house: House) -> str:
    """Webhooks: in order, in reverse, twice, or never (of payments, which are polled as well)."""
    provider = world.dice.choice(ONLINE)
    events = world.new_events(house, provider, world.dice.randint(1, 6))
    if not events:
        raise Idle
    said = ["webhooks"]
    if len(events) > 1 and world.often(0.3):
        events.reverse()
        said.append("webhooks reversed")
    for event in events:
        if event.get("type", "").startswith("payment_intent.") and world.often(0.15):
            said.append("webhook lost")
            continue
        for _ in range(2 if world.often(0.3) else 1):
            headers, body = world.fakes[provider].signed(event["id"])
            is_new = receive_event(house.account.pk, provider, headers=headers, body=body)[1]
            said.append("webhook delivered" if is_new else "webhook repeated")
    return ", ".join(said)


def hear_again(world: World, house: House) -> str:
    with account_scope(house.account):
        event = world.one(ProviderEvent.objects.all(), latest=200)
    process_event(house.account.pk, event.pk, again=True)
    return "webhook replayed"


# -- sessions


def _session(world: World, house: House, *statuses: str, **wanted: Any) -> Booking:
    with account_scope(house.account):
        return world.one(Booking.objects.filter(status__in=statuses, **wanted))


def schedule(world: World, house: House) -> str:
    booking = _session(world, house, "draft")
    world.call(house, schedule_booking, booking, **_start(world, house))
    return "scheduled"


def cancel(world: World, house: House) -> str:
    booking = _session(world, house, "held", "confirmed", "confirmed", "draft")
    world.call(house, cancel_booking, booking, by=world.dice.choice((Side.CLIENT, Side.PROVIDER)), void=world.often(0.3))
    return "cancelled"


def end(world: World, house: House) -> str:
    booking = _session(world, house, "confirmed", start_time__lte=timezone.now() - 15 * MINUTE)
    if world.often(0.6):
        world.call(house, complete_booking, booking)
        return "completed"
    world.call(house, mark_no_show, booking)
    return "no-show"


def undo(world: World, house: House) -> str:
    world.call(house, undo_no_show, _session(world, house, "no_show"))
    return "no-show undone"


def transfer(world: World, house: House) -> str:
    with account_scope(house.account):
        paid = Order.objects.filter(order_type="package", payment_status__in=("paid", "overpaid"), bookings__status="draft")
        order = world.one(paid.distinct())
    to = world.one([client for client in house.clients if client.pk != order.client_id])
    world.call(house, transfer_sessions, order, to_client=to, count=1)
    return "transferred"


# -- time and terms


def change_settings(world: World, house: House) -> str:
    choices: dict[str, tuple[Any, ...]] = {
        "late_money": ("keep", "credit", "refund"),
        "refund_approval_above_cents": (0, 4000),
        "refund_used_at": ("share", "list"),
        "refund_forfeited": (True, False),
        "invoice_when": ("paid", "sale", "manual"),
        "tax_rounding": ("line", "net_sum", "gross_sum"),
        "bank_transfer_hold_days": (0, 1, 3),
        "gift_taxed_at_sale": (True, False),
    }
    name = world.dice.choice(list(choices))
    house.account.settings = {**house.account.settings, name: world.dice.choice(choices[name])}
    house.account.save(update_fields=["settings"])
    return "settings changed"


def wait(world: World, house: House) -> str:
    world.wait(world.dice.choices((5 * MINUTE, 16 * MINUTE, 90 * MINUTE, 9 * HOUR, 26 * HOUR, 120 * HOUR), (5, 6, 5, 4, 3, 1))[0])
    return "waited"


MOVES: dict[Callable[[World, House], str], int] = {
    sell_something: 20,
    sell_to_a_guest: 5,
    collect_the_rest: 7,
    receive_by_hand: 9,
    import_a_statement: 3,
    pay_by_card: 14,
    answer_a_challenge: 6,
    finish_a_debit: 3,
    approve_at_paypal: 12,
    poll: 3,
    stop_waiting: 2,
    hear: 13,
    hear_again: 4,
    schedule: 7,
    cancel: 6,
    end: 7,
    undo: 4,
    transfer: 4,
    refund_a_payment: 10,
    refund_an_order: 5,
    decide_a_refund: 6,
    finish_a_refund: 5,
    dispute: 3,
    decide_a_dispute: 3,
    give: 6,
    take: 3,
    spend_points: 2,
    redeem: 4,
    void: 1,
    invoice: 3,
    change_settings: 2,
    wait: 5,
}


def play(world: World, steps: int) -> None:
    """So many moves of both houses, in any order."""
    moves, weights = list(MOVES), list(MOVES.values())
    end_at = world.step + steps
    while world.step < end_at:
        make = world.dice.choices(moves, weights)[0]
        if world.move(world.dice.choice(world.houses), make.__name__, make) and world.often(0.3):
            world.work()
