from django.apps import AppConfig


class ClientsConfig(AppConfig):
    name = "apps.clients"

    def ready(self) -> None:
        from allauth.account.signals import email_confirmed

        from apps.clients import (  # noqa: F401  registers the demo's, invariants, events, handlers, what becomes of clients' rows, jobs
            demo,
            doctor,
            doctor_lists,
            events,
            handlers,
            merging,
            subjects,
            tasks,
            tasks_lists,
            tasks_subjects,
        )
        from apps.clients.api.signals import address_was_proved
        from apps.clients.models import ClientExport, ClientImport, SubjectExport
        from apps.clients.services import exports, people  # noqa: F401  registers their jobs
        from apps.core import storage

        email_confirmed.connect(address_was_proved, dispatch_uid="clients.address_was_proved")
        storage.keeps(ClientImport, "storage_key")
        storage.keeps(ClientExport, "storage_key")
        storage.keeps(SubjectExport, "storage_key")
