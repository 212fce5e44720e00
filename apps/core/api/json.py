"""JSON in and out through orjson: strict, fast, and with limits."""

from decimal import Decimal
from typing import Any

import orjson
from django.conf import settings
from django.utils.functional import Promise
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from apps.core.errors import PayloadTooLarge

MAX_DEPTH = 32
MAX_ITEMS = 10_000
OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class JSONParser(BaseParser):
    """Refuses what has no place in a request: depth over 32, NUL characters, NaN, lone surrogates, bad UTF-8."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict[str, Any] | None = None) -> Any:
        body = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise PayloadTooLarge
        # As it was sent: Django silently drops a charset that it does not know.
        charset = (parser_context or {})["request"].content_params.get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8"):
            raise ParseError("Send JSON as UTF-8.")
        try:
            data = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise ParseError(f"Malformed JSON at line {error.lineno}, column {error.colno}.") from error
        _check(data)
        return data


def _check(data: Any) -> None:
    """Walk the parsed value without recursion."""
    level, items = [data], 0
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                items += len(value)
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                items += len(value)
                below.extend(value)
            elif isinstance(value, str) and "\0" in value:
                raise ParseError("Text must not contain NUL characters.")
        if items > MAX_ITEMS:
            raise ParseError(f"The JSON holds more than {MAX_ITEMS} items.")
        if not below:
            return
        level = below
    raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")


def _default(value: Any) -> Any:
    if isinstance(value, Promise | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(data: Any) -> bytes:
    """Encode; aware datetimes become RFC 3339, UTC written as Z."""
    return orjson.dumps(data, default=_default, option=OPTIONS)


class JSONRenderer(BaseRenderer):
    """Bytes that are JSON already pass through."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: dict[str, Any] | None = None) -> bytes:
        if data is None:
            return b""
        return data if isinstance(data, bytes) else dumps(data)
