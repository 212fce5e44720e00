"""Rewards for bringing new clients (rules.md §6): one per referee, after a hold, within caps, and gone when the money goes back.

Cards are not told apart here (no fingerprint of them is kept), so a reward is not refused for a shared card. Locks: client, order, reward.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.clients.models import Client
from apps.core.db import joined, rows
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.core.money import half_up
from apps.orders.models import Order
from apps.orders.services import lock_order
from apps.payments.errors import ReferralRefused
from apps.payments.models import OrderReferral, Payment, PointsEntry, ReferralReward
from apps.payments.services.collecting import SETTLED
from apps.payments.services.points import add_points, money_of
from apps.payments.services.wallet import create_wallet_for_user
from apps.users.models import Customer

Status = ReferralReward.Status


@joined
def add_referral_points(
    *, customer: Customer, account: Account, points: int, reason: str = "", reward: ReferralReward | None = None
) -> PointsEntry:
    """Points for a person who brought somebody, at one business; ``customer.user.wallet`` is there afterwards (source 001).

    Raises Invalid for somebody who is not a client of this business.
    """
    client = client_of(customer, account)
    if client is None:
        raise Invalid(fields={"customer": ["This person is not a client of this account."]})
    create_wallet_for_user(customer.user)
    return add_points(client=client, points=points, kind=PointsEntry.Kind.REFERRAL, reason=reason, reward=reward)


def client_of(customer: Customer, account: Account) -> Client | None:
    """Who a person is at this business."""
    return Client.objects.current().filter(account=account, customer=customer).first()


@joined
def enter_code(*, customer: Customer, inviter: Customer) -> Customer:
    """A person names who brought them, by that one's code. The first code wins, and only until something was bought.

    What was bought is looked for in the scope that is open: all of the person's businesses at their own door, one at a sale.
    Raises ReferralRefused.
    """
    _queue_up(customer, inviter)
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if customer.inviter_id is not None:
        raise ReferralRefused("You have named who brought you already.", why="already_invited")
    brought_them = Customer.objects.filter(pk=inviter.pk).values_list("inviter_id", flat=True).first()  # as it is now
    if customer.pk in (inviter.pk, brought_them):  # one's own, or that of somebody whom one has brought
        raise ReferralRefused("You cannot be brought by yourself, or by somebody whom you brought.", why="own_code")
    if has_bought(customer):
        raise ReferralRefused("A code counts before the first purchase only.", why="bought_before")
    customer.inviter = inviter
    customer.save(update_fields=["inviter", "updated_at"])
    return customer


def _queue_up(one: Customer, other: Customer) -> None:
    """Two who name each other at once do so one after the other. No row is locked for it: many buy by one person's code at once."""
    first, second = sorted((one.pk, other.pk))
    rows("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"payments.referral:{first}:{second}"])


def has_bought(customer: Customer) -> bool:
    """Whether the person has paid for something with money, at a business in scope."""
    return _money().filter(client__customer=customer).exists()


@joined
def name_inviter(order: Order, *, inviter: Customer) -> None:
    """The buyer of a new order, whom no login proves to be who they say, names who brought them."""
    OrderReferral.objects.create(account_id=order.account_id, order=order, inviter=inviter)


@joined
def note_first_purchase(order: Order, *, at: datetime | None = None) -> ReferralReward | None:
    """The first order that a new client has paid with money: whoever brought them is to be rewarded after the hold.

    Whom the login names comes before whom the order names. None when there is nobody to reward, or the reward is written down already.
    """
    at = at or timezone.now()
    Client.objects.select_for_update(no_key=True).get(pk=order.client_id)  # two orders may be paid at once
    order = lock_order(order.pk)
    points, referee = setting(order.account, "referral_points"), order.client
    inviter = (referee.customer.inviter if referee.customer is not None else None) or _named_by(order)
    referrer = client_of(inviter, order.account) if inviter is not None and points else None
    if referrer is None or referrer == referee or order.payment_status not in SETTLED or not money_of(order)[0] or _bought_before(order):
        return None
    if ReferralReward.objects.filter(referee=referee).exists():
        return None
    reward = ReferralReward.objects.create(
        account_id=order.account_id,
        referrer=referrer,
        referee=referee,
        order=order,
        points=points,
        grant_at=at + timedelta(days=setting(order.account, "referral_hold_days")),
    )
    emit("referral.pending", reward, changes={"points": [None, points]})
    return reward


def _named_by(order: Order) -> Customer | None:
    named = OrderReferral.objects.filter(order=order).select_related("inviter").first()
    return named.inviter if named is not None else None


def _money() -> QuerySet[Payment]:
    """Payments that brought money in."""
    payments: QuerySet[Payment] = Payment.objects.filter(captured_cents__gt=0).exclude(method=Payment.Method.WALLET)
    return payments


def _bought_before(order: Order) -> bool:
    """Whether the client has paid for something else with money before this."""
    money = _money().filter(order__client=order.client_id)
    return money.exclude(order=order).filter(Q(order__payment_status__in=SETTLED) | Q(order__payment_status="refunded")).exists()


@joined
def decide_reward(reward: ReferralReward, *, at: datetime | None = None) -> ReferralReward:
    """Grant a pending reward whose hold is over, or refuse it and say why. Run again, it changes nothing."""
    at = at or timezone.now()
    referrer = Client.objects.select_for_update(no_key=True, of=("self",)).select_related("customer__user").get(pk=reward.referrer_id)
    order = lock_order(reward.order_id)
    reward = ReferralReward.objects.select_for_update(no_key=True).get(pk=reward.pk)
    if reward.status != Status.PENDING or reward.grant_at > at:
        return reward
    reward.why = _refusal(reward, referrer, order, at)
    reward.status = Status.REFUSED if reward.why else Status.GRANTED
    reward.granted_at = None if reward.why else at
    reward.save(update_fields=["status", "why", "granted_at", "updated_at"])
    if not reward.why and referrer.customer is not None:
        add_referral_points(
            customer=referrer.customer, account=order.account, points=reward.points, reason=f"for {order.number}", reward=reward
        )
        settle_reward_of(order)  # a part of the money may have gone back during the hold
    emit(f"referral.{reward.status}", reward, changes={"status": [Status.PENDING, reward.status], "why": ["", reward.why]})
    return reward


def _refusal(reward: ReferralReward, referrer: Client, order: Order, at: datetime) -> str:
    """Why a reward is not granted; '' when it is."""
    came_in, went_back = money_of(order)
    if went_back >= came_in or order.payment_status not in SETTLED:
        return "order_refunded"
    if referrer.customer is None or referrer.merged_into_id is not None:
        return "no_referrer"
    referee = reward.referee
    if referrer.customer_id == referee.customer_id or _contacts(referrer) & _contacts(referee):
        return "self_referral"
    if _household(referrer) is not None and _household(referrer) == _household(referee):
        return "same_household"
    granted = ReferralReward.objects.filter(referrer=referrer, granted_at__isnull=False)
    if granted.count() >= setting(order.account, "referral_lifetime_cap"):
        return "lifetime_cap"
    month = at.astimezone(ZoneInfo(order.account.timezone)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if granted.filter(granted_at__gte=month).count() >= setting(order.account, "referral_monthly_cap"):
        return "monthly_cap"
    return ""


def _contacts(client: Client) -> set[str]:
    """Every address and number a person is known by: the login's, the profile's and the business's own record."""
    person = client.customer
    known = [client.email, str(client.phone_number or "")]
    if person is not None:
        known += [person.user.email, str(person.phone_number or "")]
        known += EmailAddress.objects.filter(user=person.user_id, verified=True).values_list("email", flat=True)
    return {text.strip().lower() for text in known if text}


def _household(client: Client) -> tuple[str, str, str] | None:
    """Where a person lives, as far as it is known well enough to compare."""
    home = client.customer.primary_address if client.customer is not None else None
    if home is None or not home.line1 or not home.postal_code:
        return None
    return "".join(home.line1.casefold().split()), "".join(home.postal_code.casefold().split()), home.country_id


@joined
def settle_reward_of(order: Order) -> int:
    """Take back of a granted reward what has gone back of its order's money; returns the points. May be run at any time."""
    order = lock_order(order.pk)
    rewards = ReferralReward.objects.select_for_update(no_key=True).filter(order=order, status=Status.GRANTED)
    reward = rewards.first()
    came_in, went_back = money_of(order)
    if reward is None or not came_in:
        return 0
    mine = PointsEntry.objects.filter(reward=reward, kind=PointsEntry.Kind.CLAWED_BACK)
    clawed = mine.aggregate(points=Sum("points"))["points"] or 0
    back = half_up(reward.points * min(went_back, came_in), came_in) + clawed
    if back:  # below zero when a refund failed after all
        add_points(
            client=reward.referrer,
            points=-back,
            kind=PointsEntry.Kind.CLAWED_BACK,
            reason=f"for {order.number}",
            order=order,
            reward=reward,
        )
    if went_back >= came_in:
        reward.status = Status.CLAWED_BACK
        reward.save(update_fields=["status", "updated_at"])
        emit("referral.clawed_back", reward, changes={"status": [Status.GRANTED, reward.status]})
    return back
