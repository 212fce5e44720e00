"""A developer's machine and the demo: boots without any configuration."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DATA_DIR, DOCUMENTS_STORAGE, database, env

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="local-only-not-a-secret-0f6a1c0d5e7b4a3f9c2d8e1b")
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=["local-only-not-a-secret-8d1f6b2e"])
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.list("ALLOWED_HOSTS", default=[])]

_main = database()
DATABASES = {"default": _main, "autocommit": {**_main, "ATOMIC_REQUESTS": False, "TEST": {"MIRROR": "default"}}}

if env.str("EMAIL_BACKEND", default=""):
    EMAIL_BACKEND = env.str("EMAIL_BACKEND")
elif env.str("EMAIL_URL", default=""):
    globals().update(env.email("EMAIL_URL"))
else:
    EMAIL_BACKEND = "apps.core.mail.EmlFileBackend"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
    "documents": DOCUMENTS_STORAGE,
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
LOCAL_DATA_DIR = DATA_DIR
