"""Gift codes: sold or given away, redeemed into credit (rules.md §6). Locks: client, gift code, wallet.

A code is 28 characters of Crockford's base 32 (140 random bits), shown once; only a keyed hash of it is kept. What its sale brought in
lies in the book of gifts until it is redeemed or expires.

A code that was sold can be redeemed while its sale is paid: not while money of it is on its way back or in dispute. A refund and a
redemption of the same code meet at the code's row; whoever locks it first is the one that happens.
"""

import secrets
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from django.core.cache import cache
from django.db.models import F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.accounts.errors import RateLimited
from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Invalid, InvalidTransition
from apps.core.events import current_actor, emit
from apps.core.vault import code_hashes
from apps.orders.models import Order, OrderLine
from apps.orders.validity import end_of
from apps.payments.errors import GiftCodeRedeemed, GiftCodeRefused, InsufficientFunds
from apps.payments.models import Book, GiftCode, LedgerEntry, LedgerTransaction, Payment, WalletLot
from apps.payments.services.ledger import Leg, post
from apps.payments.services.wallet import put_in, take_lot_back, wallet_of

Status = GiftCode.Status
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, GROUP = 28, 4
MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})
FAILURES, WINDOW = 10, 3600
"""So many wrong codes an hour from one user, and for one client, are looked up."""
REFUNDED = "{} was refunded"
"""Why a code is void whose sale was given back; it works again should the money come after all."""


