"""Which connection a table is reached through."""

from typing import Any


class CacheRouter:
    """The cache table goes through ``autocommit``: what it counts must survive a rolled-back request."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "autocommit" if model._meta.app_label == "django_cache" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == "default"
