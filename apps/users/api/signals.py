"""Events of allauth that change the person. Connected in AppConfig.ready."""

from typing import Any

from apps.users.services import mark_verified


def email_was_confirmed(sender: Any, email_address: Any, **kwargs: Any) -> None:
    """The code that was mailed has come back: the address is proved."""
    mark_verified(user_id=email_address.user_id)
