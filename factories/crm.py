from datetime import UTC, datetime
from typing import Any

import factory

from apps.clients.models import BlockedContact, ClientConsent, ClientNote, ClientTask, CustomField, Segment
from apps.clients.services.care import record_consent
from apps.core.tenancy import account_scope
from factories.base import TenantFactory
from factories.clients import ClientFactory


class CustomFieldFactory(TenantFactory):
    key = factory.Sequence(lambda n: f"field_{n}")
    label = factory.Sequence(lambda n: f"Field {n}")
    kind = CustomField.Kind.TEXT

    class Meta:
        model = CustomField


class ClientNoteFactory(TenantFactory):
    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    body = "Prefers mornings."

    class Meta:
        model = ClientNote


class ClientTaskFactory(TenantFactory):
    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    title = factory.Sequence(lambda n: f"Call back {n}")

    class Meta:
        model = ClientTask


class ClientConsentFactory(TenantFactory):
    """Through the service, which keeps the client's cache, too."""

    client = factory.SubFactory(ClientFactory, account=factory.SelfAttribute("..account"))
    purpose = "newsletter"
    granted = True
    given_at = datetime(2026, 11, 1, 9, tzinfo=UTC)

    class Meta:
        model = ClientConsent

    @classmethod
    def _create(cls, model_class: type[ClientConsent], *args: Any, **fields: Any) -> ClientConsent:
        account = fields.pop("account")
        with account_scope(account):
            return record_consent(**fields)


class BlockedContactFactory(TenantFactory):
    email = factory.Sequence(lambda n: f"blocked{n}@example.test")

    class Meta:
        model = BlockedContact


class SegmentFactory(TenantFactory):
    name = factory.Sequence(lambda n: f"Segment {n}")
    conditions = factory.LazyFunction(lambda: [{"field": "stage", "op": "in", "value": ["active"]}])

    class Meta:
        model = Segment
