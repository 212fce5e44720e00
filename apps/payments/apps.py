from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"

    def ready(self) -> None:
        from apps.payments import doctor, handlers  # noqa: F401  registers invariants and event handlers
