from rest_framework.routers import SimpleRouter

from apps.bookings.api.staff.views.bookings import BookingViewSet
from apps.bookings.api.staff.views.documents import DocumentViewSet
from apps.bookings.api.staff.views.occurrences import OccurrenceViewSet
from apps.bookings.api.staff.views.reviews import ReviewViewSet
from apps.bookings.api.staff.views.series import SeriesViewSet
from apps.bookings.api.staff.views.slots import SlotViewSet

router = SimpleRouter()
router.register("bookings", BookingViewSet, basename="booking")
router.register("documents", DocumentViewSet, basename="document")
router.register("occurrences", OccurrenceViewSet, basename="occurrence")
router.register("reviews", ReviewViewSet, basename="review")
router.register("series", SeriesViewSet, basename="series")
router.register("slots", SlotViewSet, basename="slot")
urlpatterns = router.urls
