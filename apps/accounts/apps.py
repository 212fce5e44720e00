from django.apps import AppConfig
from django.conf import settings


class AccountsConfig(AppConfig):
    name = "apps.accounts"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_out
        from django.db.models.signals import post_save

        from apps.accounts import docs, doctor, events, handlers, logins  # noqa: F401  registers pages, invariants, events and handlers
        from apps.accounts.api import signals

        post_save.connect(signals.user_was_saved, sender=settings.AUTH_USER_MODEL, dispatch_uid="accounts.user_was_saved")
        user_logged_out.connect(signals.user_logged_out, dispatch_uid="accounts.user_logged_out")
