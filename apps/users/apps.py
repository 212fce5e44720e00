from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "apps.users"

    def ready(self) -> None:
        from allauth.account.signals import email_confirmed

        from apps.users import doctor  # noqa: F401  registers invariants
        from apps.users.api.signals import email_was_confirmed

        email_confirmed.connect(email_was_confirmed, dispatch_uid="users.email_was_confirmed")
