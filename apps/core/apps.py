from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"

    def ready(self) -> None:
        from apps.core import (  # noqa: F401  registers checks, invariants and jobs once apps are loaded
            checks,
            doctor_core,
            idempotency,
            jobs,
            storage,
        )
