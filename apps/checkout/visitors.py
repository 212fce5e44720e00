"""Who buys at the public door, and selling to them.

A guest only claims an e-mail address. A client who is known by it gets what was bought, but the guest learns nothing of them and gets
nothing that is theirs: no credit, no exemption from tax, and every refusal that has to do with that client is said in the words that
anybody would hear.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.errors import AlreadyBooked, LimitReached, SlotTaken
from apps.bookings.models import Booking, Side
from apps.bookings.services.claims import Wish, alternatives, lock_practitioners
from apps.bookings.slots import offers_of
from apps.catalog.models import Practitioner, Service
from apps.checkout.errors import NotForSale, SignInFirst
from apps.checkout.services import Sale, sell
from apps.clients.models import Client
from apps.clients.services import create_client, update_client
from apps.clients.services.blocking import refuse_blocked
from apps.core.db import constraint_error, joined
from apps.core.errors import DomainError
from apps.packages.models import Package
from apps.payments.errors import CouponRefused, NoWallet, ReferralRefused
from apps.payments.models import Payment
from apps.payments.services.referrals import enter_code, name_inviter
from apps.sites.errors import DuplicateOwnership
from apps.sites.models import Site
from apps.users.models import Customer, User
from apps.users.models.user import normalize_email
from apps.users.selectors import has_verified_email

SOURCE = "public"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at the public door: a login with a profile, or what a guest says about themselves."""

    user: User | None = None
    full_name: str = ""
    email: str = ""
    phone_number: str = ""


@joined
def sell_online(
    *,
    account: Account,
    visitor: Visitor,
    method: str,
    package: Package | None = None,
    service: Service | None = None,
    site: Site | None = None,
    practitioner: Practitioner | None = None,
    start_time: datetime | None = None,
    coupon: str | None = None,
    use_wallet_cents: int = 0,
    inviter: Customer | None = None,
    at: datetime | None = None,
) -> Sale:
    """Sell to whoever is at the public door; a lead becomes an active client, and a stranger a client.

    ``inviter`` is who brought them, as they say: a login keeps the first one it names, a guest's word is kept with the order.
    Raises NoWallet for a guest who wants to spend credit, SignInFirst for one who buys a site under the address of a login, NotAccepted
    for somebody the account has blocked, and what ``sell`` raises.
    """
    at = at or timezone.now()
    if site is not None and visitor.user is None and User.objects.filter(email=normalize_email(visitor.email)).exists():
        raise SignInFirst
    if inviter is not None and visitor.user is not None:
        _remember(visitor.user.customer, inviter)
    if practitioner is not None and start_time is not None:
        lock_practitioners([practitioner.pk], at)  # before the client, as everybody does
    client, is_proven = _client_of(account, visitor)
    refuse_blocked(client.pk, email=_said_email(visitor), phone_number=visitor.phone_number)
    if client.stage == Client.Stage.LEAD:  # before the sale locks its credit; a sale that is refused takes this back, too
        update_client(client, stage=Client.Stage.ACTIVE)
    if not is_proven and (use_wallet_cents or method == Payment.Method.WALLET):
        raise NoWallet("Sign in to pay with credit.")
    wanted: dict[str, Any] = {"package": package, "service": service, "practitioner": practitioner, "start_time": start_time}
    what: dict[str, Any] = {**wanted, "site": site, "account": account, "method": method, "coupon": coupon, "by": Side.CLIENT, "at": at}
    if is_proven:
        sale = sell(client=client, use_wallet_cents=use_wallet_cents, placed_by=visitor.user, **what)
    else:
        try:
            with transaction.atomic():
                sale = sell(client=client, terms_of=_stranger(account), placed_by=visitor.user, **what)
        except DomainError as refusal:
            raise _neutral(refusal, account=account, at=at, **wanted) from refusal
        if inviter is not None:
            name_inviter(sale.order, inviter=inviter)
    return sale


def _said_email(visitor: Visitor) -> str:
    return visitor.user.email if visitor.user is not None else visitor.email


def _remember(customer: Customer, inviter: Customer) -> None:
    """Note who brought the buyer, if it counts (any more): nobody is kept from buying by a code."""
    with suppress(ReferralRefused), transaction.atomic():
        enter_code(customer=customer, inviter=inviter)


