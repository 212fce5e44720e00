"""Credit of a person at one business (rules.md §6). Locks: order, payment, then the wallet's balance, then its lots.

Every change goes through the locked balance: what of it has expired is taken off first, then lots and balance are written together
with the line of the wallet's statement. Credit stays at the business that gave it, in the currency it was given in.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, IntegerField, Q, QuerySet, Sum, Value, When
from django.utils import timezone

from apps.accounts.selectors import setting
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.orders.models import Order
from apps.payments.errors import AmountMismatch, InsufficientFunds, NoWallet
from apps.payments.models import (
    Book,
    GiftCode,
    LedgerTransaction,
    Payment,
    Refund,
    Wallet,
    WalletBalance,
    WalletLot,
    WalletSpend,
    WalletTransaction,
)
from apps.payments.services.collecting import take_in
from apps.payments.services.ledger import Leg, post
from apps.users.models import User

Kind, Source, Status = WalletTransaction.Kind, WalletLot.Source, Payment.Status
MERGED, UNMERGED = "records merged", "records taken apart again"
BOUGHT = (Source.TOP_UP, Source.REFUND)
"""Credit that somebody paid for. It is spent after what was given, and only it can buy gift codes."""


def create_wallet_for_user(user: User) -> Wallet:
    """The wallet of a login, made when it has none (source 001). ``user.wallet`` is there afterwards."""
    wallet, _ = Wallet.objects.get_or_create(user=user)
    wallet.user = user  # fills user.wallet, too
    return wallet


def wallet_of(client: Client) -> Wallet:
    """The wallet of the person behind a client. Raises NoWallet for a client without a login."""
    if client.customer is None:
        raise NoWallet
    return create_wallet_for_user(client.customer.user)


def balance_of(client: Client, currency: str, *, at: datetime | None = None) -> int:
    """The cents that a client can spend here and now; what has expired does not count, even before the job has taken it off."""
    at = at or timezone.now()
    mine = WalletLot.objects.filter(balance__wallet__user__customer=client.customer_id, currency=currency) if client.customer_id else None
    return 0 if mine is None else _live(mine, at).aggregate(cents=Sum("remaining_cents"))["cents"] or 0


# -- coming in


@joined
def give_credit(
    *,
    client: Client,
    amount_cents: int,
    currency: str,
    source: str,
    reason: str = "",
    expires_at: datetime | None = None,
    is_cashable: bool = False,
    from_book: str,
    gift_code: GiftCode | None = None,
    refund: Refund | None = None,
    order_id: int | None = None,
    at: datetime | None = None,
) -> WalletLot:
    """Credit for a client, a lot of its own. The books: from ``from_book`` to the wallet; ``''`` when the caller's entry says so already.

    Raises NoWallet, Invalid.
    """
    legs = [Leg(from_book, amount_cents, order_id)] if from_book else []
    return put_in(
        client=client,
        amount_cents=amount_cents,
        currency=currency,
        source=source,
        reason=reason,
        expires_at=expires_at,
        is_cashable=is_cashable,
        legs=legs,
        gift_code=gift_code,
        refund=refund,
        order_id=order_id,
        at=at,
    )


@joined
def put_in(
    *,
    client: Client,
    amount_cents: int,
    currency: str,
    source: str,
    reason: str,
    expires_at: datetime | None,
    is_cashable: bool,
    legs: Iterable[Leg],
    gift_code: GiftCode | None = None,
    refund: Refund | None = None,
    order_id: int | None = None,
    at: datetime | None = None,
) -> WalletLot:
    """``give_credit`` out of several books: ``legs`` are where the money comes from and add up to it (none: it is in the books already)."""
    at = at or timezone.now()
    if amount_cents < 1:
        raise Invalid(fields={"amount_cents": ["Credit is at least 1 cent."]})
    if expires_at is not None and expires_at <= at:
        raise Invalid(fields={"expires_at": ["Credit cannot end before it is given."]})
    balance = _lock_balance(client, currency, at)
    lot = WalletLot.objects.create(
        account_id=client.account_id,
        balance=balance,
        client=client,
        source=source,
        amount_cents=amount_cents,
        remaining_cents=amount_cents,
        currency=currency,
        expires_at=expires_at,
        is_cashable=is_cashable,
        gift_code=gift_code,
        refund=refund,
        reason=reason[:500],
    )
    _write(balance, Kind.CREDIT, amount_cents, lot=lot, reason=reason)
    legs = list(legs)
    if legs:
        _post(balance, [*legs, Leg(Book.WALLET, -amount_cents)], reason or f"credit: {source}", order_id=order_id)
    emit("wallet.credited", lot, changes={"balance_cents": [balance.balance_cents - amount_cents, balance.balance_cents]})
    return lot


# -- going out


@joined
def spend_credit(*, order: Order, amount_cents: int, reserve: bool, at: datetime | None = None) -> Payment:
    """Pay (part of) a locked order with credit of whoever pays it: a payment of method ``wallet``.

    With ``reserve`` the credit is only set aside until the rest comes in (``take_in``) or does not (``release_credit``). Credit that was
    given cannot buy gift codes. Raises InsufficientFunds (``available_cents``), NoWallet, AmountMismatch (more than is due).
    """
    at = at or timezone.now()
    if not 1 <= amount_cents <= order.balance_due_cents:
        raise AmountMismatch("That is not what this order can be paid with.", balance_due_cents=order.balance_due_cents)
    client = order.client if order.payer is None else order.payer
    balance = _lock_balance(client, order.currency, at)
    bought_only = Q(source__in=BOUGHT) if order.order_type == Order.Type.GIFT else Q()
    taken = _take(balance, amount_cents, at, bought_only)
    payment = Payment.objects.create(
        account_id=order.account_id,
        order=order,
        client=client,
        amount_cents=amount_cents,
        currency=order.currency,
        method=Payment.Method.WALLET,
        status=Status.AUTHORIZED if reserve else Status.PENDING,
    )
    WalletSpend.objects.bulk_create(
        WalletSpend(account_id=order.account_id, lot=lot, payment=payment, amount_cents=cents) for lot, cents in taken
    )
    _write(balance, Kind.SPEND, -amount_cents, lot=taken[0][0] if len(taken) == 1 else None, payment=payment, reason=order.number)
    if reserve:
        emit("payment.authorized", payment, changes={"status": [None, payment.status]})
    else:
        take_in(order, payment, at=at)
    return payment


@joined
def release_credit(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Credit that was set aside (a locked payment) is free again. Says nothing when it is not set aside any more."""
    at = at or timezone.now()
    if payment.status != Status.AUTHORIZED:
        return payment
    before, payment.status = payment.status, Status.CANCELLED
    payment.next_check_at = payment.expires_at = None
    payment.save(update_fields=["status", "next_check_at", "expires_at", "updated_at"])
    _put_back(payment, payment.amount_cents, at)
    emit("payment.cancelled", payment, changes={"status": [before, payment.status]})
    return payment


