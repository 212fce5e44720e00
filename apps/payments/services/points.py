"""Points: earned with money, spent as credit (rules.md §6). A unit of their own per business; the balance may fall below zero.

Spending locks the client, earning the order.
"""

from datetime import datetime

from django.db.models import Min, QuerySet, Sum
from django.utils import timezone

from apps.accounts.selectors import setting
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.core.money import half_up
from apps.orders.models import Order
from apps.orders.services import lock_order
from apps.payments.errors import InsufficientFunds
from apps.payments.models import Book, Payment, PointsEntry, ReferralReward, WalletLot
from apps.payments.services.collecting import SETTLED
from apps.payments.services.wallet import give_credit

Kind = PointsEntry.Kind


def points_balance(client: Client) -> int:
    """The client's points; below zero after a refund of what was spent already."""
    return PointsEntry.objects.filter(client=client).aggregate(points=Sum("points"))["points"] or 0


@joined
def add_points(
    *,
    client: Client,
    points: int,
    kind: str = Kind.ADJUSTED,
    reason: str = "",
    order: Order | None = None,
    reward: ReferralReward | None = None,
) -> PointsEntry:
    """Signed points for a client. Raises Invalid for none."""
    if not points:
        raise Invalid(fields={"points": ["Send more or less than 0 points."]})
    entry = PointsEntry.objects.create(
        account_id=client.account_id, client=client, kind=kind, points=points, order=order, reward=reward, reason=reason[:500]
    )
    emit("points.changed", entry, changes={"points": [None, points], "kind": [None, kind]})
    return entry


@joined
def redeem_points(*, client: Client, points: int, at: datetime | None = None) -> WalletLot:
    """Turn points into credit at the account's ``point_value_cents``.

    Raises Invalid (points cannot be spent here), InsufficientFunds (``available_points``), NoWallet.
    """
    at = at or timezone.now()
    client = Client.objects.select_for_update(no_key=True, of=("self",)).select_related("account", "customer__user").get(pk=client.pk)
    value = setting(client.account, "point_value_cents")
    if points < 1:
        raise Invalid(fields={"points": ["Spend at least 1 point."]})
    if not value:
        raise Invalid(fields={"points": ["Points cannot be spent here."]})
    available = max(0, points_balance(client))
    if points > available:
        raise InsufficientFunds("There are not enough points.", available_points=available)
    reason = f"{points} points"
    add_points(client=client, points=-points, kind=Kind.REDEEMED, reason=reason)
    return give_credit(
        client=client,
        amount_cents=points * value,
        currency=client.account.currency,
        source=WalletLot.Source.GOODWILL,
        reason=reason,
        from_book=Book.GOODWILL,
        at=at,
    )


@joined
def settle_points_of(order: Order) -> int:
    """Make the points of an order what its money deserves now; returns the change. May be run at any time.

    They are earned once, when the order is paid: ``points_per_100_cents`` of the price, as far as it was paid with money; credit does
    not count, and neither does what was paid beyond the price. Of that price the points keep the share that is still here: money that
    goes back takes its share of them with it, unless it was too much.
    """
    order = lock_order(order.pk)
    came_in, went_back = money_of(order)
    surplus = max(0, order.paid_cents - order.refunded_cents - order.total_amount_cents)
    kept = max(0, came_in - went_back - surplus)
    entries = PointsEntry.objects.filter(order=order, reward=None)
    earnings = entries.filter(kind=Kind.EARNED).aggregate(points=Sum("points"), at=Min("created_at"))
    earned, deserving = earnings["points"] or 0, kept
    change = 0
    client = order.client if order.payer is None else order.payer
    if earned:
        deserving = min(came_in, _price_in_money(order, earnings["at"]))
    elif order.payment_status in SETTLED:
        earned = change = kept * setting(order.account, "points_per_100_cents") // 100
        if earned:
            add_points(client=client, points=earned, kind=Kind.EARNED, reason=order.number, order=order)
    lost = half_up(earned * max(0, deserving - kept), deserving) if deserving > 0 else 0
    back = lost + _sum(entries.filter(kind=Kind.CLAWED_BACK))
    if back:  # below zero when a refund failed after all
        add_points(client=client, points=-back, kind=Kind.CLAWED_BACK, reason=order.number, order=order)
        change -= back
    return change


def _price_in_money(order: Order, at: datetime) -> int:
    """What an order cost when its points were earned, without what credit had paid of it (cents)."""
    later = order.lines.filter(created_at__gt=at).aggregate(cents=Sum("amount_cents"))["cents"] or 0  # type: ignore[attr-defined]
    by_credit = Payment.objects.filter(order=order, method=Payment.Method.WALLET, created_at__lte=at)
    credit = by_credit.aggregate(cents=Sum("captured_cents"))["cents"] or 0
    return order.total_amount_cents - later - credit


def money_of(order: Order) -> tuple[int, int]:
    """(the cents that came in for an order other than from credit, the cents of them that went back)."""
    paid = Payment.objects.filter(order=order, captured_cents__gt=0).exclude(method=Payment.Method.WALLET)
    sums = paid.aggregate(came_in=Sum("captured_cents"), went_back=Sum("refunded_cents"))
    return sums["came_in"] or 0, sums["went_back"] or 0


def _sum(entries: QuerySet) -> int:
    return entries.aggregate(points=Sum("points"))["points"] or 0