def new_code() -> str:
    """A fresh code as it is printed: XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(code[i : i + GROUP] for i in range(0, LENGTH, GROUP))


def plain(code: str) -> str:
    """A code as it is hashed, however it was typed: without dashes and blanks, in capitals, O read as 0, I and L as 1."""
    return code.upper().translate(MISREAD)


# -- coming into being


@joined
def prepare_gift_code(order: Order, *, amount_cents: int, at: datetime | None = None) -> tuple[GiftCode, str]:
    """The code that an order of type ``gift`` sells, and its plain text, which nobody can show again. It is valid once the order is paid.

    Where tax is added to the price at the sale, the tax is part of what the code is worth.
    """
    at = at or timezone.now()
    account = order.account
    taxed = bool(setting(account, "gift_taxed_at_sale"))
    worth = amount_cents + (order.tax_cents if taxed and not order.prices_include_tax else 0)
    return _write_code(
        account, worth, order.currency, status=Status.INACTIVE, order=order, taxed_at_sale=taxed, expires_at=_end(account, at), reason=""
    )


@joined
def issue_gift_code(
    *, account: Account, amount_cents: int, reason: str, expires_on: date | None = None, at: datetime | None = None
) -> tuple[GiftCode, str]:
    """A code that is given away (goodwill, a lost paper, a competition), and its plain text. It ends with the local day ``expires_on``,
    or as the account's ``gift_months`` say. Raises Invalid.
    """
    at = at or timezone.now()
    ends = end_of(expires_on, ZoneInfo(account.timezone)) if expires_on else _end(account, at)
    if ends is not None and ends <= at:
        raise Invalid(fields={"expires_on": ["This day is over."]})
    if amount_cents < 1:
        raise Invalid(fields={"amount_cents": ["A gift code is worth at least 1 cent."]})
    return _write_code(
        account, amount_cents, account.currency, status=Status.ACTIVE, order=None, taxed_at_sale=False, expires_at=ends, reason=reason
    )


def _end(account: Account, at: datetime) -> datetime | None:
    months, zone = setting(account, "gift_months"), ZoneInfo(account.timezone)
    return end_of(at.astimezone(zone).date() + relativedelta(months=months), zone) if months else None


def _write_code(
    account: Account,
    amount_cents: int,
    currency: str,
    *,
    status: str,
    order: Order | None,
    taxed_at_sale: bool,
    expires_at: datetime | None,
    reason: str,
) -> tuple[GiftCode, str]:
    code = new_code()
    gift = GiftCode.objects.create(
        account=account,
        code_hash=code_hashes(account.pk, plain(code))[0],
        last4=code[-GROUP:],
        amount_cents=amount_cents,
        currency=currency,
        status=status,
        taxed_at_sale=taxed_at_sale,
        order=order,
        expires_at=expires_at,
        reason=reason[:500],
    )
    emit("gift_code.issued", gift, changes={"amount_cents": [None, amount_cents], "status": [None, status]})
    return gift, code


@joined
def activate_gift_codes(order: Order) -> int:
    """The order is paid: its codes are valid, also those that a refund had made void which has come back since; returns how many became
    so. Run again, it finds none.
    """
    returned = Q(status=Status.VOID, reason=REFUNDED.format(order.number), redeemed_at=None)
    waiting = GiftCode.objects.select_for_update(no_key=True).filter(Q(status=Status.INACTIVE) | returned, order=order)
    codes = list(waiting.order_by("pk"))
    for gift in codes:
        gift.reason = ""
        _become(gift, Status.ACTIVE, "reason")
    return len(codes)


@joined
def reissue_gift_code(order: Order) -> str:
    """A new plain text for the code of a sale whose answer, the only one that showed it, was never given; '' when the code is over.

    What the code was before works no longer.
    """
    usable = GiftCode.objects.select_for_update(no_key=True).filter(order=order, status__in=(Status.INACTIVE, Status.ACTIVE))
    gift = usable.order_by("pk").first()
    if gift is None:
        return ""
    code, before = new_code(), gift.last4
    gift.code_hash, gift.last4 = code_hashes(gift.account_id, plain(code))[0], code[-GROUP:]
    gift.save(update_fields=["code_hash", "last4", "updated_at"])
    emit("gift_code.reissued", gift, changes={"last4": [before, gift.last4]})
    return code


# -- going


@joined
def redeem_gift_code(*, client: Client, code: str, at: datetime | None = None) -> WalletLot:
    """Turn a code into credit of a client, once. The credit ends when the code would have.

    Raises GiftCodeRefused for everything that is not a valid code of this business (unknown, unpaid, being refunded or in dispute, used,
    void, expired: nobody is told which, and all take the same statements), RateLimited after ten of those in an hour, NoWallet.
    """
    at = at or timezone.now()
    wallet_of(client)
    client = Client.objects.select_for_update(no_key=True, of=("self",)).select_related("account", "customer__user").get(pk=client.pk)
    counters = _counters(client)
    if any(cache.get(key, 0) >= FAILURES for key in counters):
        raise RateLimited(retry_after=WINDOW)
    hashes = code_hashes(client.account_id, plain(code))
    gift = GiftCode.objects.select_for_update(no_key=True).filter(code_hash__in=hashes).first()
    paid = _is_paid_for(gift)  # after the lock: a refund that was asked for meanwhile is seen
    if gift is None or not paid or gift.status != Status.ACTIVE or (gift.expires_at is not None and gift.expires_at <= at):
        for key in counters:  # kept by a connection of its own: it survives the rollback
            cache.add(key, 0, WINDOW)
            cache.incr(key)
        raise GiftCodeRefused
    gift.client, gift.redeemed_at = client, at
    _become(gift, Status.REDEEMED, "client", "redeemed_at")
    return put_in(
        client=client,
        amount_cents=gift.amount_cents,
        currency=gift.currency,
        source=WalletLot.Source.GIFT,
        reason=f"gift code …{gift.last4}",
        expires_at=gift.expires_at,
        is_cashable=False,
        legs=_worth(gift),
        gift_code=gift,
        order_id=gift.order_id,
        at=at,
    )


def _is_paid_for(gift: GiftCode | None) -> bool:
    """Whether what a code was sold for is here and stays here. One that was given away, or that does not exist, takes as many statements."""
    order_id = gift.order_id if gift is not None else None
    found = _with_money(order_id or 0)
    if found is None:
        return order_id is None
    is_frozen, price, staying = found
    return not is_frozen and staying >= price


def _with_money(order_id: int) -> tuple[bool, int, int] | None:
    """(whether a dispute has frozen an order, what was to be paid at its sale, what has come in and neither went back, nor is on its way
    back, nor in dispute) in one statement."""
    sold = OrderLine.objects.filter(order=OuterRef("pk"), kind__in=[OrderLine.Kind.ITEM, OrderLine.Kind.DISCOUNT])
    going = Payment.objects.filter(order=OuterRef("pk"))
    price = sold.values("order").annotate(cents=Sum("amount_cents")).values("cents")
    gone = going.values("order").annotate(cents=Sum(F("refunding_cents") + F("disputed_cents"))).values("cents")
    order = Order.objects.filter(pk=order_id).annotate(price=Coalesce(Subquery(price), 0), gone=Coalesce(Subquery(gone), 0))
    row = order.values_list("frozen_at", "price", F("paid_cents") - F("refunded_cents") - F("gone")).first()
    return None if row is None else (row[0] is not None, row[1], row[2])


def refuse_gift_refund(order: Order, *, amount_cents: int, whole_cents: int) -> None:
    """Raise for money of a gift code's sale (a locked order) that has to stay: GiftCodeRedeemed while somebody has the credit, Invalid for
    a part of the ``whole_cents`` that could go back, because a code cannot be worth less than it says.

    What is paid beyond the price goes back like that of any other sale. The codes stay locked until the refund is written.
    """
    if order.order_type != Order.Type.GIFT:
        return
    codes = GiftCode.objects.select_for_update(no_key=True).filter(order=order).order_by("pk")
    states = {gift.status for gift in codes}
    found = _with_money(order.pk)
    if found is None or found[2] - amount_cents >= found[1]:
        return
    if Status.REDEEMED in states:
        raise GiftCodeRedeemed
    if amount_cents != whole_cents and states & {Status.INACTIVE, Status.ACTIVE}:
        raise Invalid(fields={"amount_cents": [f"A gift code is refunded as a whole: {whole_cents} cents."]})


def _counters(client: Client) -> list[str]:
    """Where wrong codes are counted: for the user who types them, and for the client they are to be for."""
    who = current_actor().actor_id
    return [f"gift-codes:client:{client.pk}", *([f"gift-codes:user:{who}"] if who is not None else [])]


@joined
def void_gift_code(gift: GiftCode, *, reason: str, at: datetime | None = None) -> GiftCode:
    """Make a code worthless; of one that was redeemed the credit is taken back, which works only while none of it was spent.

    What its buyer paid stays on the order, to be refunded there. Raises InvalidTransition.
    """
    at = at or timezone.now()
    gift = GiftCode.objects.select_for_update(no_key=True).get(pk=gift.pk)
    if gift.status not in (Status.INACTIVE, Status.ACTIVE, Status.REDEEMED):
        raise InvalidTransition("This gift code is void or has expired already.", allowed_actions=[])
    if gift.status == Status.REDEEMED:
        back = [Leg(leg.book, -leg.amount_cents, leg.order_id) for leg in _worth(gift)]
        try:
            take_lot_back(WalletLot.objects.get(gift_code=gift), reason=reason, legs=back, at=at)
        except InsufficientFunds as error:
            raise InvalidTransition("Credit of this gift code has been spent or has expired.", allowed_actions=[]) from error
    gift.reason = reason[:500]
    _become(gift, Status.VOID, "reason")
    return gift


@joined
def expire_gift_code(gift: GiftCode, *, at: datetime | None = None) -> bool:
    """Close a code whose last day is over; what its sale brought in is the business's. False when there was nothing to do."""
    at = at or timezone.now()
    gift = GiftCode.objects.select_for_update(no_key=True).get(pk=gift.pk)
    if gift.status not in (Status.INACTIVE, Status.ACTIVE) or gift.expires_at is None or gift.expires_at > at:
        return False
    was_sold = gift.status == Status.ACTIVE
    _become(gift, Status.EXPIRED)
    kept = sum(leg.amount_cents for leg in _worth(gift) if leg.book == Book.GIFT)
    if was_sold and kept:
        post(
            account_id=gift.account_id,
            kind=LedgerTransaction.Kind.CREDIT,
            currency=gift.currency,
            order_id=gift.order_id,
            legs=[Leg(Book.GIFT, kept, gift.order_id), Leg(Book.FORFEITED, -kept, gift.order_id)],
            memo=f"gift code …{gift.last4} expired",
        )
    return True


def _become(gift: GiftCode, status: str, *changed: str) -> None:
    before, gift.status = gift.status, status
    gift.save(update_fields=["status", *changed, "updated_at"])
    emit(f"gift_code.{status}", gift, changes={"status": [before, status]})


def _worth(gift: GiftCode) -> list[Leg]:
    """Where the money of a code lies, as debits that add up to it: what its sale put aside, the tax that was paid at the sale already,
    and for the rest (a code that was given away, or sold below its worth) goodwill.
    """
    left, legs = gift.amount_cents, []
    order = gift.order
    if order is not None:
        sold = LedgerEntry.objects.filter(order=order, book=Book.GIFT, transaction__kind=LedgerTransaction.Kind.SALE)
        put_aside = min(left, max(0, -(sold.aggregate(cents=Sum("amount_cents"))["cents"] or 0)))
        tax = min(left - put_aside, order.tax_cents) if gift.taxed_at_sale else 0
        legs = [Leg(Book.GIFT, put_aside, order.pk), Leg(Book.TAX, tax, order.pk)]
        left -= put_aside + tax
    return [leg for leg in [*legs, Leg(Book.GOODWILL, left)] if leg.amount_cents]
