from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "apps.integrations"

    def ready(self) -> None:
        from apps.integrations import doctor, events, handlers, merging, subjects  # noqa: F401  registers invariants, events, handlers, merges
