"""Events of Django and allauth that end tokens. Connected in AppConfig.ready: whoever saves a user goes through here."""

from typing import Any

from apps.accounts.api.adapters import end_token_of
from apps.accounts.services.tokens import revoke_all_tokens


def user_was_saved(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    """A new password or a deactivation ends every token, in the transaction that saves it.

    ``_password`` is Django's own mark of a password that was really set; a mere rehash at login does not have it.
    """
    if not created and (instance._password is not None or not instance.is_active):
        revoke_all_tokens(user_id=instance.pk)


def user_logged_out(sender: Any, request: Any, **kwargs: Any) -> None:
    """The session is still there: the device that signs out loses its token."""
    end_token_of(request.session)
