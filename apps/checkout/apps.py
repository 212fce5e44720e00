from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    name = "apps.checkout"

    def ready(self) -> None:
        from apps.checkout import handlers, tasks  # noqa: F401  registers event handlers and periodic jobs
