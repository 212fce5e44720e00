from django.apps import AppConfig


class SchedulingConfig(AppConfig):
    name = "apps.scheduling"

    def ready(self) -> None:
        from apps.scheduling import doctor, events  # noqa: F401  registers invariants and events
