from rest_framework.routers import SimpleRouter

from apps.catalog.api.staff.views import OfferingViewSet, PractitionerViewSet, ServiceViewSet

router = SimpleRouter()
router.register("services", ServiceViewSet, basename="service")
router.register("practitioners", PractitionerViewSet, basename="practitioner")
router.register("offerings", OfferingViewSet, basename="offering")
urlpatterns = router.urls
