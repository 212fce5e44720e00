"""What a sale would cost, and what would be due when, without selling anything."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.models import Side
from apps.catalog.models import Practitioner, Service
from apps.checkout.pricing import PricedLine, price_sale
from apps.checkout.services import refuse_method, refuse_site, what_is_sold
from apps.clients.models import Client
from apps.core.errors import Invalid
from apps.packages.models import Package
from apps.payments.errors import InsufficientFunds
from apps.payments.models import Payment
from apps.payments.services.deposits import schedule_for
from apps.payments.services.wallet import balance_of, wallet_of
from apps.sites.models import Site


def quote_sale(
    *,
    account: Account,
    client: Client,
    method: str | None = None,
    package: Package | None = None,
    service: Service | None = None,
    gift_cents: int | None = None,
    site: Site | None = None,
    practitioner: Practitioner | None = None,
    start_time: datetime | None = None,
    quantity: int = 1,
    coupon: str | None = None,
    use_wallet_cents: int = 0,
    instalments: int | None = None,
    by: str = Side.PROVIDER,
    at: datetime | None = None,
) -> dict[str, Any]:
    """What ``sell`` with the same arguments would write, in cents; nothing is written, and whether the start is free is not looked at.

    A ``client`` that was not saved yet is a new one. Raises what ``sell`` raises before it schedules: PackageEmpty, NotForSale,
    DuplicateOwnership, CouponRefused, InsufficientFunds, Invalid, and with a ``method`` MethodNotOffered and ProviderOff.
    """
    at = at or timezone.now()
    if method is not None:
        refuse_method(account, method=method, by=by)
    if site is not None:
        site = refuse_site(site, client=client)
    sold: Any = {"package": package, "service": service, "gift_cents": gift_cents, "site": site}
    plan, name = what_is_sold(**sold, practitioner=practitioner, start_time=start_time, quantity=quantity)
    priced = price_sale(account=account, client=client, plan=plan, name=name, coupon=coupon, **sold, at=at)
    schedule = schedule_for(
        account=account,
        client=client,
        order_total_cents=priced.total_cents,
        package=package,
        service=service,
        sessions=plan,
        instalments=instalments,
        first_start=start_time,
        at=at,
    )
    due = schedule[0].amount_cents if schedule else priced.total_cents
    credit = balance_of(client, account.currency, at=at)
    from_wallet = due if method == Payment.Method.WALLET else use_wallet_cents
    if from_wallet > due:
        raise Invalid(fields={"use_wallet_cents": [f"Only {due} cents are due now."]})
    if from_wallet:
        wallet_of(client)
    if from_wallet > credit:
        raise InsufficientFunds(available_cents=credit)
    return {
        "currency": account.currency,
        "prices_include_tax": priced.prices_include_tax,
        "tax_code": priced.tax_code,
        "coupon": priced.coupon.code if priced.coupon else None,
        "lines": [
            {name: getattr(line, name) for name in ("kind", "description", "quantity", "unit_price_cents", "amount_cents")}
            | {"tax_rate": line.tax_rate, "tax_cents": line.tax_cents}
            for line in priced.lines
        ],
        "subtotal_cents": priced.subtotal_cents,
        "discount_cents": priced.discount_cents,
        "taxes": _per_rate(priced.lines),
        "tax_cents": priced.tax_cents,
        "total_amount_cents": priced.total_cents,
        "sessions": [
            {"position": session.position, "service": session.service.pk, "price_cents": share.price_cents, "tax_cents": share.tax_cents}
            for session, share in zip(plan, priced.shares, strict=True)
        ],
        "schedule": [{"kind": line.kind, "amount_cents": line.amount_cents, "due_at": line.due_at} for line in schedule],
        "due_now_cents": due,
        "credit_cents": credit,
        "from_wallet_cents": from_wallet,
        "to_pay_now_cents": due - from_wallet,
    }


def _per_rate(lines: list[PricedLine]) -> list[dict[str, Any]]:
    """Net, tax and gross of each rate, the highest first."""
    sums: dict[Decimal, list[int]] = defaultdict(lambda: [0, 0])
    for line in lines:
        if line.tax_rate is not None:
            sums[line.tax_rate][0] += line.amount_cents
            sums[line.tax_rate][1] += line.tax_cents
    return [
        {"tax_rate": rate, "net_cents": gross - tax, "tax_cents": tax, "gross_cents": gross}
        for rate, (gross, tax) in sorted(sums.items(), reverse=True)
    ]
