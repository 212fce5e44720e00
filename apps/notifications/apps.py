from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "apps.notifications"

    def ready(self) -> None:
        from apps.notifications import (  # noqa: F401  registers events, their handlers, jobs and invariants
            demo,
            doctor,
            doctor_reminders,
            events,
            handlers,
            handlers_reminders,
            logins,
            merging,
            subjects,
            tasks,
            tasks_reminders,
        )
