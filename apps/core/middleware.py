"""Middleware of our own: a request id on every answer and a limit on bodies."""

import re
import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

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
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        is_upload = request.content_type == "multipart/form-data"
        limit = settings.MAX_UPLOAD_BYTES if is_upload else settings.MAX_BODY_BYTES
        if length > limit:
            _drain(request, min(length, DRAIN_AT_MOST))
            return error_response(request, PayloadTooLarge(f"The request body is larger than {limit} bytes."))
        return self.get_response(request)


def _drain(request: HttpRequest, length: int) -> None:
    while length > 0:
        chunk = request.read(min(CHUNK, length))
        if not chunk:
            return
        length -= len(chunk)


class OptionalSlashMiddleware:
    """The API answers with and without the trailing slash: ``/api/bookings`` is served as ``/api/bookings/``."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/") and not request.path_info.endswith("/"):
            request.path_info += "/"
            request.path += "/"
        return self.get_response(request)
