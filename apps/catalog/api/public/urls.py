from rest_framework.routers import SimpleRouter

from apps.catalog.api.public.views import PublicPractitionerViewSet, PublicServiceViewSet

router = SimpleRouter()
router.register("services", PublicServiceViewSet, basename="public-service")
router.register("practitioners", PublicPractitionerViewSet, basename="public-practitioner")
urlpatterns = router.urls
