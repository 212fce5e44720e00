"""What orders and refunds mean for gift codes, points and referral rewards. Each handler may run any number of times."""

import logging

from django.db import transaction

from apps.core.errors import InvalidTransition
from apps.core.events import emit, on
from apps.core.models import Event
from apps.orders.models import Order
from apps.payments.models import Dispute, GiftCode, Refund
from apps.payments.services.gifts import REFUNDED, activate_gift_codes, void_gift_code
from apps.payments.services.points import settle_points_of
from apps.payments.services.referrals import note_first_purchase, settle_reward_of

logger = logging.getLogger(__name__)

PAID = ("order.paid", "order.overpaid")
WENT_BACK = ("refund.succeeded", "refund.failed", "dispute.lost", "order.refunded")


def _order_of(event: Event) -> Order | None:
    """The order that an event is about, itself or by its refund or dispute; None when it is gone."""
    if event.subject_type == Refund._meta.label_lower:
        return Order.objects.filter(refunds=event.subject_id).first()
    if event.subject_type == Dispute._meta.label_lower:
        return Order.objects.filter(disputes=event.subject_id).first()
    return Order.objects.filter(pk=event.subject_id).first()


@on(*PAID)
def make_gift_codes_valid(event: Event) -> None:
    """A gift code works once it is paid."""
    order = _order_of(event)
    if order is not None and order.order_type == Order.Type.GIFT:
        activate_gift_codes(order)


@on(*PAID, *WENT_BACK)
def follow_money_with_points(event: Event) -> None:
    """Points are earned with money, and go back with it."""
    order = _order_of(event)
    if order is not None:
        settle_points_of(order)


@on(*PAID)
def promise_reward(event: Event) -> None:
    """Somebody who was brought by somebody has paid their first order."""
    order = _order_of(event)
    if order is not None:
        note_first_purchase(order, at=event.created_at)


@on(*WENT_BACK)
def take_reward_back(event: Event) -> None:
    """The money of a rewarded purchase has gone back."""
    order = _order_of(event)
    if order is not None:
        settle_reward_of(order)


@on("order.refunded")
def void_refunded_gift_codes(event: Event) -> None:
    """Nobody redeems what was given back, or lost in a dispute. A refund waits until no code is redeemed, but a bank asks nobody: credit
    that was spent by then stays spent; staff are told by an event.
    """
    order = _order_of(event)
    if order is None or order.order_type != Order.Type.GIFT or order.payment_status != Order.PaymentStatus.REFUNDED:
        return
    usable = (GiftCode.Status.INACTIVE, GiftCode.Status.ACTIVE, GiftCode.Status.REDEEMED)
    for gift in GiftCode.objects.filter(order=order, status__in=usable).order_by("pk"):
        try:
            with transaction.atomic():
                void_gift_code(gift, reason=REFUNDED.format(order.number))
        except InvalidTransition as refusal:
            logger.warning("gift code %s of refunded order %s stays: %s", gift.pk, order.pk, refusal.message)
            emit("gift_code.spent", gift, changes={"order": [None, "refunded"]})
