from rest_framework.routers import SimpleRouter

from apps.bookings.api.customer.views import OwnBookingViewSet, OwnDocumentViewSet, OwnReviewViewSet, OwnSlotViewSet

router = SimpleRouter()
router.register("bookings", OwnBookingViewSet, basename="customer-booking")
router.register("documents", OwnDocumentViewSet, basename="customer-document")
router.register("reviews", OwnReviewViewSet, basename="customer-review")
router.register("slots", OwnSlotViewSet, basename="customer-slot")
urlpatterns = router.urls
