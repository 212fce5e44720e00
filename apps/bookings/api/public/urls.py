from rest_framework.routers import SimpleRouter

from apps.bookings.api.public.views import PublicSlotViewSet

router = SimpleRouter()
router.register("slots", PublicSlotViewSet, basename="public-slot")
urlpatterns = router.urls
