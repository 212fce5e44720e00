"""Addresses that exist in tests only: a staff resource whose ``create`` is idempotent, and views that fail on purpose."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from apps.accounts.api.doors import StaffViewSet
from apps.accounts.models import Role
from apps.core.api.reading import InputSerializer
from apps.core.errors import DomainError
from apps.core.models import Counter
from apps.core.tenancy import current_account_id
from config.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

EVERYBODY = frozenset(Role)
POLICY = dict.fromkeys(("create", "echo", "broken", "slow", "locked", "unserialisable"), EVERYBODY)
SECRET = "SELECT secret FROM nowhere"

# What a test wants to happen inside the work: called with the name, after the row was written.
during: list[Callable[[str], None]] = []


class NotNow(DomainError):
    """The work fails."""

    code = "not_now"


class CounterInput(InputSerializer):
    name = serializers.CharField(max_length=32)
    value = serializers.IntegerField(min_value=0, default=0)


class ProbeViewSet(StaffViewSet):
    """Writes one Counter per POST."""

    model = Counter
    idempotent = frozenset({"create"})

    def create(self, request: Request) -> Response:
        data = self.validated(CounterInput, request)
        row = Counter.objects.create(account_id=current_account_id(), **data)
        for hook in during:
            hook(data["name"])
        if data["name"].startswith("refused"):
            raise NotNow(tried=data["name"])
        if data["name"].startswith("crash"):
            raise RuntimeError(SECRET)
        return Response({"id": row.pk, "name": row.name, "made_at": row.created_at}, status=status.HTTP_201_CREATED)


class FaultViewSet(StaffViewSet):
    """Shows back what it was sent, and breaks in several ways."""

    model = Counter

    @action(detail=False, methods=["post"])
    def echo(self, request: Request) -> Response:
        return Response({"data": request.data, "type": type(request.data).__name__})

    @action(detail=False, methods=["get"])
    def broken(self, request: Request) -> Response:
        raise RuntimeError(SECRET)

    @action(detail=False, methods=["get"])
    def slow(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '50ms'")
            cursor.execute("SELECT pg_sleep(5)")
        return Response({})

    @action(detail=False, methods=["get"])
    def locked(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
            cursor.execute("SELECT pg_advisory_xact_lock(4711)")
        return Response({})

    @action(detail=False, methods=["get"])
    def unserialisable(self, request: Request) -> Response:
        return Response({"value": threading.Lock()})


def outside(request: HttpRequest) -> HttpResponse:
    """A plain Django view, not a door."""
    raise RuntimeError(SECRET)


router = SimpleRouter()
router.register("probe", ProbeViewSet, basename="probe")
router.register("faults", FaultViewSet, basename="fault")
urlpatterns: list[Any] = [
    path("api/", include(router.urls)),
    path("api/", include("apps.packages.api.staff.urls")),
    path("outside/", outside),
]