def client_of_visitor(account: Account, visitor: Visitor) -> Client:
    """For whom a price is asked: the client that the login is known to be, or a stranger who is not written down."""
    known = _linked(account, visitor.user) if visitor.user is not None else None
    return known or _stranger(account)


def _stranger(account: Account) -> Client:
    """Nobody in particular: with no exemption, no tags and no history. What the database would fill in has to be said here."""
    return Client(account=account, tax_code="")


def _client_of(account: Account, visitor: Visitor) -> tuple[Client, bool]:
    """(the client who buys, whether the visitor has proved to be it)."""
    user = visitor.user
    if user is None:
        return _by_email(account, visitor.full_name, normalize_email(visitor.email), visitor.phone_number), False
    linked = _linked(account, user)
    if linked is not None:
        return linked, True
    name = user.customer.full_name or user.email
    if not has_verified_email(user):
        return _by_email(account, name, user.email, ""), False
    return _link(account, user, name), True


def _linked(account: Account, user: User) -> Client | None:
    found: Client | None = Client.objects.current().filter(account=account, customer=user.customer).first()
    return found


def _called(account: Account, email: str) -> Client | None:
    """The client with this address (in its normal spelling)."""
    found: Client | None = Client.objects.current().filter(account=account, email_key=email).first() if email else None
    return found


def _by_email(account: Account, name: str, email: str, phone_number: str) -> Client:
    known = _called(account, email)
    if known is not None:
        return known
    try:
        with constraint_error({"clients_client_unique_email": _Known}):
            return create_client(account_id=account.pk, full_name=name, email=email, phone_number=phone_number, source=SOURCE)
    except _Known:  # by another request, at this moment
        known = _called(account, email)
        if known is None:
            raise
        return known


class _Known(Exception):
    """Somebody else has just written this client down."""


def _link(account: Account, user: User, name: str) -> Client:
    """The client of a login whose address is proved: the one with this address becomes theirs, or a new one is."""
    known = _by_email(account, name, user.email, str(user.customer.phone_number or ""))
    if known.customer_id is None:
        return update_client(known, customer=user.customer)
    if known.customer_id == user.customer.pk:
        return known
    # The address is in the card of somebody else's login: staff have to sort that out, and it opens nothing.
    return create_client(account_id=account.pk, full_name=name, customer=user.customer, source=SOURCE)


# -- what a guest is not told


def _neutral(
    refusal: DomainError,
    *,
    account: Account,
    at: datetime,
    package: Package | None,
    service: Service | None,
    practitioner: Practitioner | None,
    start_time: datetime | None,
) -> DomainError:
    """A refusal as a stranger would have heard it: without the limits and bookings of the client that was claimed."""
    if isinstance(refusal, DuplicateOwnership | NotForSale):  # also of what this very client owns or has ordered
        return NotForSale()
    if isinstance(refusal, CouponRefused) and refusal.extras.get("why") == "not_first":
        return CouponRefused("This coupon has been used up.", why="used_up")
    if practitioner is None or start_time is None:
        return refusal
    rule = str(refusal.extras.get("rule", ""))
    is_theirs = isinstance(refusal, AlreadyBooked) or (isinstance(refusal, LimitReached) and rule.startswith(("client.", "open_holds")))
    if not is_theirs and "alternatives" not in refusal.extras:
        return refusal
    first = service or _first_service(package)
    near = _near(account, first, practitioner, start_time, at) if first else []
    if is_theirs:  # word for word what the slots say of a start that somebody else has
        return SlotTaken("Another session takes place at that time.", rule="booking", alternatives=near)
    refusal.extras["alternatives"] = near
    return refusal


def _first_service(package: Package | None) -> Service | None:
    item = package.items.select_related("service").order_by("position").first() if package else None  # type: ignore[attr-defined]
    return item.service if item else None


def _near(account: Account, service: Service, practitioner: Practitioner, start_time: datetime, at: datetime) -> list[dict[str, Any]]:
    """The nearest starts that anybody could book, without the one that was asked for."""
    terms, offers = offers_of(account.pk, service.pk, practitioner.pk)
    if terms is None or not offers:
        return []
    nobodys = Booking(account=account, service=service)
    found = alternatives(nobodys, terms=terms, offer=offers[0], wish=Wish(start_time, at, Side.CLIENT, None))
    return [start for start in found if datetime.fromisoformat(start["start"]) != start_time]


__all__ = ["Visitor", "client_of_visitor", "sell_online"]
