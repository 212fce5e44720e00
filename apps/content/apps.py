from django.apps import AppConfig


class ContentConfig(AppConfig):
    name = "apps.content"

    def ready(self) -> None:
        from apps.content import (  # noqa: F401  registers events, jobs, invariants, what becomes of erased people, the demo's content
            demo,
            doctor,
            events,
            logins,
            subjects,
            tasks,
        )
