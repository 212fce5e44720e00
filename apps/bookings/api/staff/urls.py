from rest_framework.routers import SimpleRouter

from apps.bookings.api.staff.views import BookingViewSet, SlotViewSet

router = SimpleRouter()
router.register("bookings", BookingViewSet, basename="booking")
router.register("slots", SlotViewSet, basename="slot")
urlpatterns = router.urls