@joined
def return_credit(payment: Payment, *, amount_cents: int, at: datetime | None = None) -> None:
    """Give money of a locked wallet payment back to the lots it came from, the ones that end last first; the refund's own entry is in
    the books. Raises AmountMismatch when that much was not taken.
    """
    _put_back(payment, amount_cents, at or timezone.now())


def _put_back(payment: Payment, amount_cents: int, at: datetime) -> None:
    """A lot that has ended in the meantime gets the account's grace from now on."""
    wallet_balance = WalletBalance.objects.filter(lots__spends__payment=payment).distinct().get()
    balance = _lock(wallet_balance.pk, at)
    found = payment.wallet_spends.select_related("lot").order_by(F("lot__expires_at").desc(nulls_first=True), "-lot_id")  # type: ignore[attr-defined]
    spends, left = list(found), amount_cents
    if not 1 <= amount_cents <= sum(spend.amount_cents - spend.returned_cents for spend in spends):
        raise AmountMismatch
    for spend in spends:
        cents, lot = min(left, spend.amount_cents - spend.returned_cents), spend.lot
        if cents:
            spend.returned_cents += cents
            spend.save(update_fields=["returned_cents", "updated_at"])
            lot.remaining_cents += cents
            if lot.expires_at is not None and lot.expires_at <= at:
                lot.expires_at = at + timedelta(days=setting(payment.order.account, "wallet_grace_days"))
            lot.save(update_fields=["remaining_cents", "expires_at", "updated_at"])
            _write(balance, Kind.RETURN, cents, lot=lot, payment=payment, reason=payment.order.number)
        left -= cents


