"""What settings make of the environment."""

from config.settings.base import database


def test_what_the_address_of_the_database_says_is_kept(monkeypatch):
    """A required encryption that got lost on the way would go unnoticed."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:secret@db.example:5433/clientele?sslmode=verify-full&sslrootcert=/ca.pem")

    found = database()

    assert (found["HOST"], found["PORT"], found["NAME"], found["USER"]) == ("db.example", 5433, "clientele", "app")
    assert (found["OPTIONS"]["sslmode"], found["OPTIONS"]["sslrootcert"]) == ("verify-full", "/ca.pem")
    assert "lock_timeout=5s" in found["OPTIONS"]["options"]
