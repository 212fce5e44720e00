"""Money of a client who is merged into another.

Payments and credit follow, because they go on. The books and the documents are frozen: they keep the client that they were written
with, and whoever asks for a client's money asks for all of ``Client.all_ids``.
"""

from typing import Any

from django.db.models import Exists, OuterRef, Q

from apps.core.merging import Merging, follows, moved_by, relation_name, stays
from apps.payments.models import (
    CouponUse,
    Dispute,
    GiftCode,
    Instalment,
    Invoice,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    PointsEntry,
    ReferralReward,
    Refund,
    WalletBalance,
    WalletLot,
    WalletTransaction,
)
from apps.payments.services.wallet import join_balances, part_balances

FROZEN = "the books and documents are never changed; whoever reads a client's money reads the merged records', too"


def _second_reward(merging: Merging) -> Q:
    """One reward per person who was brought, and nobody has brought themself."""
    other = ReferralReward.objects.filter(referee=merging.winner.pk, account_id=OuterRef("account_id"))
    return Q(Exists(other)) | Q(referrer=merging.winner.pk)


class Balances:
    """Credit lies in the wallet of a login, so it joins as lots in the wallet of the login that stays (rules.md §13)."""

    name = relation_name(WalletBalance, "client")

    def count(self, merging: Merging) -> int:
        return WalletBalance.objects.filter(client=merging.loser.pk).count()

    def move(self, merging: Merging) -> dict[str, Any]:
        return join_balances(merging.winner, merging.loser, at=merging.at)

    def changed(self, merging: Merging, record: dict[str, Any]) -> list[int]:
        """A lot that was used since cannot go back; the balance alone may have moved on with other lots."""
        lots = [lot for joined in record["joined"] for lot in joined["lots"]]
        same = WalletLot.objects.filter(pk__in=lots, updated_at=merging.at).select_for_update(no_key=True).order_by("pk")
        return sorted(set(lots) - set(same.values_list("pk", flat=True)))

    def move_back(self, merging: Merging, record: dict[str, Any]) -> None:
        part_balances(record, at=merging.facts["undone_at"])


for model in (Instalment, Payment, Dispute, Refund, CouponUse, GiftCode):
    follows(model, "client")
moved_by(Balances())
for credit in (WalletLot, WalletTransaction, PointsEntry):
    follows(credit, "client")
follows(ReferralReward, "referrer", unless=lambda merging: Q(referee=merging.winner.pk))
follows(ReferralReward, "referee", unless=_second_reward)
for frozen in (LedgerTransaction, LedgerEntry, Invoice):
    stays(frozen, "client", because=FROZEN)
