from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "apps.bookings"

    def ready(self) -> None:
        from apps.bookings import doctor, events, tasks  # noqa: F401  registers invariants, events and the periodic jobs
        from apps.bookings.models import BookingDocument
        from apps.core import storage

        storage.keeps(BookingDocument, "storage_key")
