from django.apps import AppConfig


class LegacyConfig(AppConfig):
    name = "apps.legacy"

    def ready(self) -> None:
        from apps.legacy import events  # noqa: F401  declares them
