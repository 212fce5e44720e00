"""Selling: the only way an order comes into being."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from simple_history.utils import bulk_create_with_history

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.bookings.models import Booking, Side, Status
from apps.bookings.services.claims import lock_practitioners
from apps.bookings.services.scheduling import hold_booking, schedule_booking
from apps.bookings.slots import offers_of
from apps.catalog.models import Practitioner, Service
from apps.checkout.errors import MethodNotOffered, NotForSale, PackageEmpty
from apps.checkout.pricing import Priced, price_sale
from apps.clients.models import Client
from apps.core.db import joined, next_number
from apps.core.errors import Invalid
from apps.core.events import current_actor, emit
from apps.orders.fees import tax_terms
from apps.orders.models import Order, OrderLine
from apps.orders.site_sales import is_for_sale, open_sale_of
from apps.orders.validity import end_of, expires_at
from apps.packages.models import Package
from apps.packages.selectors import PlannedSession, session_plan
from apps.payments.errors import ProviderOff
from apps.payments.models import PROVIDERS, Payment
from apps.payments.services import create_payment, record_paid
from apps.payments.services.coupons import redeem_coupon
from apps.payments.services.deposits import schedule_for, write_schedule
from apps.payments.services.gifts import prepare_gift_code
from apps.payments.services.ledger import post_sale
from apps.payments.services.providers import refuse_unless_on
from apps.payments.services.wallet import spend_credit
from apps.sites.errors import DuplicateOwnership
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import lock_site
from apps.users.models import User

GIFT_CODE = "Gift code"
ONLINE_SALE = timedelta(hours=24)
"""How long an order that a client placed by card waits for its money when it holds no time."""


@dataclass(frozen=True, slots=True)
class Sale:
    """An order with its sessions in order and the payment that is expected for it (None when nothing is).

    ``credit`` is the payment from the client's wallet, when a part comes from there; ``gift_code`` the code of a voucher, which is
    shown only now.
    """

    order: Order
    bookings: list[Booking]
    payment: Payment | None
    credit: Payment | None = None
    gift_code: str = ""


@joined
def sell(
    *,
    account: Account,
    client: Client,
    method: str,
    package: Package | None = None,
    service: Service | None = None,
    gift_cents: int | None = None,
    site: Site | None = None,
    practitioner: Practitioner | None = None,
    start_time: datetime | None = None,
    quantity: int = 1,
    collect: bool = True,
    coupon: str | None = None,
    use_wallet_cents: int = 0,
    instalments: int | None = None,
    by: str = Side.PROVIDER,
    terms_of: Client | None = None,
    placed_by: User | None = None,
    at: datetime | None = None,
) -> Sale:
    """Sell a package, a single service, a gift code or a site to a client: one order, n draft sessions that share its price in cents,
    and the payment that is due now: all of it, a deposit, or the first of ``instalments``. A site has no sessions; it is the client's
    once all is paid (``checkout.sites``), and nobody else can buy it until then.

    The price comes from the catalogue (for a single service given by ``practitioner``, from the offering), less the ``coupon``.
    With a ``start_time`` (aware) the first session is scheduled at once: confirmed where staff sell it or nothing has to be paid
    before, held until the money is here where it is paid online (``by`` client: also by bank transfer). Without one everything stays
    draft. Cash and bank transfer stay pending until ``mark_received``, a provider's payment is begun by the caller after this
    transaction; ``use_wallet_cents`` of the client's credit is set aside until then, or spent at once when it covers what is due.
    A free order is paid by itself. ``quantity`` sessions of a single service go into one order. Without ``collect`` the order is only
    reserved for somebody who has not agreed yet: no payment is expected. ``terms_of`` is whose tax and deposits count, when it is not
    the client: somebody who only claims to be them buys on the terms of a stranger.
    Raises PackageEmpty, NotForSale, DuplicateOwnership, MethodNotOffered, ProviderOff, CouponRefused, InsufficientFunds, NoWallet,
    Invalid, and everything ``schedule_booking`` raises; then nothing is written.
    """
    at = at or timezone.now()
    if start_time is not None and practitioner is not None:
        lock_practitioners([practitioner.pk], at)  # before the series of order numbers: whoever sells an offer has both, in this order
    refuse_method(account, method=method, by=by)
    if site is not None:
        site = refuse_site(site, client=client)
    sold: Any = {"package": package, "service": service, "gift_cents": gift_cents, "site": site}
    plan, name = what_is_sold(**sold, practitioner=practitioner, start_time=start_time, quantity=quantity)
    terms_of = terms_of or client
    priced = price_sale(
        account=account,
        client=terms_of,
        plan=plan,
        name=name,
        coupon=coupon,
        **sold,
        at=at,
    )
    order = _place(account, client, sold, plan, name, priced, placed_by, at)
    lines = _write_lines(order, priced)
    bookings = _draft(order, plan, priced, at)
    if priced.coupon is not None:
        redeem_coupon(priced.coupon, order=order, client=client, amount_cents=order.discount_cents)
    post_sale(order, lines=lines, sessions=bookings)
    code = prepare_gift_code(order, amount_cents=gift_cents, at=at)[1] if gift_cents is not None else ""
    placed = "order.placed" if collect else "order.reserved"
    emit(placed, order, changes={"total_amount_cents": [None, order.total_amount_cents], "sessions": [None, len(bookings)]})
    if not order.total_amount_cents:
        record_paid(order, 0)
    due = 0
    if order.total_amount_cents and collect:
        due = due_now(
            order,
            client=terms_of,
            package=package,
            service=service,
            plan=plan,
            instalments=instalments,
            start_time=start_time,
            at=at,
        )
    if method == Payment.Method.WALLET:
        use_wallet_cents = due
    if use_wallet_cents > due:
        raise Invalid(fields={"use_wallet_cents": [f"Only {due} cents are due now."]})
    rest, until = due - use_wallet_cents, None
    if start_time is not None and practitioner is not None:
        until = waits_until(account, method=method, by=by, at=at) if rest else None
        if until is not None and until > at:
            bookings[0] = hold_booking(bookings[0], practitioner=practitioner, start_time=start_time, expires_at=until, by=by, at=at)
        elif until is None:
            bookings[0] = schedule_booking(bookings[0], practitioner=practitioner, start_time=start_time, by=by, at=at)
    elif rest and by == Side.CLIENT and site is not None:
        until = _site_waits_until(account, method=method, at=at)
    elif rest and by == Side.CLIENT and method in PROVIDERS:
        until = at + ONLINE_SALE
    credit = spend_credit(order=order, amount_cents=use_wallet_cents, reserve=bool(rest), at=at) if use_wallet_cents else None
    payment = None
    if rest:
        waited_for = bookings[0] if start_time is not None and until is not None else None
        payment = create_payment(order=order, method=method, amount_cents=rest, booking=waited_for, expires_at=until, at=at)
        if waited_for is not None and waited_for.status == Status.DRAFT:  # not held, to be claimed when the money is here
            payment.practitioner, payment.start_time, payment.expires_at = practitioner, start_time, None
            payment.save(update_fields=["practitioner", "start_time", "expires_at", "updated_at"])
    return Sale(order, bookings, payment or credit, credit if payment else None, code)


def refuse_method(account: Account, *, method: str, by: str) -> None:
    """Raise MethodNotOffered for a way of paying that clients may not choose themselves, ProviderOff for a provider that is not set up."""
    offered = {Payment.Method.CASH: "online_cash", Payment.Method.BANK_TRANSFER: "online_bank_transfer"}
    if by == Side.CLIENT and method in offered and not setting(account, offered[Payment.Method(method)]):
        raise MethodNotOffered
    refuse_unless_on(method)


def first_way_of_paying(account: Account, *, by: str) -> str:
    """How somebody pays who has not chosen: the first way that is offered. Raises MethodNotOffered when there is none."""
    for method in (Payment.Method.CASH, Payment.Method.BANK_TRANSFER, *PROVIDERS):
        try:
            refuse_method(account, method=method, by=by)
        except (MethodNotOffered, ProviderOff):
            continue
        return method
    raise MethodNotOffered


def due_now(
    order: Order,
    *,
    client: Client,
    package: Package | None,
    service: Service | None,
    plan: list[PlannedSession],
    instalments: int | None,
    start_time: datetime | None,
    at: datetime,
) -> int:
    """What is to be paid at once (cents); the rest is written down as a schedule."""
    planned = schedule_for(
        account=order.account,
        client=client,
        order_total_cents=order.total_amount_cents,
        package=package,
        service=service,
        sessions=plan,
        instalments=instalments,
        first_start=start_time,
        at=at,
        order=order,
    )
    if not planned:
        return order.total_amount_cents
    write_schedule(order, planned)
    return planned[0].amount_cents


def waits_until(account: Account, *, method: str, by: str, at: datetime) -> datetime | None:
    """How long the first session's start is held for the money; None when it is confirmed without, ``at`` itself when it is not held."""
    if method in PROVIDERS:
        return at + timedelta(minutes=setting(account, "hold_minutes"))
    if by != Side.CLIENT or method != Payment.Method.BANK_TRANSFER:
        return None
    days = setting(account, "bank_transfer_hold_days")
    return business_days_after(at, days=days, zone=ZoneInfo(account.timezone)) if days else at


