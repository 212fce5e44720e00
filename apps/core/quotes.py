"""Quotes: the consequences of a change, asked for before it is made (rules.md §11).

A quote is a signed statement about inputs and the facts they were answered from; nothing is stored. The commit computes the same
again: when inputs or facts differ, or ten minutes have passed, it refuses with ``quote_stale`` and the new quote.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder

from apps.core.errors import Invalid, QuoteStale

LIFETIME = timedelta(minutes=10)
SALT = "clientele.quote"


def offer(kind: str, *, account_id: int, inputs: Mapping[str, Any], result: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """``result`` with the ``token`` and ``expires_at`` that a commit may refer to.

    ``kind`` names the action, ``inputs`` are what was asked for (ids, times, versions); both may hold anything JSON can say.
    """
    expires_at = at + LIFETIME
    claims = {"k": kind, "a": account_id, "i": _digest(inputs), "r": _digest(result), "e": int(expires_at.timestamp())}
    return {"token": signing.dumps(claims, salt=SALT), "expires_at": expires_at, **result}


def uphold(token: str | None, kind: str, *, account_id: int, inputs: Mapping[str, Any], result: Mapping[str, Any], at: datetime) -> None:
    """Refuse a commit whose quote says something else than would happen now. Without a token there is nothing to uphold.

    Raises Invalid for a token that this server did not make for this kind of action, QuoteStale (with the new quote) otherwise.
    """
    if not token:
        return
    try:
        claims = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise Invalid(fields={"quote": ["This is not a quote of ours."]}) from error
    if (claims["k"], claims["a"]) != (kind, account_id):
        raise Invalid(fields={"quote": ["This quote is for something else."]})
    if claims["e"] <= at.timestamp() or (claims["i"], claims["r"]) != (_digest(inputs), _digest(result)):
        raise QuoteStale(quote=_plain(offer(kind, account_id=account_id, inputs=inputs, result=result, at=at)))


def _plain(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS, default=DjangoJSONEncoder().default))


def _digest(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=DjangoJSONEncoder().default)
    return hashlib.sha256(text).hexdigest()[:32]
