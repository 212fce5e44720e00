from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "apps.bookings"

    def ready(self) -> None:
        from apps.bookings import doctor, events, tasks  # noqa: F401  registers invariants, events and the periodic jobs
        from apps.bookings.services import documents  # noqa: F401  registers its jobs