def _site_waits_until(account: Account, *, method: str, at: datetime) -> datetime:
    """How long a site waits for the money of a client who has ordered it: there is only one of it, and others may want it."""
    until = waits_until(account, method=method, by=Side.CLIENT, at=at)
    return until if until is not None and until > at else at + ONLINE_SALE


def business_days_after(at: datetime, *, days: int, zone: ZoneInfo) -> datetime:
    """The end of the local day that is so many Mondays to Fridays after ``at``."""
    day = at.astimezone(zone).date()
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return end_of(day, zone)


def what_is_sold(
    *,
    package: Package | None,
    service: Service | None,
    gift_cents: int | None,
    practitioner: Practitioner | None,
    start_time: datetime | None,
    quantity: int,
    site: Site | None = None,
) -> tuple[list[PlannedSession], str]:
    """(its sessions at catalogue prices, its name). Raises NotForSale, PackageEmpty, Invalid."""
    if [package, service, gift_cents, site].count(None) != 3:
        raise Invalid(fields={"package": ["Send exactly one of package, service, gift_cents and site."]})
    has_sessions = gift_cents is None and site is None
    if start_time is not None and (practitioner is None or not has_sessions):
        raise Invalid(fields={"practitioner": ["A start time needs a practitioner and something to schedule."]})
    if site is not None:
        return [], site.site_title
    plan = _plan(package, service, practitioner, quantity) if has_sessions else []
    return plan, package.package_name if package else plan[0].service.name if plan else GIFT_CODE


