"""Coupons: whether a code may be used, what it takes off, and counting its uses."""

from datetime import datetime

from django.db.models import F, Q

from apps.catalog.models import Service
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.events import current_actor, emit
from apps.core.money import half_up
from apps.orders.models import Order, OrderLine
from apps.packages.models import Package
from apps.payments.errors import CouponRefused
from apps.payments.models import Coupon, CouponUse

OUR_DOORS = ("staff", "admin", "command")
"""Whoever comes through another one does not learn that a code exists which they may not use."""
LINE = "Coupon {}"
"""What the line of an order says that a coupon took something off."""


def find_coupon(
    code: str,
    *,
    client: Client,
    package: Package | None = None,
    service: Service | None = None,
    subtotal_cents: int,
    at: datetime,
) -> Coupon:
    """The coupon with this code (in any case), which this client may use for this sale now. Raises CouponRefused, which says why.

    One query, and one more for a coupon with a limit per client or for first orders only. That it is free still, and how often, is
    decided by ``redeem_coupon``.
    """
    coupon = Coupon.objects.filter(code__iexact=code.strip()).first()
    if coupon is None:
        raise CouponRefused(why="unknown")
    if not coupon.is_active:
        raise CouponRefused(why="inactive" if current_actor().source in OUR_DOORS else "unknown")
    if coupon.valid_from is not None and at < coupon.valid_from:
        raise CouponRefused("This coupon is not valid yet.", why="not_yet")
    if coupon.valid_until is not None and at >= coupon.valid_until:
        raise CouponRefused("This coupon has expired.", why="expired")
    bought = package.pk if package else None, service.pk if service else None
    if bought == (None, None) or not _is_for(coupon, *bought):
        raise CouponRefused("This coupon is not for what is being bought.", why="not_for_this")
    if subtotal_cents < coupon.minimum_cents:
        raise CouponRefused("This coupon needs a higher price.", why="too_small", minimum_cents=coupon.minimum_cents)
    if coupon.max_uses is not None and coupon.uses >= coupon.max_uses:
        raise _used_up()
    _refuse_client(coupon, client, None)
    return coupon


def _is_for(coupon: Coupon, package_id: int | None, service_id: int | None) -> bool:
    """A coupon with a package and a service is for both of them, one without is for everything that has sessions."""
    if coupon.package_id is None and coupon.service_id is None:
        return True
    return (package_id is not None and coupon.package_id == package_id) or (service_id is not None and coupon.service_id == service_id)


def _used_up() -> CouponRefused:
    return CouponRefused("This coupon has been used up.", why="used_up")


def _refuse_client(coupon: Coupon, client: Client, order: Order | None) -> None:
    """Raise CouponRefused for a client who has used it as often as may be, or bought before. ``order`` is the one being placed.

    A client who was not saved yet has done neither.
    """
    if client.pk is None:
        return
    if coupon.max_uses_per_client is not None:
        used = CouponUse.objects.filter(coupon=coupon, client=client)
        if used.count() >= coupon.max_uses_per_client:
            raise _used_up()
    if coupon.first_order_only:
        others = Order.objects.filter(client=client, parent=None).exclude(status=Order.Status.CANCELLED)
        if (others.exclude(pk=order.pk) if order else others).exists():
            raise CouponRefused("This coupon is for a first order.", why="not_first")


def discount_of(coupon: Coupon, subtotal_cents: int) -> int:
    """What a coupon takes off a price, in cents: at most all of it, per cent rounded half up."""
    if coupon.kind == "percent":
        return half_up(subtotal_cents * coupon.value, 100)
    return min(coupon.value, subtotal_cents)


@joined
def redeem_coupon(coupon: Coupon, *, order: Order, client: Client, amount_cents: int) -> CouponUse:
    """Count one use of a coupon, by an order that was just written; its row stays locked until the sale is committed.

    So of many sales at once only as many get through as it has uses left. Raises CouponRefused.
    """
    free = Q(max_uses=None) | Q(uses__lt=F("max_uses"))
    if not Coupon.objects.filter(free, pk=coupon.pk, is_active=True).update(uses=F("uses") + 1):
        raise _used_up()
    _refuse_client(coupon, client, order)
    use = CouponUse.objects.create(account_id=order.account_id, coupon=coupon, order=order, client=client, amount_cents=amount_cents)
    emit("coupon.used", coupon, changes={"order": [None, order.pk], "amount_cents": [None, amount_cents]})
    return use


@joined
def return_coupon(order: Order) -> bool:
    """The use of a coupon by a locked order that was given up is free again; says whether there was one."""
    use = CouponUse.objects.filter(order=order).select_related("coupon").first()
    if use is None:
        return False
    use.delete()
    Coupon.objects.filter(pk=use.coupon_id, uses__gt=0).update(uses=F("uses") - 1)
    emit("coupon.returned", use.coupon, changes={"order": [order.pk, None], "amount_cents": [use.amount_cents, None]})
    return True


@joined
def retake_coupon(order: Order) -> bool:
    """Count the use of a coupon again by a locked order that was given up and is paid after all; says whether it was counted.

    The sale keeps its price in any case. A coupon that has been used up meanwhile (or has another code, or is gone) is left as it is:
    the order then has no use, so that a coupon never says more uses than it has, nor more than it allows (I61).
    """
    prices = order.lines.filter(kind=OrderLine.Kind.DISCOUNT, description__startswith=LINE.format(""))  # type: ignore[attr-defined]
    said = prices.values_list("description", flat=True).first()
    if said is None or CouponUse.objects.filter(order=order).exists():
        return False
    coupon = Coupon.objects.filter(code__iexact=said.removeprefix(LINE.format(""))).first()
    free = Q(max_uses=None) | Q(uses__lt=F("max_uses"))
    if coupon is None or not Coupon.objects.filter(free, pk=coupon.pk).update(uses=F("uses") + 1):
        return False
    cents = order.discount_cents
    CouponUse.objects.create(account_id=order.account_id, coupon=coupon, order=order, client_id=order.client_id, amount_cents=cents)
    emit("coupon.used", coupon, changes={"order": [None, order.pk], "amount_cents": [None, cents]})
    return True
