"""Segments of clients by what they bought."""

from typing import Any

from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from apps.clients.segments import Moment, cents, condition, ids, truth
from apps.orders.models import Order


@condition("has_package", **{"is": truth, "in": ids})
def _has_package(op: str, value: Any, moment: Moment) -> Q:
    """A package that can still be used: any, or one of these."""
    orders = Order.objects.filter(order_type=Order.Type.PACKAGE, status=Order.Status.ACTIVE)
    if op == "in":
        return Q(pk__in=orders.filter(package_id__in=value).values("client_id"))
    found = Q(pk__in=orders.values("client_id"))
    return found if value else ~found


@condition("spent", at_least=cents, at_most=cents)
def _spent(op: str, value: Any, moment: Moment) -> Q:
    """What they paid for orders and did not get back, in cents of the account's currency."""
    sums = Order.objects.order_by().values(who=Coalesce("payer_id", "client_id")).annotate(spent=Sum(F("paid_cents") - F("refunded_cents")))
    if op == "at_least":
        return Q(pk__in=sums.filter(spent__gte=value).values("who")) if value else Q()
    return ~Q(pk__in=sums.filter(spent__gt=value).values("who"))
