from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "apps.users"

    def ready(self) -> None:
        from allauth.account.signals import email_confirmed

        from apps.core import storage
        from apps.users import doctor, logins  # noqa: F401  registers invariants, and what becomes of an erased login
        from apps.users.api.signals import email_was_confirmed
        from apps.users.models import Customer, PersonExport

        email_confirmed.connect(email_was_confirmed, dispatch_uid="users.email_was_confirmed")
        storage.keeps(Customer, "image")
        storage.keeps(PersonExport, "storage_key")
