from django.apps import AppConfig


class ClientsConfig(AppConfig):
    name = "apps.clients"

    def ready(self) -> None:
        from apps.clients import events  # noqa: F401  declares them
