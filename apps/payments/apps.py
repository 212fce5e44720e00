from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"

    def ready(self) -> None:
        from apps.payments import (  # noqa: F401  registers invariants, event handlers and what the books follow
            books,
            doctor,
            doctor_books,
            doctor_invoices,
            events,
            handlers,
            handlers_credit,
            handlers_invoices,
            merging,
            subjects,
            tasks_credit,
        )
