"""Reading accounts and who works in them."""

from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import Account, Membership
from apps.accounts.settings_keys import KEYS


def setting(account: Account, key: str) -> Any:
    """The account's value of a setting, or its default. Raises KeyError for a key that is not in the list."""
    return account.settings.get(key, KEYS[key].default)


def all_settings(account: Account) -> dict[str, Any]:
    """Every setting with its value in this account."""
    return {key: setting(account, key) for key in KEYS}


def memberships_of(user_id: int) -> QuerySet[Membership]:
    """Where this user works, over all accounts: one statement, inside the user's own scope."""
    return (
        Membership._base_manager.filter(user_id=user_id, is_active=True, account__status=Account.Status.ACTIVE)
        .select_related("account")
        .order_by("account__name", "account_id")
    )
