"""The money machine's ways back: refunds, disputes, credit, gift codes and documents. See ``tests.payments.moves``."""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from apps.bookings.models import Side
from apps.checkout.refunds import Refunding, quote_order_refund, refund_order
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.models import Book, GiftCode, Payment, Refund, WalletLot
from apps.payments.services.gifts import issue_gift_code, redeem_gift_code, void_gift_code
from apps.payments.services.inbox import process_event, receive_event
from apps.payments.services.invoices import issue_invoice
from apps.payments.services.points import points_balance, redeem_points
from apps.payments.services.refunds import approve_refund, cancel_refund, execute_refund, mark_sent, request_refund
from apps.payments.services.wallet import give_credit, take_credit
from tests.payments.machine import LOST, ONLINE, House, Idle, World

# -- giving money back


def _count(house: House, *refunds: Refund) -> None:
    """Cash that has left the till."""
    house.held["cash"] -= sum(refund.amount_cents for refund in refunds if refund.method == "cash" and refund.status == "succeeded")


def _execute(world: World, house: House, refunds: list[Refund]) -> list[str]:
    """Tell the providers: they do it at once, slowly, not at all, or their answer is lost."""
    said = []
    for refund in refunds:
        if refund.method not in ONLINE or refund.status != "pending" or world.often(0.2):
            continue
        fake = world.fakes[refund.method]
        stripe = refund.method == "stripe"
        mode = world.dice.choices(("done", "slow", "failed", "lost"), (6, 2, 2, 1))[0]
        if mode == "lost":
            fake.fault("/v1/refunds" if stripe else "/v2/payments/captures/*/refund", world.dice.choice(LOST), method="POST")
        elif mode != "done":
            fake.refund_mode = {"slow": "pending", "failed": "failed"}[mode] if stripe else {"slow": "PENDING", "failed": "FAILED"}[mode]
        said.append(f"refund by {refund.method}: {execute_refund(house.account.pk, refund.pk)}")
        fake.refund_mode = "succeeded" if stripe else "COMPLETED"
        fake.faults.clear()
    return said


def _refundable(world: World, house: House, **wanted: Any) -> Payment:
    with account_scope(house.account):
        back = F("refunded_cents") + F("refunding_cents") + F("disputed_cents")
        return world.one(Payment.objects.filter(status="succeeded", captured_cents__gt=back, **wanted))


def refund_a_payment(world: World, house: House) -> str:
    payment = _refundable(world, house)
    amount = world.dice.randint(1, payment.refundable_cents) if world.often(0.7) else None
    options = {"reduces_price": world.often(0.4), "to_wallet": payment.method != "wallet" and world.often(0.25)}
    refund = world.call(house, request_refund, payment, amount_cents=amount, reason="Asked for", **options)
    _count(house, refund)
    kind = "refund that reduces the price" if options["reduces_price"] else "plain refund"
    said = [kind, *(["refund to the wallet"] if options["to_wallet"] else [])]
    return ", ".join([*said, *_execute(world, house, [refund])])


def refund_an_order(world: World, house: House) -> str:
    """By its quote, as staff do it."""
    with account_scope(house.account):
        order = world.one(Order.objects.filter(paid_cents__gt=F("refunded_cents")).exclude(order_type="gift"))
    asked = Refunding(
        by=world.dice.choice((Side.CLIENT, Side.PROVIDER)),
        fee_cents=world.dice.choice((0, 0, 300)),
        to=world.dice.choice(("tenders", "tenders", "wallet")),
    )
    quote = world.call(house, quote_order_refund, order, asked=asked)
    refunds, result = world.call(house, refund_order, order, asked=asked, quote=quote["token"])
    assert {name: result[name] for name in result} == {name: quote[name] for name in result}
    assert sum(refund.amount_cents for refund in refunds) == quote["refund_cents"]
    _count(house, *refunds)
    return ", ".join(["order refunded" if refunds else "order wound up", *_execute(world, house, refunds)])


def decide_a_refund(world: World, house: House) -> str:
    """The second person, or the bank."""
    with account_scope(house.account):
        asked = Refund.objects.filter(status="requested")  # few are: they come first
        refund = world.one(asked if asked.exists() else Refund.objects.filter(status="pending", method="bank_transfer"))
    if world.often(0.25):
        done = world.call(house, cancel_refund, refund)
        return f"refund cancelled, {done.method} refund cancelled"
    if refund.status == "requested":
        done = world.call(house, approve_refund, refund, approved_by=house.second)
        _count(house, done)
        return ", ".join(["refund approved", *_execute(world, house, [done])])
    done = world.call(house, mark_sent, refund)
    house.held["bank"] -= done.amount_cents
    return "bank refund sent"


