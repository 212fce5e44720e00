"""Rates of tax after the sale: for fees, and for prices that are taken back. An order remembers those it was sold with."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.catalog.models import Service
from apps.core.money import half_up, split
from apps.orders.models import Order
from apps.orders.tax import rate_from, tax_of_gross


def tax_terms(account: Account, services: Iterable[Service]) -> dict[str, Any]:
    """What an order remembers of tax (``package_metadata["tax"]``): the rate of each service, and whether fees contain tax."""
    rates = {str(service.pk): "" if service.tax_rate is None else str(service.tax_rate) for service in services}
    return {"rates": rates, "fees": setting(account, "fees_are_taxed")}


def sold_rate(order: Order, service_id: int) -> Decimal | None:
    """The rate of a service at the sale of an order; None for no tax."""
    rates = order.package_metadata.get("tax", {}).get("rates", {})
    return None if order.tax_code else rate_from(rates.get(str(service_id), ""))


def fee_rate(order: Order, service_id: int | None = None) -> Decimal | None:
    """The rate of tax in a fee of an order (with its account): that of the session's service at the sale, or ``package_tax_rate``
    for what belongs to no session. None where there is no tax in it.
    """
    terms = order.package_metadata.get("tax", {})
    if order.tax_code or not terms.get("fees", setting(order.account, "fees_are_taxed")):
        return None
    return rate_from(setting(order.account, "package_tax_rate")) if service_id is None else sold_rate(order, service_id)


def tax_of_fee(fee_cents: int, rate: Decimal | None, *, charged_cents: int = 0) -> int:
    """The tax of a fee (signed cents) on top of what was charged for the same session before: all of them, whichever are taken back
    in one or in parts, come to nothing in the end.
    """
    return tax_of_gross(charged_cents + fee_cents, rate) - tax_of_gross(charged_cents, rate)


def price_parts(order: Order, cents: int) -> list[tuple[int, int, Decimal | None]]:
    """``cents`` of what a locked order costs, over its rates of tax: [(cents, the tax in them, rate)]. In all of it is all its tax."""
    found = order.lines.values_list("tax_rate").annotate(cents=Sum("amount_cents"), tax=Sum("tax_cents")).order_by("tax_rate")  # type: ignore[attr-defined]
    groups = [group for group in found if group[1] > 0]
    parts = split(cents, [amount for _, amount, _ in groups])
    taxes = [half_up(tax * part, amount) for part, (_, amount, tax) in zip(parts, groups, strict=True)]
    if cents == order.total_amount_cents or sum(taxes) > order.tax_cents:
        taxes[parts.index(max(parts))] += order.tax_cents - sum(taxes)
    return [(part, tax, rate) for part, tax, (rate, _, _) in zip(parts, taxes, groups, strict=True) if part]
