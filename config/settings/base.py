"""Settings shared by every environment. The environment is read in this package only; defaults boot locally."""

from pathlib import Path
from typing import Any

import environ

from config import postgres

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()

# Everything the running product writes lies in one folder, so that two demos can run side by side.
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).resolve()

DEBUG = False
SECRET_KEY: str = ""
FIELD_ENCRYPTION_KEYS: list[str] = []
ALLOWED_HOSTS: list[str] = []

INSTALLED_APPS = [
    "apps.core",
    "apps.location",
    "apps.users",
    "apps.accounts",
    "apps.clients",
    "apps.catalog",
    "apps.sites",
    "apps.packages",
    "apps.scheduling",
    "apps.orders",
    "apps.bookings",
    "apps.payments",
    "apps.checkout",
    "apps.tickets",
    "apps.content",
    "apps.notifications",
    "apps.integrations",
    "apps.legacy",
    "unfold.apps.BasicAppConfig",  # the plain "unfold" would replace our admin site
    "unfold.contrib.simple_history",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "knox",
    "simple_history",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.headless",
    "procrastinate.contrib.django",
    "phonenumber_field",
    "corsheaders",
    "axes",
    "csp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "anymail",
]

MIDDLEWARE = [
    "apps.core.middleware.RequestIdMiddleware",
    "apps.core.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.core.middleware.PageFiles",
    "apps.core.middleware.PagePolicy",
    "corsheaders.middleware.CorsMiddleware",
    "apps.core.middleware.BodyLimitMiddleware",
    "apps.core.middleware.OptionalSlashMiddleware",
    "apps.core.middleware.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.core.middleware.PageUsers",
    "apps.core.middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database(*, fast: bool = False) -> dict[str, Any]:
    """DATABASE_URL, or the embedded PostgreSQL in DATA_DIR, which is started now and stopped by its last user."""
    if env.str("DATABASE_URL", default=""):
        settings = env.db("DATABASE_URL")
    else:
        settings = {"ENGINE": "django.db.backends.postgresql", **postgres.ensure_running(DATA_DIR, fast=fast)}
    pooler = env.bool("DATABASE_BEHIND_POOLER", default=False)
    settings |= {
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": True,
        "DISABLE_SERVER_SIDE_CURSORS": pooler,
        "OPTIONS": {
            **settings.get("OPTIONS", {}),  # what the address says: sslmode, host …
            # Prepared statements pay on the hot lists; a transaction pooler cannot keep them.
            "server_side_binding": not pooler,
            "prepare_threshold": None if pooler else 2,
            "options": "-c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s -c timezone=UTC",
        },
    }
    return settings


DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "users.User"

# Counters of the login limiter must survive the rollback of the request that they count: a connection of their own.
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "core_cache",
        # Beyond this a third of all keys is thrown away, counters of limits among them.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
DATABASE_ROUTERS = ["config.routers.CacheRouter"]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

ACCOUNT_ADAPTER = "apps.users.api.adapters.AccountAdapter"
ACCOUNT_SIGNUP_FORM_CLASS = "apps.users.forms.SignupForm"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_SERVE_SPECIFICATION = True
HEADLESS_TOKEN_STRATEGY = "apps.accounts.api.adapters.KnoxTokenStrategy"  # noqa: S105  a dotted path
FRONTEND_URL = env.str("FRONTEND_URL", default="http://localhost:3000")
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": f"{FRONTEND_URL}/verify-email/{{key}}",
    "account_reset_password": f"{FRONTEND_URL}/password/reset",
    "account_reset_password_from_key": f"{FRONTEND_URL}/password/reset/{{key}}",
    "account_signup": f"{FRONTEND_URL}/sign-up",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
USERSESSIONS_TRACK_ACTIVITY = False
USERSESSIONS_ADAPTER = "apps.accounts.api.adapters.SessionsAdapter"
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("NUM_PROXIES", default=0)
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# django-axes guards the admin's login form; the API's logins are limited by allauth.
AXES_ONLY_ADMIN_SITE = True
AXES_HANDLER = "apps.accounts.lockout.AdminLockout"
# The key under which Django's login form passes the e-mail; without it failures are counted for nobody.
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCKOUT_TEMPLATE = "admin/locked.html"

REST_KNOX = {
    "SECURE_HASH_ALGORITHM": "hashlib.sha256",
    "AUTH_HEADER_PREFIX": "Token",
    "TOKEN_MODEL": "accounts.ApiToken",
}
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105  a model label
# Our token model replaces knox's own; its migrations would still make that table.
MIGRATION_MODULES = {"knox": None}
API_TOKEN_DAYS = env.int("API_TOKEN_DAYS", default=90)
INVITATION_HOURS = 72

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.api.authentication.TokenAuthentication",
        "apps.clients.api.authentication.GuestAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.core.api.permissions.AllowRole"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.api.json.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.json.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "apps.core.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
    "DATETIME_FORMAT": "iso-8601",
    "URL_FORMAT_OVERRIDE": None,
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "apps.core.api.errors.Handler",
    "EXCEPTION_FORMATTER_CLASS": "apps.core.api.errors.Formatter",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Clientele",
    "DESCRIPTION": "Multi-tenant CRM for service businesses. Money is in integer cents beside a currency; instants are RFC 3339.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/",
    "ENUM_NAME_OVERRIDES": {
        "AccountStatus": "apps.accounts.models.Account.Status",
        "BookingStatus": "apps.bookings.models.Status",
        "BookingPaymentStatus": "apps.bookings.models.Booking.PaymentStatus",
        "DocumentKind": "apps.bookings.models.BookingDocument.Kind",
        "OrderStatus": "apps.orders.models.Order.Status",
        "OrderPaymentStatus": "apps.orders.models.Order.PaymentStatus",
        "WaitlistStatus": "apps.bookings.models.WaitlistEntry.Status",
        "WaitlistOfferStatus": "apps.bookings.models.WaitlistOffer.Status",
        "ReviewStatus": "apps.bookings.models.Review.Status",
        "PostStatus": "apps.content.models.BlogPost.Status",
        "CommentStatus": "apps.content.models.BlogComment.Status",
        "TicketStatus": "apps.tickets.models.Status",
        "TicketSide": "apps.tickets.models.talk.SIDES",
        "SiteStatus": "apps.sites.models.Site.Status",
        "SiteTransferStatus": "apps.sites.models.SiteTransfer.Status",
        "SiteOwnerRole": "apps.sites.models.SiteOwnership.Role",
        "RoleEnum": "apps.accounts.models.Role",
        "SeriesStatus": "apps.bookings.models.BookingSeries.Status",
        "OccurrenceFit": "apps.bookings.api.staff.serializers.series.STATUSES",
        "PaymentState": "apps.payments.models.Payment.Status",
        "PaymentMethod": "apps.payments.models.Payment.Method",
        "InstalmentKind": "apps.payments.models.Instalment.Kind",
        "InvoiceKind": "apps.payments.models.Invoice.Kind",
        "RefundStatus": "apps.payments.models.Refund.Status",
        "StatementLineStatus": "apps.payments.models.BankLine.Status",
        "GiftCodeStatus": "apps.payments.models.GiftCode.Status",
        "AmountKind": "apps.payments.models.terms.Amount",
        "WalletTransactionKind": "apps.payments.models.WalletTransaction.Kind",
        "LedgerKind": "apps.payments.models.LedgerTransaction.Kind",
        "LedgerBook": "apps.payments.models.Book",
        "Till": "apps.payments.api.staff.wallets.TILL_NAMES",
        "OwnRefundStatus": "apps.checkout.api.customer.serializers.REFUND_STATES",
        "NotificationChannel": "apps.notifications.models.Channel",
        "OutwardChannel": "apps.notifications.models.deliveries.OUTWARD_CHOICES",
        "Language": [("en", "English"), ("de", "Deutsch"), ("es", "Español")],
        "WebhookEndpointState": "apps.integrations.models.WebhookEndpoint.State",
        "ClientImportState": "apps.clients.models.ClientImport.State",
        "ClientImportRowState": "apps.clients.models.ClientImportRow.State",
        "ClientExportState": "apps.clients.models.ClientExport.State",
        "WebhookDeliveryState": "apps.integrations.models.WebhookDelivery.State",
    },
}
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "x-account",
    "x-request-id",
    "x-session-token",
]
CORS_EXPOSE_HEADERS = ["etag", "retry-after", "x-request-id", "idempotent-replayed"]
CSRF_FAILURE_VIEW = "apps.core.api.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        # Swagger UI and the admin bring inline styles and one inline script each; the API itself is JSON.
        "style-src": ["'self'", "'unsafe-inline'"],
        "script-src": ["'self'", "'unsafe-inline'", "'unsafe-eval'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

MAX_BODY_BYTES = 1_000_000
MAX_UPLOAD_BYTES = 21_500_000
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

# manage.py serve, worker and demo; make exports what is not set as empty
WEB_HOST = env.str("HOST", default="127.0.0.1")
WEB_PORT = int(env.str("PORT", default="") or 8000)
WEB_WORKERS = env.int("WEB_WORKERS", default=2)
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=8)
# manage.py live: where it listens, and where browsers find it (in production an address of the proxy in front of it)
LIVE_PORT = int(env.str("LIVE_PORT", default="") or WEB_PORT + 1)
LIVE_URL = env.str("LIVE_URL", default="") or f"http://{WEB_HOST}:{LIVE_PORT}/live/"
DEMO_RESET = env.str("RESET", default="") not in ("", "0")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español")]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(DATA_DIR / "static"))
Path(STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # whitenoise warns at every start without it
MEDIA_ROOT = str(DATA_DIR / "media")
MEDIA_URL = "media/"

# Documents of sessions are private: read through the permission check only, never under MEDIA_URL. They lie in DATA_DIR, or in
# any S3 that is named here; without keys boto3 looks for the machine's own role.
DOCUMENTS_STORAGE: dict[str, Any] = {
    "BACKEND": "apps.core.storage.LocalDocuments",
    "OPTIONS": {"location": str(DATA_DIR / "documents"), "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
}
if env.str("DOCUMENTS_S3_BUCKET", default=""):
    from config.s3 import private_bucket

    DOCUMENTS_STORAGE = private_bucket(
        bucket=env.str("DOCUMENTS_S3_BUCKET"),
        endpoint_url=env.str("DOCUMENTS_S3_ENDPOINT_URL", default=""),
        region=env.str("DOCUMENTS_S3_REGION", default=""),
        access_key=env.str("DOCUMENTS_S3_ACCESS_KEY", default=""),
        secret_key=env.str("DOCUMENTS_S3_SECRET_KEY", default=""),
    )
# A function of (bytes) that names the virus it finds, '' for none; it raises when it cannot tell, and nothing is kept.
DOCUMENT_SCANNER = env.str("DOCUMENT_SCANNER", default="apps.bookings.files.find_test_virus")
# Fonts for invoices in scripts that typst has no letters of (Chinese, Thai …); a folder of .ttf or .otf files.
DOCUMENT_FONTS_DIR = env.str("DOCUMENT_FONTS_DIR", default="")

# Payment providers, read at each call; a sandbox or a local stand-in has its own address.
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
PAYPAL_API_BASE = env.str("PAYPAL_API_BASE", default="https://api-m.paypal.com")

# host:port (or host:*) of our own network that webhooks and feeds may reach all the same: tests and the demo.
OUTBOUND_ALLOWED_HOSTS: list[str] = env.list("OUTBOUND_ALLOWED_HOSTS", default=[])

# Short messages by Twilio, read at each call.
TWILIO_API_BASE = env.str("TWILIO_API_BASE", default="https://api.twilio.com")

EMAIL_TIMEOUT = 10
# A mail provider's HTTP API instead of SMTP, for example EMAIL_BACKEND=anymail.backends.postmark.EmailBackend and
# ANYMAIL='{"POSTMARK_SERVER_TOKEN": "…"}' (anymail.dev says what each one wants).
ANYMAIL: dict[str, Any] = env.json("ANYMAIL", default={})
EMAIL_FILE_PATH = str(DATA_DIR / "mail")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Clientele <no-reply@clientele.example>")
# The right half of the UIDs in calendars. Changing it shows every session a second time in the calendars that know it already.
CALENDAR_DOMAIN = env.str("CALENDAR_DOMAIN", default="clientele.example")

SIMPLE_HISTORY_HISTORY_CHANGE_REASON_USE_TEXT_FIELD = True
PHONENUMBER_DEFAULT_FORMAT = "E164"

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "apps.core.logging.RequestIdFilter"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "procrastinate": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "axes": {"level": "WARNING"},
        # The bodies of requests and answers, which these write at DEBUG, hold secrets of clients.
        "stripe": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
