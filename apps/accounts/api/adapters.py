"""How allauth's sign-in hands out our tokens, and how they end with the session that made them."""

from collections.abc import Iterable
from typing import Any

from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from django.http import HttpRequest

from apps.accounts.errors import NotSignedIn
from apps.accounts.models import ApiToken
from apps.accounts.services.tokens import issue_token
from apps.users.selectors import has_verified_email

# The public id of the token that a session made: with the session ends the token.
SESSION_KEY = "accounts.api_token"
LABEL_LENGTH = 100


class KnoxTokenStrategy(SessionTokenStrategy):
    """A finished sign-in of the app client carries ``meta.access_token``: one of our API tokens."""

    def create_access_token(self, request: HttpRequest) -> str | None:
        user: Any = request.user
        if not has_verified_email(user):
            return None
        end_token_of(request.session)
        try:
            token, text = issue_token(user=user, label=label_from(request))
        except NotSignedIn:  # deactivated this very moment: signed in, without a token
            return None
        request.session[SESSION_KEY] = str(token.public_id)
        return text


class SessionsAdapter(DefaultUserSessionsAdapter):
    """Ending another device's session ends its token."""

    def end_sessions(self, sessions: Iterable[Any]) -> None:
        sessions = list(sessions)
        for session in sessions:
            end_token_of(sessionkit.session_store(session.session_key))
        super().end_sessions(sessions)


def end_token_of(session: Any) -> None:
    """End the token that this session made, if it did."""
    public_id = session.get(SESSION_KEY)
    if public_id:
        ApiToken.objects.filter(public_id=public_id).delete()


def label_from(request: HttpRequest) -> str:
    """What the client calls itself."""
    name = request.headers.get("User-Agent", "")
    return "".join(character for character in name if character.isprintable())[:LABEL_LENGTH]
