from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"

    def ready(self) -> None:
        from apps.core import checks, doctor_core, jobs, storage  # noqa: F401  registers checks, invariants and jobs once apps are loaded
