"""Making, changing and handing over logins (source 001)."""

from apps.users.services.claims import claim_login, invite_to_claim
from apps.users.services.customers import (
    DUPLICATES,
    add_profile,
    change_password,
    confirm_email,
    create_customer,
    deactivate_user,
    get_or_create_active_customer,
    mark_verified,
    update_login,
    update_profile,
)
from apps.users.services.pictures import remove_picture, set_picture

__all__ = [
    "DUPLICATES",
    "add_profile",
    "change_password",
    "claim_login",
    "confirm_email",
    "create_customer",
    "deactivate_user",
    "get_or_create_active_customer",
    "invite_to_claim",
    "mark_verified",
    "remove_picture",
    "set_picture",
    "update_login",
    "update_profile",
]
