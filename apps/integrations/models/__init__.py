from apps.integrations.models.feeds import CalendarFeed
from apps.integrations.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = ["CalendarFeed", "WebhookDelivery", "WebhookEndpoint"]
