"""The test suite: the same path to the database as everything else, without durability, and cheap password hashes."""

import os
from pathlib import Path

os.environ.setdefault("DATA_DIR", str(Path(__file__).resolve().parents[2] / ".data" / "test"))

from config.settings.base import *  # noqa: F403
from config.settings.base import DOCUMENTS_STORAGE, database, env

SECRET_KEY = "test-only-not-a-secret-5b8f0c1d2e3a4f5b6c7d8e9f"  # noqa: S105
FIELD_ENCRYPTION_KEYS = ["test-only-not-a-secret-1", "test-only-not-a-secret-2"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
_main = database(fast=True)
DATABASES = {"default": _main, "autocommit": {**_main, "ATOMIC_REQUESTS": False, "TEST": {"MIRROR": "default"}}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "documents": DOCUMENTS_STORAGE,
}
AXES_ENABLED = env.bool("AXES_ENABLED", default=False)
LOG_LEVEL = "WARNING"
