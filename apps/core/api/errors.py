"""The one error shape, and the only place that renders it.

{"error": "<stable_code>", "message": "<for a person>", "fields": {…}?, "request_id": "…", …extras}
"""

from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, OperationalError
from django.http import HttpRequest, HttpResponse
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions, status

from apps.core.db import PASSING, sqlstate
from apps.core.errors import Busy, DomainError, Invalid, PayloadTooLarge

NON_FIELD = "non_field_errors"
# DRF's own codes that have another name in our contract.
CODES = {
    "authentication_failed": "not_authenticated",
    "throttled": "rate_limited",
    "error": "server_error",
    "parse_error": "malformed_json",
}


class DomainAPIException(exceptions.APIException):
    """A DomainError on its way through DRF."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(error.message, error.code)
        self.status_code = error.status
        self.domain_error = error


def envelope(code: str, message: str, request: Any, *, fields: dict[str, list[str]] | None = None, **extras: Any) -> dict[str, Any]:
    """The error body as a dict."""
    body: dict[str, Any] = {"error": code, "message": message}
    if fields:
        body["fields"] = fields
    body["request_id"] = getattr(request, "id", None) or getattr(getattr(request, "_request", None), "id", "")
    return {**extras, **body}


class Handler(ExceptionHandler):
    """Turns everything that can be said politely into an APIException; the rest becomes a plain 500."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        exc = super().convert_known_exceptions(exc)
        if isinstance(exc, DomainError):
            return DomainAPIException(exc)
        if isinstance(exc, DjangoValidationError):
            fields = exc.message_dict if hasattr(exc, "error_dict") else {NON_FIELD: exc.messages}
            return DomainAPIException(Invalid(fields={k if k != "__all__" else NON_FIELD: v for k, v in fields.items()}))
        if isinstance(exc, RequestDataTooBig):
            return DomainAPIException(PayloadTooLarge())
        if isinstance(exc, DataError | OverflowError):
            return DomainAPIException(Invalid("A value is outside the range that can be stored."))
        if isinstance(exc, OperationalError) and sqlstate(exc) in PASSING:
            return DomainAPIException(Busy())
        return exc

    def get_headers(self, exc: exceptions.APIException) -> dict[str, str]:
        headers = super().get_headers(exc)
        if exc.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
            headers["Retry-After"] = "1"
        if isinstance(exc, DomainAPIException):
            if "retry_after" in exc.domain_error.extras:
                headers["Retry-After"] = str(exc.domain_error.extras["retry_after"])
            if exc.status_code == status.HTTP_401_UNAUTHORIZED:
                headers["WWW-Authenticate"] = "Token"
        return headers


class Formatter(ExceptionFormatter):
    """Our envelope out of any APIException."""

    def run(self) -> dict[str, Any]:
        request = self.context["request"]
        exc = self.exc
        if isinstance(exc, DomainAPIException):
            error = exc.domain_error
            return envelope(error.code, error.message, request, fields=error.fields, **error.extras)
        if isinstance(exc, exceptions.ValidationError):
            fields: dict[str, list[str]] = {}
            codes = set()
            for problem in self.get_errors():
                fields.setdefault(problem.attr or NON_FIELD, []).append(problem.detail)
                codes.add(problem.code)
            # A code that is ours (unknown_field, local_time_missing …) is the error; Django's field codes are details.
            special = codes & SPECIAL_CODES
            code = special.pop() if len(special) == 1 and len(codes) == 1 else "validation_error"
            return envelope(code, "The data sent is not valid.", request, fields=fields)
        if exc.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
            return envelope("server_error", "Something went wrong on our side. Nothing was changed.", request)
        codes_ = exc.get_codes()
        code = codes_ if isinstance(codes_, str) else exc.default_code
        wait = getattr(exc, "wait", None)
        extras: dict[str, Any] = {"retry_after": int(wait)} if wait else {}
        return envelope(CODES.get(code, code), str(exc.detail), request, **extras)


SPECIAL_CODES = {"unknown_field", "local_time_missing", "local_time_ambiguous"}


def error_response(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The envelope outside DRF (middleware, URL handlers)."""
    body = envelope(error.code, error.message, request, fields=error.fields, **error.extras)
    return HttpResponse(orjson.dumps(body), status=error.status, content_type="application/json")


def _plain(request: HttpRequest, code: str, message: str, status_code: int) -> HttpResponse:
    return HttpResponse(orjson.dumps(envelope(code, message, request)), status=status_code, content_type="application/json")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what Django refuses before any view (a suspicious host, a malformed multipart body)."""
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, PayloadTooLarge())
    return _plain(request, "bad_request", "The request could not be understood.", 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return _plain(request, "permission_denied", "You may not do this.", 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: no such address."""
    return _plain(request, "not_found", "Not found.", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: no SQL, no stack trace, and the request id to look it up in the log."""
    return _plain(request, "server_error", "Something went wrong on our side. Nothing was changed.", 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW."""
    return _plain(request, "permission_denied", "The request lacks a valid CSRF token.", 403)
