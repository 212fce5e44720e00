"""Reading what a business sells, and how."""

from apps.accounts.models import Account
from apps.accounts.selectors import setting
from apps.payments.models import Payment
from apps.payments.services.providers import methods_on

Method = Payment.Method


def methods_online(account: Account) -> list[str]:
    """How clients may pay when they buy online, in the account's scope: its providers, and what its settings allow."""
    by_hand = {Method.BANK_TRANSFER: "online_bank_transfer", Method.CASH: "online_cash"}
    return [*methods_on(), *(str(method) for method, key in by_hand.items() if setting(account, key)), str(Method.WALLET)]
