from rest_framework.routers import SimpleRouter

from apps.packages.api.public.views import PublicPackageViewSet

router = SimpleRouter()
router.register("packages", PublicPackageViewSet, basename="public-package")
urlpatterns = router.urls