def finish_a_refund(world: World, house: House) -> str:
    """What was slow at a provider comes to an end; what had come through may come back from the client's bank."""
    slow = [("stripe", one["id"]) for one in house.stripe["refunds"].values() if one["status"] == "pending"]
    slow += [("paypal", one["id"]) for one in house.paypal["refunds"].values() if one["status"] == "PENDING"]
    if not slow or world.often(0.15):
        done = [("stripe", one["id"]) for one in house.stripe["refunds"].values() if one["status"] == "succeeded"]
        if not done:
            raise Idle
        intent = house.stripe["refunds"][done[-1][1]]["payment_intent"]
        if house.stripe["charges"][house.stripe["intents"][intent]["latest_charge"]]["disputed"]:
            raise Idle
        world.fakes["stripe"].do(f"refunds/{done[-1][1]}", status="failed")
        return "refund came back"
    provider, refund = world.dice.choice(slow)
    ends = {"stripe": ("succeeded", "failed"), "paypal": ("COMPLETED", "FAILED")}[provider]
    status = ends[world.often(0.35)]
    world.fakes[provider].do(f"refunds/{refund}", status=status)
    return f"slow refund {status.lower()}"


# -- disputes


def dispute(world: World, house: House) -> str:
    """The client's bank takes everything back that is not back already."""
    payment = _refundable(world, house, method__in=ONLINE, disputed_cents=0, refunding_cents=0)
    with account_scope(house.account):
        if payment.disputes.exists():
            raise Idle
    if payment.method == "stripe":
        made = world.fakes["stripe"].do("disputes", payment_intent=payment.provider_ref, amount=payment.refundable_cents)["id"]
    elif payment.refunded_cents:
        raise Idle  # the fake disputes whole captures
    else:
        made = world.fakes["paypal"].do("disputes", order=payment.provider_ref)["dispute_id"]
    world.disputed.append((payment.method, made))
    _hear_all(world, house, payment.method)  # before money of it goes another way
    return "dispute opened"


def decide_a_dispute(world: World, house: House) -> str:
    mine = [(provider, made) for provider, made in world.disputed if made in house.of(provider)["disputes"]]
    provider, made = world.one(mine)
    world.disputed.remove((provider, made))
    lost = world.often(0.5)
    outcome = {"stripe": {"status": "lost" if lost else "won"}, "paypal": {"outcome": f"RESOLVED_{'BUYER' if lost else 'SELLER'}_FAVOUR"}}
    world.fakes[provider].do(f"disputes/{made}", **outcome[provider])
    return f"dispute {'lost' if lost else 'won'}"


def _hear_all(world: World, house: House, provider: str) -> None:
    while events := world.new_events(house, provider, 50):
        for event in events:
            headers, body = world.fakes[provider].signed(event["id"])
            stored, _ = receive_event(house.account.pk, provider, headers=headers, body=body)
            if stored is not None:
                process_event(house.account.pk, stored)


def hear_everything(world: World) -> None:
    for house in world.houses:
        for provider in ONLINE:
            _hear_all(world, house, provider)


# -- credit and documents


def give(world: World, house: House) -> str:
    ends = world.dice.choice((None, 2, 5, 20))
    bought = world.often(0.3)
    options: dict[str, Any] = {
        "client": world.dice.choice(house.clients[:4]),
        "amount_cents": world.dice.randint(100, 6000),
        "currency": house.account.currency,
        "source": WalletLot.Source.TOP_UP if bought else WalletLot.Source.GOODWILL,
        "is_cashable": bought,
        "expires_at": timezone.now() + timedelta(days=ends) if ends else None,
        "from_book": Book.CASH if bought else Book.GOODWILL,
    }
    lot = world.call(house, give_credit, **options)
    if bought:
        house.held["cash"] += lot.amount_cents
    return "credit given"


def take(world: World, house: House) -> str:
    client, out = world.dice.choice(house.clients[:4]), world.often(0.5)
    options = {"client": client, "amount_cents": world.dice.randint(1, 1200), "currency": house.account.currency, "reason": "Taken"}
    line = world.call(house, take_credit, to_book=Book.CASH if out else Book.GOODWILL, **options)
    if out:
        house.held["cash"] += line.amount_cents
    return "credit taken"


def spend_points(world: World, house: House) -> str:
    client = world.dice.choice(house.clients[:4])
    with account_scope(house.account):
        points = points_balance(client)
    if points < 1:
        raise Idle
    world.call(house, redeem_points, client=client, points=world.dice.randint(1, points))
    return "points redeemed"


def redeem(world: World, house: House) -> str:
    if world.often(0.2):
        house.codes.append(world.call(house, issue_gift_code, account=house.account, amount_cents=1500, reason="Sorry")[1])
    code = world.one(house.codes)
    world.call(house, redeem_gift_code, client=world.dice.choice(house.clients[:4]), code=code)
    house.codes.remove(code)
    return "gift code redeemed"


def void(world: World, house: House) -> str:
    with account_scope(house.account):
        gift = world.one(GiftCode.objects.filter(status__in=("active", "redeemed")))
    world.call(house, void_gift_code, gift, reason="Lost")
    return "gift code void"


def invoice(world: World, house: House) -> str:
    with account_scope(house.account):
        order = world.one(Order.objects.filter(order_type__in=("package", "service", "gift")).exclude(lines__invoice_lines__isnull=False))
    document = world.call(house, issue_invoice, order)
    return f"{document.kind} issued by hand"
