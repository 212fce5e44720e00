from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "apps.bookings"

    def ready(self) -> None:
        from apps.bookings import (  # noqa: F401  registers invariants, events, moves of merged clients, what segments may ask, whose clients are whose, and jobs
            doctor,
            events,
            knowing,
            merging,
            segments,
            subjects,
            tasks,
        )
        from apps.bookings.models import BookingDocument
        from apps.core import storage

        storage.keeps(BookingDocument, "storage_key", size="size")