@joined
def take_credit(
    *, client: Client, amount_cents: int, currency: str, reason: str, to_book: str = Book.GOODWILL, at: datetime | None = None
) -> WalletTransaction:
    """Take credit away by hand: a correction (``goodwill``), or a payout (``cash``, ``bank``), for which only cashable credit counts.

    Raises InsufficientFunds (``available_cents``), NoWallet, Invalid.
    """
    at = at or timezone.now()
    if amount_cents < 1:
        raise Invalid(fields={"amount_cents": ["Take at least 1 cent."]})
    balance = _lock_balance(client, currency, at)
    taken = _take(balance, amount_cents, at, Q() if to_book == Book.GOODWILL else Q(is_cashable=True))
    line = _write(balance, Kind.DEBIT, -amount_cents, lot=taken[0][0] if len(taken) == 1 else None, reason=reason)
    _post(balance, [Leg(Book.WALLET, amount_cents), Leg(to_book, -amount_cents)], reason)
    emit("wallet.debited", line, changes={"balance_cents": [balance.balance_cents + amount_cents, balance.balance_cents]})
    return line


@joined
def take_lot_back(lot: WalletLot, *, reason: str, legs: Iterable[Leg], at: datetime | None = None) -> WalletLot:
    """Undo a credit of which nothing has been spent; ``legs`` are where the money goes. Raises InsufficientFunds when some was."""
    at = at or timezone.now()
    balance = _lock(lot.balance_id, at)
    lot = WalletLot.objects.select_for_update(no_key=True).get(pk=lot.pk)
    if lot.remaining_cents != lot.amount_cents:
        raise InsufficientFunds(available_cents=lot.remaining_cents)
    lot.remaining_cents = 0
    lot.save(update_fields=["remaining_cents", "updated_at"])
    line = _write(balance, Kind.DEBIT, -lot.amount_cents, lot=lot, reason=reason)
    _post(balance, [Leg(Book.WALLET, lot.amount_cents), *legs], reason)
    emit("wallet.debited", line, changes={"balance_cents": [balance.balance_cents + lot.amount_cents, balance.balance_cents]})
    return lot


@joined
def expire_credit(balance_id: int, *, at: datetime | None = None) -> int:
    """Take off what has ended of one balance; returns how many cents that were. Run again, it finds nothing."""
    before = WalletBalance.objects.select_for_update(no_key=True).get(pk=balance_id).balance_cents
    return before - _lock(balance_id, at or timezone.now()).balance_cents


# -- two clients become one


@joined
def join_balances(winner: Client, loser: Client, *, at: datetime) -> dict[str, Any]:
    """Bring the lots of both clients into the wallet of the login that the winner has now; the books stay as they are.

    Each lot goes as it is, with what of it was spent, so that a refund finds its way back to it. Returns what ``part_balances`` needs.
    """
    held = (
        WalletBalance.objects.filter(client__in=[winner.pk, loser.pk])
        .order_by("pk")
        .values_list("pk", "wallet__user__customer", "client_id")
    )
    record: dict[str, Any] = {"joined": [], "relabelled": []}
    for balance_id, customer_id, client_id in list(held):
        if customer_id != winner.customer_id:
            record["joined"] += _join(balance_id, winner, at)
        elif client_id != winner.pk:
            WalletBalance.objects.filter(pk=balance_id).update(client=winner, updated_at=at)
            record["relabelled"].append([balance_id, client_id])
    return record if record["joined"] or record["relabelled"] else {}


def _join(balance_id: int, winner: Client, at: datetime) -> list[dict[str, Any]]:
    source = _lock(balance_id, at)
    lots = list(WalletLot.objects.filter(balance=source).order_by("pk").values_list("pk", flat=True))
    if not lots:
        return []
    target, cents = _lock_balance(winner, source.currency, at), source.balance_cents
    WalletLot.objects.filter(pk__in=lots).update(balance=target, updated_at=at)
    if cents:
        _write(source, Kind.DEBIT, -cents, reason=MERGED)
        _write(target, Kind.CREDIT, cents, reason=MERGED)
    return [{"from": source.pk, "to": target.pk, "lots": lots, "cents": cents}]


