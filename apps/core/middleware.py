"""Middleware of our own: a request id on every answer, a limit on bodies, and what only pages need kept off the API."""

import re
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware

from apps.core.api.errors import error_response
from apps.core.errors import PayloadTooLarge
from apps.core.logging import request_id

ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
DRAIN_AT_MOST = 64 * 1024 * 1024
CHUNK = 64 * 1024

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Give every request an id (a proxy's own is kept when it looks like one), send it back, put it in every log line."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-ID", "")
        request.id = offered if ACCEPTABLE_ID.fullmatch(offered) else uuid.uuid4().hex  # type: ignore[attr-defined]
        token = request_id.set(request.id)  # type: ignore[attr-defined]
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        return response


class BodyLimitMiddleware:
    """Refuse bodies over the limit with 413, after reading what is on its way so that the connection is not reset."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_upload = request.content_type == "multipart/form-data"
        limit = settings.MAX_UPLOAD_BYTES if is_upload else settings.MAX_BODY_BYTES
        chunked = not request.META.get("CONTENT_LENGTH") and request.headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = _collect_chunks(request, limit) if chunked else _stated_length(request)
        if length > limit:
            # Past a stated length a server may wait for more; only a chunked body has an end of its own.
            _drain(request.META["wsgi.input"] if chunked else request)
            return error_response(request, PayloadTooLarge(f"The request body is larger than {limit} bytes."))
        return self.get_response(request)


def _stated_length(request: HttpRequest) -> int:
    stated = request.META.get("CONTENT_LENGTH") or ""
    return int(stated) if stated.isascii() and stated.isdigit() else 0


def _collect_chunks(request: HttpRequest, limit: int) -> int:
    """Read a chunked body, as far as it is allowed, and give it back with its length; Django would take it for an empty one."""
    body = request.META["wsgi.input"].read(limit + 1)
    request.META["CONTENT_LENGTH"] = str(len(body))
    request._stream = cast(Any, LimitedStream(BytesIO(body), len(body)))  # type: ignore[attr-defined]
    return len(body)


def _drain(stream: Any) -> None:
    """Read what is still on its way, up to a bound."""
    left = DRAIN_AT_MOST
    while left > 0:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            return
        left -= len(chunk)


class OptionalSlashMiddleware:
    """The API answers with and without the trailing slash: ``/api/bookings`` is served as ``/api/bookings/``."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/") and not request.path_info.endswith("/"):
            request.path_info += "/"
            request.path += "/"
        return self.get_response(request)


class PagesOnly:
    """Steps aside for the API, which answers JSON to a token: it has no session, cookie, message, script or static file."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        path = request.path_info
        if path.startswith("/api/") and not path.startswith("/api/docs"):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class PageFiles(PagesOnly, WhiteNoiseMiddleware):
    """Static files."""


class PagePolicy(PagesOnly, CSPMiddleware):
    """Content-Security-Policy."""


class PageSessions(PagesOnly, SessionMiddleware):
    """Sessions of the admin and of signing in."""


class PageUsers(PagesOnly, AuthenticationMiddleware):
    """request.user out of the session; at the API the door's authentication says who asks."""


class PageMessages(PagesOnly, MessageMiddleware):
    """Messages of the admin."""