def refuse_site(site: Site, *, client: Client) -> Site:
    """The site as it is now, locked. Raises DuplicateOwnership for a client who owns it, NotForSale for one that is somebody else's,
    being sold or not in use. A ``client`` that was not saved yet is a stranger.
    """
    site = lock_site(site)
    if client.pk is not None and SiteOwnership.objects.current().filter(site=site, client=client, role=SiteOwnership.Role.OWNER).exists():
        raise DuplicateOwnership("This client owns the site already.")
    if not is_for_sale(site, client_id=client.pk):
        sale = open_sale_of(site)
        if sale is not None and sale.client_id == client.pk:
            raise NotForSale("This site is ordered already: pay that order, or have it cancelled.", order=sale.pk)
        raise NotForSale
    return site


def _plan(package: Package | None, service: Service | None, practitioner: Practitioner | None, quantity: int) -> list[PlannedSession]:
    """The sessions of what is sold. Raises NotForSale, PackageEmpty, Invalid."""
    if package is not None:
        if not package.is_active:
            raise NotForSale
        plan = session_plan(package)
        if not plan:
            raise PackageEmpty
        return plan
    assert service is not None  # noqa: S101  sell() has checked
    if not service.is_active:
        raise NotForSale
    price = service.price_cents
    if practitioner is not None:
        _, offers = offers_of(service.account_id, service.pk, practitioner.pk)
        if not offers:
            raise Invalid(fields={"practitioner": ["This practitioner does not offer this service."]})
        price = offers[0].price_cents
    return [PlannedSession(position, service, price) for position in range(1, quantity + 1)]


