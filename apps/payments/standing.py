"""What a person's credit at one business looks like now: what can be spent, not what is written but over."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.clients.models import Client
from apps.payments.models import WalletLot
from apps.payments.services.points import points_balance


def live_lots(client: Client, at: datetime) -> QuerySet[WalletLot]:
    """The lots that a client can spend from, what ends first in front."""
    unended = WalletLot.objects.filter(Q(expires_at=None) | Q(expires_at__gt=at), client=client, remaining_cents__gt=0)
    return unended.order_by("expires_at", "pk")


def wallet_at(client: Client, account: Account, *, at: datetime) -> dict[str, Any]:
    """Balances per currency, the lots they are made of, and points; zero in the account's currency when there is no credit."""
    lots = list(live_lots(client, at).values("id", *LOT))
    balances: dict[str, int] = defaultdict(int, {account.currency: 0})
    for lot in lots:
        balances[lot["currency"]] += lot["remaining_cents"]
    return {
        "client": client.pk,
        "client_name": client.full_name,
        "has_wallet": client.customer_id is not None,
        "balances": [{"currency": currency, "balance_cents": cents} for currency, cents in sorted(balances.items())],
        "lots": lots,
        "points": points_balance(client),
        "point_value_cents": setting(account, "point_value_cents"),
    }


LOT = ("source", "amount_cents", "remaining_cents", "currency", "expires_at", "is_cashable", "reason", "created_at")
