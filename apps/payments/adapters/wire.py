"""HTTP under the providers: one pool of connections, hard limits on time and size, and failures that carry nothing but a word."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import httpx

from apps.payments.adapters.base import ProviderRefused, ProviderUnavailable

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 17.0  # the longest wait for the next byte: with connecting, the 20 seconds a call may take
WHOLE_SECONDS = 20.0
MAX_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``repr`` leaves the body out, which holds secrets of clients."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


class NoAnswer(Exception):
    """``code`` says how the answer was lost; the call may have had its effect."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@cache
def _client() -> httpx.Client:
    """Redirects are not followed: with them a POST would become a GET, and a key would go to another host."""
    return httpx.Client(
        timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5),
    )


def exchange(method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"") -> Answer:
    """One call, made once. Raises NoAnswer; the exception that caused it stays here, because it knows the request."""
    end = time.monotonic() + WHOLE_SECONDS
    try:
        with _client().stream(method, url, headers=dict(headers), content=content) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if time.monotonic() > end:
                    raise httpx.ReadTimeout("The whole call takes too long.")
                if len(body) > MAX_BYTES:
                    raise httpx.DecodingError("The answer is too long.")
            return Answer(response.status_code, response.headers, bytes(body))
    except httpx.TimeoutException:
        code = "timeout"
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError):
        code = "unreachable"
    raise NoAnswer(code)


# Provider's ids, as they may stand in an address.
EVENT_TYPE = re.compile(r"[A-Za-z0-9._-]{1,100}")
REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,255}")
CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def checked_reference(reference: str) -> str:
    """A provider's id, safe in an address. Raises ProviderRefused for anything that cannot be one."""
    if not REFERENCE.fullmatch(reference):
        raise ProviderRefused("malformed_reference")
    return reference


def short_code(*candidates: object) -> str:
    """The first of the provider's words for what is wrong that is short and harmless; its sentences may quote a key."""
    return next((word for word in candidates if isinstance(word, str) and CODE.fullmatch(word)), "refused")


def reader(read: Callable[P, T]) -> Callable[P, T]:
    """For functions that read an answer: one that makes no sense says nothing about what has happened.

    Raises ProviderUnavailable, without the cause, which quotes the answer.
    """

    @wraps(read)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, ProviderRefused):
            return read(*args, **kwargs)
        raise ProviderUnavailable("unreadable")

    return wrapped


def header(headers: Mapping[str, str], name: str) -> str:
    """A header by its name in any case; '' when it is missing or not plain ASCII."""
    value = next((value for key, value in headers.items() if key.lower() == name.lower()), "")
    return value if value.isascii() else ""


def is_key(secret: str) -> bool:
    """Whether this can be a credential in a header: visible ASCII without spaces."""
    return bool(secret) and secret.isascii() and all(32 < ord(character) < 127 for character in secret)