def _place(
    account: Account,
    client: Client,
    sold: dict[str, Any],
    plan: list[PlannedSession],
    name: str,
    priced: Priced,
    placed_by: User | None,
    at: datetime,
) -> Order:
    """Write the order with the snapshot of what was sold."""
    package, service, site = sold["package"], sold["service"], sold["site"]
    number = f"{setting(account, 'order_number_prefix')}{next_number(account.pk, 'orders'):06d}"
    expiry = _expiry(package)
    counts_from_now = expiry.get("rule") not in ("first_scheduled", "first_completed")
    kind = Order.Type.PACKAGE if package else Order.Type.SERVICE if service else Order.Type.SITE if site else Order.Type.GIFT
    return Order.objects.create(
        account=account,
        number=number,
        client=client,
        order_type=kind,
        package=package,
        service=service,
        site=site,
        subtotal_cents=priced.subtotal_cents,
        discount_cents=priced.discount_cents,
        tax_cents=priced.tax_cents,
        total_amount_cents=priced.total_cents,
        prices_include_tax=priced.prices_include_tax,
        tax_rounding=priced.tax_rounding,
        tax_code=priced.tax_code,
        currency=account.currency,
        package_metadata=_snapshot(account, name, package, plan, priced),
        activated_at=at if counts_from_now and site is None else None,
        expires_at=expires_at(expiry, at, ZoneInfo(account.timezone)) if counts_from_now else None,
        placed_by=placed_by,
        source=current_actor().source,
    )


def _write_lines(order: Order, priced: Priced) -> list[OrderLine]:
    """All lines of an order with one statement."""
    return OrderLine.objects.bulk_create(
        [
            OrderLine(
                account_id=order.account_id,
                order=order,
                position=position,
                kind=line.kind,
                description=line.description[:255],
                quantity=line.quantity,
                unit_price_cents=line.unit_price_cents,
                amount_cents=line.amount_cents,
                tax_rate=line.tax_rate,
                tax_cents=line.tax_cents,
            )
            for position, line in enumerate(priced.lines, start=1)
        ]
    )


def _snapshot(account: Account, name: str, package: Package | None, plan: list[PlannedSession], priced: Priced) -> dict[str, Any]:
    """What the client bought, kept apart from the catalogue. ``session_value_cents`` is the first session's share."""
    counts: dict[int, dict[str, Any]] = {}
    for session in plan:
        service = session.service
        line = counts.setdefault(
            service.pk, {"service": service.pk, "name": service.name, "list_price_cents": service.price_cents, "quantity": 0}
        )
        line["quantity"] += 1
    return {
        "name": name,
        "total_sessions": len(plan),
        "session_value_cents": priced.shares[0].price_cents if priced.shares else 0,
        "price_cents": priced.total_cents,
        "items": list(counts.values()),
        "tax": tax_terms(account, [session.service for session in plan]),
        "valid_days": package.valid_days if package else None,
        "expiry": _expiry(package),
        "transferable": package.transferable if package else False,
        "transfer_fee_cents": package.transfer_fee_cents if package else 0,
        "max_transfers": package.max_transfers if package else None,
        "max_pauses_per_year": package.max_pauses_per_year if package else None,
        "max_pause_days": package.max_pause_days if package else None,
    }


def _expiry(package: Package | None) -> dict[str, Any]:
    """When what is sold runs out, as {rule, amount, unit, date}; empty without an end. ``valid_days`` is the short way to say it."""
    if package is None:
        return {}
    days = {"rule": "purchase", "amount": package.valid_days, "unit": "days"} if package.valid_days else {}
    return package.expiry or days


def _draft(order: Order, plan: list[PlannedSession], priced: Priced, at: datetime) -> list[Booking]:
    """All sessions of an order with one statement, and their history with another; each keeps the policy it was sold under."""
    sessions = [
        Booking(
            account_id=order.account_id,
            order=order,
            client_id=order.client_id,
            service=session.service,
            position=session.position,
            price_cents=share.price_cents,
            tax_cents=share.tax_cents,
            currency=order.currency,
            policy={"rules": session.service.cancellation_policy, "agreed_at": at.isoformat()},
        )
        for session, share in zip(plan, priced.shares, strict=True)
    ]
    if not sessions:
        return []
    return bulk_create_with_history(sessions, Booking, default_user=order.placed_by)
