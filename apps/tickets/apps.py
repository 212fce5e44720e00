from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "apps.tickets"

    def ready(self) -> None:
        from apps.core import storage
        from apps.tickets import (  # noqa: F401  registers events, invariants, jobs, what becomes of merged and erased clients' rows, the demo's tickets
            demo,
            doctor,
            events,
            merging,
            subjects,
            tasks,
        )
        from apps.tickets.models import TicketAttachment

        storage.keeps(TicketAttachment, "storage_key", size="size")
