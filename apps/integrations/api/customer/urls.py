from rest_framework.routers import SimpleRouter

from apps.integrations.api.customer.feeds import OwnCalendarFeedViewSet

router = SimpleRouter()
router.register("calendar-feeds", OwnCalendarFeedViewSet, basename="customer-calendar-feed")
urlpatterns = router.urls
