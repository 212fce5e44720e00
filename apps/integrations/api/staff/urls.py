from rest_framework.routers import SimpleRouter

from apps.integrations.api.staff.feeds import CalendarFeedViewSet
from apps.integrations.api.staff.webhooks import WebhookDeliveryViewSet, WebhookEndpointViewSet

router = SimpleRouter()
router.register("webhook-endpoints", WebhookEndpointViewSet, basename="webhook-endpoint")
router.register("webhook-deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")
router.register("calendar-feeds", CalendarFeedViewSet, basename="calendar-feed")
urlpatterns = router.urls
