"""/healthz and /readyz."""

import pytest
from django.db import OperationalError, connection

from apps.core import health


def test_healthz_asks_nobody(client, settings, db, statements):
    """Not the database, and whatever name or scheme the probe uses."""
    settings.SECURE_SSL_REDIRECT = True

    with statements() as made:
        response = client.get("/healthz", headers={"host": "10.0.0.7"})

    assert (response.status_code, response.json(), made()) == (200, {"status": "ok"}, [])
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
def test_readyz_answers_when_all_is_there(client, db, statements, path):
    health.expected_migrations()

    with statements() as made:
        response = client.get(path, headers={"host": "10.0.0.7"})

    assert (response.status_code, response.json()) == (200, {"status": "ready"})
    assert len(made()) == 2


def test_readyz_misses_a_migration(client, db):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'bookings'")

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "unready", "reason": "migrations"})


def test_readyz_refuses_a_role_that_row_level_security_does_not_bind(client, db, monkeypatch):
    monkeypatch.setattr(health, "UNBOUND_ROLE", "SELECT current_user")

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "unready", "reason": "role"})


def test_readyz_says_when_the_database_is_away_and_not_why(client, monkeypatch):
    def away(sql: str) -> list[object]:
        raise OperationalError("connection to 10.1.2.3 failed")

    monkeypatch.setattr(health, "rows", away)

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, {"status": "unready", "reason": "database"})
