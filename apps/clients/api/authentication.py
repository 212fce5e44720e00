"""``Authorization: Guest …``: a client without a login, by the link that was mailed to them."""

from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.clients.guests import TOKEN, Guest, account_of, digest, opens
from apps.clients.models import GuestAccess
from apps.core.tenancy import account_scope

PREFIX = b"guest"


class GuestAuthentication(BaseAuthentication):
    """A guest token that is not over. Its holder is nobody to every door that does not ask for guests."""

    def authenticate(self, request: Request) -> tuple[Guest, GuestAccess] | None:
        """Raises AuthenticationFailed, with one message for every reason."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != PREFIX:
            return None
        access = _access_of(parts[1]) if len(parts) == 2 else None
        if access is None:
            raise AuthenticationFailed("Invalid token.")
        return Guest(access), access

    def authenticate_header(self, request: Request) -> str:
        return "Guest"


def _access_of(text: bytes) -> GuestAccess | None:
    """The row behind a token, with its client and account; None when it opens nothing (any more)."""
    try:
        token = text.decode("ascii")
    except UnicodeDecodeError:
        return None
    account_id = account_of(token, TOKEN)
    if account_id is None:
        return None
    with account_scope(account_id):
        found = GuestAccess.objects.filter(token_digest=digest(token), closed_at=None, expires_at__gt=timezone.now())
        access: GuestAccess | None = found.select_related("client__account").first()
    return access if access is not None and opens(access) else None


def guest_of(user: Any) -> Guest | None:
    """Who asks with a guest token, if somebody does."""
    return user if isinstance(user, Guest) else None