@joined
def part_balances(record: dict[str, Any], *, at: datetime) -> None:
    """Take ``join_balances`` back; nothing of its lots was used since."""
    for joined_ in record["joined"]:
        pks = sorted((joined_["from"], joined_["to"]))
        locked = {pk: WalletBalance.objects.select_for_update(no_key=True).get(pk=pk) for pk in pks}
        WalletLot.objects.filter(pk__in=joined_["lots"]).update(balance=joined_["from"], updated_at=at)
        if joined_["cents"]:
            _write(locked[joined_["to"]], Kind.DEBIT, -joined_["cents"], reason=UNMERGED)
            _write(locked[joined_["from"]], Kind.CREDIT, joined_["cents"], reason=UNMERGED)
    for balance_id, client_id in record["relabelled"]:
        WalletBalance.objects.filter(pk=balance_id).update(client=client_id, updated_at=at)


# -- under the lock


def _lock_balance(client: Client, currency: str, at: datetime) -> WalletBalance:
    """The client's balance in this currency, made when it is the first credit; locked, without what has ended."""
    wallet = wallet_of(client)
    mine = WalletBalance.objects.filter(account_id=client.account_id, wallet=wallet, currency=currency)
    found = mine.values_list("pk", flat=True).first()
    if found is None:
        row = WalletBalance(account_id=client.account_id, wallet=wallet, client=client, currency=currency)
        WalletBalance.objects.bulk_create([row], ignore_conflicts=True)  # two may make it at once
        found = mine.values_list("pk", flat=True).get()
    balance = _lock(found, at)
    if balance.client_id != client.pk:  # the login was somebody else here, who was merged into another client
        balance.client = client
        balance.save(update_fields=["client", "updated_at"])
    return balance


def _lock(balance_id: int, at: datetime) -> WalletBalance:
    balance = WalletBalance.objects.select_for_update(no_key=True).get(pk=balance_id)
    ended = WalletLot.objects.select_for_update(no_key=True).filter(balance=balance, remaining_cents__gt=0, expires_at__lte=at)
    lots = list(ended.order_by("expires_at", "pk"))
    total = sum(lot.remaining_cents for lot in lots)
    for lot in lots:
        cents, lot.remaining_cents = lot.remaining_cents, 0
        lot.save(update_fields=["remaining_cents", "updated_at"])
        _write(balance, Kind.EXPIRE, -cents, lot=lot, reason=lot.reason)
        emit("wallet.expired", lot, changes={"remaining_cents": [cents, 0]})
    if total:
        _post(balance, [Leg(Book.WALLET, total), Leg(Book.FORFEITED, -total)], "credit expired")
    return balance


def _live(lots: QuerySet, at: datetime) -> QuerySet:
    return lots.filter(Q(expires_at=None) | Q(expires_at__gt=at), remaining_cents__gt=0)


def _take(balance: WalletBalance, amount_cents: int, at: datetime, which: Q) -> list[tuple[WalletLot, int]]:
    """Take so much off the lots of a locked balance: what ends first, then what was given before what was bought, then the oldest."""
    bought_last = Case(When(source__in=BOUGHT, then=Value(1)), default=Value(0), output_field=IntegerField())
    lots = _live(WalletLot.objects.select_for_update(no_key=True).filter(which, balance=balance), at)
    taken, left = [], amount_cents
    for lot in lots.order_by(F("expires_at").asc(nulls_last=True), bought_last, "pk"):
        cents = min(left, lot.remaining_cents)
        if not cents:
            break
        lot.remaining_cents -= cents
        left -= cents
        taken.append((lot, cents))
    if left:
        raise InsufficientFunds(available_cents=amount_cents - left)
    for lot, _ in taken:
        lot.save(update_fields=["remaining_cents", "updated_at"])
    return taken


def _write(
    balance: WalletBalance, kind: str, cents: int, *, lot: WalletLot | None = None, payment: Payment | None = None, reason: str = ""
) -> WalletTransaction:
    """Move a locked balance by signed cents and say so on the wallet's statement."""
    balance.balance_cents += cents
    balance.save(update_fields=["balance_cents", "updated_at"])
    return WalletTransaction.objects.create(
        account_id=balance.account_id,
        balance=balance,
        client_id=balance.client_id,
        lot=lot,
        payment=payment,
        kind=kind,
        amount_cents=cents,
        balance_after_cents=balance.balance_cents,
        currency=balance.currency,
        reason=reason[:500],
    )


def _post(balance: WalletBalance, legs: list[Leg], memo: str, *, order_id: int | None = None) -> None:
    post(
        account_id=balance.account_id,
        kind=LedgerTransaction.Kind.CREDIT,
        currency=balance.currency,
        client_id=balance.client_id,
        order_id=order_id,
        legs=legs,
        memo=memo,
    )
