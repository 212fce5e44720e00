"""/healthz and /readyz, for whoever watches the process.

A middleware and not two views: a probe asks by address and over plain HTTP, so it must be answered before the checks of host
names and the redirect to TLS, and without a session.
"""

import logging
from collections.abc import Callable
from functools import cache

import orjson
from django.db import Error
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse

from apps.core.checks import UNBOUND_ROLE
from apps.core.db import rows

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


class HealthMiddleware:
    """GET /healthz: the process answers; it asks nobody. GET /readyz: it may be sent traffic, or 503 with what is missing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info in ("/healthz", "/healthz/"):
            return _answer({"status": "ok"}, 200)
        if request.path_info in ("/readyz", "/readyz/"):
            problem = unready()
            return _answer({"status": "unready", "reason": problem}, 503) if problem else _answer({"status": "ready"}, 200)
        return self.get_response(request)


def unready() -> str:
    """Why this process should get no traffic: ``database``, ``migrations`` or ``role``; '' when it should.

    Two statements. What the database says goes to the log: the caller may be anybody.
    """
    try:
        applied = {tuple(row) for row in rows("SELECT app, name FROM django_migrations")}
        if not expected_migrations() <= applied:
            return "migrations"
        return "role" if rows(UNBOUND_ROLE) else ""
    except Error as error:
        logger.warning("not ready: %s", error)
        return "migrations" if getattr(error.__cause__, "sqlstate", None) == UNDEFINED_TABLE else "database"


UNDEFINED_TABLE = "42P01"


@cache
def expected_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of every app, as this code has them on disk."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes())


def _answer(body: dict[str, str], status: int) -> HttpResponse:
    return HttpResponse(orjson.dumps(body), status=status, content_type="application/json", headers={"Cache-Control": "no-store"})
