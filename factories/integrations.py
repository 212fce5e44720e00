from typing import Any

import factory
from django.utils import timezone

from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.core.vault import lock_away
from apps.integrations.models import WebhookDelivery, WebhookEndpoint
from apps.integrations.services.deliveries import body_of
from factories.base import TenantFactory

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105  made up


class WebhookEndpointFactory(TenantFactory):
    url = factory.Sequence(lambda n: f"https://hooks{n}.example.com/clientele")
    secrets = factory.LazyFunction(lambda: lock_away({"secret": SECRET}))

    class Meta:
        model = WebhookEndpoint


class WebhookDeliveryFactory(TenantFactory):
    """A delivery of an event about its endpoint, not yet sent."""

    endpoint = factory.SubFactory(WebhookEndpointFactory, account=factory.SelfAttribute("..account"))
    event_type = "webhook.test"
    next_attempt_at = factory.LazyFunction(timezone.now)

    class Meta:
        model = WebhookDelivery

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        if "event_id" not in kwargs:
            with account_scope(kwargs["account"]):
                event = emit(kwargs["event_type"], kwargs["endpoint"])
            kwargs |= {"event_id": event.pk, "body": body_of(event)}
        return super()._create(model_class, *args, **kwargs)
