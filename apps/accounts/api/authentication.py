"""``Authorization: Token …``: one indexed query for token and user, which also tells the database who is asking."""

from datetime import timedelta
from typing import Any

from django.db.models import CharField, DateTimeField, Func, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed

from apps.accounts.models import ApiToken
from apps.core import tenancy
from apps.core.compiled import Param, run

USED_AT_MOST_EVERY = timedelta(minutes=1)


class SetLocal(Func):
    """set_config(name, value, true): a transaction-local setting, made while the row is read."""

    function = "set_config"
    template = "%(function)s(%(expressions)s, true)"
    output_field = TextField()

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(Value(name, output_field=TextField()), Cast(value, TextField()))


class TokenAuthentication(KnoxAuthentication):
    """Knox's header and hashing; expired and revoked tokens, and inactive users, are all just invalid."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, ApiToken]:
        try:
            digest = hash_token(token.decode("ascii"))
        except (UnicodeDecodeError, ValueError, TypeError) as error:
            raise AuthenticationFailed("Invalid token.") from error
        now = timezone.now()
        tokens = run("accounts.token", _token, {"digest": digest, "now": now})
        if not tokens:
            raise AuthenticationFailed("Invalid token.")
        found = tokens[0]
        if found.last_used_at is None or now - found.last_used_at > USED_AT_MOST_EVERY:
            # Outside the request's transaction: a refused request was a use, too.
            ApiToken.objects.using("autocommit").filter(pk=found.pk).update(last_used_at=now)
        return found.user, found


def _token() -> QuerySet:
    return (
        ApiToken.objects.select_related("user", "user__customer")
        .annotate(applied=SetLocal(tenancy.USER, "user_id"))
        .filter(digest=Param("digest", CharField()), expiry__gt=Param("now", DateTimeField()), user__is_active=True)
    )
