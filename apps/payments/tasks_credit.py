"""What time brings about for credit: it ends, gift codes end, rewards are due. May be run again at any moment.

Ends are ends of local days of the account, so that a run soon after them writes them down on the day that they belong to.
"""

from django.utils import timezone

from apps.accounts.models import Account
from apps.bookings.tasks import Apart, working_for
from apps.core import jobs
from apps.core.tenancy import platform_scope
from apps.payments.models import GiftCode, ReferralReward, WalletLot
from apps.payments.services.gifts import expire_gift_code
from apps.payments.services.referrals import decide_reward
from apps.payments.services.wallet import expire_credit

BATCH = 500
JOB = "credit"
USABLE = (GiftCode.Status.INACTIVE, GiftCode.Status.ACTIVE)


@jobs.periodic(cron="*/15 * * * *")
@jobs.task(name="payments.sweep_credit", queue="core", queueing_lock="payments.sweep_credit")
def sweep_credit(timestamp: int) -> int:
    """Queue a sweep for every account where something has ended or is due; returns how many."""
    at = timezone.now()
    with platform_scope("credit that has ended"):
        due = [
            WalletLot.objects.filter(remaining_cents__gt=0, expires_at__lte=at),
            GiftCode.objects.filter(status__in=USABLE, expires_at__lte=at),
            ReferralReward.objects.filter(status=ReferralReward.Status.PENDING, grant_at__lte=at),
        ]
        ids: set[int] = set()
        for rows in due:
            ids |= set(rows.filter(account__status=Account.Status.ACTIVE).values_list("account_id", flat=True).distinct())
        jobs.defer_many(sweep_credit_of, ({"account_id": account_id} for account_id in sorted(ids)))
    return len(ids)


@jobs.task(name="payments.sweep_credit_of", queue="core")
def sweep_credit_of(account_id: int) -> None:
    """End credit and gift codes, and decide rewards, of one account; each in a transaction of its own."""
    at, apart = timezone.now(), Apart()
    with working_for(account_id, JOB):
        lots = WalletLot.objects.filter(remaining_cents__gt=0, expires_at__lte=at)
        balances = list(lots.order_by("balance_id").values_list("balance_id", flat=True).distinct()[:BATCH])
        codes = list(GiftCode.objects.filter(status__in=USABLE, expires_at__lte=at).order_by("expires_at", "pk")[:BATCH])
        pending = ReferralReward.objects.filter(status=ReferralReward.Status.PENDING, grant_at__lte=at)
        rewards = list(pending.order_by("grant_at", "pk")[:BATCH])
    for balance_id in balances:
        with apart(f"wallet balance {balance_id}"), working_for(account_id, JOB):
            expire_credit(balance_id, at=at)
    for code in codes:
        with apart(f"gift code {code.pk}"), working_for(account_id, JOB):
            expire_gift_code(code, at=at)
    for reward in rewards:
        with apart(f"referral reward {reward.pk}"), working_for(account_id, JOB):
            decide_reward(reward, at=at)
    apart.tell()
